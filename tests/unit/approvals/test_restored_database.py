"""A database restored from an older copy verifies by itself; the anchored checkpoints show that it is shorter."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from services.kernel.errors import BrokenChainError
from services.rollout.models import ActionState
from tests.builders import MODEL, a_world


def test_an_older_copy_takes_no_decision_and_still_lets_traffic_come_back(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    for version in ("1", "2"):
        world.release(version)
    older = tmp_path / "older.db"
    with sqlite3.connect(tmp_path / "governance.db") as source, sqlite3.connect(older) as copy:
        source.backup(copy)
    world.submit("3")
    world.ledger.anchor()
    world.database.dispose()
    for leftover in ("governance.db-wal", "governance.db-shm"):
        (tmp_path / leftover).unlink(missing_ok=True)
    older.replace(tmp_path / "governance.db")

    restored = a_world(tmp_path)

    with pytest.raises(BrokenChainError, match="newer ones are missing"):
        restored.submit("3")
    assert restored.approvals.requests_of(MODEL)[0].version == "2"
    restored.rollout.roll_back(restored.a_rollback("1"), actor=restored.actor("sam.sre"))
    restored.runner.run_pending()
    assert restored.rollout.actions(MODEL)[0].state is ActionState.APPLIED


def test_an_order_that_was_overtaken_since_the_copy_stays_queued_while_only_the_way_back_is_carried_out(
    tmp_path: Path,
) -> None:
    """The copy holds an order to release version 2 that was carried out and rolled back after it was made."""
    world = a_world(tmp_path)
    world.release("1")
    world.approve("2")
    older = tmp_path / "older.db"
    with sqlite3.connect(tmp_path / "governance.db") as source, sqlite3.connect(older) as copy:
        source.backup(copy)
    world.runner.run_pending()
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor("sam.sre"))
    world.runner.run_pending()
    world.ledger.anchor()
    before = world.platform.switches(MODEL)
    world.database.dispose()
    for leftover in ("governance.db-wal", "governance.db-shm"):
        (tmp_path / leftover).unlink(missing_ok=True)
    older.replace(tmp_path / "governance.db")

    restored = a_world(tmp_path)
    assert restored.runner.run_pending(only_back=True) == 0
    assert restored.platform.switches(MODEL) == before
    assert restored.rollout.actions(MODEL)[0].state is ActionState.PENDING
