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
