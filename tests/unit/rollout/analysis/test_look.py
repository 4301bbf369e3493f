"""What the watcher is told about a canary, look by look."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.kernel.errors import InputError
from services.policy.models import RollbackRule
from services.reliability.latency import bucket_of
from services.rollout.analysis.look import needed_since
from services.rollout.analysis.readings import GROWN, psi_noise
from services.rollout.analysis.settings import Settings
from services.rollout.analysis.state import State
from services.rollout.release_models import ReleaseState, TelemetryCell, Verdict
from tests.unit.rollout.analysis.traffic import BEGIN, FAST, SLOW, Watch, a_cell, a_release, after, said, ticks


def a_rule(measure: str, above: str, *, minutes: int = 5, requests: int = 20) -> RollbackRule:
    return RollbackRule(
        id=measure, measure=measure, above=above, unit="", window_minutes=minutes, min_requests=requests
    )


def test_a_canary_that_fails_far_more_often_than_the_live_version_is_to_be_rolled_back() -> None:
    watch = Watch()

    analysis = watch.look(ticks(0, 40, canary=(10, 2), control=(190, 0)), 40)

    assert analysis.verdict is Verdict.BREACH
    assert analysis.advice == "roll-back"
    reading = said(analysis, "errors")
    assert reading.evidence is not None
    assert reading.evidence >= 250
    assert reading.canary_events == 72  # the first four ticks, a minute, are left out
    assert reading.canary_n == 360
    assert "not chance" in reading.sentence


def test_errors_both_versions_have_are_no_evidence_against_the_canary() -> None:
    analysis = Watch().look(ticks(0, 240, canary=(10, 1), control=(190, 19)), 240)

    assert said(analysis, "errors").verdict is Verdict.UNDECIDED
    assert analysis.advice == ""


def test_the_first_minute_of_a_canary_is_left_out() -> None:
    watch = Watch()

    analysis = watch.look(
        (*ticks(0, 4, canary=(10, 10), control=(190, 0)), *ticks(4, 40, canary=(10, 0), control=(190, 0))), 40
    )

    assert said(analysis, "errors").canary_events == 0
    assert analysis.verdict is not Verdict.BREACH


def test_one_broken_client_does_not_roll_a_release_back() -> None:
    cells = [
        cell
        for tick in range(80)
        for cell in (a_cell("4", tick, 10, 5, clients=("broken",)), a_cell("3", tick, 190, 0))
    ]

    analysis = Watch().look(cells, 80)

    assert said(analysis, "errors").canary_events == 1
    assert said(analysis, "errors").verdict is Verdict.UNDECIDED


def test_two_clients_that_fail_again_at_each_share_are_two_sources_however_strong_the_evidence() -> None:
    watch, at = Watch(), 0
    for share in (5, 10, 20, 40, 50):
        watch.goes_to(share, at)
        cells = [
            cell
            for tick in range(at, at + 8)
            for cell in (
                a_cell("4", tick, share, 2, clients=("one", "two")),
                a_cell("3", tick, 100 - share, 0),
            )
        ]
        analysis = watch.look(cells, at + 8)
        at += 8

    assert said(analysis, "errors").canary_events == 10
    assert analysis.verdict is not Verdict.BREACH


def test_without_callers_every_failed_request_counts() -> None:
    cells = [cell for tick in range(40) for cell in (a_cell("4", tick, 10, 1, clients=()), a_cell("3", tick, 190, 0))]

    assert said(Watch().look(cells, 40), "errors").canary_events == 36


def test_a_canary_that_answers_far_more_slowly_is_to_be_rolled_back() -> None:
    slow = {"latency": ((bucket_of(FAST), 5), (bucket_of(SLOW), 5))}
    cells = [cell for tick in range(60) for cell in (a_cell("4", tick, 10, **slow), a_cell("3", tick, 190))]

    analysis = Watch().look(cells, 60)

    assert said(analysis, "latency").verdict is Verdict.BREACH
    assert analysis.advice == "roll-back"


def test_a_slow_hour_of_both_versions_is_no_evidence_against_the_canary() -> None:
    cells = [
        cell
        for tick in range(60)
        for cell in (
            a_cell("4", tick, 10, latency=((bucket_of(SLOW), 10),)),
            a_cell("3", tick, 190, latency=((bucket_of(SLOW), 190),)),
        )
    ]

    assert said(Watch().look(cells, 60), "latency").verdict is Verdict.UNDECIDED


def test_the_reference_of_latency_is_read_off_the_live_version_when_none_is_given() -> None:
    watch = Watch(settings=Settings())

    few = watch.look(ticks(0, 5, canary=(10, 0), control=(150, 0)), 5)
    more = watch.look(ticks(5, 20, canary=(10, 0), control=(150, 0)), 20)

    assert "Too few answers" in said(few, "latency").sentence
    assert said(more, "latency").canary_n > 0


def test_another_share_than_the_one_that_was_set_makes_the_look_invalid() -> None:
    analysis = Watch().look(ticks(0, 40, canary=(25, 0), control=(175, 0)), 40)

    assert analysis.verdict is Verdict.INVALID
    assert analysis.advice == "hold"
    assert said(analysis, "share").evidence is not None


def test_resuming_after_a_wrong_share_begins_that_test_anew_and_keeps_the_others() -> None:
    watch = Watch()
    watch.look(ticks(0, 40, canary=(25, 1), control=(175, 0)), 40)
    errors = State.from_json(watch.text).settled.sums["errors"]

    watch.release = a_release(state=ReleaseState.PAUSED, resumes_to=ReleaseState.CANARY)
    held = watch.look((), 41)
    watch.release = a_release()
    resumed = watch.look(ticks(41, 60, canary=(10, 0), control=(190, 0)), 60)

    assert held.verdict is Verdict.BREACH or held.verdict is Verdict.INVALID
    assert said(resumed, "share").verdict is Verdict.UNDECIDED
    assert State.from_json(watch.text).settled.sums["errors"] != (0.0,) * 9
    assert errors != (0.0,) * 9


def test_no_request_where_some_were_expected_is_no_data_and_not_zero_errors() -> None:
    analysis = Watch().look(ticks(0, 3, canary=(0, 0), control=(100, 0)), 3)

    assert said(analysis, "errors").verdict is Verdict.NO_DATA
    assert "not zero errors" in said(analysis, "errors").sentence
    assert analysis.verdict is Verdict.INVALID
    assert analysis.advice == "hold"


def test_a_candidate_without_requests_for_ten_minutes_is_to_be_drained() -> None:
    analysis = Watch().look(ticks(0, 41, canary=(0, 0), control=(100, 0)), 41)

    assert analysis.verdict is Verdict.NO_DATA
    assert analysis.advice == "drain"


def test_a_shadow_without_copies_is_no_data() -> None:
    analysis = Watch(a_release(state=ReleaseState.SHADOW, share=0)).look(
        tuple(a_cell("3", tick, 100) for tick in range(10)), 10
    )

    assert analysis.verdict is Verdict.NO_DATA
    assert analysis.advice == "hold"


def test_copies_that_arrive_later_than_the_requests_are_waited_for() -> None:
    replayed = Settings(reference_ms=(FAST, 100.0), telemetry_lag=timedelta(minutes=5))
    watch = Watch(a_release(state=ReleaseState.SHADOW, share=0), replayed)
    live = tuple(a_cell("3", tick, 100) for tick in range(30))

    waiting = watch.look(live[:20], 20)
    missing = watch.look(live, 30)

    assert waiting.verdict is Verdict.UNDECIDED
    assert missing.verdict is Verdict.NO_DATA


def test_an_idle_endpoint_is_undecided_and_not_silent() -> None:
    analysis = Watch().look((), 40)

    assert analysis.verdict is Verdict.UNDECIDED
    assert analysis.silent_minutes == 0


@pytest.mark.parametrize(
    ("quiet", "advice"), [(2, None), (4, ""), (8, "hold"), (39, "hold"), (40, "drain"), (400, "drain")]
)
def test_an_old_watermark_is_no_data_then_a_hold_then_a_drain(quiet: int, advice: str | None) -> None:
    analysis = Watch().look(ticks(0, 40, canary=(10, 0), control=(190, 0)), 40 + quiet, watermark=40)

    if advice is None:
        assert analysis.verdict is not Verdict.NO_DATA
    else:
        assert analysis.verdict is Verdict.NO_DATA
        assert analysis.advice == advice
        assert all(item.verdict is Verdict.NO_DATA for item in analysis.readings)


def test_nothing_ever_recorded_is_no_data() -> None:
    analysis = Watch().look((), 12, watermark=None)

    assert analysis.verdict is Verdict.NO_DATA
    assert analysis.silent_minutes == 3
    assert analysis.advice == "hold"


def test_a_declared_lag_of_the_platform_is_waited_for() -> None:
    patient = Settings(reference_ms=(FAST, 100.0), telemetry_lag=timedelta(minutes=5))

    analysis = Watch(settings=patient).look(ticks(0, 40, canary=(10, 0), control=(190, 0)), 60, watermark=40)

    assert analysis.verdict is not Verdict.NO_DATA


def test_a_breach_stays_one_when_telemetry_stops() -> None:
    watch = Watch()
    watch.look(ticks(0, 40, canary=(10, 2), control=(190, 0)), 40)

    silent = watch.look((), 100, watermark=40)

    assert silent.verdict is Verdict.BREACH


def test_scores_that_moved_hold_the_release() -> None:
    canary, control = (1, 1, 1, 1, 1, 1, 1, 1, 1, 11), (19,) * 10
    cells = [
        cell
        for tick in range(60)
        for cell in (a_cell("4", tick, 20, scores=canary), a_cell("3", tick, 190, scores=control))
    ]

    analysis = Watch(a_release(share=10)).look(cells, 60)

    assert said(analysis, "scores").verdict is Verdict.BREACH
    assert analysis.advice == "hold"


def test_over_few_scores_a_signed_difference_may_look_larger_by_chance() -> None:
    """118 scores in 22 bins showed 0.69 where 0.53 had been signed over thousands."""
    assert 0.25 < psi_noise(22, 118, 2291) < 0.35
    assert psi_noise(22, 100_000, 100_000) < 0.001
    assert psi_noise(1, 10, 10) == psi_noise(10, 0, 10) == 0.0


def test_a_smaller_difference_signed_later_takes_nothing_back() -> None:
    canary, control = (1, 1, 1, 1, 1, 1, 1, 1, 1, 11), (19,) * 10
    cells = [
        cell
        for tick in range(60)
        for cell in (a_cell("4", tick, 20, scores=canary), a_cell("3", tick, 190, scores=control))
    ]

    analysis = Watch(a_release(share=10, accepted=(("scores", 2.0), ("scores", 0.3)))).look(cells, 60)

    assert said(analysis, "scores").verdict is Verdict.UNDECIDED


def test_after_a_signed_difference_a_strange_quarter_of_an_hour_holds_nothing_and_a_greater_one_does() -> None:
    """What was signed is a distance over all scores: one over the next few alone would be another measure."""
    moved, stranger, control = (8, 7, 5), (0, 0, 20), (90, 60, 40)

    def cells(first: int, last: int, canary: tuple[int, ...]) -> list[TelemetryCell]:
        return [
            cell
            for tick in range(first, last)
            for cell in (a_cell("4", tick, 20, scores=canary), a_cell("3", tick, 190, scores=control))
        ]

    watch = Watch(a_release(share=10))
    before = said(watch.look(cells(0, 400, moved), 400), "scores").value or 0.0
    watch.release = a_release(share=10, state=ReleaseState.PAUSED, resumes_to=ReleaseState.CANARY)
    watch.look((), 401)

    watch.release = a_release(share=10, accepted=(("scores", 0.3),))
    few = said(watch.look(cells(401, 411, stranger), 411), "scores")
    many = said(watch.look(cells(411, 700, stranger), 700), "scores")

    assert few.value == pytest.approx(before, abs=0.05)
    assert few.verdict is Verdict.UNDECIDED
    assert many.verdict is Verdict.BREACH


@pytest.mark.parametrize(("signed", "verdict"), [(2.0, Verdict.UNDECIDED), (0.3, Verdict.BREACH)])
def test_a_shift_of_scores_that_a_person_signed_holds_again_only_when_it_grows(signed: float, verdict: Verdict) -> None:
    """The shift here is about 1.5: within a signed 2.0, and far beyond a signed 0.3."""
    canary, control = (1, 1, 1, 1, 1, 1, 1, 1, 1, 11), (19,) * 10
    cells = [
        cell
        for tick in range(60)
        for cell in (a_cell("4", tick, 20, scores=canary), a_cell("3", tick, 190, scores=control))
    ]

    analysis = Watch(replace(a_release(share=10), accepted=(("scores", signed),))).look(cells, 60)

    scores = said(analysis, "scores")
    assert scores.verdict is verdict
    assert scores.value is not None
    assert 0.3 * GROWN < scores.value <= 2.0 * GROWN
    assert ("A person signed" in scores.sentence) is (verdict is Verdict.UNDECIDED)


@pytest.mark.parametrize("wins", [0, 6])
def test_a_business_outcome_that_moved_either_way_holds_the_release(wins: int) -> None:
    cells = [
        cell for tick in range(200) for cell in (a_cell("4", tick, 20, wins=wins), a_cell("3", tick, 180, wins=18))
    ]

    analysis = Watch(a_release(share=10)).look(cells, 200)

    assert said(analysis, "business").verdict is Verdict.BREACH
    assert said(analysis, "business").action == "hold"


def test_going_up_needs_time_requests_and_evidence() -> None:
    watch = Watch()

    early = watch.look(ticks(0, 60, canary=(50, 0), control=(950, 2)), 60)
    later = watch.look(ticks(60, 120, canary=(50, 0), control=(950, 2)), 120)

    assert early.verdict is Verdict.UNDECIDED
    assert "more minutes" in said(early, "go").sentence
    assert later.verdict is Verdict.GO
    assert later.advice == "advance"


def test_without_a_promise_nothing_shows_that_the_canary_is_good() -> None:
    analysis = Watch(level=None).look(ticks(0, 240, canary=(50, 0), control=(950, 2)), 240)

    assert analysis.verdict is Verdict.UNDECIDED
    assert "no error rate was promised" in said(analysis, "go").sentence


def test_evidence_for_going_up_belongs_to_one_stage() -> None:
    watch = Watch()
    watch.look(ticks(0, 120, canary=(50, 0), control=(950, 2)), 120)

    watch.goes_to(10, 120)
    first = watch.look(ticks(120, 125, canary=(100, 0), control=(900, 2)), 125)

    assert first.verdict is Verdict.UNDECIDED
    assert said(first, "go").canary_n == 500


def test_evidence_of_errors_goes_on_over_the_shares() -> None:
    watch = Watch()
    watch.look(ticks(0, 20, canary=(10, 0), control=(190, 1)), 20)
    watch.goes_to(10, 20)

    analysis = watch.look(ticks(20, 30, canary=(20, 0), control=(180, 1)), 30)

    assert said(analysis, "errors").control_events == 26
    assert said(analysis, "errors").canary_n == 360


def test_shadow_and_canary_are_judged_apart() -> None:
    shadow = [
        cell for tick in range(20) for cell in (a_cell("4", tick, 100, 1, role="mirror"), a_cell("3", tick, 100, 1))
    ]
    watch = Watch(a_release(state=ReleaseState.SHADOW, share=0))
    seen = watch.look(shadow, 20)
    watch.release = a_release(stage_since=after(20))

    analysis = watch.look((*shadow, *ticks(20, 30, canary=(10, 0), control=(190, 0))), 30)

    assert said(seen, "errors").canary_events == 16
    assert said(analysis, "errors").canary_events == 0


def test_a_signed_limit_is_a_breach_by_itself() -> None:
    settings = Settings(limits=(a_rule("error_rate", "0.05"), a_rule("p95_ms", "200")), reference_ms=(FAST, 100.0))

    analysis = Watch(settings=settings).look(ticks(0, 20, canary=(10, 1), control=(190, 0)), 20)

    assert said(analysis, "limit-error_rate").verdict is Verdict.BREACH
    assert said(analysis, "limit-error_rate").evidence == pytest.approx(0.1)
    assert said(analysis, "limit-p95_ms").verdict is Verdict.UNDECIDED
    assert analysis.advice == "roll-back"


def test_a_signed_limit_waits_for_the_requests_it_asks_for() -> None:
    settings = Settings(limits=(a_rule("error_rate", "0.05", requests=1_000),))

    analysis = Watch(settings=settings).look(ticks(0, 6, canary=(10, 5), control=(190, 0)), 6)

    assert said(analysis, "limit-error_rate").verdict is Verdict.UNDECIDED


def test_when_the_live_version_breaks_the_limit_too_serving_is_impaired_and_going_back_is_no_help() -> None:
    settings = Settings(limits=(a_rule("error_rate", "0.05"),))

    analysis = Watch(settings=settings).look(ticks(0, 20, canary=(10, 1), control=(190, 19)), 20)

    assert analysis.impaired
    assert analysis.advice == "hold"
    assert "serving is impaired" in analysis.sentence


def test_evidence_and_silence_are_measures_a_plan_may_name() -> None:
    rules = (a_rule("error_evidence", "250"), a_rule("latency_evidence", "250"), a_rule("silence_minutes", "10"))
    watch = Watch(settings=Settings(limits=rules, reference_ms=(FAST, 100.0)))

    analysis = watch.look(ticks(0, 40, canary=(10, 2), control=(190, 0)), 40)
    silent = Watch(settings=Settings(limits=rules)).look((), 60, watermark=None)

    assert said(analysis, "limit-error_evidence").verdict is Verdict.BREACH
    assert said(analysis, "limit-latency_evidence").verdict is Verdict.UNDECIDED
    assert said(silent, "limit-silence_minutes").verdict is Verdict.BREACH
    assert said(silent, "limit-silence_minutes").evidence == 15


def test_after_everything_moved_errors_are_held_to_the_promised_rate() -> None:
    watch = Watch(a_release(state=ReleaseState.FULL, share=100))
    calm = watch.look(tuple(a_cell("4", tick, 200, tick % 2) for tick in range(100)), 100)

    analysis = watch.look(tuple(a_cell("4", tick, 200, 20) for tick in range(100, 110)), 110)

    assert said(calm, "errors").verdict is Verdict.UNDECIDED
    assert said(analysis, "errors").verdict is Verdict.BREACH
    assert "nothing runs beside it" in said(analysis, "errors").sentence


def test_after_everything_moved_copies_to_the_version_before_keep_the_comparison_going() -> None:
    watch = Watch(a_release(state=ReleaseState.FULL, share=100))
    cells = [
        cell for tick in range(20) for cell in (a_cell("4", tick, 100, 10), a_cell("3", tick, 100, 0, role="mirror"))
    ]

    analysis = watch.look(cells, 20)

    assert said(analysis, "errors").control_n == 1_600
    assert said(analysis, "errors").verdict is Verdict.BREACH


def test_looking_twice_changes_nothing() -> None:
    watch = Watch()
    cells = ticks(0, 40, canary=(10, 1), control=(190, 1))
    first = watch.look(cells, 40)
    text = watch.text

    second = watch.look(cells, 40)

    assert second == first
    assert watch.text == text


def test_a_late_cell_is_added_once() -> None:
    watch, cells = Watch(), ticks(0, 40, canary=(10, 0), control=(190, 0))
    late = a_cell("4", 38, 10, 1)
    without = [cell for cell in cells if cell.tick != late.tick or cell.version != "4"]
    watch.look(without, 40)

    watch.look((late,), 41)
    analysis = watch.look((late,), 41)

    assert said(analysis, "errors").canary_events == 1
    assert said(analysis, "errors").canary_n == 360


def test_counters_that_go_back_begin_a_segment_and_keep_the_evidence() -> None:
    watch = Watch()
    before = watch.look(ticks(0, 40, canary=(10, 1), control=(190, 0)), 40)

    analysis = watch.look(ticks(36, 40, canary=(2, 0), control=(20, 0)), 40)

    assert said(analysis, "errors") == said(before, "errors")
    assert "went back" in analysis.sentence


def test_a_release_without_traffic_has_nothing_to_judge() -> None:
    analysis = Watch(a_release(state=ReleaseState.PLANNED, share=0)).look((), 4)

    assert analysis.readings == ()
    assert "nothing to judge" in analysis.sentence


def test_a_state_that_cannot_be_read_is_refused_and_not_begun_anew() -> None:
    assert State.from_json("") == State()
    with pytest.raises(InputError):
        State.from_json('{"stage": 4}')


def test_callers_are_not_kept_by_name() -> None:
    watch = Watch()

    watch.look((a_cell("4", 8, 10, 1, clients=("anna.berg@example.org",)), a_cell("3", 8, 190)), 20)

    assert "anna" not in watch.text


def test_a_look_says_what_the_stage_can_find() -> None:
    analysis = Watch().look(ticks(0, 60, canary=(5, 0), control=(95, 1)), 60)

    assert "9 of 10" in analysis.detectable


def test_telemetry_is_asked_for_from_the_longest_window_on() -> None:
    settings = Settings(limits=(a_rule("error_rate", "0.05", minutes=60),))
    now = BEGIN + timedelta(hours=5)
    state = replace(State(), settled_until=int(now.timestamp()))

    assert needed_since(state, release=a_release(), settings=settings, now=now) == now - timedelta(hours=1)


def test_a_look_keeps_what_each_version_did_since_the_look_before() -> None:
    watch = Watch()
    watch.look(ticks(0, 20, canary=(10, 0), control=(190, 0)), 20)

    cells = (*ticks(16, 20, canary=(10, 0), control=(190, 0)), *ticks(20, 24, canary=(11, 1), control=(189, 2)))
    analysis = watch.look(cells, 24)
    again = watch.look(cells, 24)

    assert [(arm.version, arm.requests, arm.errors) for arm in analysis.arms] == [("4", 44, 4), ("3", 756, 8)]
    assert again.arms == analysis.arms
