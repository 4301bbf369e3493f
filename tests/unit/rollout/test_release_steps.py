"""A release walked by people: what each step signs, what it asks for first, and what an outcome makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from services.adapters.sql.schema.people import person_role
from services.approvals.models import Decision
from services.kernel.clock import FrozenClock
from services.kernel.errors import (
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    RefusalError,
    RoleMissingError,
    StaleRequestError,
)
from services.kernel.health import Health
from services.kernel.identity import Role
from services.rollout.machine import Measured
from services.rollout.models import ActionKind, ActionState, Advance
from services.rollout.preconditions import FreezeError, PreconditionError
from services.rollout.release_models import Hold, ReleaseState, SameDecision, StageRules, Verdict
from services.rollout.revert import Revert
from tests.builders import DOCUMENTS, MODEL, World, a_world
from tests.unit.pack.agreeing import judge_twice

S = ReleaseState


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    """Tier 1 as it ships: version 1 serves, version 2 is approved and planned."""
    world = a_world(tmp_path, policies=DOCUMENTS)
    world.approve("1")
    world.runner.run_pending()
    world.approve("2")
    yield world
    judge_twice(world.book)
    world.database.dispose()


def later(world: World, **delta: float) -> None:
    clock = world.clock
    assert isinstance(clock, FrozenClock)
    clock.set(clock.now() + timedelta(**delta))


def closed(world: World) -> None:
    """The shadow run is over, signed."""
    world.take("start-shadow")
    later(world, days=3, minutes=1)
    world.take("close-shadow")


def canary(world: World, share: int = 5) -> None:
    closed(world)
    world.take("start-canary")
    while world.on_its_way().share < share:
        advance(world)


def advance(world: World, **changes: Any) -> None:
    later(world, hours=1)
    world.measure()
    sam = world.actor("sam.sre")
    values: dict[str, Any] = {
        "command_id": f"adv-{world.clock.now().isoformat()}",
        "model": MODEL,
        "share": world.rollout.deployment(MODEL).next_share,
        "passphrase": world.secret("sam.sre"),
    }
    if "challenge" not in changes:
        changes["challenge"] = world.rollout.plan_advance(MODEL, actor=sam)
    world.rollout.advance(Advance(**(values | changes)), actor=sam)


def state(world: World) -> tuple[ReleaseState, int]:
    release = world.on_its_way()
    return release.state, release.share


def routes(world: World) -> dict[str, int]:
    return dict(world.platform.observe(MODEL).routes)


def test_a_complete_approval_plans_a_release_and_moves_nothing(live: World) -> None:
    assert state(live) == (S.PLANNED, 0)
    assert routes(live) == {"1": 100}
    assert live.rollout.actions(MODEL)[0].to_version == "1"
    assert live.request_of("2").state.value == "approved"
    view = live.releases.view(MODEL)
    assert view is not None
    offers = {offer.step: offer for offer in view.offers}
    assert offers["start-shadow"].enabled
    assert offers["start-canary"].reason == "Shadow needs 3 days and 5,000 records; it has not started."


def test_a_release_walks_from_shadow_over_every_share_to_everything(live: World) -> None:
    live.take("start-shadow")
    assert state(live) == (S.SHADOW, 0)
    assert live.platform.observe(MODEL).mirror == ("2", 100)
    assert routes(live) == {"1": 100}
    later(live, days=3)
    live.take("close-shadow")
    live.take("start-canary")
    assert live.platform.observe(MODEL).mirror is None
    seen = [state(live)]
    for _ in range(3):
        advance(live)
        seen.append(state(live))
    assert seen == [(S.CANARY, 5), (S.CANARY, 10), (S.CANARY, 20), (S.FULL, 100)]
    assert routes(live) == {"2": 100}
    assert live.registry.alias_target(MODEL, "champion") == "2"
    assert live.request_of("2").state.value == "applied"
    states = [release.state for release in live.releases.history(MODEL)]
    assert states == [S.FULL, S.RETIRED]


def test_what_serves_stays_the_order_behind_it_while_a_shadow_runs(live: World) -> None:
    live.inventory.point_alias(MODEL, "1")
    live.take("start-shadow")
    assert live.rollout.reconcile() == 0
    assert live.rollout.deployment(MODEL).candidate is None
    live.platform.move_by_hand(MODEL, (("3", 100),))
    assert live.rollout.reconcile() == 1


def copy_by_hand(world: World, version: str | None) -> None:
    there = world.platform.observe(MODEL)
    world.platform.set_mirror(MODEL, version, 100, expect_generation=there.generation, op=f"by-hand-{version}")


def put_back(world: World) -> None:
    sam = world.actor("sam.sre")
    plan = world.rollout.plan_revert(MODEL, actor=sam)
    command = Revert(
        command_id="put-back",
        model=MODEL,
        challenge=plan.challenge,
        passphrase=world.secret("sam.sre"),
        reason="Nobody signed this.",
    )
    world.rollout.revert(command, actor=sam)


def test_copies_ended_outside_are_a_finding_that_stops_the_run_and_can_be_put_back(live: World) -> None:
    live.inventory.point_alias(MODEL, "1")
    live.take("start-shadow")
    later(live, days=3, minutes=1)
    live.take("close-shadow")
    copy_by_hand(live, None)

    assert live.rollout.reconcile() == 1
    found = live.rollout.deployment(MODEL)
    assert found.finding_kind == "mirror"
    assert found.finding.startswith("Copies to version 2 were ended outside.")
    with pytest.raises(PreconditionError, match="ended outside"):
        live.take("start-canary")

    put_back(live)

    assert live.platform.observe(MODEL).mirror == ("2", 100)
    assert live.rollout.reconcile() == 0
    assert state(live) == (S.SHADOW, 0)


def test_copies_begun_outside_are_a_finding_and_end_when_put_back(live: World) -> None:
    live.inventory.point_alias(MODEL, "1")
    copy_by_hand(live, "3")

    assert live.rollout.reconcile() == 1
    assert live.rollout.deployment(MODEL).finding.startswith("Version 3 gets copies of 100 % of the requests.")

    put_back(live)

    assert live.platform.observe(MODEL).mirror is None
    assert live.rollout.reconcile() == 0


def test_the_shadow_is_not_closed_before_its_days_and_records(live: World) -> None:
    live.take("start-shadow")
    later(live, days=1.25)
    live.asked.records = 2310
    with pytest.raises(PreconditionError, match=r"1\.2 days and 2,310 so far"):
        live.take("close-shadow")
    later(live, days=3)
    with pytest.raises(PreconditionError, match="2,310 so far"):
        live.take("close-shadow")
    live.asked.records = None
    with pytest.raises(PreconditionError, match="cannot be read"):
        live.take("close-shadow")


def test_the_comparison_says_when_two_answers_counted_as_the_same_decision(live: World) -> None:
    closed(live)

    view = live.releases.view(MODEL)
    seq, leaf = live.on_its_way().shadow_closed or (0, "")

    assert view is not None
    assert view.shadow is not None
    assert view.shadow.judged_by == "same side of 0.31 (the model's decision threshold)"
    assert live.ledger.require_valid(seq, leaf)["detail"]["judgedBy"] == view.shadow.judged_by
    assert SameDecision(threshold=0.5).sentence == "same side of 0.5 (no decision threshold is recorded)"
    assert SameDecision(tolerance=1.0).sentence == "less than 1 apart"


def test_the_closure_carries_the_figures_under_a_persons_name(live: World) -> None:
    live.asked.breaches = ("Answers would have taken longer than 150 ms.",)
    closed(live)
    seq, leaf = live.on_its_way().shadow_closed or (0, "")
    said = live.ledger.require_valid(seq, leaf)
    assert said["signer"]["name"] == "Sam Lindqvist"
    detail = said["detail"]
    assert (detail["version"], detail["records"], detail["agreement"]) == ("2", "6000", "0.9910")
    assert detail["wouldBreach"] == "Answers would have taken longer than 150 ms."


def test_no_canary_before_the_closure(live: World) -> None:
    live.take("start-shadow")
    later(live, days=4)
    with pytest.raises(PreconditionError, match="closed first"):
        live.take("start-canary")
    assert routes(live) == {"1": 100}


@pytest.mark.parametrize("step", ["start-shadow", "start-canary", "advance", "resume"])
def test_nothing_goes_forward_in_a_freeze_or_without_monitors(live: World, step: str) -> None:
    if step != "start-shadow":
        canary(live) if step in {"advance", "resume"} else closed(live)
    if step == "resume":
        live.take("hold", reason="Looks odd.")
    before = (state(live), routes(live))
    for attribute, words, error in (
        ("window", "Month-end closing, until 31 Jan 2030 (UTC)", FreezeError),
        ("unarmed", "no telemetry", PreconditionError),
    ):
        setattr(live.asked, attribute, words)
        with pytest.raises(error, match=words.split(",", maxsplit=1)[0]):
            advance(live) if step == "advance" else live.take(step)
        setattr(live.asked, attribute, "")
    assert (state(live), routes(live)) == before


def test_a_freeze_that_begins_while_a_form_is_open_stops_the_signature_and_is_recorded(live: World) -> None:
    canary(live)
    later(live, hours=1)
    live.measure()
    challenge = live.rollout.plan_advance(MODEL, actor=live.actor("sam.sre"))
    live.asked.window = "Month-end closing, until 31 Jan 2030 (UTC)"
    with pytest.raises(FreezeError):
        advance(live, challenge=challenge, share=10)
    assert live.entries("event:advance-refused") == 1
    assert state(live) == (S.CANARY, 5)


def test_a_freeze_stops_no_rollback_no_abort_and_no_revocation(live: World) -> None:
    canary(live)
    live.asked.window = "Month-end closing, until 31 Jan 2030 (UTC)"
    live.sign_off(live.request_of("2").request_id, "clara.compliance", Decision.REVOKE, reason="OTHER", comment="Odd.")
    live.rollout.roll_back(live.a_rollback("1"), actor=live.actor("sam.sre"))
    assert state(live) == (S.ROLLED_BACK, 0)
    assert routes(live) == {"1": 100}


def test_an_approval_given_in_a_freeze_is_only_planned(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    world.release("1")
    world.asked.window = "Month-end closing, until 31 Jan 2030 (UTC)"
    world.approve("2")
    assert world.runner.run_pending() == 0
    assert state(world) == (S.PLANNED, 0)
    world.asked.window = ""
    world.take("start-canary")
    assert routes(world) == {"1": 90, "2": 10}
    world.database.dispose()


def test_a_hold_stops_the_next_share_and_a_resume_goes_on_where_it_was(live: World) -> None:
    canary(live, share=10)
    live.take("hold", reason="Support reports odd scores.")
    held = live.on_its_way()
    assert (held.state, held.hold, held.hold_reason) == (S.PAUSED, Hold.PERSON, "Support reports odd scores.")
    assert routes(live) == {"1": 90, "2": 10}
    with pytest.raises(PreconditionError):
        advance(live)
    live.take("resume", reason="It was the time zone of the report.")
    assert state(live) == (S.CANARY, 10)
    advance(live)
    assert state(live) == (S.CANARY, 20)


def test_a_paused_canary_is_rolled_back(live: World) -> None:
    canary(live)
    live.take("hold", reason="Looks odd.")
    live.rollout.roll_back(live.a_rollback("1"), actor=live.actor("sam.sre"))
    assert state(live) == (S.ROLLED_BACK, 0)


def test_an_aborted_shadow_ends_the_copies_and_the_request(live: World) -> None:
    live.take("start-shadow")
    with pytest.raises(MissingReasonError):
        live.take("abort")
    live.take("abort", reason="Wrong training window.")
    assert state(live) == (S.ABORTED, 0)
    assert live.platform.observe(MODEL).mirror is None
    assert live.request_of("2").state.value == "apply_failed"
    with pytest.raises(InputError, match="No release"):
        live.releases.plan("start-shadow", MODEL, actor=live.actor("sam.sre"))


def test_the_same_version_comes_again_only_with_a_new_request(live: World) -> None:
    canary(live)
    live.rollout.roll_back(live.a_rollback("1"), actor=live.actor("sam.sre"))
    old = live.on_its_way()
    live.approve("2")
    new = live.on_its_way()
    assert (new.state, new.candidate_sha256) == (S.PLANNED, old.candidate_sha256)
    assert new.request_id != old.request_id
    assert new.shadow_closed is None, "its shadow run is another one"


def test_another_version_waits_until_the_release_ended(live: World) -> None:
    live.submit("3")
    request_id = live.request_of("3").request_id
    live.sign_off(request_id, "vera.validator", Decision.APPROVE)
    live.sign_off(request_id, "ben.business", Decision.ACKNOWLEDGE)
    with pytest.raises(IllegalTransitionError, match="still being released"):
        live.sign_off(request_id, "clara.compliance", Decision.APPROVE)


def test_rolling_the_base_back_ends_a_shadow_beside_it(live: World) -> None:
    canary(live, share=100)
    live.approve("3")
    live.take("start-shadow")
    assert live.platform.observe(MODEL).mirror == ("3", 100)
    live.rollout.roll_back(live.a_rollback("1"), actor=live.actor("sam.sre"))
    assert live.platform.observe(MODEL).mirror is None
    assert {item.candidate: item.state for item in live.releases.history(MODEL)} == {
        "3": S.ABORTED,
        "2": S.ROLLED_BACK,
        "1": S.RETIRED,
    }


def test_the_machine_takes_a_release_back_once(live: World) -> None:
    canary(live)
    measured = Measured(version="2", value="900.0", window_minutes=5, requests=60)
    live.rollout.machine.roll_back_under_plan(MODEL, "more-errors", measured, live.clock.now())
    live.runner.run_pending()
    assert state(live) == (S.ROLLED_BACK, 0)
    assert live.on_its_way().latched


def test_a_change_that_was_begun_and_never_verified_is_a_failed_release_with_a_way_back(live: World) -> None:
    closed(live)
    challenge = live.releases.plan("start-canary", MODEL, actor=live.actor("sam.sre"))
    live.platform.mute = True
    live.take("start-canary", challenge=challenge)
    later(live, minutes=31)
    live.runner.run_pending()
    assert state(live)[0] is S.FAILED
    live.platform.mute = False
    live.rollout.roll_back(live.a_rollback("1"), actor=live.actor("sam.sre"))
    assert state(live)[0] is S.ROLLED_BACK


def test_a_rollback_not_verified_in_time_is_a_failure_until_it_is(live: World) -> None:
    canary(live)
    live.platform.loading.add("1")
    live.rollout.roll_back(live.a_rollback("1"), actor=live.actor("sam.sre"))
    assert state(live)[0] is S.ROLLING_BACK
    later(live, minutes=3)
    live.runner.run_pending()
    assert state(live)[0] is S.FAILED
    live.platform.loading.clear()
    later(live, minutes=1)
    live.runner.run_pending()
    assert state(live)[0] is S.ROLLED_BACK
    assert live.rollout.actions(MODEL)[0].state is ActionState.APPLIED


def test_a_start_that_touched_nothing_leaves_the_release_where_it_was(live: World) -> None:
    closed(live)
    challenge = live.releases.plan("start-canary", MODEL, actor=live.actor("sam.sre"))
    live.registry.set_alias(MODEL, "champion", "3")
    live.take("start-canary", challenge=challenge)
    assert live.rollout.actions(MODEL)[0].state is ActionState.CONFLICT
    assert state(live) == (S.SHADOW, 0)


def test_a_revoked_approval_starts_nothing_and_is_aborted(live: World) -> None:
    live.take("start-shadow")
    live.sign_off(live.request_of("2").request_id, "clara.compliance", Decision.REVOKE, reason="OTHER", comment="Odd.")
    later(live, days=4)
    with pytest.raises(PreconditionError, match="does not stand"):
        live.take("close-shadow")
    live.take("abort", reason="The approval was revoked.")
    assert state(live)[0] is S.ABORTED


def test_steps_belong_to_engineers_and_to_one_form_each(live: World) -> None:
    with pytest.raises(RoleMissingError):
        live.take("start-shadow", subject="dana.datascience")
    challenge = live.releases.plan("start-shadow", MODEL, actor=live.actor("sam.sre"))
    live.take("start-shadow", challenge=challenge)
    with pytest.raises(RefusalError):
        live.take("hold", challenge=challenge, reason="A form of another step.")
    old = live.releases.plan("hold", MODEL, actor=live.actor("sam.sre"))
    live.take("hold", reason="Looks odd.")
    live.take("resume")
    with pytest.raises(StaleRequestError):
        live.take("hold", challenge=old, reason="An old form.")


def test_a_repeated_command_is_one_step(live: World) -> None:
    challenge = live.releases.plan("start-shadow", MODEL, actor=live.actor("sam.sre"))
    first = live.take("start-shadow", challenge=challenge, command_id="once")
    again = live.take("start-shadow", challenge=challenge, command_id="once")
    assert (again.seq, again.repeated) == (first.seq, True)
    assert live.entries("action:shadow") == 1


def test_a_form_of_another_release_is_refused(live: World) -> None:
    challenge = live.releases.plan("start-shadow", MODEL, actor=live.actor("sam.sre"))
    with pytest.raises(RefusalError, match="another release"):
        live.take("start-shadow", challenge=challenge, release_id="rel-other")
    assert live.entries("event:release-step-refused") == 1


def test_going_on_without_a_decision_of_the_analysis_is_signed_as_such(live: World) -> None:
    canary(live)
    live.asked.rules = StageRules(min_time=timedelta(minutes=30), min_requests=200)
    later(live, hours=3)
    live.measure(verdict=Verdict.UNDECIDED, n=40)
    sam = live.actor("sam.sre")
    challenge = live.rollout.plan_advance(MODEL, actor=sam)

    def go_on(reason: str) -> None:
        command = Advance(
            command_id=f"low-{reason}",
            model=MODEL,
            share=10,
            challenge=challenge,
            passphrase=live.secret("sam.sre"),
            reason=reason,
        )
        live.rollout.advance(command, actor=sam)

    with pytest.raises(PreconditionError, match="the reason why this evidence is enough"):
        go_on("")
    go_on("Quiet season; shadow was clean.")
    assert state(live) == (S.CANARY, 10)
    newest = live.rollout.actions(MODEL)[0]
    with live.units.read() as unit:
        action = unit.rollouts.action(newest.action_id)
    assert action is not None
    assert "lowEvidence" in live.ledger.require_valid(action.seq_intent, action.leaf_intent)


def test_after_the_bake_time_a_full_release_is_retired(live: World) -> None:
    canary(live, share=100)
    assert live.releases.retire_due() == 0
    later(live, days=8)
    assert live.releases.retire_due() == 1
    assert state(live) == (S.RETIRED, 100)
    live.rollout.roll_back(live.a_rollback("1"), actor=live.actor("sam.sre"))
    assert routes(live) == {"1": 100}, "rolling back stays possible"


def test_the_page_says_who_signed_the_plan_and_what_the_machine_may_do(live: World) -> None:
    view = live.releases.view(MODEL)
    assert view is not None
    assert view.plan_signers == ("Vera Lindholm", "Ben Okafor", "Clara Whitfield")
    assert any("Evidence for more errors" in sentence for sentence in view.plan_sentences)
    assert view.plan_id.startswith(view.release.request_id)
    assert view.on_call == "Sam Lindqvist"
    assert [check.id for check in view.checks] == ["business_owner", "sre", "service-level"]


def test_an_engineer_on_call_who_lost_the_role_keeps_a_release_from_starting(live: World) -> None:
    live.grant("viktor.validator", Role.SRE)
    with live.database.write() as connection:
        connection.execute(delete(person_role).where(person_role.c.subject == "sam.sre"))
    with pytest.raises(PreconditionError, match="On call: Sam Lindqvist can no longer act"):
        live.take("start-shadow", subject="viktor.validator")
    assert state(live) == (S.PLANNED, 0)


def test_a_model_without_an_engineer_on_call_says_so_in_the_checklist(live: World) -> None:
    """It also stands in the documentation, so the approval has to be asked for again with somebody named."""
    known = live.inventory.model(MODEL)
    live.inventory.put_model(replace(known, owners=tuple(item for item in known.owners if item.role != "sre")))
    view = live.releases.view(MODEL)
    assert view is not None
    on_call = next(check for check in view.checks if check.id == "sre")
    assert on_call.state is Health.BREACH
    assert on_call.sentence.startswith("nobody is named")
    with pytest.raises(PreconditionError, match="The documentation changed"):
        live.take("start-shadow")


def test_kinds_of_actions_that_move_nothing_leave_no_line_in_the_timeline(live: World) -> None:
    live.take("start-shadow")
    live.take("abort", reason="Enough seen.")
    kinds = [change.kind for change in live.rollout.history(MODEL)]
    assert kinds == [ActionKind.START]
