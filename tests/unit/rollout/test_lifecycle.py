"""The invariants of a release, against every order of steps, outcomes, holds, freezes and failures Hypothesis finds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.kernel.errors import IllegalTransitionError
from services.kernel.health import Health
from services.rollout import conditions, lifecycle
from services.rollout.conditions import Facts
from services.rollout.lifecycle import TABLE, Move
from services.rollout.release_models import (
    Check,
    Hold,
    Release,
    ReleaseState,
    ShadowTerms,
    StageRules,
    Verdict,
)
from tests.fakes.releases import Conditions, a_look

NOON = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
RULES = StageRules(min_time=timedelta(minutes=30), min_requests=200)
FORWARD = ("start-shadow", "start-canary", "advance", "resume")
FIGURES = Conditions()


def a_release(**changes: object) -> Release:
    values: dict[str, object] = {
        "release_id": "rel-1",
        "model": "delay_claim_score",
        "deployment": "delay_claim_score",
        "kind": "realtime",
        "request_id": "req-1",
        "candidate": "4",
        "candidate_sha256": "4" * 64,
        "base": "3",
        "base_sha256": "3" * 64,
        "state": ReleaseState.PLANNED,
        "share": 0,
        "plan": (5, 10, 20, 100),
        "shadow": ShadowTerms(min_days=3, min_records=5000),
        "stage_since": NOON,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Release(**(values | changes))  # type: ignore[arg-type]


def facts(release: Release, now: datetime, **changes: object) -> Facts:
    """Everything in order, unless a test says otherwise."""
    comparison = FIGURES.compare(
        "d", live="3", candidate="4", since=release.shadow_since or now, until=now, threshold=0.5, tolerance=None
    )
    values: dict[str, object] = {
        "now": now,
        "checks": (),
        "rules": RULES,
        "comparison": comparison,
        "analysis": a_look(release, at=now),
    }
    return Facts(**(values | changes))  # type: ignore[arg-type]


def missing(what: str) -> Check:
    return Check(id=what, title=what, state=Health.BREACH, sentence="missing.")


class Releasing(RuleBasedStateMachine):
    """Steps are taken only when their conditions allow it; outcomes of orders arrive as the platform pleases."""

    @initialize(shadowed=st.booleans())
    def begin(self, shadowed: bool) -> None:
        self.now = NOON
        self.release = a_release() if shadowed else a_release(shadow=None)
        self.passed = [self.release]
        self.frozen = ""
        self.standing = ""
        self.checks: tuple[Check, ...] = ()
        self.verdict = Verdict.GO
        self.records = 6000
        self.forward_while_blocked = False

    # the world

    @rule(hours=st.integers(min_value=0, max_value=100))
    def time_goes_on(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(name=st.sampled_from(["", "", "Year-end closing, until 31 Jan 2030 (UTC)"]))
    def freeze(self, name: str) -> None:
        self.frozen = name

    @rule(why=st.sampled_from(["", "", "It was revoked."]))
    def approval_changes(self, why: str) -> None:
        self.standing = why

    @rule(gone=st.sampled_from([(), (), (missing("Service level"),), (missing("On call"),)]))
    def monitors_and_owners_change(self, gone: tuple[Check, ...]) -> None:
        self.checks = gone

    @rule(verdict=st.sampled_from(Verdict))
    def measured(self, verdict: Verdict) -> None:
        self.verdict = verdict

    @rule(records=st.integers(min_value=0, max_value=9000))
    def copies_arrive(self, records: int) -> None:
        self.records = records

    # people

    @rule(step=st.sampled_from(["start-shadow", "close-shadow", "start-canary", "advance", "hold", "resume", "abort"]))
    def somebody_takes_a_step(self, step: str) -> None:
        known = facts(self.release, self.now)
        assert known.comparison is not None
        known = replace(
            known,
            frozen=self.frozen,
            standing=self.standing,
            checks=self.checks,
            comparison=replace(known.comparison, records=self.records),
            analysis=a_look(self.release, at=self.now, verdict=self.verdict),
        )
        if conditions.why_not(self.release, step, known):
            return
        hindered = bool(self.frozen or self.standing or self.checks)
        self.forward_while_blocked |= step in FORWARD and hindered
        self._now_is(self._after(step))

    def _after(self, step: str) -> Release:
        release, at = self.release, self.now
        if step == "start-shadow":
            return lifecycle.shadowed(release, at=at)
        if step == "close-shadow":
            return lifecycle.closed(release, (7, "a" * 64), at=at)
        if step == "hold":
            return lifecycle.held(release, Hold.PERSON, "Looks odd.", at=at)
        if step == "resume":
            return lifecycle.resumed(release, at=at)
        if step == "abort":
            return lifecycle.aborted(release, at=at)
        share = conditions.share_of(release, step)
        assert share is not None
        return lifecycle.exposed(release, share, at=at)

    @precondition(lambda self: lifecycle.allows(self.release, Move.ROLL_BACK))
    @rule(machine=st.booleans())
    def rolled_back(self, machine: bool) -> None:
        self._now_is(lifecycle.rolling_back(self.release, at=self.now, latch=machine))

    # the platform

    @precondition(lambda self: lifecycle.allows(self.release, Move.RETURNED))
    @rule()
    def the_way_back_is_verified(self) -> None:
        self._now_is(lifecycle.returned(self.release, at=self.now))

    @precondition(lambda self: lifecycle.is_exposed(self.release) and lifecycle.allows(self.release, Move.FAIL))
    @rule()
    def a_change_cannot_be_verified(self) -> None:
        self._now_is(lifecycle.failed(self.release, at=self.now))

    @precondition(lambda self: lifecycle.allows(self.release, Move.RETIRE))
    @rule()
    def its_time_is_over(self) -> None:
        self._now_is(lifecycle.retired(self.release, at=self.now))

    def _now_is(self, release: Release) -> None:
        self.release = release
        self.passed.append(release)

    # what always holds

    @invariant()
    def routes_are_whole_percents_of_base_and_candidate_that_sum_to_a_hundred(self) -> None:
        if not hasattr(self, "release") or self.release.state is ReleaseState.FAILED:
            return
        routes = lifecycle.routes(self.release)
        assert sum(share for _, share in routes) == 100
        assert {version for version, _ in routes} <= {self.release.base, self.release.candidate}

    @invariant()
    def nobody_is_answered_before_a_finished_shadow(self) -> None:
        for item in getattr(self, "passed", ()):
            assert item.share == 0 or item.shadow is None or item.shadow_closed is not None

    @invariant()
    def no_step_forward_without_monitors_owners_and_approval_or_in_a_freeze(self) -> None:
        assert not getattr(self, "forward_while_blocked", False)

    @invariant()
    def whoever_is_answered_by_it_can_be_taken_back(self) -> None:
        if not hasattr(self, "release"):
            return
        exposed = self.release.share > 0 and self.release.state is not ReleaseState.RETIRED
        going_back = self.release.state is ReleaseState.ROLLING_BACK
        assert not exposed or going_back or lifecycle.allows(self.release, Move.ROLL_BACK)

    @invariant()
    def final_states_stay_final_and_pauses_end_where_they_began(self) -> None:
        for before, after in pairwise(getattr(self, "passed", ())):
            assert not before.state.is_final
            resumes = before.state is ReleaseState.PAUSED and after.state in {ReleaseState.SHADOW, ReleaseState.CANARY}
            assert not resumes or after.state is before.resumes_to
            assert after.revision == before.revision + 1

    @invariant()
    def the_share_only_takes_the_steps_of_the_plan(self) -> None:
        for before, after in pairwise(getattr(self, "passed", ())):
            if after.share > before.share:
                assert after.share == next(share for share in after.plan if share > before.share)


TestReleasing = Releasing.TestCase
TestReleasing.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("state", list(ReleaseState))
@pytest.mark.parametrize("move", list(Move))
def test_a_move_the_table_does_not_have_is_refused(state: ReleaseState, move: Move) -> None:
    given = a_release(state=state, shadow=None, resumes_to=ReleaseState.CANARY, share=10)
    if (state, move) not in TABLE:
        with pytest.raises(IllegalTransitionError):
            lifecycle._moved(given, move, at=NOON)


def test_a_version_that_answered_nobody_is_aborted_and_never_rolled_back() -> None:
    paused = lifecycle.held(lifecycle.shadowed(a_release(), at=NOON), Hold.PERSON, "Odd.", at=NOON)
    with pytest.raises(IllegalTransitionError):
        lifecycle.rolling_back(paused, at=NOON)
    assert lifecycle.aborted(paused, at=NOON).state is ReleaseState.ABORTED


def test_a_share_that_arrives_while_paused_counts_and_the_pause_stays() -> None:
    canary = lifecycle.exposed(a_release(shadow=None), 5, at=NOON)
    paused = lifecycle.held(canary, Hold.NO_DATA, "Nothing measured.", at=NOON)
    late = lifecycle.exposed(paused, 10, at=NOON)
    assert (late.state, late.share, late.resumes_to) == (ReleaseState.PAUSED, 10, ReleaseState.CANARY)


def test_the_shadow_says_what_it_has_and_what_it_needs() -> None:
    release = lifecycle.shadowed(a_release(), at=NOON)
    now = NOON + timedelta(days=1.25)
    known = facts(release, now)
    assert known.comparison is not None
    known = replace(known, comparison=replace(known.comparison, records=2310))
    words = "Shadow needs 3 days and 5,000 records: 1.2 days and 2,310 so far."
    assert conditions.why_not(release, "close-shadow", known) == words
    assert conditions.why_not(release, "start-canary", known) == words


def test_a_canary_starts_at_the_first_share_only() -> None:
    release = lifecycle.closed(lifecycle.shadowed(a_release(), at=NOON), (7, "a" * 64), at=NOON)
    offers = {offer.step: offer for offer in conditions.offers(release, facts(release, NOON + timedelta(days=4)))}
    assert (offers["start-canary"].enabled, offers["start-canary"].share) == (True, 5)
    assert offers["start-canary"].label == "Start canary at 5 %"
    assert "advance" not in offers


def test_a_share_waits_for_its_time_its_requests_and_the_analysis() -> None:
    canary = lifecycle.exposed(a_release(shadow=None), 5, at=NOON)
    early = facts(canary, NOON + timedelta(minutes=10))
    assert "needs 30 minutes: 10 minutes so far" in conditions.why_not(canary, "advance", early)
    later = NOON + timedelta(minutes=40)
    few = facts(canary, later, analysis=a_look(canary, at=later, n=90))
    assert "needs 200 requests to version 4: 90 so far" in conditions.why_not(canary, "advance", few)
    for verdict in (Verdict.NO_DATA, Verdict.BREACH, Verdict.INVALID):
        known = facts(canary, later, analysis=a_look(canary, at=later, verdict=verdict))
        assert verdict.value in conditions.why_not(canary, "advance", known, low_evidence="It is fine.")
    assert conditions.why_not(canary, "advance", facts(canary, later)) == ""


def test_a_look_at_the_share_before_says_nothing_about_this_one() -> None:
    first = lifecycle.exposed(a_release(shadow=None), 5, at=NOON)
    second = lifecycle.exposed(first, 10, at=NOON + timedelta(hours=1))
    known = facts(second, NOON + timedelta(hours=2), analysis=a_look(first, at=NOON + timedelta(minutes=59)))
    assert conditions.why_not(second, "advance", known) == "Nothing was measured at this share yet."


def test_low_evidence_needs_the_stage_limit_and_a_reason() -> None:
    canary = lifecycle.exposed(a_release(shadow=None), 5, at=NOON)
    for hours, reason, allowed in ((1, "Quiet season.", False), (3, "", False), (3, "Quiet season.", True)):
        now = NOON + timedelta(hours=hours)
        known = facts(canary, now, analysis=a_look(canary, at=now, verdict=Verdict.UNDECIDED, n=50))
        assert (not conditions.why_not(canary, "advance", known, low_evidence=reason)) is allowed


def test_a_freeze_stops_what_goes_forward_and_nothing_that_goes_back() -> None:
    frozen = "Month-end closing, until 31 Jan 2030 (UTC)"
    planned = a_release()
    assert frozen in conditions.why_not(planned, "start-shadow", facts(planned, NOON, frozen=frozen))
    canary = lifecycle.exposed(a_release(shadow=None), 5, at=NOON)
    known = facts(canary, NOON + timedelta(hours=1), frozen=frozen)
    assert frozen in conditions.why_not(canary, "advance", known)
    assert conditions.why_not(canary, "hold", known) == ""
    assert conditions.why_not(canary, "rollback", known) == ""
    assert conditions.why_not(planned, "abort", facts(planned, NOON, frozen=frozen)) == ""


def test_what_people_hold_people_resume_and_what_should_come_back_does_not_go_on() -> None:
    canary = lifecycle.exposed(a_release(shadow=None), 5, at=NOON)
    paused = lifecycle.held(canary, Hold.SCORES, "Scores moved.", at=NOON)
    asked = facts(paused, NOON, analysis=a_look(canary, at=NOON, verdict=Verdict.UNDECIDED))
    assert conditions.why_not(paused, "resume", asked) == ""
    broken = facts(paused, NOON, analysis=a_look(canary, at=NOON, verdict=Verdict.BREACH))
    assert conditions.why_not(paused, "resume", broken).endswith("Roll back.")
    unarmed = facts(paused, NOON, checks=(missing("Service level"),))
    assert conditions.why_not(paused, "resume", unarmed) == "Service level: missing."


def test_a_first_version_has_no_way_back_and_says_so() -> None:
    first = lifecycle.exposed(a_release(base=None, shadow=None), 100, at=NOON)
    assert first.state is ReleaseState.FULL
    assert "no version to go back to" in conditions.why_not(first, "rollback", facts(first, NOON))
