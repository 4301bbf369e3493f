"""Hours of work as a benefit: recorded volume x minutes that are stated, a range that comes from how much was seen."""

from __future__ import annotations

import re
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.value.calculation import benefit_line
from services.value.models import Baseline, BenefitLine, BenefitRule, Tally

COUNTS = st.integers(1, 1_000_000)
MINUTES = st.decimals(min_value=Decimal("0.1"), max_value=Decimal(480), places=1)
MONEY = st.decimals(min_value=Decimal(0), max_value=Decimal(500), places=2)


def minutes(name: str, before: Decimal, *, assumed: bool = True) -> Baseline:
    return Baseline(
        id=name, title=name, before=before, unit="min", lower_is_better=True, source="Stated", assumed=assumed
    )


def counted(
    tally: Tally,
    case: Decimal,
    review: Decimal | None,
    worth: tuple[Decimal, Decimal, Decimal] = (Decimal(30), Decimal(35), Decimal(40)),
) -> BenefitLine | None:
    low, base, high = worth
    rule = BenefitRule(
        id="hours", title="Hours", quantity="labour_hours", unit_value=base, unit_low=low, unit_high=high, assumed="",
        source="Payroll",
    )  # fmt: skip
    stated = minutes("minutes_per_review", review) if review is not None else None
    return benefit_line(rule, minutes("minutes_per_case", case), tally, currency="USD", window="w", review=stated)


def hours(line: BenefitLine) -> tuple[float, float, float]:
    """Base, least and most, as the line says them."""
    said = re.match(r"(-?[\d,.]+) fewer hours of work, (-?[\d,.]+) to (-?[\d,.]+) ", line.quantity)
    assert said, line.quantity
    base, low, high = (float(part.replace(",", "")) for part in said.groups())
    return base, low, high


@given(reviews=st.integers(0, 1_000_000), case=MINUTES, review=MINUTES)
def test_without_volume_there_is_no_line_whatever_was_reviewed(reviews: int, case: Decimal, review: Decimal) -> None:
    assert counted(Tally(n=0, hits=reviews), case, review) is None


@given(n=COUNTS, case=MINUTES, review=MINUTES)
def test_hours_nobody_recorded_are_not_hours_saved(n: int, case: Decimal, review: Decimal) -> None:
    assert counted(Tally(n=n), case, review) is None


@given(n=COUNTS, reviews=COUNTS, case=MINUTES)
def test_without_the_minutes_of_a_review_there_is_no_line(n: int, reviews: int, case: Decimal) -> None:
    assert counted(Tally(n=n, hits=reviews), case, None) is None


@given(n=COUNTS, reviews=COUNTS, case=MINUTES, review=MINUTES, worth=st.tuples(MONEY, MONEY, MONEY).map(sorted))
def test_hours_are_volume_times_minutes_before_less_minutes_of_reviews(
    n: int, reviews: int, case: Decimal, review: Decimal, worth: list[Decimal]
) -> None:
    low, base, high = worth

    line = counted(Tally(n=n, hits=reviews), case, review, (low, base, high))

    assert line is not None
    saved = (n * case - reviews * review) / 60
    assert abs(hours(line)[0] - float(saved)) <= 0.051 + abs(float(saved)) * 1e-9
    assert abs(line.amount - saved * base) < Decimal("0.02") + abs(saved * base) * Decimal("1e-9")
    assert line.low <= line.amount + Decimal("0.01")
    assert line.high >= line.amount - Decimal("0.01")
    assert line.assumed == f"minutes_per_case: {case:f} min; minutes_per_review: {review:f} min"


@given(n=st.integers(10, 100_000), share=st.integers(1, 9), case=MINUTES, review=MINUTES)
def test_the_range_narrows_with_what_was_recorded(n: int, share: int, case: Decimal, review: Decimal) -> None:
    one = (Decimal(1), Decimal(1), Decimal(1))  # an hour is worth one: the amounts are hours
    few, many = (counted(Tally(n=10 * size, hits=share * size), case, review, one) for size in (n, 100 * n))

    assert few is not None
    assert many is not None
    assert (many.high - many.low) / 100 <= (few.high - few.low) / 5 + Decimal("0.03"), "of a hundred times the cases"


@given(n=COUNTS, reviews=COUNTS, case=MINUTES, review=MINUTES)
def test_hours_that_another_line_pays_for_are_counted_and_worth_nothing(
    n: int, reviews: int, case: Decimal, review: Decimal
) -> None:
    paid = counted(Tally(n=n, hits=reviews), case, review)
    free = counted(Tally(n=n, hits=reviews), case, review, (Decimal(0), Decimal(0), Decimal(0)))

    assert paid is not None
    assert free is not None
    assert (free.low, free.amount, free.high, free.pays) == (0, 0, 0, False)
    assert hours(free) == hours(paid)
