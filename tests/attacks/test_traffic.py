"""Attacks on traffic: changes nobody signed, orders that lost their ground, and a machine asked for too much.

The numbers are those of the list of attacks and faults the design was made against.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import update

from services.adapters.sql.schema.rollout import deployment, rollout_action
from services.kernel.clock import FrozenClock
from services.kernel.errors import (
    IllegalTransitionError,
    InputError,
    RefusalError,
    RoleMissingError,
    RollbackTargetError,
    StaleRequestError,
)
from services.ledger.verify import verify_log
from services.policy.models import RollbackRule
from services.rollout.machine import Measured, OutsidePlanError
from services.rollout.models import ActionState, Advance, Deployment, DeploymentView
from services.rollout.preconditions import PreconditionError
from services.rollout.revert import Revert
from services.rollout.signed_plan import SignedPlan
from tests.builders import MODEL, World, a_world


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    """Version 1, then version 2, approved and released: version 2 serves."""
    world = a_world(tmp_path)
    world.release("1")
    world.release("2")
    world.rollout.reconcile()
    yield world
    world.database.dispose()


def seen(world: World) -> DeploymentView:
    world.rollout.reconcile()
    return world.rollout.deployments()[0]


def a_revert(world: World, **changes: str) -> Revert:
    plan = world.rollout.plan_revert(MODEL, actor=world.actor("sam.sre"))
    return Revert(
        command_id=secrets.token_hex(4),
        model=MODEL,
        challenge=changes.get("challenge", plan.challenge),
        passphrase=world.secret("sam.sre"),
        reason=changes.get("reason", "Nobody asked for this."),
    )


def revert(world: World) -> None:
    world.rollout.revert(a_revert(world), actor=world.actor("sam.sre"))


def an_advance(world: World) -> Advance:
    sam = world.actor("sam.sre")
    return Advance(
        command_id=secrets.token_hex(4),
        model=MODEL,
        share=100,
        challenge=world.rollout.plan_advance(MODEL, actor=sam),
        passphrase=world.secret("sam.sre"),
    )


def later(world: World, **delta: float) -> None:
    assert isinstance(world.clock, FrozenClock)
    world.clock.set(world.clock.now() + timedelta(**delta))


def test_alias_moved_outside_later_is_told_with_what_was_signed_and_reverted(live: World) -> None:
    """Row 6: move the alias outside a week later."""
    live.registry.set_alias(MODEL, "champion", "3")
    view = seen(live)
    assert (view.finding_kind, view.adoptable_version) == ("alias", None)
    assert "points at version 3" in view.changes[0].there
    assert "version 2" in view.changes[0].signed
    assert view.finding_seq is not None
    assert view.finding_since is not None
    revert(live)
    assert live.registry.alias_target(MODEL, "champion") == "2"
    assert live.rollout.actions(MODEL)[0].state is ActionState.APPLIED
    assert live.rollout.deployments()[0].finding_kind == "alias", "the order ends no finding, the comparison does"
    assert seen(live).finding == ""


def test_a_log_with_a_finding_its_revert_and_its_end_verifies(live: World) -> None:
    live.registry.set_alias(MODEL, "champion", "3")
    seen(live)
    revert(live)
    seen(live)
    report = verify_log(live.book.entries(), checkpoints=live.book.checkpoints(), anchors=())
    assert [item.sentence for item in report.problems if item.severity in {"integrity", "void", "finding"}] == []


def test_traffic_moved_by_hand_goes_back_to_what_was_signed(live: World) -> None:
    """Row 6 for traffic: the version that serves was never signed."""
    live.platform.move_by_hand(MODEL, (("3", 100),))
    view = seen(live)
    assert (view.finding_kind, view.adoptable_version) == ("traffic", "3")
    revert(live)
    assert live.platform.observe(MODEL).routes == (("2", 100),)
    assert seen(live).finding == ""


def test_a_tag_of_ours_that_was_forged_is_told_and_written_again(live: World) -> None:
    """Row 43 for the action tag."""
    right = live.registry.version_tag(MODEL, "2", "countersign.action")
    live.registry.set_version_tag(MODEL, "2", "countersign.action", "act-forged")
    assert seen(live).finding_kind == "tag"
    revert(live)
    assert live.registry.version_tag(MODEL, "2", "countersign.action") not in {right, "act-forged", None}
    assert seen(live).finding == ""


def test_a_version_deleted_while_live_is_told_and_cannot_be_reverted(live: World) -> None:
    """Row 63: the registry lets the alias vanish silently."""
    live.registry.delete_version(MODEL, "2")
    view = seen(live)
    assert {change.kind for change in view.changes} == {"deleted", "alias"}
    assert view.adoptable_version is None
    plan = live.rollout.plan_revert(MODEL, actor=live.actor("sam.sre"))
    assert "does not have version 2" in plan.refusal
    with pytest.raises(IllegalTransitionError):
        revert(live)


def test_a_version_made_again_under_the_same_number_is_another_one(live: World) -> None:
    """Row 3 after release: same name and number, another run and other bytes."""
    live.registry.register_again(MODEL, "2", content="poison", run_id="run-x", author="mallory")
    view = seen(live)
    assert view.changes[0].kind == "recreated"
    assert "mallory" in view.changes[0].by


def test_files_of_a_live_version_that_change_are_told(live: World) -> None:
    """Row 2 after release: artifacts are mutable in the store."""
    live.registry.swap_files(MODEL, "2", "poison")
    later(live, minutes=2)
    live.evaluation.refresh()
    assert seen(live).finding_kind == "files"


def test_the_same_change_made_again_is_a_new_observation(live: World) -> None:
    live.registry.set_alias(MODEL, "champion", "3")
    first = seen(live).finding_seq
    revert(live)
    assert seen(live).finding_seq is None
    live.registry.set_alias(MODEL, "champion", "3")
    again = seen(live).finding_seq
    assert first is not None
    assert again is not None
    assert again > first


def test_a_registry_that_does_not_answer_neither_makes_nor_ends_a_finding(live: World) -> None:
    """Row 60 for the sentinel: could not read is not healthy and not guilty."""
    live.registry.away = True
    assert seen(live).finding == ""
    live.registry.away = False
    live.registry.set_alias(MODEL, "champion", "3")
    assert seen(live).finding_kind == "alias"
    live.registry.away = True
    assert seen(live).finding_kind == "alias"


def test_rows_changed_in_the_database_do_not_make_a_change_look_signed(live: World) -> None:
    """The comparison rests on signed entries: whoever edits `desired` with the traffic is told all the same."""
    live.platform.move_by_hand(MODEL, (("3", 100),))
    with live.database.write() as connection:
        connection.execute(update(deployment).values(desired='[["3", 100]]'))
    assert seen(live).finding_kind == "traffic"


def test_an_order_hidden_from_the_table_is_missed_in_the_ledger(live: World) -> None:
    live.platform.move_by_hand(MODEL, (("1", 100),))
    with live.database.write() as connection:
        newest = live.rollout.actions(MODEL)[0].action_id
        connection.execute(update(rollout_action).where(rollout_action.c.action_id == newest).values(state="failed"))
    assert "record" in {change.kind for change in seen(live).changes}


def test_only_an_engineer_reverts_and_only_what_was_shown(live: World) -> None:
    live.registry.set_alias(MODEL, "champion", "3")
    seen(live)
    with pytest.raises(RoleMissingError):
        live.rollout.plan_revert(MODEL, actor=live.actor("dana.datascience"))
    command = a_revert(live)
    live.platform.move_by_hand(MODEL, (("3", 100),))
    seen(live)
    with pytest.raises(StaleRequestError):
        live.rollout.revert(command, actor=live.actor("sam.sre"))
    assert live.registry.alias_target(MODEL, "champion") == "3"


def test_an_alias_moved_again_after_the_revert_was_signed_is_not_overwritten(live: World) -> None:
    """Row 5 for reverting."""
    live.registry.set_alias(MODEL, "champion", "3")
    seen(live)
    live.platform.loading.add("2")
    command = a_revert(live)
    live.rollout._reverts.record(command, live.actor("sam.sre"))
    live.registry.set_alias(MODEL, "champion", "1")
    live.platform.loading.clear()
    live.runner.run_pending()
    assert live.rollout.actions(MODEL)[0].state is ActionState.CONFLICT
    assert live.registry.alias_target(MODEL, "champion") == "1"


def test_reverting_twice_with_one_command_is_one_entry(live: World) -> None:
    """Row 8 for reverting: double click."""
    live.registry.set_alias(MODEL, "champion", "3")
    seen(live)
    command = a_revert(live)
    first = live.rollout.revert(command, actor=live.actor("sam.sre"))
    again = live.rollout.revert(command, actor=live.actor("sam.sre"))
    assert (again.seq, again.repeated) == (first.seq, True)


def test_a_release_does_not_cover_up_traffic_moved_outside(live: World) -> None:
    """Row 5 for traffic: the next signed step would have hidden what somebody did."""
    live.approve("3")
    live.platform.move_by_hand(MODEL, (("1", 100),))
    live.runner.run_pending()
    assert live.rollout.actions(MODEL)[0].state is ActionState.CONFLICT
    assert live.platform.observe(MODEL).routes == (("1", 100),)


def test_an_approval_that_expired_in_the_queue_starts_nothing(live: World) -> None:
    """Row 11 at the outbox: standing is asked again before acting."""
    live.approve("3")
    later(live, days=400)
    live.runner.run_pending()
    assert live.rollout.actions(MODEL)[0].state is ActionState.FAILED
    assert live.platform.observe(MODEL).routes == (("2", 100),)


def test_an_advance_is_refused_when_the_approval_expired_and_a_rollback_is_not(live: World) -> None:
    live.approve("3")
    live.runner.run_pending()
    later(live, days=400)
    live.measure()
    with pytest.raises(PreconditionError, match="The approval has expired"):
        live.rollout.advance(an_advance(live), actor=live.actor("sam.sre"))
    live.rollout.roll_back(live.a_rollback("2"), actor=live.actor("sam.sre"))
    assert live.platform.observe(MODEL).routes == (("2", 100),)


def test_an_advance_waits_for_an_unsigned_change_to_be_settled(live: World) -> None:
    live.approve("3")
    live.runner.run_pending()
    live.platform.move_by_hand(MODEL, (("2", 50), ("3", 50)))
    seen(live)
    later(live, minutes=31)
    live.measure()
    with pytest.raises(RefusalError, match="nobody signed"):
        live.rollout.advance(an_advance(live), actor=live.actor("sam.sre"))


def test_a_running_release_goes_on_where_it_was_after_a_revert(live: World) -> None:
    live.approve("3")
    live.runner.run_pending()
    live.platform.move_by_hand(MODEL, (("3", 100),))
    seen(live)
    revert(live)
    view = seen(live)
    assert dict(view.desired) == {"2": 90, "3": 10}
    assert (view.finding, view.candidate, view.next_share) == ("", "3", 100)
    later(live, minutes=31)
    live.measure()
    live.rollout.advance(an_advance(live), actor=live.actor("sam.sre"))
    assert live.registry.alias_target(MODEL, "champion") == "3"


def test_a_version_deleted_while_its_release_is_queued_is_not_released(live: World) -> None:
    """Row 3 and 63 before release."""
    live.approve("3")
    live.registry.delete_version(MODEL, "3")
    live.runner.run_pending()
    assert live.rollout.actions(MODEL)[0].state is ActionState.FAILED


@pytest.mark.parametrize("lost", ["deleted", "changed"])
def test_a_rollback_to_a_version_deleted_or_changed_is_refused(live: World, lost: str) -> None:
    """Row 61; a version never approved is refused in tests/unit/rollout/test_outbox.py."""
    if lost == "deleted":
        live.inventory._versions = [item for item in live.inventory._versions if item.version != "1"]
    else:
        live.registry.swap_files(MODEL, "1", "poison")
        from services.adapters.sql.schema.approvals import version_evidence

        with live.database.write() as connection:
            mine = version_evidence.c.version == "1"
            connection.execute(update(version_evidence).where(mine).values(manifest_sha256="0" * 64))
    with pytest.raises(RollbackTargetError):
        live.rollout.roll_back(live.a_rollback("1"), actor=live.actor("sam.sre"))


# the machine


def measured(**changes: object) -> Measured:
    values: dict[str, object] = {"version": "2", "value": "0.5", "window_minutes": 10, "requests": 100_000}
    return Measured(**(values | changes))  # type: ignore[arg-type]


def test_without_a_signed_plan_the_machine_moves_nothing_and_the_attempt_is_recorded_once(live: World) -> None:
    live.rollout.roll_back(live.a_rollback("1"), actor=live.actor("sam.sre"))
    for _ in range(2):
        with pytest.raises(OutsidePlanError):
            live.rollout.machine.roll_back_under_plan(MODEL, "errors", measured(), live.clock.now())
    assert live.platform.observe(MODEL).routes == (("1", 100),)
    assert live.entries("event:automatic-rollback-refused") == 1


class AlwaysThisPlan:
    """Stands in for requests of a policy without rollback rules; the checks of the machine are the real ones."""

    def __init__(self, plan: SignedPlan) -> None:
        self.plan = plan

    def of(self, _rollouts: object, row: Deployment) -> SignedPlan | None:
        return self.plan if row.champion == self.plan.version else None


def as_signed(world: World) -> AlwaysThisPlan:
    with world.units.read() as unit:
        one, two = unit.rollouts.served(MODEL)[0], unit.rollouts.served(MODEL)[1]
        one, two = sorted((one, two), key=lambda item: item.version)
        request = unit.rollouts.basis(two.request_id or "")
    assert request is not None
    machine = world.desk.machine_key
    assert machine is not None
    rule = RollbackRule(
        id="errors", measure="error_rate", above="0.02", unit="share", window_minutes=10, min_requests=200
    )
    return AlwaysThisPlan(
        SignedPlan(
            request=request,
            version="2",
            to="1",
            sha256=one.manifest_sha256,
            rules=(rule,),
            machine=machine.key_id,
            signers=("Clara Whitfield",),
        )
    )


def the_rule(world: World) -> tuple[str, Measured]:
    """A rule of the plan signed with version 2, and a measurement that exceeds it."""
    with world.units.read() as unit:
        row = unit.rollouts.deployment(MODEL)
        assert row is not None
        plan = world.rollout._signed_plans.of(unit.rollouts, row)
    if plan is None:
        stated = as_signed(world)
        world.rollout.machine._plans = stated  # type: ignore[assignment]
        plan = stated.plan
    rule = plan.rules[0]
    value = str(Decimal(rule.above) * 2)
    return rule.id, Measured(version="2", value=value, window_minutes=rule.window_minutes, requests=rule.min_requests)


def test_the_machine_rolls_back_under_the_plan_and_cites_it(live: World) -> None:
    rule, exceeded = the_rule(live)
    receipt = live.rollout.machine.roll_back_under_plan(MODEL, rule, exceeded, live.clock.now())
    action = live.rollout.action_for(receipt.seq)
    assert action is not None
    assert action.state is ActionState.APPLIED
    assert live.platform.observe(MODEL).routes == (("1", 100),)
    assert live.registry.alias_target(MODEL, "champion") == "1"


def test_the_machine_is_refused_whatever_the_plan_does_not_say(live: World) -> None:
    rule, exceeded = the_rule(live)
    now = live.clock.now()

    def instead(**changes: object) -> Measured:
        values = {name: getattr(exceeded, name) for name in ("version", "value", "window_minutes", "requests")}
        return Measured(**(values | changes))

    refused = [
        ("no-such-rule", exceeded, now),
        (rule, instead(value="0"), now),
        (rule, instead(value="NaN"), now),
        (rule, instead(requests=exceeded.requests - 1), now),
        (rule, instead(window_minutes=exceeded.window_minutes + 1), now),
        (rule, instead(version="3"), now),
        (rule, exceeded, now - timedelta(hours=1)),
        (rule, exceeded, now + timedelta(minutes=1)),
    ]
    for name, claim, at in refused:
        with pytest.raises(OutsidePlanError):
            live.rollout.machine.roll_back_under_plan(MODEL, name, claim, at)
    with pytest.raises(InputError):
        live.rollout.machine.roll_back_under_plan(MODEL, rule, instead(value="many"), now)
    assert live.platform.observe(MODEL).routes == (("2", 100),)
