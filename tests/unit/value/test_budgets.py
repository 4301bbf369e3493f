"""A forecast names its method and its range, and is silent where the facts are too few or too old."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.health import Health
from services.value.budgets import BudgetView, Traffic, forecast, right_size

TODAY = date(2030, 1, 16)
ALERTS = (Decimal("0.8"), Decimal(1))


def spent(daily: str, days: int, *, until: date = TODAY) -> dict[date, Decimal]:
    """The same every day, `until` included."""
    return {until - timedelta(days=back): Decimal(daily) for back in range(days)}


def look(costs: dict[date, Decimal], budget: str | None) -> BudgetView:
    limit = None if budget is None else Decimal(budget)
    return forecast("m", costs, today=TODAY, currency="USD", budget=limit, alerts=ALERTS)


@pytest.mark.parametrize(
    ("budget", "state", "crossed"),
    [
        ("400", Health.HEALTHY, None),
        ("380", Health.WATCH, "0.8"),
        ("310", Health.BREACH, "1"),
        ("100", Health.BREACH, "1"),
    ],
)  # fmt: skip
def test_state_follows_the_forecast_to_month_end(budget: str, state: Health, crossed: str | None) -> None:
    view = look(spent("10", 30), budget)

    assert view.spent == 160
    assert view.forecast is not None
    assert view.forecast.base == 310
    assert view.state is state
    assert view.crossed == (None if crossed is None else Decimal(crossed))
    assert "mean of the last 28 complete days" in view.explanation.formula


def test_swings_of_the_past_make_the_range_wide() -> None:
    costs = {day: Decimal(20 if day.day % 2 else 0) for day in spent("10", 30)}

    view = look(costs, "400")

    assert view.forecast is not None
    assert view.forecast.high - view.forecast.base > 50
    assert view.forecast.low >= view.spent


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        ({}, "No cost is recorded"),
        (spent("10", 4), "Only 3 complete days"),
        (spent("10", 20, until=TODAY - timedelta(days=5)), "is not known"),
    ],
)
def test_too_few_or_too_old_facts_are_grey_and_never_green(costs: dict[date, Decimal], words: str) -> None:
    view = look(costs, "1000")

    assert (view.forecast, view.state) == (None, Health.UNKNOWN)
    assert words in view.sentence


def test_spending_beyond_the_budget_is_red_even_when_nothing_can_be_forecast() -> None:
    view = look(spent("10", 4), "30")

    assert view.state is Health.BREACH
    assert view.sentence.startswith("Overrun")


def test_without_a_budget_the_pace_is_told_and_nothing_is_judged() -> None:
    view = look(spent("10", 30), None)

    assert (view.state, view.share) == (Health.UNKNOWN, None)
    assert "No budget is set" in view.sentence


def test_a_day_without_a_record_today_still_has_to_be_paid() -> None:
    costs = spent("10", 20, until=TODAY - timedelta(days=1))

    view = look(costs, "400")

    assert view.forecast is not None
    assert view.forecast.base == 150 + 160


@given(daily=st.lists(st.decimals(min_value=0, max_value=10_000, places=2), min_size=8, max_size=40))
def test_no_forecast_is_below_what_was_spent(daily: list[Decimal]) -> None:
    costs = {TODAY - timedelta(days=back): cost for back, cost in enumerate(daily)}

    view = look(costs, "100")

    assert view.forecast is not None
    assert view.spent <= view.forecast.low <= view.forecast.base <= view.forecast.high


# sizes


def traffic(**changes: object) -> Traffic:
    values: dict[str, object] = {
        "hours": 720, "busy_hours": 700, "requests": 70_000, "busiest": 120, "cpu_seconds": 36_000.0, "p95_ms": 40.0
    }  # fmt: skip
    return Traffic(**(values | changes))  # type: ignore[arg-type]


def advise(found: Traffic | None, cpus: str = "1") -> tuple[str, Decimal | None]:
    advice = right_size(found, cpus=Decimal(cpus), cpu_hour=Decimal("0.05"), currency="USD")
    return advice.title, advice.saving.base if advice.saving else None


def test_an_endpoint_that_is_mostly_silent_should_sleep_and_the_wait_is_named() -> None:
    advice = right_size(traffic(busy_hours=180), cpus=Decimal(1), cpu_hour=Decimal("0.05"), currency="USD")

    assert advice.title == "Scale to zero when idle"
    assert advice.saving is not None
    assert advice.saving.base == Decimal("27.000")
    assert "waits 10 to 60 seconds more" in advice.latency
    assert advice.idle_share == 0.75


def test_a_size_that_is_never_used_is_halved_and_a_used_one_is_kept() -> None:
    assert advise(traffic()) == ("Half the size", Decimal("18.00"))
    assert advise(traffic(cpu_seconds=1_800_000.0)) == ("Keep the size", None)


@pytest.mark.parametrize(("found", "cpus"), [(None, "1"), (traffic(hours=10), "1"), (traffic(), "0")])
def test_too_little_traffic_or_an_unknown_size_gives_no_advice(found: Traffic | None, cpus: str) -> None:
    assert advise(found, cpus) == ("No advice", None)


@pytest.mark.parametrize("busy_hours", [180, 700])
@pytest.mark.parametrize(("seconds", "words"), [(36.0, "under 1 %"), (0.0, "0.0 %"), (36_000.0, "1.4 %")])
def test_a_use_that_is_tiny_never_reads_as_none(busy_hours: int, seconds: float, words: str) -> None:
    found = traffic(busy_hours=busy_hours, cpu_seconds=seconds)

    advice = right_size(found, cpus=Decimal(1), cpu_hour=Decimal("0.05"), currency="USD")

    assert words in advice.sentence
    assert (" 0 %" in f"{advice.sentence} {advice.latency}") == (seconds == 0 and busy_hours == 700)
