"""Killed at every step, then started again: each action happens exactly once."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from services.kernel.clock import FrozenClock
from services.rollout.models import ActionState
from tests.builders import MODEL, NOON, a_world
from tests.unit.rollout.workers import Workers, dies

STEPS = (
    "claimed",
    "verified",
    "rehashed",
    "ready",
    "switched",
    "read-back",
    "tagged",
    "alias-written",
    "alias",
    "closed",
)


def killed_at(step: str, folder: Path) -> None:
    process = Workers(folder).start(dies, step)
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("step", STEPS)
def test_a_release_killed_at_any_step_is_completed_exactly_once(tmp_path: Path, step: str) -> None:
    world = a_world(tmp_path)
    world.approve("1")
    world.database.dispose()
    killed_at(step, tmp_path)

    again = a_world(tmp_path, clock=FrozenClock(NOON.replace(minute=1)))
    again.runner.run_pending()

    assert again.rollout.actions(MODEL)[0].state is ActionState.APPLIED
    assert len(again.platform.switches(MODEL)) == 1
    assert again.registry.alias_log() == [f"{MODEL}@champion=1"]
    assert again.entries("outcome:applied") == 1
    assert len(again.rollout.history(MODEL)) == 1
    assert again.request_of("1").state.value == "applied"
    again.database.dispose()


@pytest.mark.parametrize("step", ["claimed", "switched"])
def test_a_release_killed_half_way_gives_way_to_a_rollback(tmp_path: Path, step: str) -> None:
    world = a_world(tmp_path)
    world.release("1")
    world.release("2")
    world.approve("3")
    world.database.dispose()
    killed_at(step, tmp_path)

    again = a_world(tmp_path)
    again.rollout.roll_back(again.a_rollback("1"), actor=again.actor("sam.sre"))
    assert again.platform.observe(MODEL).routes == (("1", 100),)
    assert again.entries("outcome:superseded") == 1
    assert again.runner.run_pending() == 0
    again.database.dispose()
