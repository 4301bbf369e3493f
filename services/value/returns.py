"""What a model returns on what was spent for it, defined here and nowhere else. Pure; money is Decimal.

Two different measures, shown side by side and never one for the other:

    return multiple = (gross benefit - operating cost) over a horizon / one-time setup      how many times it comes back
    payback months  = one-time setup / net benefit per month                                how long it takes

Both rest on the same pace: net benefit per month = (gross benefit - operating cost) of the window / its days x 30.
Each is a range. The low end takes the benefit's low end, the high end its high end; measured cost has no range.
What cannot be computed is said in words: there is no infinity, and no payback of something that loses money.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

MONTH_DAYS = Decimal(30)
HORIZON_MONTHS = 12
"""The horizon of the return multiple; always named beside it."""
_DAY = timedelta(days=1)
_FURTHEST_DAYS = Decimal(36_500)
"""A break-even more than a hundred years ahead is none."""

FORMULA_NET = "(gross benefit - operating cost) of the window / days of the window x 30"
FORMULA_MULTIPLE = "Net benefit per month x months of the horizon / one-time setup"
FORMULA_PAYBACK = "One-time setup / net benefit per month"
DIFFERENT = (
    "A return multiple says how many times the setup comes back, payback says after how many months; "
    "both use the pace of the same window."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A figure with the ends its inputs allow."""

    low: Decimal
    base: Decimal
    high: Decimal

    def __post_init__(self) -> None:
        if not self.low <= self.base <= self.high:
            raise ValueError(f"{self.low} to {self.high} does not hold {self.base}")

    def minus(self, amount: Decimal) -> Span:
        return Span(low=self.low - amount, base=self.base - amount, high=self.high - amount)

    def times(self, factor: Decimal) -> Span:
        """`factor` is not negative."""
        return Span(low=self.low * factor, base=self.base * factor, high=self.high * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payback:
    """Months; None at an end that never pays back at the pace of that end."""

    soonest: Decimal
    base: Decimal
    latest: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """`answer` and `payback_answer` say in words what the figures are, or why there is none."""

    setup: Decimal | None
    days: int
    horizon_months: int
    monthly_net: Span | None
    multiple: Span | None
    payback: Payback | None
    realised: Decimal | None
    """Share of the setup that came back within the window itself, without any extrapolation."""
    multiple_answer: str
    payback_answer: str


def returns(
    *, setup: Decimal | None, benefit: Span | None, cost: Decimal | None, days: int, horizon: int = HORIZON_MONTHS
) -> Returns:
    """None stands for what nobody stated or recorded; it is never taken for zero."""
    net = None if benefit is None or cost is None or days < 1 else benefit.minus(cost)
    monthly = None if net is None else net.times(MONTH_DAYS / days)
    why = _missing(setup, benefit, cost, days)
    spent = setup if setup and setup > 0 else None
    multiple = monthly.times(Decimal(horizon) / spent) if monthly and spent else None
    payback = _payback(spent, monthly) if monthly and spent else None
    return Returns(
        setup=setup,
        days=days,
        horizon_months=horizon,
        monthly_net=monthly,
        multiple=multiple,
        payback=payback,
        realised=net.base / spent if net and spent else None,
        multiple_answer=why or _multiple_words(multiple, horizon),
        payback_answer=why or _payback_words(payback, monthly),
    )


def _missing(setup: Decimal | None, benefit: Span | None, cost: Decimal | None, days: int) -> str:
    """Why nothing can be said; empty when everything is there."""
    if days < 1:
        return "Nothing was recorded in this window."
    if cost is None:
        return "No cost is recorded, so the net benefit is not known."
    if benefit is None:
        return "No benefit is recorded, so the net benefit is not known."
    if setup is None:
        return "Nobody stated what the setup cost."
    if setup < 0:
        return "The stated setup is negative; correct it."
    return "There is nothing to pay back: no setup was spent." if not setup else ""


def _payback(setup: Decimal, monthly: Span) -> Payback | None:
    if monthly.base <= 0:
        return None
    return Payback(
        soonest=setup / monthly.high,
        base=setup / monthly.base,
        latest=setup / monthly.low if monthly.low > 0 else None,
    )


def _multiple_words(multiple: Span | None, horizon: int) -> str:
    if multiple is None:
        return "Not known."
    return f"{multiple.base:.1f} times the setup in {horizon} months ({multiple.low:.1f} to {multiple.high:.1f})."


def _payback_words(payback: Payback | None, monthly: Span | None) -> str:
    if payback is None:
        lost = -monthly.base if monthly else Decimal(0)
        more = f"it costs {lost:,.2f} a month more than it brings" if lost else "it brings as much as it costs"
        return f"Not at this pace: {more}."
    if payback.latest is None:
        return f"{payback.base:.1f} months (from {payback.soonest:.1f}; at the low end never)."
    return f"{payback.base:.1f} months ({payback.soonest:.1f} to {payback.latest:.1f})."


# The course of it


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Everything that came in up to and with this day, minus everything that was spent, the setup included."""

    day: date
    low: Decimal
    base: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    points: tuple[CurvePoint, ...]
    break_even: date | None
    """From this day on the base line is never below zero again."""
    forecast: date | None
    """Where it crosses zero at the pace of the last 30 days, when it has not and moves upwards."""
    sentence: str


def curve(setup: Decimal, benefit: Mapping[date, Span], cost: Mapping[date, Decimal]) -> Curve:
    """One point a day from the first record to the last; a day without a record adds nothing.

    Ends of single days are added up, as if every day were at the same end: the honest way to err.
    """
    recorded = sorted({*benefit, *cost})
    if not recorded:
        return Curve(points=(), break_even=None, forecast=None, sentence="Nothing was recorded.")
    points = list[CurvePoint]()
    low = base = high = -setup
    for day in _days(recorded[0], recorded[-1]):
        spent, came = cost.get(day, Decimal(0)), benefit.get(day)
        low += (came.low if came else 0) - spent
        base += (came.base if came else 0) - spent
        high += (came.high if came else 0) - spent
        points.append(CurvePoint(day=day, low=low, base=base, high=high))
    reached = _break_even(points)
    ahead = None if reached else _ahead(points)
    return Curve(points=tuple(points), break_even=reached, forecast=ahead, sentence=_course(reached, ahead))


def _days(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _break_even(points: list[CurvePoint]) -> date | None:
    below = next((number for number in reversed(range(len(points))) if points[number].base < 0), -1)
    return points[below + 1].day if below + 1 < len(points) else None


def _ahead(points: list[CurvePoint]) -> date | None:
    back = min(len(points) - 1, int(MONTH_DAYS))
    gained = points[-1].base - points[-1 - back].base
    if not back or gained <= 0:
        return None
    left = -points[-1].base / (gained / back)
    return points[-1].day + _DAY * int(left + 1) if left < _FURTHEST_DAYS else None


def _course(reached: date | None, ahead: date | None) -> str:
    if reached is not None:
        return f"Broke even on {reached:%d %b %Y}."
    if ahead is not None:
        return f"Not yet: at the pace of the last 30 days it breaks even on {ahead:%d %b %Y}."
    return "Not yet, and at the pace of the last 30 days it never does."
