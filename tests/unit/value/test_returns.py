"""Multiple and payback: two measures of one pace, with ranges, and an answer in words where there is no figure."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.value.returns import Span, curve, returns

SETUP = st.decimals(min_value=Decimal("0.01"), max_value=Decimal(1_000_000), places=2)
FIRST = date(2030, 1, 1)


@st.composite
def spans(draw: st.DrawFn, least: Decimal = Decimal(-1_000_000)) -> Span:
    money = st.decimals(min_value=least, max_value=Decimal(1_000_000), places=2)
    low, base, high = sorted(draw(st.tuples(money, money, money)))
    return Span(low=low, base=base, high=high)


def same(amount: str) -> Span:
    value = Decimal(amount)
    return Span(low=value, base=value, high=value)


def test_the_example_of_the_board_gives_months_and_a_multiple_that_are_different_measures() -> None:
    found = returns(setup=Decimal(90_000), benefit=same("30000"), cost=Decimal(9_000), days=30)

    assert found.payback is not None
    assert found.multiple is not None
    assert round(found.payback.base, 1) == Decimal("4.3")
    assert round(found.multiple.base, 1) == Decimal("2.8")
    assert found.payback_answer == "4.3 months (4.3 to 4.3)."


def test_what_if_the_setup_were_higher_only_the_setup_changes() -> None:
    found = returns(setup=Decimal(120_000), benefit=same("30000"), cost=Decimal(9_000), days=30)

    assert found.payback is not None
    assert round(found.payback.base, 1) == Decimal("5.7")
    assert found.monthly_net == same("21000")


@given(setup=SETUP, gains=spans(least=Decimal("0.01")), cost=SETUP, days=st.integers(1, 3_650))
def test_payback_months_times_monthly_net_benefit_is_the_setup(
    setup: Decimal, gains: Span, cost: Decimal, days: int
) -> None:
    benefit = Span(low=gains.low + cost, base=gains.base + cost, high=gains.high + cost)

    found = returns(setup=setup, benefit=benefit, cost=cost, days=days)

    assert found.payback is not None
    assert found.monthly_net is not None

    with localcontext() as exact:
        exact.prec = 40
        assert abs(found.payback.base * found.monthly_net.base - setup) < Decimal("0.000001")
        assert abs(found.payback.soonest * found.monthly_net.high - setup) < Decimal("0.000001")
        assert found.payback.latest is not None
        assert abs(found.payback.latest * found.monthly_net.low - setup) < Decimal("0.000001")


@given(setup=SETUP, benefit=spans(), cost=SETUP, days=st.integers(1, 3_650))
def test_a_net_benefit_that_is_not_positive_never_pays_back(
    setup: Decimal, benefit: Span, cost: Decimal, days: int
) -> None:
    found = returns(setup=setup, benefit=benefit, cost=cost, days=days)

    assert (found.payback is None) == (benefit.base <= cost)
    if found.payback is None:
        assert found.payback_answer.startswith("Not at this pace")
    else:
        assert (found.payback.latest is None) == (benefit.low <= cost)
        assert found.payback.soonest <= found.payback.base
        assert found.payback.latest is None or found.payback.base <= found.payback.latest


@given(setup=SETUP, benefit=spans(), cost=SETUP, days=st.integers(1, 3_650), horizon=st.integers(1, 120))
def test_the_multiple_is_horizon_over_payback_and_keeps_the_order_of_its_ends(
    setup: Decimal, benefit: Span, cost: Decimal, days: int, horizon: int
) -> None:
    found = returns(setup=setup, benefit=benefit, cost=cost, days=days, horizon=horizon)

    assert found.multiple is not None
    assert found.multiple.low <= found.multiple.base <= found.multiple.high
    if found.payback is not None:
        assert abs(found.multiple.base * found.payback.base / horizon - 1) < Decimal("1e-15")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"setup": Decimal(0)}, "nothing to pay back"),
        ({"setup": None}, "Nobody stated what the setup cost"),
        ({"setup": Decimal(-5)}, "negative"),
        ({"cost": None}, "No cost is recorded"),
        ({"benefit": None}, "No benefit is recorded"),
        ({"days": 0}, "Nothing was recorded"),
    ],
)
def test_what_is_missing_gets_an_answer_and_no_figure(changed: dict[str, Decimal | None], words: str) -> None:
    given_facts = {"setup": Decimal(100), "benefit": same("10"), "cost": Decimal(1), "days": 30}

    found = returns(**(given_facts | changed))  # type: ignore[arg-type]

    assert words in found.payback_answer
    assert words in found.multiple_answer
    assert found.payback is None
    assert found.multiple is None


def test_a_model_that_nobody_used_costs_money_and_never_pays_back() -> None:
    found = returns(setup=Decimal(100), benefit=same("0"), cost=Decimal(30), days=30)

    assert found.payback is None
    assert found.payback_answer == "Not at this pace: it costs 30.00 a month more than it brings."
    assert found.multiple == same("-3.6")


def test_bringing_exactly_what_it_costs_is_no_payback_either() -> None:
    found = returns(setup=Decimal(100), benefit=same("30"), cost=Decimal(30), days=30)

    assert found.payback is None
    assert "as much as it costs" in found.payback_answer


# the course


def a_course(daily: str, days: int) -> tuple[Decimal, dict[date, Span], dict[date, Decimal]]:
    every = [FIRST + timedelta(days=number) for number in range(days)]
    return Decimal(100), dict.fromkeys(every, same(daily)), dict.fromkeys(every, Decimal(0))


def test_break_even_is_the_day_the_sum_leaves_the_loss() -> None:
    found = curve(*a_course("10", 20))

    assert found.break_even == FIRST + timedelta(days=9)
    assert found.points[9].base == 0
    assert found.points[-1].base == 100


def test_a_sum_that_falls_back_has_not_broken_even() -> None:
    setup, benefit, cost = a_course("10", 20)
    cost[FIRST + timedelta(days=18)] = Decimal(500)

    found = curve(setup, benefit, cost)

    assert found.break_even is None
    assert found.forecast is None
    assert "never" in found.sentence


def test_before_break_even_the_pace_says_when() -> None:
    found = curve(*a_course("2", 31))

    assert found.break_even is None
    assert found.forecast == FIRST + timedelta(days=30 + 20)


def test_days_without_a_record_stay_in_the_course_and_add_nothing() -> None:
    found = curve(Decimal(10), {FIRST: same("1"), FIRST + timedelta(days=5): same("1")}, {})

    assert [point.base for point in found.points] == [-9, -9, -9, -9, -9, -8]


def test_nothing_recorded_has_no_course() -> None:
    assert curve(Decimal(10), {}, {}).sentence == "Nothing was recorded."


@given(setup=SETUP, daily=st.lists(spans(), min_size=1, max_size=40))
def test_ends_of_the_course_keep_their_order_and_the_last_point_is_the_sum(setup: Decimal, daily: list[Span]) -> None:
    benefit = {FIRST + timedelta(days=number): span for number, span in enumerate(daily)}

    found = curve(setup, benefit, {})

    assert all(point.low <= point.base <= point.high for point in found.points)
    assert found.points[-1].base == sum((span.base for span in daily), -setup)
