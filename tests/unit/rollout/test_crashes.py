"""Killed at every step, then started again: each action happens exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.kernel.clock import FrozenClock
from services.rollout.models import ActionState
from tests.builders import MODEL, NOON, a_world

ROOT = Path(__file__).resolve().parents[3]
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

SCRIPT = """
import os, signal, sys
from pathlib import Path
from tests.builders import a_world

def die(step):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

a_world(Path(sys.argv[1]), after_step=die).runner.run_pending()
"""


def killed_at(step: str, folder: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), step],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


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
