"""What is measured about a batch run and what follows: exact where every row was counted, honest where rows are few."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rollout.batch_models import BatchTerms, Crossing, Output, RunState, Shift, TriggerReading
from services.rollout.batch_triggers import (
    EARLIER_RUNS,
    decide,
    invalid,
    late,
    next_window,
    readings,
    row_count,
    score_shift,
    worst,
)
from tests.fakes.batches import START, a_fact

UNATTENDED, ATTENDED = BatchTerms(unattended_release=True), BatchTerms(unattended_release=False)
GOOD = Output(rows=300, invalid=0, sha256="ab" * 32)


def counts(seed: int, n: int, shares: tuple[float, ...] = (0.1,) * 10) -> tuple[int, ...]:
    return tuple(int(item) for item in np.random.default_rng(seed).multinomial(n, shares))


def a_shift(n: int = 300, *, runs: int = 20, shares: tuple[float, ...] = (0.1,) * 10, paired: bool = False) -> Shift:
    return Shift(current=counts(99, n, shares), earlier=tuple(counts(seed, 300) for seed in range(runs)), paired=paired)


TILTED = (0.01, 0.01, 0.01, 0.01, 0.01, 0.05, 0.1, 0.2, 0.3, 0.3)


def a_reading(crossing: Crossing, **changes: object) -> TriggerReading:
    reading = TriggerReading(id="scores", title="Score shift", crossing=crossing, sentence=f"{crossing.value}.")
    return replace(reading, **changes)  # type: ignore[arg-type]


def test_a_failed_run_is_judged_by_that_alone() -> None:
    (found,) = readings(a_fact(1, ok=False, error="MODEL_FAILED"), None, usual_rows=[300] * 10, shift=None)

    assert (found.id, found.crossing) == ("failed", Crossing.CROSSED)
    assert "MODEL_FAILED" in found.sentence


def test_a_late_run_calls_somebody_and_withholds_nothing() -> None:
    found = late(a_fact(1, on_time=False, finished_at=START + timedelta(days=1, hours=5)))

    assert (found.crossing, found.withholds) == (Crossing.CROSSED, False)
    assert "5.0 hours" in found.sentence


@pytest.mark.parametrize(
    ("rows", "crossing"),
    [
        (300, Crossing.CLEAR),
        (290, Crossing.CLEAR),
        (210, Crossing.WATCH),
        (140, Crossing.CROSSED),
        (0, Crossing.CROSSED),
        (601, Crossing.CROSSED),
    ],
)
def test_half_or_twice_the_usual_rows_cross(rows: int, crossing: Crossing) -> None:
    assert row_count(rows, [300] * 12).crossing is crossing


@pytest.mark.parametrize("rows", [0, 2, 5, 9])
def test_five_usual_rows_never_make_a_clear_answer(rows: int) -> None:
    assert row_count(rows, [5] * 20).crossing is Crossing.TOO_FEW


def test_a_flood_is_seen_even_where_few_rows_are_usual() -> None:
    assert row_count(60, [5] * 20).crossing is Crossing.CROSSED


def test_without_earlier_runs_no_row_count_is_clear() -> None:
    assert row_count(300, [300] * 4).crossing is Crossing.TOO_FEW


@given(usual=st.lists(st.integers(0, 5000), min_size=5, max_size=20), rows=st.integers(0, 20000))
def test_a_clear_row_count_is_never_far_from_the_usual_one(usual: list[int], rows: int) -> None:
    found = row_count(rows, usual)

    expected = median(usual)
    if found.crossing is Crossing.CLEAR:
        assert expected >= 20
        assert abs(rows - expected) <= max(4 * expected**0.5, 0.25 * expected)
    if found.crossing is Crossing.CROSSED:
        assert not expected / 2 <= rows <= expected * 2


def test_invalid_rows_are_counted_exactly_also_among_five() -> None:
    assert invalid(Output(rows=5, invalid=1, sha256="")).crossing is Crossing.CROSSED
    assert invalid(Output(rows=5, invalid=0, sha256="")).crossing is Crossing.CLEAR
    assert invalid(Output(rows=1000, invalid=3, sha256="")).crossing is Crossing.WATCH


def test_an_output_that_was_not_seen_is_not_clear() -> None:
    assert invalid(None).crossing is Crossing.UNMEASURED
    assert invalid(Output(rows=0, invalid=0, sha256="")).crossing is Crossing.UNMEASURED


def test_scores_like_before_are_clear_and_tilted_ones_cross() -> None:
    assert score_shift(a_shift()).crossing is Crossing.CLEAR
    assert score_shift(a_shift(shares=TILTED)).crossing is Crossing.CROSSED
    assert score_shift(a_shift(shares=TILTED, runs=1, paired=True)).crossing is Crossing.CROSSED


def test_where_ordinary_days_differ_the_limit_follows_them() -> None:
    ordinary = tuple(counts(seed, 300, TILTED if seed % 5 == 0 else (0.1,) * 10) for seed in range(20))

    found = score_shift(Shift(current=counts(99, 300, TILTED), earlier=ordinary, paired=False))

    assert found.crossing in {Crossing.CLEAR, Crossing.WATCH}
    assert found.limit is not None
    assert found.limit > 0.25


def test_one_constant_score_crosses_whatever_is_usual() -> None:
    ordinary = tuple(counts(seed, 300, TILTED if seed % 5 == 0 else (0.1,) * 10) for seed in range(20))

    found = score_shift(Shift(current=(300, *([0] * 9)), earlier=ordinary, paired=False))

    assert found.crossing is Crossing.CROSSED


@given(n=st.integers(1, 49), seed=st.integers(0, 200), paired=st.booleans())
def test_a_handful_of_scores_is_never_called_clear(n: int, seed: int, *, paired: bool) -> None:
    shift = Shift(current=counts(seed, n), earlier=tuple(counts(1000 + run, 300) for run in range(20)), paired=paired)

    assert score_shift(shift).crossing is not Crossing.CLEAR


@given(runs=st.integers(0, EARLIER_RUNS - 1), seed=st.integers(0, 50))
def test_too_few_earlier_runs_are_never_called_clear(runs: int, seed: int) -> None:
    shift = Shift(current=counts(seed, 300), earlier=tuple(counts(run, 300) for run in range(runs)), paired=False)

    assert score_shift(shift).crossing in {Crossing.TOO_FEW, Crossing.UNMEASURED}


def test_the_first_output_waits_for_a_person_unless_all_is_clear_and_the_terms_allow_it() -> None:
    clear, few = [a_reading(Crossing.CLEAR)], [a_reading(Crossing.CLEAR), a_reading(Crossing.TOO_FEW)]

    assert decide(clear, first=True, ordered=False, terms=UNATTENDED)[0] is RunState.PUBLISHED
    assert decide(clear, first=True, ordered=False, terms=ATTENDED)[0] is RunState.HELD
    assert decide(few, first=True, ordered=False, terms=UNATTENDED)[0] is RunState.HELD
    assert decide([], first=True, ordered=False, terms=UNATTENDED)[0] is RunState.HELD


def test_later_outputs_are_published_unless_a_trigger_is_crossed() -> None:
    few, crossed = [a_reading(Crossing.TOO_FEW)], [a_reading(Crossing.CROSSED)]
    late_only = [a_reading(Crossing.CROSSED, id="late", withholds=False)]

    assert decide(few, first=False, ordered=False, terms=ATTENDED)[0] is RunState.PUBLISHED
    assert decide(crossed, first=False, ordered=False, terms=ATTENDED)[0] is RunState.QUARANTINED
    assert decide(late_only, first=False, ordered=False, terms=ATTENDED)[0] is RunState.PUBLISHED


@given(
    words=st.lists(st.sampled_from(list(Crossing)), max_size=5),
    first=st.booleans(),
    ordered=st.booleans(),
    unattended=st.booleans(),
)
def test_nothing_crossed_is_ever_published(
    words: list[Crossing], *, first: bool, ordered: bool, unattended: bool
) -> None:
    found = [a_reading(word) for word in words]

    state, reason = decide(found, first=first, ordered=ordered, terms=BatchTerms(unattended_release=unattended))

    assert reason
    if Crossing.CROSSED in words:
        assert state is RunState.QUARANTINED
    if first and not ordered and state is RunState.PUBLISHED:
        assert worst(found) is Crossing.CLEAR
        assert unattended


def test_the_next_run_follows_the_rhythm_of_the_last_ones() -> None:
    windows = [START + timedelta(hours=2 * number) for number in range(6)]

    assert next_window(windows) == START + timedelta(hours=12)
    assert next_window(windows[:2]) is None
