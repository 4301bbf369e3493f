"""What waits for finance and what has to be retrained, as the home page says it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from services.feedback.retraining import Cause, Round
from services.kernel.health import Health
from services.oversight import money_waiting
from services.value import portfolio
from services.value.portfolio import PortfolioRow, WaitingMonth
from tests.builders import a_model
from tests.fakes.room_sample import MODELS
from tests.fakes.room_value import a_value

NOW, TODAY = datetime(2030, 11, 20, 9, tzinfo=UTC), date(2030, 11, 20)


def a_row(model: str, *days_ago: int) -> PortfolioRow:
    months = tuple(
        WaitingMonth(period=f"2030-{10 - nth:02d}", amount=Decimal("17880.00"), by_name="Ben Okafor",
                     at=NOW - timedelta(days=days))
        for nth, days in enumerate(days_ago)
    )  # fmt: skip
    row = portfolio.row(a_value(MODELS[0].name), None, (), computed_at=NOW)
    return replace(row, model=model, waiting=months)


def a_round(model: str, due: date, cause: Cause = Cause.CALENDAR, **changes: object) -> Round:
    made = Round(
        id=f"ret-{model}", model=model, cause=cause, subject="2030-11", sentence="Age moved.",
        opened_at=NOW, due=due,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_each_month_that_waits_is_one_line_and_the_longest_waiting_comes_first() -> None:
    items = money_waiting.months([a_row("b", 2), a_row("a", 20, 0)], now=NOW)

    assert [item.title for item in items] == [
        "Attest or cut 2030-10 of a: 17,880.00 USD",
        "Attest or cut 2030-10 of b: 17,880.00 USD",
        "Attest or cut 2030-09 of a: 17,880.00 USD",
    ]
    assert [item.state for item in items] == [Health.BREACH, Health.WATCH, Health.WATCH], "late after two weeks"
    assert items[0].target == "value?model=a&show=statement"
    assert "Claimed by Ben Okafor" in items[0].why


def test_a_model_without_a_waiting_month_says_nothing() -> None:
    assert money_waiting.months([a_row("a")], now=NOW) == []


def test_retraining_that_is_due_soon_or_asked_for_by_drift_is_told_and_the_rest_in_one_line() -> None:
    rounds = [
        a_round("late", TODAY - timedelta(days=1)),
        a_round("soon", TODAY + timedelta(days=10)),
        a_round("drifted", TODAY + timedelta(days=60), Cause.DRIFT),
        *(a_round(f"later{nth}", TODAY + timedelta(days=30 + nth)) for nth in range(5)),
    ]

    items = money_waiting.retraining([(item, a_model(name=item.model)) for item in rounds], today=TODAY)

    assert [item.state for item in items] == [Health.BREACH, Health.WATCH, Health.WATCH, Health.UNKNOWN]
    assert "skip the period with a reason" in items[0].why
    assert "Drift asks for an extra round" in items[2].why
    assert items[3].title == "Retraining due later this period: 5"
    assert "later0, later1, later2 and 2 more" in items[3].why
    assert {item.target.partition("?")[0] for item in items} == {"feedback"}


def test_a_round_with_a_new_version_waits_for_nobody_at_home() -> None:
    trained = a_round("m", TODAY, version="7")
    drafted = a_round("m", TODAY, draft_at=NOW)

    assert money_waiting.retraining([(trained, a_model(name="m")), (drafted, a_model(name="m"))], today=TODAY) == []
