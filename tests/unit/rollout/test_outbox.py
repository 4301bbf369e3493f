"""Queued actions against a registry and a platform that can fail, be changed by others, or be away."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from services.kernel.clock import FrozenClock
from services.kernel.errors import (
    ConflictError,
    InputError,
    MissingReasonError,
    RoleMissingError,
    RollbackTargetError,
    StaleRequestError,
)
from services.rollout.models import ActionKind, ActionState, Advance
from tests.builders import MODEL, World


def later(world: World, **delta: float) -> None:
    clock = world.clock
    assert isinstance(clock, FrozenClock)
    clock.set(clock.now() + timedelta(**delta))


def the_action(world: World) -> ActionState:
    return world.rollout.actions(MODEL)[0].state


def an_advance(world: World, share: int = 100) -> Advance:
    world.measure()
    return Advance(
        command_id="adv",
        model=MODEL,
        share=share,
        challenge=world.rollout.plan_advance(MODEL, actor=world.actor("sam.sre")),
        passphrase=world.secret("sam.sre"),
    )


def test_an_approved_version_starts_with_the_first_share_and_the_alias_stays(world: World) -> None:
    world.release("1")
    world.approve("2")
    world.runner.run_pending()
    view = world.rollout.deployment(MODEL)
    assert view.observed is not None
    assert dict(view.observed.routes) == {"1": 90, "2": 10}
    assert (view.candidate, view.next_share) == ("2", 100)
    assert world.registry.alias_target(MODEL, "champion") == "1"


def test_advancing_moves_traffic_then_the_alias(world: World) -> None:
    world.release("1")
    world.release("2")
    assert world.registry.alias_target(MODEL, "champion") == "2"
    assert world.rollout.deployment(MODEL).champion == "2"
    assert world.request_of("2").state.value == "applied"
    kinds = [change.kind for change in world.rollout.history(MODEL)]
    assert kinds == [ActionKind.ADVANCE, ActionKind.START, ActionKind.START]


def test_an_advance_needs_an_engineer_and_the_next_share(world: World) -> None:
    world.release("1")
    world.approve("2")
    world.runner.run_pending()
    with pytest.raises(RoleMissingError):
        world.rollout.plan_advance(MODEL, actor=world.actor("dana.datascience"))
    command = an_advance(world)
    receipt = world.rollout.advance(command, actor=world.actor("sam.sre"))
    assert world.rollout.advance(command, actor=world.actor("sam.sre")).seq == receipt.seq


def test_swapped_files_are_noticed_before_anything_moves(world: World) -> None:
    world.approve("1")
    world.registry.swap_files(MODEL, "1", "poison")
    world.runner.run_pending()
    assert the_action(world) is ActionState.FAILED
    assert world.platform.switches(MODEL) == []
    assert world.registry.alias_log() == []
    assert world.request_of("1").state.value == "apply_failed"
    assert "not the ones that were approved" in world.rollout.deployments()[0].finding


def test_an_alias_moved_outside_is_a_conflict_and_is_not_overwritten(world: World) -> None:
    world.release("1")
    world.approve("2")
    world.registry.set_alias(MODEL, "champion", "3")
    world.runner.run_pending()
    assert the_action(world) is ActionState.CONFLICT
    assert world.registry.alias_target(MODEL, "champion") == "3"
    assert world.platform.observe(MODEL).routes == (("1", 100),)
    assert world.entries("outcome:conflict") == 1


def test_a_changed_queue_row_does_not_move_traffic(world: World) -> None:
    world.approve("1")
    from sqlalchemy import update

    from services.adapters.sql.schema.rollout import rollout_action

    with world.database.write() as connection:
        connection.execute(update(rollout_action).values(to_version="3", routes='[["3", 100]]'))
    world.runner.run_pending()
    assert the_action(world) is ActionState.FAILED
    assert world.platform.switches(MODEL) == []


def test_a_rollback_moves_traffic_and_alias_back_at_once(world: World) -> None:
    world.release("1")
    world.release("2")
    receipt = world.rollout.roll_back(world.a_rollback("1"), actor=world.actor("sam.sre"))
    action = world.rollout.action_for(receipt.seq)
    assert action is not None
    assert action.state is ActionState.APPLIED
    assert action.restored_seconds is not None
    assert world.platform.observe(MODEL).routes == (("1", 100),)
    assert world.registry.alias_target(MODEL, "champion") == "1"


def test_a_version_that_was_rolled_back_is_not_offered_again(world: World) -> None:
    world.release("1")
    world.release("2")
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor("sam.sre"))
    targets = world.rollout.plan_rollback(MODEL, actor=world.actor("sam.sre")).targets
    assert {target.version: target.reason for target in targets} == {
        "1": "serving now",
        "2": "rolled back before; only a new release brings it back",
        "3": "never approved",
    }
    world.release("2")
    world.release("3")
    assert world.rollout.plan_rollback(MODEL, actor=world.actor("sam.sre")).proposed == "2"


def test_with_the_registry_away_traffic_goes_back_and_the_alias_follows_later(world: World) -> None:
    world.release("1")
    world.release("2")
    world.registry.away = True
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor("sam.sre"))
    assert the_action(world) is ActionState.APPLIED
    assert world.platform.observe(MODEL).routes == (("1", 100),)
    assert world.runner.settle_aliases() == 0
    world.registry.away = False
    assert world.runner.settle_aliases() == 1
    assert world.registry.alias_target(MODEL, "champion") == "1"
    assert world.runner.settle_aliases() == 0
    assert world.entries("outcome:applied") == 4


def test_with_the_platform_away_a_rollback_waits_and_is_done_when_it_is_back(world: World) -> None:
    world.release("1")
    world.release("2")
    command = world.a_rollback("1")
    world.platform.away = True
    runner_drive = world.runner.drive
    assert runner_drive is not None
    with world.units.read() as unit:
        before = unit.ledger.head().size
    thread = threading.Thread(
        target=lambda: world.rollout.roll_back(command, actor=world.actor("sam.sre")), daemon=True
    )
    thread.start()
    thread.join(timeout=20)
    assert the_action(world) is ActionState.PENDING
    world.platform.away = False
    later(world, minutes=1)
    assert world.runner.run_pending() == 1
    assert world.platform.observe(MODEL).routes == (("1", 100),)
    with world.units.read() as unit:
        assert unit.ledger.head().size == before + 2


def test_a_rollback_that_waits_is_tried_every_two_seconds_and_says_each_reason_once(world: World) -> None:
    world.release("1")
    world.release("2")
    world.platform.loading.add("1")
    world.rollout._rollbacks.record(world.a_rollback("1"), world.actor("sam.sre"))
    for _ in range(10):
        world.runner.run_pending()
        later(world, seconds=2)

    waiting = world.rollout.actions(MODEL)[0]
    assert [step for step, _ in waiting.steps].count("waiting") == 1

    world.platform.loading.clear()
    assert world.runner.run_pending() == 1
    assert the_action(world) is ActionState.APPLIED


def test_a_rollback_supersedes_a_release_in_the_queue(world: World) -> None:
    world.release("1")
    world.release("2")
    world.approve("3")
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor("sam.sre"))
    states = {action.to_version: action.state for action in world.rollout.actions(MODEL, 2)}
    assert states == {"1": ActionState.APPLIED, "3": ActionState.SUPERSEDED}
    assert world.runner.run_pending() == 0
    assert world.platform.observe(MODEL).routes == (("1", 100),)
    assert world.entries("outcome:superseded") == 1


def test_a_rollback_past_the_live_version_takes_its_release_and_the_canary_back(world: World) -> None:
    """Version 3 is a canary beside version 2 when both turn out to be bad."""
    world.release("1")
    world.release("2")
    world.approve("3")
    world.runner.run_pending()
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor("sam.sre"))
    assert world.platform.observe(MODEL).routes == (("1", 100),)
    with world.units.read() as unit:
        states = {item.candidate: item.state.value for item in unit.releases.releases(MODEL)}
    assert (states["2"], states["3"]) == ("rolled-back", "rolled-back")


def test_a_second_rollback_joins_the_first(world: World) -> None:
    world.release("1")
    world.release("2")
    world.platform.loading.add("1")
    first_command, second_command = world.a_rollback("1"), world.a_rollback("1")
    sam = world.actor("sam.sre")
    first, action_id = world.rollout._rollbacks.record(first_command, sam)
    second, joined = world.rollout._rollbacks.record(second_command, sam)
    assert (second.seq, joined) == (first.seq, action_id)
    assert second.repeated


def test_a_release_that_keeps_loading_is_tried_again_and_later_given_up(world: World) -> None:
    world.platform.loading.add("1")
    world.approve("1")
    assert world.runner.run_pending() == 0
    assert the_action(world) is ActionState.PENDING
    later(world, minutes=31)
    assert world.runner.run_pending() == 1
    assert the_action(world) is ActionState.FAILED


def test_a_version_never_approved_is_no_target_and_the_attempt_is_recorded(world: World) -> None:
    world.release("1")
    world.release("2")
    with pytest.raises(RollbackTargetError):
        world.rollout.roll_back(world.a_rollback("3"), actor=world.actor("sam.sre"))
    assert world.entries("event:rollback-refused") == 1


def test_a_rollback_needs_role_reason_and_the_name_typed(world: World) -> None:
    world.release("1")
    world.release("2")
    sam = world.actor("sam.sre")
    with pytest.raises(RoleMissingError):
        world.rollout.roll_back(world.a_rollback("1"), actor=world.actor("clara.compliance"))
    with pytest.raises(MissingReasonError):
        world.rollout.roll_back(world.a_rollback("1", reason=" "), actor=sam)
    with pytest.raises(InputError):
        world.rollout.roll_back(world.a_rollback("1", model_confirmation="delay"), actor=sam)


def test_a_plan_seen_before_somebody_else_acted_is_stale(world: World) -> None:
    world.release("1")
    world.approve("2")
    world.runner.run_pending()
    old = world.a_rollback("1")
    world.rollout.advance(an_advance(world), actor=world.actor("sam.sre"))
    with pytest.raises(StaleRequestError):
        world.rollout.roll_back(old, actor=world.actor("sam.sre"))


def test_no_advance_while_another_action_runs(world: World) -> None:
    world.release("1")
    world.approve("2")
    world.runner.run_pending()
    command = an_advance(world)
    world.platform.loading.add("2")
    world.rollout._advances.record(command, world.actor("sam.sre"))
    with pytest.raises(ConflictError):
        world.rollout._advances.record(
            Advance(command_id="other", model=MODEL, share=100, challenge="0" * 32, passphrase=world.secret("sam.sre")),
            world.actor("sam.sre"),
        )


def test_traffic_moved_by_hand_is_one_observation_and_ends_when_it_is_put_right(world: World) -> None:
    world.release("1")
    world.inventory.point_alias(MODEL, "1")
    assert world.rollout.reconcile() == 0
    world.platform.move_by_hand(MODEL, (("3", 100),))
    assert world.rollout.reconcile() == 1
    assert world.rollout.reconcile() == 1
    assert "Traffic differs" in world.rollout.deployments()[0].finding
    with world.units.read() as unit:
        size = unit.ledger.head().size
    world.platform.move_by_hand(MODEL, (("1", 100),))
    assert world.rollout.reconcile() == 0
    assert world.rollout.deployments()[0].finding == ""
    with world.units.read() as unit:
        assert unit.ledger.head().size == size + 1, "when a finding ended is a fact of its own"


def test_a_platform_that_does_not_answer_is_shown_as_such_with_the_last_known_state(world: World) -> None:
    world.release("1")
    world.platform.away = True
    world.rollout.reconcile()
    view = world.rollout.deployments()[0]
    assert view.observed is None
    assert "does not answer" in view.problem
    assert view.observed_at is not None
