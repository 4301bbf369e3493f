"""Two engineers and the machine at the same moment: one change of traffic, whoever was first; the others join it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from services.attestation.models import Receipt
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Role
from services.rollout.machine import Measured
from services.rollout.models import ActionKind, ActionState
from tests.builders import MODEL, World, a_world

ROUNDS = 5
"""Of three rivals each, on every database; each round releases and rolls back for real."""
SECOND = "viktor.validator"
"""Somebody who was made an engineer too, beside Sam."""


def at_once(calls: list[Callable[[], Receipt]]) -> tuple[list[Receipt], list[Exception]]:
    """All calls begin behind one barrier."""
    barrier, receipts, refused = threading.Barrier(len(calls)), list[Receipt](), list[Exception]()

    def run(call: Callable[[], Receipt]) -> None:
        barrier.wait()
        try:
            receipts.append(call())
        except ControlRoomError as problem:
            refused.append(problem)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return receipts, refused


def a_canary(world: World, round_: int) -> None:
    """The version that was taken back comes again only with a new approval."""
    world.approve("2" if round_ % 2 else "3")
    world.runner.run_pending()
    view = world.rollout.deployment(MODEL)
    assert view.candidate is not None, view


def rivals(world: World) -> list[Callable[[], Receipt]]:
    """The forms are open and signed for before anybody presses."""
    candidate = world.rollout.deployment(MODEL).candidate or ""
    sam, second = world.actor("sam.sre"), world.actor(SECOND)
    shown = world.rollout.plan_rollback(MODEL, actor=second).challenge
    commands = [world.a_rollback("1"), world.a_rollback("1", challenge=shown, passphrase=world.secret(SECOND))]
    exceeded = Measured(version=candidate, value="0.5000", window_minutes=5, requests=500)
    return [
        lambda: world.rollout.roll_back(commands[0], actor=sam),
        lambda: world.rollout.roll_back(commands[1], actor=second),
        lambda: world.rollout.machine.roll_back_under_plan(MODEL, "errors", exceeded, world.clock.now()),
    ]


@pytest.mark.slow
def test_two_engineers_and_the_machine_at_once_make_exactly_one_change(database_url: str, tmp_path: Path) -> None:
    """Rows 8 and 9."""
    world = a_world(tmp_path, url=database_url)
    world.grant(SECOND, Role.SRE)
    world.release("1")
    for round_ in range(ROUNDS):
        a_canary(world, round_)
        switches = len(world.platform.switches(MODEL))
        before = len([item for item in world.rollout.actions(MODEL, 500) if item.kind is ActionKind.ROLLBACK])
        receipts, _ = at_once(rivals(world))
        world.runner.run_pending()
        done = [item for item in world.rollout.actions(MODEL, 500) if item.kind is ActionKind.ROLLBACK]
        assert len(done) == before + 1, f"round {round_}"
        assert done[0].state is ActionState.APPLIED
        assert len(world.platform.switches(MODEL)) == switches + 1
        assert dict(world.platform.observe(MODEL).routes) == {"1": 100}
        assert {receipt.seq for receipt in receipts} == {done[0].seq_intent}, "whoever was answered has the same entry"
    world.database.dispose()
