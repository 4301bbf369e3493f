"""What follows from one look: back only as signed, everything doubtful is held, nothing ever moves forward."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.kernel.health import Health
from services.rollout import plan_measures
from services.rollout.machine import shown
from services.rollout.release_models import Check, Hold, ReleaseState, Verdict
from services.rollout.watch_rules import Facts, Move, decide
from tests.builders import NOON
from tests.unit.rollout.watching import (
    ERRORS,
    RULES,
    SILENT,
    SLOW,
    WORSE,
    a_cell,
    a_reading,
    a_release,
    an_analysis,
)

EXCEEDED = an_analysis(a_reading("limit-errors"))


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {"release": a_release(), "analysis": an_analysis(), "rules": RULES}
    return Facts(**(values | changes))


def exceeded(*rules: Any, **changes: Any) -> Facts:
    analysis = changes.pop("analysis", EXCEEDED)
    found = plan_measures.breaches(rules or (ERRORS,), candidate="2", analysis=analysis)
    return facts(analysis=analysis, breaches=found, **changes)


def test_a_quiet_canary_is_left_alone() -> None:
    assert decide(facts()).move is Move.STAY


def test_a_signed_limit_that_is_exceeded_brings_traffic_back() -> None:
    decision = decide(exceeded())
    assert decision.move is Move.ROLL_BACK
    assert decision.breach is not None
    assert (decision.breach.rule.id, decision.breach.measured.value) == ("errors", "0.2000")
    assert "measured 0.2000 over 100 requests of version 2" in decision.sentence


def test_good_evidence_never_moves_a_release_forward() -> None:
    going = a_reading("go", Verdict.GO, action="advance")
    assert decide(facts(analysis=an_analysis(going, verdict=Verdict.GO, advice="advance"))).move is Move.STAY


def test_a_paused_release_that_breaches_still_goes_back() -> None:
    paused = a_release(state=ReleaseState.PAUSED, resumes_to=ReleaseState.CANARY, hold=Hold.PERSON)
    assert decide(exceeded(release=paused)).move is Move.ROLL_BACK


@pytest.mark.parametrize("state", [ReleaseState.ROLLING_BACK, ReleaseState.ROLLED_BACK, ReleaseState.RETIRED])
def test_a_release_that_is_going_back_or_over_is_not_touched_again(state: ReleaseState) -> None:
    assert decide(exceeded(release=a_release(state=state))).move is Move.STAY


def test_the_machine_acts_once_per_release_and_calls_somebody_the_second_time() -> None:
    """Row 31: bad, good, bad."""
    decision = decide(exceeded(release=a_release(latched=True)))
    assert (decision.move, decision.severity) == (Move.CALL, 1)


def test_evidence_no_rule_was_signed_for_holds_and_says_that_the_machine_may_not_act() -> None:
    decision = decide(facts(analysis=an_analysis(a_reading("errors", evidence=900.0, limit=250.0))))
    assert (decision.move, decision.hold, decision.severity) == (Move.HOLD, Hold.EVIDENCE, 1)
    assert "no rule for it" in decision.sentence


def test_both_versions_over_the_limit_is_an_impaired_service_and_no_bad_release() -> None:
    common = an_analysis(a_reading("limit-errors", action="hold"), verdict=Verdict.BREACH, impaired=True)
    decision = decide(exceeded(analysis=common))
    assert (decision.move, decision.topic, decision.severity) == (Move.HOLD, "impaired", 1)


def test_worse_copies_hold_a_shadow_run_whose_answers_nobody_gets() -> None:
    shadow = a_release(state=ReleaseState.SHADOW, share=0)
    decision = decide(facts(release=shadow, analysis=an_analysis(a_reading("errors"))))
    assert (decision.move, decision.hold) == (Move.HOLD, Hold.EVIDENCE)


@pytest.mark.parametrize(
    ("metric", "verdict", "hold"),
    [
        ("share", Verdict.INVALID, Hold.SHARE),
        ("scores", Verdict.BREACH, Hold.SCORES),
        ("business", Verdict.BREACH, Hold.BUSINESS),
    ],
)
def test_what_a_statistic_may_not_decide_is_held_for_a_person(metric: str, verdict: Verdict, hold: Hold) -> None:
    decision = decide(facts(analysis=an_analysis(a_reading(metric, verdict, action="hold"))))
    assert (decision.move, decision.hold) == (Move.HOLD, hold)


@pytest.mark.parametrize(
    ("changes", "hold"),
    [
        ({"difference": "Traffic differs: version 3 100 % is served."}, Hold.DIFFERENCE),
        ({"frozen": "Month end (until 2030-02-02)"}, Hold.FREEZE),
        (
            {"unwatched": (Check(id="score-monitor", title="", state=Health.BREACH, sentence="No reference."),)},
            Hold.MONITOR,
        ),
    ],
)
def test_a_difference_a_freeze_and_a_monitor_that_is_gone_hold_the_release(changes: dict[str, Any], hold: Hold) -> None:
    """Rows 22, 33 and 36."""
    decision = decide(facts(**changes))
    assert (decision.move, decision.hold) == (Move.HOLD, hold)


MADE_ANEW = Check(
    id="score-monitor", title="", state=Health.UNKNOWN, sentence="The figures are being made anew.", in_the_making=True
)


def test_figures_that_are_made_anew_are_waited_for_an_hour_and_then_hold() -> None:
    """An upgrade has every day compared again: that is no release without a monitor, until it takes too long."""
    waiting = decide(facts(unwatched=(MADE_ANEW,), making_for=timedelta(minutes=59)))
    late = decide(facts(unwatched=(MADE_ANEW,), making_for=timedelta(hours=1)))
    assert waiting.move is Move.STAY
    assert (late.move, late.hold, late.topic) == (Move.HOLD, Hold.MONITOR, "monitor")
    assert late.sentence.endswith("A release waits for them for 60 minutes.")


def test_a_promise_that_is_gone_holds_while_figures_are_made() -> None:
    gone = Check(id="service-level", title="", state=Health.BREACH, sentence="No limit is recorded.")
    decision = decide(facts(unwatched=(MADE_ANEW, gone)))
    assert (decision.move, decision.sentence) == (Move.HOLD, "No limit is recorded.")


def test_a_freeze_holds_and_a_breach_in_it_still_goes_back() -> None:
    """Row 32."""
    assert decide(exceeded(frozen="Month end")).move is Move.ROLL_BACK


def test_no_data_for_two_minutes_holds() -> None:
    """Rows 24 and 25: missing or stale telemetry is never good news."""
    assert decide(facts(silent_for=timedelta(seconds=119))).move is Move.STAY
    decision = decide(facts(silent_for=timedelta(minutes=2)))
    assert (decision.move, decision.hold) == (Move.HOLD, Hold.NO_DATA)


def test_no_data_for_ten_minutes_drains_under_the_signed_rule() -> None:
    """Rows 24 and 25, the second step."""
    lasting = timedelta(minutes=10, seconds=5)
    paused = a_release(state=ReleaseState.PAUSED, resumes_to=ReleaseState.CANARY, hold=Hold.NO_DATA)
    silent = plan_measures.silence((SILENT,), candidate="2", lasting=lasting, requests=400)
    decision = decide(facts(release=paused, silent_for=lasting, silence=silent))
    assert (decision.move, decision.topic) == (Move.ROLL_BACK, "silence")


def test_silence_before_any_request_was_counted_is_outside_the_rule() -> None:
    assert plan_measures.silence((SILENT,), candidate="2", lasting=timedelta(hours=1), requests=0) is None


def test_silence_after_everything_moved_calls_somebody_and_moves_nothing() -> None:
    full = a_release(state=ReleaseState.FULL, share=100)
    lasting = timedelta(minutes=20)
    silent = plan_measures.silence((SILENT,), candidate="2", lasting=lasting, requests=400)
    decision = decide(facts(release=full, silent_for=lasting, silence=silent))
    assert (decision.move, decision.topic) == (Move.CALL, "no-data")


def test_a_shadow_run_never_drains_because_it_answers_nobody() -> None:
    lasting = timedelta(minutes=20)
    silent = plan_measures.silence((SILENT,), candidate="2", lasting=lasting, requests=400)
    shadow = a_release(state=ReleaseState.SHADOW, share=0)
    assert decide(facts(release=shadow, silent_for=lasting, silence=silent)).move is Move.HOLD


def test_what_holds_a_release_already_held_only_calls() -> None:
    paused = a_release(state=ReleaseState.PAUSED, resumes_to=ReleaseState.CANARY, hold=Hold.PERSON)
    assert decide(facts(release=paused, silent_for=timedelta(minutes=3))).move is Move.CALL


def test_errors_come_before_latency_and_evidence_before_a_window() -> None:
    worse = a_reading("limit-worse", evidence=1e300, canary_n=40)
    analysis = an_analysis(a_reading("limit-slow", evidence=900.0), a_reading("limit-errors"), worse)
    found = plan_measures.breaches((SLOW, ERRORS, WORSE), candidate="2", analysis=analysis)
    assert [item.rule.id for item in found] == ["worse", "errors", "slow"]
    assert found[0].measured.value == "1000000000000.0"


@pytest.mark.parametrize(
    "reading",
    [
        a_reading("limit-errors", Verdict.UNDECIDED),
        a_reading("limit-errors", evidence=0.05),
        a_reading("limit-errors", canary_n=49),
        a_reading("limit-errors", evidence=None),
        a_reading("limit-errors", action="hold"),
    ],
)
def test_what_is_not_clearly_above_the_signed_limit_is_no_breach(reading: Any) -> None:
    assert plan_measures.breaches((ERRORS,), candidate="2", analysis=an_analysis(reading)) == ()


def test_impact_begins_with_the_first_tick_that_proved_bad() -> None:
    breach = plan_measures.breaches((ERRORS,), candidate="2", analysis=EXCEEDED)[0]
    cells = [a_cell(3, errors=2), a_cell(1), a_cell(2, errors=1), a_cell(0, version="1", errors=5)]
    assert plan_measures.bad_since(cells, candidate="2", breach=breach) == NOON + timedelta(minutes=2)


@pytest.mark.parametrize(
    ("value", "words"),
    [("0.2000", "0.2000"), ("512", "512"), ("32871.4", "32,871"), ("1000000000000.0", "over a million")],
)
def test_a_measurement_is_told_in_words_a_person_can_say(value: str, words: str) -> None:
    assert shown(value) == words
