"""What runs batches, held against when they ran: idle hours, saving, and what it does to the time of a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.value.batch_size import Runs, right_size, spans_of
from services.value.budgets import Advice

START = datetime(2031, 3, 1, tzinfo=UTC)


def runs(*, every: float, lasts: float, number: int = 84, cpu_share: float = 0.5) -> Runs:
    """`number` runs, one every so many hours; `cpu_share` of one processor while they last."""
    spans = tuple(
        (START + timedelta(hours=every * nth), START + timedelta(hours=every * nth + lasts)) for nth in range(number)
    )
    return Runs(spans=spans, cpu_seconds=number * lasts * 3600 * cpu_share)


def ask(found: Runs, *, cpus: str = "1") -> Advice:
    return right_size(found, cpus=Decimal(cpus), cpu_hour=Decimal("0.05"), currency="USD")


def test_what_is_silent_between_runs_is_stopped_and_the_later_end_is_named() -> None:
    advice = ask(runs(every=2, lasts=0.25))

    assert advice.title == "Stop it between runs"
    assert advice.idle_share == pytest.approx(0.875)
    assert advice.utilisation == pytest.approx(0.0625, rel=0.02)
    assert advice.saving is not None
    assert float(advice.saving.base) == pytest.approx(0.875 * 0.05 * 720)
    assert advice.saving.low < advice.saving.base == advice.saving.high
    assert "10 to 60 seconds later" in advice.latency
    assert "15.0 minutes" in advice.latency
    assert advice.idle_words == "Hours without a run"


def test_runs_that_leave_most_of_the_processors_alone_get_half_the_size_and_others_keep_it() -> None:
    idle = ask(runs(every=4, lasts=3, cpu_share=0.2))
    busy = ask(runs(every=4, lasts=3, cpu_share=0.9))
    long = ask(runs(every=4, lasts=3.995, cpu_share=0.9))

    assert (idle.title, busy.title, long.title) == ("Half the size", "Keep the size", "Keep the size")
    assert idle.saving is not None
    assert idle.saving.base == Decimal("0.05") * 360
    assert "40% busy" in idle.latency
    assert busy.saving is None


def test_a_run_that_would_end_after_the_next_begins_is_not_stopped_before() -> None:
    """One outlier is enough: mostly silent, and yet there is no minute to start in."""
    usual = runs(every=2, lasts=0.1, number=80, cpu_share=0.9)
    slow = (usual.spans[-1][0] + timedelta(hours=2), usual.spans[-1][0] + timedelta(hours=3.99))

    advice = ask(Runs(spans=(*usual.spans, slow), cpu_seconds=80 * 0.1 * 3600 * 0.9))

    assert advice.title == "Keep the size"
    assert advice.idle_share is not None
    assert advice.idle_share > 0.5


@pytest.mark.parametrize(
    ("found", "cpus", "words"),
    [
        (Runs(spans=(), cpu_seconds=0.0), "1", "0 runs of batches"),
        (runs(every=2, lasts=0.1, number=4), "1", "4 runs of batches"),
        (runs(every=1, lasts=0.1, number=20), "1", "20 runs of batches"),
        (runs(every=2, lasts=0.1), "0", "how many processors"),
    ],
)
def test_too_few_runs_or_an_unknown_size_give_no_advice(found: Runs, cpus: str, words: str) -> None:
    advice = ask(found, cpus=cpus)

    assert advice.title == "No advice"
    assert words in advice.sentence
    assert advice.saving is None


def test_runs_of_a_moment_are_told_as_little_and_not_as_nothing() -> None:
    advice = ask(runs(every=2, lasts=0.0001))

    assert "No run in over 99 % of 166 hours; under 1 % of the size" in advice.sentence
    assert "took less than a second" in advice.latency


def test_runs_that_overlap_are_not_counted_twice_and_odd_ones_are_left_out() -> None:
    twice = spans_of([(START, START + timedelta(hours=1))] * 2 + [(START + timedelta(hours=4), START)])
    later = (START + timedelta(hours=8), START + timedelta(hours=9))

    found = Runs(spans=(*twice, later), cpu_seconds=0.0)

    assert (len(twice), found.running, found.hours) == (2, 1.0, 8.0)


@given(
    st.lists(
        st.tuples(st.integers(0, 2_000), st.integers(0, 300)), min_size=5, max_size=60, unique_by=lambda pair: pair[0]
    )
)
def test_no_share_leaves_its_bounds_and_nothing_saves_more_than_is_paid(pairs: list[tuple[int, int]]) -> None:
    found = Runs(
        spans=spans_of(
            [(START + timedelta(minutes=begin), START + timedelta(minutes=begin + lasts)) for begin, lasts in pairs]
        ),
        cpu_seconds=10.0,
    )

    advice = ask(found)

    assert advice.idle_share is None or 0 <= advice.idle_share <= 1
    assert advice.saving is None or 0 < advice.saving.base <= Decimal("0.05") * 720
