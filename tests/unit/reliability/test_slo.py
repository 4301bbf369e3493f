"""The error budget of a service level, and the pairs of windows that call somebody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from services.inventory.models import ServiceLevel
from services.kernel.health import Health
from services.reliability.slo import PAIRS, Objective, Served, Urgency, budget, objective_of

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PROMISE = Objective(target=0.99)


def per_minute(first: timedelta, last: timedelta, *, requests: int, failed: int) -> list[Served]:
    """Slots of a minute from so long ago until so long ago."""
    count = int((first - last) / MINUTE)
    return [
        Served(start=NOW - first + index * MINUTE, length=MINUTE, requests=requests, failed=failed)
        for index in range(count)
    ]


def test_a_promise_of_one_percent_errors_is_an_objective_of_ninety_nine() -> None:
    found = objective_of(ServiceLevel(p95_ms=150, error_rate=0.01))

    assert found is not None
    assert found.target == pytest.approx(0.99)
    assert found.window == timedelta(days=30)


@pytest.mark.parametrize("level", [None, ServiceLevel(p95_ms=150, error_rate=0.0)])
def test_without_room_for_a_failure_there_is_no_budget(level: ServiceLevel | None) -> None:
    assert objective_of(level) is None


@pytest.mark.parametrize("target", [0.0, 1.0, 99.0])
def test_an_objective_that_cannot_be_burnt_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Objective(target=target)


def test_what_is_left_is_counted_in_allowed_failures() -> None:
    view = budget(PROMISE, [Served(start=NOW - timedelta(days=3), length=MINUTE, requests=10_000, failed=30)], NOW)

    assert view.remaining == pytest.approx(0.7)
    assert view.state is Health.HEALTHY
    assert view.sentence == (
        "30 of 10,000 requests failed in 30 days; 100 are allowed for 99 %: 70% of the budget is left."
    )


def test_an_overdrawn_budget_is_a_breach_although_nothing_burns_now() -> None:
    view = budget(PROMISE, [Served(start=NOW - timedelta(days=3), length=MINUTE, requests=1_000, failed=25)], NOW)

    assert view.state is Health.BREACH
    assert view.urgency is None
    assert "overdrawn by 150%" in view.sentence


def test_no_requests_give_no_verdict() -> None:
    view = budget(PROMISE, [], NOW)

    assert view.state is Health.UNKNOWN
    assert view.remaining is None
    assert not any(burn.firing for burn in view.burns)
    assert all("Too few requests" in burn.sentence for burn in view.burns)
    assert "not known" in view.sentence


def test_a_few_good_requests_show_nothing() -> None:
    view = budget(PROMISE, [Served(start=NOW - MINUTE, length=MINUTE, requests=50, failed=0)], NOW)

    assert view.state is Health.UNKNOWN


def test_a_fault_that_goes_on_calls_somebody() -> None:
    healthy = per_minute(timedelta(days=1), timedelta(hours=1), requests=100, failed=0)
    fault = per_minute(timedelta(hours=1), timedelta(0), requests=100, failed=20)

    view = budget(PROMISE, healthy + fault, NOW)

    assert view.urgency is Urgency.PAGE
    assert view.state is Health.BREACH
    assert view.burns[0].long_rate == pytest.approx(20)
    assert "would last 36 hours" in view.burns[0].sentence


def test_a_fault_that_is_over_calls_nobody() -> None:
    fault = per_minute(timedelta(hours=1), timedelta(minutes=40), requests=100, failed=50)
    mended = per_minute(timedelta(minutes=40), timedelta(0), requests=100, failed=0)

    first = budget(PROMISE, fault + mended, NOW).burns[0]

    assert first.long_rate is not None
    assert first.long_rate >= 14.4
    assert first.short_rate == 0
    assert not first.firing


def test_a_blip_calls_nobody() -> None:
    healthy = per_minute(timedelta(hours=6), timedelta(minutes=3), requests=100, failed=0)
    blip = per_minute(timedelta(minutes=3), timedelta(0), requests=100, failed=50)

    assert budget(PROMISE, healthy + blip, NOW).urgency is None


def test_a_slow_burn_over_a_day_is_a_ticket() -> None:
    healthy = [Served(start=NOW - timedelta(days=20), length=MINUTE, requests=1_000_000, failed=0)]

    view = budget(PROMISE, healthy + per_minute(timedelta(days=1), timedelta(0), requests=100, failed=4), NOW)

    assert view.urgency is Urgency.TICKET
    assert view.state is Health.WATCH


def test_what_is_older_than_the_window_is_forgotten() -> None:
    old = Served(start=NOW - timedelta(days=40), length=MINUTE, requests=1_000, failed=1_000)
    new = Served(start=NOW - timedelta(days=3), length=MINUTE, requests=1_000, failed=0)

    view = budget(PROMISE, [old, new], NOW)

    assert view.remaining == 1
    assert view.covers == timedelta(days=30)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 500), st.integers(0, 500)), max_size=12),
    st.integers(1, 500),
)
def test_one_more_failure_never_leaves_more_budget_and_never_quietens_an_alarm(
    slots: list[tuple[int, int, int]], more: int
) -> None:
    served = [
        Served(start=NOW - ago * MINUTE, length=MINUTE, requests=good + bad, failed=bad) for ago, good, bad in slots
    ]
    worse = [*served, Served(start=NOW - MINUTE, length=MINUTE, requests=more, failed=more)]

    before, after = budget(PROMISE, served, NOW), budget(PROMISE, worse, NOW)

    assert before.remaining is None or (after.remaining is not None and after.remaining <= before.remaining + 1e-12)
    for one, other in zip(before.burns, after.burns, strict=True):
        assert other.firing or not one.firing


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2_000), st.integers(0, 30), st.integers(0, 30)), max_size=12))
def test_rates_agree_with_a_count_over_single_requests(slots: list[tuple[int, int, int]]) -> None:
    served = [
        Served(start=NOW - ago * MINUTE, length=MINUTE, requests=good + bad, failed=bad) for ago, good, bad in slots
    ]
    single = [(ago, failed) for ago, good, bad in slots for failed in [0] * good + [1] * bad]

    for pair, burn in zip(PAIRS, budget(PROMISE, served, NOW).burns, strict=True):
        for span, rate in ((pair.long, burn.long_rate), (pair.short, burn.short_rate)):
            mine = [failed for ago, failed in single if ago * MINUTE < span + MINUTE]
            expected = sum(mine) / len(mine) / PROMISE.budget if len(mine) >= 20 else None
            assert rate == (None if expected is None else pytest.approx(expected))


def test_what_is_left_has_the_interval_of_the_failed_share_and_says_how_it_is_computed() -> None:
    view = budget(PROMISE, per_minute(timedelta(days=2), timedelta(days=1), requests=0, failed=0), NOW)
    assert view.left is None
    assert view.explanation is not None
    assert (view.explanation.n, view.explanation.as_of) == (0, None)

    view = budget(
        PROMISE, [Served(start=NOW - MINUTE, length=MINUTE, requests=10_000, failed=40)], NOW, recorded="A log"
    )
    assert view.left is not None
    assert view.explanation is not None
    assert view.left.value == view.remaining == pytest.approx(0.6)
    share = binomtest(40, 10_000).proportion_ci(method="wilson")
    assert (view.left.low, view.left.high) == pytest.approx((1 - share.high / 0.01, 1 - share.low / 0.01))
    assert (view.explanation.n, view.explanation.as_of) == (10_000, NOW)
    assert view.explanation.source.startswith("A log")
    assert [(burn.long_requests, burn.short_requests) for burn in view.burns] == [(10_000, 10_000)] * len(PAIRS)
