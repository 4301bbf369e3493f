"""Row 19: traffic goes back while the database is away, and the ledger learns of it once the database is back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.__main__ import app
from services.adapters.files.offline import JOURNAL, TARGETS, OfflineJournal, OfflineTargetsFile
from services.adapters.signing.machine_seal import MachineSeal
from services.adapters.sql.answering import why_away
from services.kernel.errors import (
    ConflictError,
    InputError,
    MissingReasonError,
    RefusalError,
    RollbackTargetError,
    StorageUnavailableError,
    TrustError,
)
from services.rollout.models import ActionState
from services.rollout.offline import OfflineRollback, Person, require_confirmed
from services.rollout.offline_entry import Offline
from services.rollout.offline_models import Line, LineState, read_line
from tests.builders import MODEL, World, a_world

SAM = Person(account="sam@host", name="Sam Lindqvist")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Version 1 served, version 2 serves, the targets are written."""
    made = a_world(tmp_path)
    made.release("1")
    made.release("2")
    made.inventory.point_alias(MODEL, "2")
    keeping(made, tmp_path).keep_targets()
    yield made
    made.database.dispose()


def keeping(world: World, folder: Path) -> Offline:
    return Offline(
        units=world.units,
        desk=world.desk,
        keeper=OfflineTargetsFile(folder / "run", MachineSeal(folder / "keys")),
        journal=OfflineJournal(folder / "run"),
        deployments=world.rollout.deployments,
        targets_of=world.rollout.targets,
        on_call=lambda _model: "Sam Lindqvist",
        clock=world.clock,
    )


def offline(world: World, folder: Path) -> OfflineRollback:
    return OfflineRollback(
        shelf=OfflineTargetsFile(folder / "run", MachineSeal(folder / "keys")),
        journal=OfflineJournal(folder / "run"),
        serving=world.platform,
        why_away=lambda: why_away(f"sqlite:///{folder / 'governance.db'}", lock_seconds=0.2),
        clock=world.clock,
        sleep=lambda _seconds: None,
    )


def take_away(world: World, folder: Path) -> None:
    world.database.dispose()
    (folder / "governance.db").rename(folder / "away.db")
    (folder / "governance.db").mkdir()


def bring_back(folder: Path) -> None:
    (folder / "governance.db").rmdir()
    (folder / "away.db").rename(folder / "governance.db")


def sent_back(world: World, folder: Path) -> Line:
    desk = offline(world, folder)
    return desk.carry_out(desk.plan(MODEL, "1"), person=SAM, reason="Errors since noon.")


