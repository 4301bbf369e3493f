"""Verification names the entry and the field that was changed, and what may no longer be relied on."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from services.adapters.sql import protection
from tests.contract.deployment import Deployment, founded


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Deployment]:
    made = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    made.promote()
    made.event("later")
    made.ledger.anchor()
    yield made
    made.database.dispose()


def change(log: Deployment, statement: str, **given: object) -> None:
    """As somebody with the database file: without the triggers, which are then put back."""
    with log.database.writer_engine.begin() as connection:
        for name in ("log_entry_no_update", "log_entry_no_delete"):
            connection.execute(text(f"DROP TRIGGER IF EXISTS {name}"))
        connection.execute(text(statement), given)
        protection.install(connection)


def entry(log: Deployment, event: str) -> int:
    with log.database.read() as connection:
        return connection.execute(
            text("SELECT seq FROM ledger_index WHERE event = :event ORDER BY seq"), {"event": event}
        ).scalar_one()


def renamed(log: Deployment, seq: int) -> bytes:
    stored = log.book.entry(seq)
    assert stored is not None
    envelope = json.loads(stored.envelope)
    payload = base64.b64decode(envelope["payload"]).replace(b"Dana Petrov", b"Ella Petrov")
    envelope["payload"] = base64.b64encode(payload).decode()
    return json.dumps(envelope, separators=(",", ":"), sort_keys=True).encode()


def test_an_intact_ledger_names_events_checkpoint_anchors_and_time(log: Deployment) -> None:
    result = log.audit.verify()

    assert (result.intact, result.broken_at, result.broken_field) == (True, None, "")
    assert result.checkpoint_size == result.entries
    assert result.anchors_checked == 1
    assert result.seconds > 0


def test_a_changed_signer_is_named_with_entry_and_field_and_undone_turns_green(log: Deployment) -> None:
    seq = entry(log, "request:recorded")
    before = log.book.entry(seq)
    assert before is not None
    change(log, "UPDATE log_entry SET envelope = :bytes WHERE seq = :seq", bytes=renamed(log, seq), seq=seq)

    result = log.audit.verify()
    assert (result.intact, result.broken_at) == (False, seq)
    assert "actor" in result.broken_field
    assert result.entries - 1 - seq > 0

    change(log, "UPDATE log_entry SET envelope = :bytes WHERE seq = :seq", bytes=before.envelope, seq=seq)
    assert log.audit.verify().intact


def test_a_changed_hash_or_root_is_told_apart_from_changed_bytes(log: Deployment) -> None:
    seq = entry(log, "outcome:applied")
    change(log, "UPDATE log_entry SET leaf_hash = zeroblob(32) WHERE seq = :seq", seq=seq)
    assert (log.audit.verify().broken_at, log.audit.verify().broken_field) == (seq, "leaf hash")


def test_a_changed_root_is_named(log: Deployment) -> None:
    seq = entry(log, "outcome:applied")
    change(log, "UPDATE log_entry SET root = zeroblob(32) WHERE seq = :seq", seq=seq)
    assert (log.audit.verify().broken_at, log.audit.verify().broken_field) == (seq, "root")


def test_a_search_line_that_misleads_is_a_finding_while_the_ledger_stays_intact(log: Deployment) -> None:
    seq = entry(log, "request:recorded")
    change(log, "UPDATE ledger_index SET actor = 'Nobody', sentence = 'Nothing happened.' WHERE seq = :seq", seq=seq)

    result = log.audit.verify()

    assert result.intact
    (finding,) = [item for item in result.findings if item.seq == seq]
    assert "differs from what was signed: actor, sentence" in finding.sentence


def test_a_deleted_entry_is_named_as_gone(log: Deployment) -> None:
    seq = entry(log, "outcome:applied")
    change(log, "DELETE FROM log_entry WHERE seq = :seq", seq=seq)

    result = log.audit.verify()

    assert (result.intact, result.broken_at) == (False, seq)
    assert "gone" in result.broken_field
