"""The switches for testers: none without both keys, harm that is found, and everything put back exactly."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.adapters.signing.anchors import Anchors
from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.inventory_documents import model_text
from services.adapters.sql.ledger_index import SqlLedgerIndex
from services.approvals.models import Decision
from services.audit.service import AuditService
from services.kernel.clock import OffsetClock
from services.kernel.errors import InputError, NotSignedInError, PanelOffError
from services.kernel.identity import Actor
from services.settings import Profile, Settings
from services.workspace.test_panel import TestPanel
from tests.builders import MODEL, World, a_model, a_world


def settings(tmp_path: Path, **changes: Any) -> Settings:
    return Settings(**{"home": tmp_path, "test_panel": True, "profile": Profile.EMBEDDED, **changes})


def a_room(world: World, wanted: Settings) -> Any:
    return SimpleNamespace(
        settings=wanted, people=world.people, ledger=world.ledger, database=world.database, inventory=world.inventory
    )


def audit(world: World, tmp_path: Path) -> AuditService:
    return AuditService(
        reader=world.book,
        index=SqlLedgerIndex(world.database),
        anchors=Anchors(tmp_path / "anchors"),
        clock=world.clock,
        keys=world.desk,
    )


def tagged(store: SqlInventory) -> list[str]:
    return [column.name for model in store.catalog() for column in model.sensitive]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    built = a_world(tmp_path)
    built.submit("1")
    built.sign_off(built.request_of("1").request_id, "vera.validator", Decision.APPROVE)
    yield built
    built.database.dispose()


@pytest.fixture
def panel(world: World, tmp_path: Path) -> TestPanel:
    return TestPanel(a_room(world, settings(tmp_path)))


@pytest.fixture
def otto(world: World) -> Actor:
    return world.actor("otto.auditor")


def rows(tmp_path: Path) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(tmp_path / "governance.db")
    try:
        return connection.execute("SELECT seq, envelope, leaf_hash, root FROM log_entry ORDER BY seq").fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "changes",
    [{"test_panel": False}, {"profile": Profile.MLFLOW}, {"profile": Profile.DATABRICKS}],
)
def test_there_is_no_panel_without_both_keys(world: World, tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(PanelOffError):
        TestPanel(a_room(world, settings(tmp_path, **changes)))


def test_switch_that_is_turned_off_later_stops_every_action(world: World, tmp_path: Path, otto: Actor) -> None:
    room = a_room(world, settings(tmp_path))
    panel = TestPanel(room)
    room.settings = settings(tmp_path, test_panel=False)
    before = rows(tmp_path)
    hour = timedelta(hours=1)
    for action in (
        lambda: panel.tamper(3, actor=otto),
        lambda: panel.undo_tamper(actor=otto),
        lambda: panel.move_clock(hour, actor=otto),
        lambda: panel.reset_clock(actor=otto),
        lambda: panel.move_alias("m", "1", actor=otto),
        lambda: panel.remove_tag("m", "c", actor=otto),
        lambda: panel.restore_tag(actor=otto),
        lambda: panel.inject_fault("m", "1", latency_ms=1, error_rate=0, actor=otto),
        lambda: panel.clear_fault("m", "1", actor=otto),
        lambda: panel.send_traffic("m", requests=1, per_second=1, actor=otto),
        lambda: panel.inject_and_send("m", "1", latency_ms=1, error_rate=0, requests=1, per_second=1, actor=otto),
    ):
        with pytest.raises(PanelOffError):
            action()
    assert rows(tmp_path) == before


def test_stranger_moves_nothing(panel: TestPanel, otto: Actor) -> None:
    with pytest.raises(NotSignedInError):
        panel.move_clock(timedelta(hours=1), actor=replace(otto, subject="nobody"))
    assert panel.state().offset == timedelta()


def test_tampered_decision_turns_verification_red_and_undo_turns_it_green(
    world: World, tmp_path: Path, panel: TestPanel, otto: Actor
) -> None:
    seq = world.book.head().size - 1
    panel.tamper(0, actor=otto)
    panel.undo_tamper(actor=otto)
    before = {row[0]: row for row in rows(tmp_path)}
    assert audit(world, tmp_path).verify().intact

    changed = panel.tamper(seq, actor=otto)

    found = audit(world, tmp_path).verify()
    assert changed.what == "decision: approve became reject"
    assert not found.intact
    assert any(item.seq == seq for item in found.findings)
    assert world.book.missing_triggers() == ()
    assert panel.state().tampered == changed
    assert panel.undo_tamper(actor=otto) == seq
    after = {row[0]: row for row in rows(tmp_path)}
    assert {number: after[number] for number in before} == before
    assert audit(world, tmp_path).verify().intact
    assert world.book.missing_triggers() == ()


def test_every_entry_can_be_tampered_with_and_is_found(
    world: World, tmp_path: Path, panel: TestPanel, otto: Actor
) -> None:
    for seq in range(world.book.head().size):
        panel.tamper(seq, actor=otto)
        assert not audit(world, tmp_path).verify().intact
        panel.undo_tamper(actor=otto)
    assert audit(world, tmp_path).verify().intact


def test_second_row_waits_until_the_first_is_put_back(panel: TestPanel, otto: Actor) -> None:
    panel.tamper(3, actor=otto)

    with pytest.raises(InputError, match="changed already"):
        panel.tamper(4, actor=otto)
    panel.undo_tamper(actor=otto)
    with pytest.raises(InputError, match="no entry"):
        panel.tamper(10_000, actor=otto)


def test_each_switch_is_recorded_with_the_name_of_whoever_used_it(world: World, panel: TestPanel, otto: Actor) -> None:
    before = world.entries("event:test-panel")

    panel.tamper(3, actor=otto)
    panel.undo_tamper(actor=otto)
    panel.move_clock(timedelta(days=1), actor=otto)
    panel.reset_clock(actor=otto)

    assert world.entries("event:test-panel") == before + 4


def test_clock_moves_forward_in_all_processes_and_back_to_the_real_time_only(
    tmp_path: Path, panel: TestPanel, otto: Actor
) -> None:
    elsewhere = OffsetClock(settings(tmp_path).clock_file)
    real = datetime.now(UTC)

    assert panel.move_clock(timedelta(days=7), actor=otto) == timedelta(days=7)
    assert panel.move_clock(timedelta(hours=1), actor=otto) == timedelta(days=7, hours=1)

    assert elsewhere.now() - real >= timedelta(days=7, hours=1)
    for backwards in (timedelta(days=-1), timedelta(), timedelta(days=36)):
        with pytest.raises(InputError):
            panel.move_clock(backwards, actor=otto)
    panel.reset_clock(actor=otto)
    assert elsewhere.offset() == timedelta()


@pytest.mark.parametrize("text", ["-86400", "tomorrow", "", "9" * 40])
def test_spoilt_clock_file_never_turns_the_clock_back(tmp_path: Path, text: str) -> None:
    file = tmp_path / "clock-offset"
    file.write_text(text)

    assert OffsetClock(file).offset() == timedelta()


def test_clock_of_a_room_without_the_panel_does_not_look_at_the_file(tmp_path: Path) -> None:
    off = settings(tmp_path, test_panel=False)
    off.clock_file.parent.mkdir(parents=True)
    off.clock_file.write_text("86400")

    assert not off.has_test_panel
    assert settings(tmp_path).has_test_panel


def test_unknown_version_and_absurd_faults_are_refused_before_anything_happens(
    panel: TestPanel, otto: Actor, world: World
) -> None:
    before = world.entries("event:test-panel")
    with pytest.raises(InputError):
        panel.move_alias("delay_claim_score", "99; rm -rf /", actor=otto)
    with pytest.raises(InputError):
        panel.inject_fault("delay_claim_score", "1", latency_ms=-1, error_rate=0, actor=otto)
    with pytest.raises(InputError):
        panel.inject_fault("delay_claim_score", "1", latency_ms=0, error_rate=1.5, actor=otto)
    assert world.entries("event:test-panel") == before


def test_module_that_moves_the_alias_refuses_without_the_panel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from services.workspace import outside

    monkeypatch.setenv("COUNTERSIGN_HOME", str(tmp_path))
    monkeypatch.delenv("COUNTERSIGN_TEST_PANEL", raising=False)

    assert outside.main(["alias", "m", "champion", "1"]) == 2


def test_tag_taken_away_is_put_back_exactly(tmp_path: Path, panel: TestPanel, otto: Actor, world: World) -> None:
    connection = sqlite3.connect(tmp_path / "governance.db")
    with connection:
        connection.execute(
            "INSERT INTO governed_model (name, tier, kind, document) VALUES (?, 1, 'realtime', ?)",
            (MODEL, model_text(a_model())),
        )
    connection.close()
    store = SqlInventory(world.database)
    assert tagged(store) == ["member_age"]

    panel.remove_tag(MODEL, "member_age", actor=otto)
    assert tagged(store) == []
    assert panel.state().tag_removed
    with pytest.raises(InputError):
        panel.remove_tag(MODEL, "member_age", actor=otto)
    panel.restore_tag(actor=otto)

    assert tagged(store) == ["member_age"]
    assert not panel.state().tag_removed
