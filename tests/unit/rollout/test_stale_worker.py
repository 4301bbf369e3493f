"""Real processes that are frozen or killed in the middle of an action, while another one acts."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.kernel.clock import FrozenClock
from services.ledger.verify import verify_log
from services.rollout.models import ActionKind, ActionState, Advance
from services.rollout.outbox import LEASE
from tests.builders import MODEL, NOON, World, a_world
from tests.unit.rollout.workers import Workers, goes_on, wait_for, works

KILLS = 60


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    made = Workers(tmp_path)
    yield made
    made.end()


@pytest.mark.parametrize("step", ["claimed", "ready", "switched", "read-back"])
def test_a_worker_frozen_at_any_step_and_woken_later_adds_no_second_effect(
    tmp_path: Path, workers: Workers, step: str
) -> None:
    """Row 12: SIGSTOP, another worker finishes after the lease, SIGCONT."""
    world = a_world(tmp_path)
    world.approve("1")
    world.database.dispose()
    stopped = workers.frozen_at(step)

    again = a_world(tmp_path, clock=FrozenClock(NOON + LEASE + timedelta(seconds=1)))
    assert again.runner.run_pending() == 1
    goes_on(stopped)

    assert again.rollout.actions(MODEL)[0].state is ActionState.APPLIED
    assert len(again.platform.switches(MODEL)) == 1
    assert again.entries("outcome:applied") == 1
    assert again.registry.alias_target(MODEL, "champion") == "1"
    again.database.dispose()


@pytest.mark.parametrize("step", ["claimed", "ready", "switched", "read-back", "tagged"])
def test_a_promotion_frozen_at_any_step_does_not_undo_a_rollback_when_it_wakes(
    tmp_path: Path, workers: Workers, step: str
) -> None:
    """Rows 10 and 11: stale writes are fenced, and an alias written late is put right at once."""
    world = a_world(tmp_path)
    world.release("1")
    world.release("2")
    world.approve("3")
    world.runner.run_pending()
    world.measure()
    record_the_last_share(world)
    world.database.dispose()
    stopped = workers.frozen_at(step)

    again = a_world(tmp_path)
    again.rollout.roll_back(again.a_rollback("1"), actor=again.actor("sam.sre"))
    goes_on(stopped)
    again.runner.run_pending()
    again.runner.settle_aliases()

    assert again.platform.observe(MODEL).routes == (("1", 100),)
    assert again.registry.alias_target(MODEL, "champion") == "1"
    kinds = [item.kind for item in again.rollout.actions(MODEL) if item.state is ActionState.APPLIED]
    assert kinds[0] is ActionKind.ROLLBACK
    again.database.dispose()


def record_the_last_share(world: World, *, command_id: str = "last") -> None:
    """Signed and queued, not carried out: what the page leaves behind when its process dies after the click (row 7)."""
    sam = world.actor("sam.sre")
    challenge = world.rollout.plan_advance(MODEL, actor=sam)
    command = Advance(
        command_id=command_id, model=MODEL, share=100, challenge=challenge, passphrase=world.secret("sam.sre")
    )
    world.rollout._advances.record(command, sam)


def test_a_click_whose_page_died_is_carried_out_by_the_worker(tmp_path: Path) -> None:
    """Row 7."""
    world = a_world(tmp_path)
    world.release("1")
    world.approve("2")
    world.runner.run_pending()
    world.measure()
    record_the_last_share(world)
    world.database.dispose()

    worker = a_world(tmp_path)
    assert worker.runner.run_pending() == 1
    assert worker.platform.observe(MODEL).routes == (("2", 100),)
    worker.database.dispose()


@pytest.mark.slow
def test_killed_at_random_moments_again_and_again_nothing_ends_wrong(tmp_path: Path, workers: Workers) -> None:
    """Row 6: releases and `kill -9` whenever chance says; each action happens once, the ledger stays whole."""
    chance = random.Random(20)
    world = a_world(tmp_path)
    world.approve("1")
    world.database.dispose()
    for minute in range(1, KILLS + 1):
        process = workers.start(works, minute)
        wait_for(tmp_path / "ready", process)
        time.sleep(chance.random() * 0.3)
        process.kill()
        process.join()
        (tmp_path / "ready").unlink()
        keep_something_queued(tmp_path, minute)

    last = a_world(tmp_path, clock=FrozenClock(NOON + timedelta(hours=3)))
    last.runner.run_pending()
    actions = last.rollout.actions(MODEL, 200)
    assert {item.state for item in actions} == {ActionState.APPLIED}
    assert last.platform.switches(MODEL) == [item.action_id for item in reversed(actions)]
    assert last.entries("outcome:applied") == len(actions)
    assert last.registry.alias_target(MODEL, "champion") == last.rollout.deployment(MODEL).champion
    report = verify_log(last.book.entries(), checkpoints=last.book.checkpoints(), anchors=())
    assert [item.sentence for item in report.problems if item.severity in {"integrity", "void"}] == []
    last.database.dispose()


def keep_something_queued(folder: Path, minute: int) -> None:
    """The next signed action, as soon as the one before it is done: first version, then canaries and what follows."""
    world = a_world(folder, clock=FrozenClock(NOON + timedelta(minutes=minute)))
    if world.rollout.actions(MODEL)[0].state is ActionState.APPLIED:
        if world.rollout.deployment(MODEL).next_share is None:
            world.approve("2" if world.rollout.deployment(MODEL).champion != "2" else "3")
        else:
            world.measure()
            record_the_last_share(world, command_id=f"last-{minute}")
    world.database.dispose()