def test_without_the_database_traffic_goes_back_and_is_entered_once_and_stands_as_unsigned(
    world: World, tmp_path: Path
) -> None:
    take_away(world, tmp_path)

    line = sent_back(world, tmp_path)

    assert (line.state, line.before, line.after) == (LineState.DONE, (("2", 100),), (("1", 100),))
    assert (line.account, line.name, line.generation) == ("sam@host", "Sam Lindqvist", 4)
    bring_back(tmp_path)
    made: list[int] = []
    workers = [threading.Thread(target=lambda: made.append(keeping(world, tmp_path).enter())) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(made) == 2
    assert world.entries("event:offline-rollback-begun") == 1
    assert world.entries("event:offline-rollback") == 1
    assert keeping(world, tmp_path).enter() == 0

    for _ in range(2):
        world.runner.run_pending()
        world.rollout.reconcile()
    view = world.rollout.deployments()[0]
    assert world.platform.observe(MODEL).routes == (("1", 100),)
    assert (view.desired, view.finding_kind, view.adoptable_version) == ((("2", 100),), "traffic", "1")
    assert line.op in view.changes[0].by
    assert world.rollout.plan_revert(MODEL, actor=world.actor("sam.sre")).refusal == ""


def test_an_order_that_waited_through_the_outage_does_not_move_traffic_forward_again(
    world: World, tmp_path: Path
) -> None:
    world.approve("3")
    take_away(world, tmp_path)
    sent_back(world, tmp_path)
    bring_back(tmp_path)

    keeping(world, tmp_path).enter()
    world.runner.run_pending()

    assert world.rollout.actions(MODEL)[0].state is ActionState.SUPERSEDED
    assert world.platform.observe(MODEL).routes == (("1", 100),)


def test_while_the_database_answers_it_is_refused_and_names_the_way(world: World, tmp_path: Path) -> None:
    with pytest.raises(RefusalError) as refused:
        offline(world, tmp_path).plan(MODEL, "1")
    assert f"rollback {MODEL} --to 1" in refused.value.hint


def test_a_database_that_is_locked_or_far_away_does_not_answer(world: World, tmp_path: Path) -> None:
    with world.database.write():
        assert "locked" in why_away(f"sqlite:///{tmp_path / 'governance.db'}", lock_seconds=0.1)
    assert why_away("postgresql://nobody@127.0.0.1:9/none")
    assert why_away(f"sqlite:///{tmp_path / 'nothing.db'}")
    assert not (tmp_path / "nothing.db").exists()


@pytest.mark.parametrize("edit", [b'"versions":["3"]', b'"versions":[]'])
def test_an_edited_file_of_targets_is_refused(world: World, tmp_path: Path, edit: bytes) -> None:
    take_away(world, tmp_path)
    file = tmp_path / "run" / TARGETS
    there = file.read_bytes()
    assert b'"versions":["1"]' in there
    file.write_bytes(there.replace(b'"versions":["1"]', edit))

    with pytest.raises(TrustError):
        offline(world, tmp_path).plan(MODEL, "1")

    file.unlink()
    with pytest.raises(StorageUnavailableError):
        offline(world, tmp_path).plan(MODEL, "1")
    bring_back(tmp_path)


def test_only_a_kept_version_with_reason_name_and_the_model_typed_is_accepted(world: World, tmp_path: Path) -> None:
    take_away(world, tmp_path)
    desk = offline(world, tmp_path)
    with pytest.raises(RollbackTargetError, match="Version 3"):
        desk.plan(MODEL, "3")
    with pytest.raises(MissingReasonError):
        desk.carry_out(desk.plan(MODEL, "1"), person=SAM, reason=" ")
    with pytest.raises(InputError):
        require_confirmed(MODEL, "another")
    assert world.platform.observe(MODEL).routes == (("2", 100),)
    assert not (tmp_path / "run" / JOURNAL).exists()
    bring_back(tmp_path)


def test_what_is_not_verified_or_refused_is_written_down_as_that(world: World, tmp_path: Path) -> None:
    take_away(world, tmp_path)
    desk = offline(world, tmp_path)
    agreed = desk.plan(MODEL, "1")
    world.platform.move_by_hand(MODEL, (("3", 100),))
    with pytest.raises(ConflictError):
        desk.carry_out(agreed, person=SAM, reason="Errors.")
    world.platform.mute = True
    assert sent_back(world, tmp_path).state is LineState.UNVERIFIED
    lines = [read_line(data) for data in OfflineJournal(tmp_path / "run").lines()]
    assert [line.state.value for line in lines if line] == ["begun", "failed", "begun", "unverified"]
    bring_back(tmp_path)


def test_a_journal_that_was_changed_is_told_and_what_can_be_read_is_entered(world: World, tmp_path: Path) -> None:
    take_away(world, tmp_path)
    sent_back(world, tmp_path)
    bring_back(tmp_path)
    journal = tmp_path / "run" / JOURNAL
    first, second = journal.read_bytes().splitlines()
    journal.write_bytes(first.replace(b"Errors since noon", b"Nothing at all") + b"\n" + second + b"\n{torn\n")

    assert keeping(world, tmp_path).enter() == 4
    assert keeping(world, tmp_path).enter() == 0
    assert world.entries("event:offline-journal-broken") == 2
    assert world.entries("event:offline-rollback") == 1


def test_the_command_refuses_in_one_line_while_the_database_answers(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(tmp_path))
    words = ["rollback-offline", MODEL, "1", "--reason", "Errors.", "--name", "Sam", "--yes"]
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 3
    assert "python -m services rollback" in answer.stderr

    take_away(world, tmp_path)
    monkeypatch.setenv("COUNTERSIGN_SERVING_URL", "http://127.0.0.1:9")
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 5
    assert not (tmp_path / "run" / JOURNAL).exists()
    bring_back(tmp_path)
