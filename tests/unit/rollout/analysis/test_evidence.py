"""The evidence keeps its promise: proven by enumeration and by brute force, not by the formula it is made of."""

from __future__ import annotations

from itertools import product
from math import comb, exp, isfinite, log

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.rollout.analysis import evidence

COUNTS = st.integers(0, 6)
SHARES = st.floats(0.01, 0.9)
TICK = st.tuples(st.integers(0, 4), st.integers(0, 8), st.integers(0, 3))
"""(canary requests, control requests, events among them as far as there are as many)."""


def e_of(steps: list[np.ndarray]) -> float:
    """The e-value after ticks that all had events."""
    sums = None
    for number, step in enumerate(steps, start=1):
        sums = evidence.renewed(sums, step, number)
    return 1.0 if sums is None else exp(float(evidence.log_e(sums, len(steps))))


@settings(deadline=None)
@given(st.lists(st.tuples(COUNTS, COUNTS, SHARES), min_size=1, max_size=5), st.sampled_from([1.0, 1.5]))
def test_it_agrees_with_likelihoods_multiplied_out_event_by_event(
    ticks: list[tuple[int, int, float]], tolerance: float
) -> None:
    def likelihood_ratio(ratio: float, some: list[tuple[int, int, float]]) -> float:
        value = 1.0
        for canary, control, share in some:
            null = tolerance * share / (tolerance * share + 1 - share)
            worse = ratio * tolerance * share / (ratio * tolerance * share + 1 - share)
            value *= (worse / null) ** canary * ((1 - worse) / (1 - null)) ** control
        return value

    found = e_of(
        [evidence.which_arm(c, o, share, tolerance=tolerance, ratios=evidence.SEVERITIES) for c, o, share in ticks]
    )

    reserve = [log(2) / log(2 + number) for number in range(len(ticks) + 1)]
    expected = reserve[-1] + sum(
        (reserve[begin] - reserve[begin + 1])
        * sum(likelihood_ratio(ratio, ticks[begin:]) for ratio in evidence.SEVERITIES)
        / len(evidence.SEVERITIES)
        for begin in range(len(ticks))
    )
    assert found == pytest.approx(expected, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), SHARES), min_size=1, max_size=4), st.floats(0.05, 1.0))
def test_its_expectation_is_never_above_one_while_the_canary_is_no_worse_than_tolerated(
    ticks: list[tuple[int, float]], part: float
) -> None:
    """Every outcome of a few ticks with its probability; events come from the canary at most as often as tolerated."""
    tolerance = 1.5
    total = 0.0
    for outcome in product(*(range(events + 1) for events, _ in ticks)):
        probability, steps = 1.0, []
        for canary, (events, share) in zip(outcome, ticks, strict=True):
            p = part * tolerance * share / (tolerance * share + 1 - share)
            probability *= comb(events, canary) * p**canary * (1 - p) ** (events - canary)
            steps.append(
                evidence.which_arm(canary, events - canary, share, tolerance=tolerance, ratios=evidence.SEVERITIES)
            )
        total += probability * e_of(steps)

    assert total <= 1 + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.lists(TICK, min_size=1, max_size=3), st.booleans())
@example(ticks=[(3, 0, 3), (3, 0, 3), (3, 0, 3)], both_ways=False)
def test_the_realised_share_of_a_tick_keeps_the_promise_for_frequent_events_too(
    ticks: list[tuple[int, int, int]], both_ways: bool
) -> None:
    """Which requests are slow is a draw without replacement among those of the tick."""
    drawn = [(n_c, n_o, min(events, n_c + n_o)) for n_c, n_o, events in ticks if n_c + n_o and events]
    test = evidence.either_way if both_ways else evidence.which_arm
    total = 0.0
    for outcome in product(*(range(events + 1) for _, _, events in drawn)):
        probability, steps = 1.0, []
        for canary, (n_c, n_o, events) in zip(outcome, drawn, strict=True):
            probability *= comb(n_c, canary) * comb(n_o, events - canary) / comb(n_c + n_o, events)
            share = n_c / (n_c + n_o)
            steps.append(test(canary, events - canary, share, tolerance=1.0, ratios=evidence.NEAR_SEVERITIES))
        if probability:
            total += probability * e_of(steps)

    # A share of nought or one is kept a billionth away from it, once for every event.
    assert total <= 1 + 1e-7


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=2), SHARES)
def test_scores_are_no_evidence_while_the_arm_says_nothing_about_the_bin(
    ticks: list[tuple[int, int, int]], share: float
) -> None:
    total = 0.0
    used = [tick for tick in ticks if sum(tick)]
    for outcome in product(*(range(n + 1) for tick in used for n in tick)):
        probability, steps = 1.0, []
        for index, tick in enumerate(used):
            canary = np.array(outcome[3 * index : 3 * index + 3])
            for c, n in zip(canary, tick, strict=True):
                probability *= comb(n, c) * share**c * (1 - share) ** (n - c)
            steps.append(evidence.scores_moved(canary, np.array(tick) - canary, share))
        total += probability * e_of(steps)

    assert total == pytest.approx(1, abs=1e-9)


@settings(deadline=None)
@given(st.floats(0.002, 0.4), st.floats(1.0, 2.0), st.integers(1, 12))
def test_evidence_for_going_up_is_none_while_errors_are_at_the_promise_or_above(
    promise: float, times: float, n: int
) -> None:
    rate = min(0.99, promise * times)
    total = sum(
        comb(n, failed)
        * rate**failed
        * (1 - rate) ** (n - failed)
        * exp(float(evidence.log_mean(evidence.against_rate(failed, n, promise, ratios=evidence.GO_RATIOS))))
        for failed in range(n + 1)
    )

    assert total <= 1 + 1e-9


def test_looking_after_every_tick_crosses_no_more_often_than_promised() -> None:
    """Identical versions, 4,000 stages of 300 looks: the share that ever crosses 1/alpha (Ville's inequality)."""
    alpha, generator = 0.05, np.random.default_rng(1)
    sums, crossed = None, np.zeros(4_000, dtype=bool)
    for tick in range(1, 301):
        canary = generator.binomial(2, 0.1, 4_000)
        step = evidence.which_arm(canary, 2 - canary, 0.1, tolerance=1.0, ratios=evidence.SEVERITIES)
        sums = evidence.renewed(sums, step, tick)
        crossed |= evidence.log_e(sums, tick) >= log(1 / alpha)

    # Nearly all of the allowed error is spent, and not more: a test that never fires would keep any promise.
    assert 0.01 < crossed.mean() < alpha + 3 * np.sqrt(alpha * (1 - alpha) / 4_000)


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(0, 50), SHARES)
def test_an_event_moved_to_the_canary_never_lowers_the_evidence(control: int, canary: int, share: float) -> None:
    def e(c: int, o: int) -> float:
        return e_of([evidence.which_arm(c, o, share, tolerance=1.5, ratios=evidence.SEVERITIES)])

    assert e(canary + 1, control - 1) >= e(canary, control)


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(0, 50), SHARES, st.floats(0.0, 0.09))
def test_a_larger_share_never_raises_the_evidence(canary: int, control: int, share: float, more: float) -> None:
    def e(of: float) -> float:
        return e_of([evidence.which_arm(canary, control, of, tolerance=1.5, ratios=evidence.SEVERITIES)])

    assert e(share + more) <= e(share) * (1 + 1e-9)


@settings(deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from([0.0, 1e-12, 0.05, 1.0]))
def test_no_count_overflows(canary: int, control: int, share: float) -> None:
    for ratios in (evidence.SEVERITIES, evidence.NEAR_SEVERITIES):
        step = evidence.either_way(canary, control, share, tolerance=1.5, ratios=ratios)
        value = float(evidence.log_e(evidence.renewed(None, step, 1), 1))

        assert np.isfinite(step).all()
        assert isfinite(evidence.e_value(value))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(5, 50)), max_size=30))
def test_the_detector_forgets_what_spoke_for_health(ticks: list[tuple[int, int]]) -> None:
    sums = np.zeros(len(evidence.SEVERITIES))
    for failed, n in ticks:
        sums = evidence.restarted(sums, evidence.against_rate(failed, n, 0.005, ratios=evidence.SEVERITIES))
    fault = evidence.against_rate(20, 50, 0.005, ratios=evidence.SEVERITIES)

    assert (evidence.restarted(sums, fault) >= fault).all()
