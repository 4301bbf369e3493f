"""From measured use to cost, and from recorded quantities to benefit. Pure; money is Decimal throughout."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from math import sqrt

from services.kernel.health import Explanation, Health
from services.kernel.interval import Z_95, Estimate, share_of
from services.value.models import (
    Baseline,
    BaselineId,
    BenefitLine,
    BenefitRule,
    CostDay,
    Quantity,
    Rates,
    Tally,
    UsageDay,
    VersionShare,
)
from services.value.returns import Span

CENT = Decimal("0.01")
_HOUR = Decimal(3600)
_GIGABYTE = Decimal(10**9)
_MONTH_DAYS = Decimal(30)
_SHOWN = 160
SCORING = ("serving", "batch")
"""Components whose use grows with each prediction; everything else is there without any."""
TRAINING, EVALUATION, FEATURES = "training", "evaluation", "features"
"""Parts of compute that are shown by themselves."""
CALLS, STORAGE = "calls", "storage"
"""Of a bill only: serving that is charged by request or token, and stored bytes."""
BEFORE_USE = (TRAINING, EVALUATION, FEATURES, STORAGE)
"""Use that a model has before anybody uses it: what is paid by the month does not begin with it."""
_SERVED = ("serving", CALLS)
_BILLED_SCORING = (CALLS, "batch")
"""Of a bill: an endpoint that is charged by the hour costs the same without a prediction."""
NEEDED = {
    Quantity.CORRECT_REFERRALS: BaselineId.REFERRAL_PRECISION,
    Quantity.AVOIDED_REWORK: BaselineId.OVERRIDE_RATE,
    Quantity.ERROR_REDUCTION: BaselineId.FORECAST_ERROR,
    Quantity.LABOUR_HOURS: BaselineId.MINUTES_PER_CASE,
}
"""Which measure before the model each benefit is counted from."""
_FORMULA = (
    "Observations x (measured - before) x unit value, with the sign turned where less is better; low and high come "
    "from the 95 % interval of the measured figure and the range of the unit value."
)
_FORMULA_HOURS = (
    "(predictions x minutes of a case before - recorded reviews x stated minutes of a review) / 60 x worth of an hour; "
    "low and high come from the 95 % interval of the share of predictions that people reviewed, and the range of the "
    "worth of an hour."
)


def decimal(value: float) -> Decimal:
    return Decimal(repr(float(value)))


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_EVEN)


def tenth(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.1"), rounding=ROUND_HALF_EVEN)


def cost_days(
    usage: Sequence[UsageDay],
    predictions: Mapping[date, int],
    rates: Rates,
    *,
    monthly_fixed: Decimal,
    end: date,
    since: date | None = None,
) -> tuple[CostDay, ...]:
    """Every day from the first record to `end` that has a record or a fixed cost, oldest first.

    What is paid by the month begins with the first day of use, which training and stored bytes are not. `since` is the
    first day of the window of a model that was in use before it: what is paid by the month was paid on the days before
    its first run in the window too.
    """
    used: dict[date, list[UsageDay]] = defaultdict(list)
    for row in usage:
        used[row.day].append(row)
    recorded = sorted({*used, *predictions})
    if not recorded:
        return ()
    in_use = min([*predictions, *(row.day for row in usage if row.component not in BEFORE_USE)], default=recorded[0])
    first = min(since or in_use, in_use)
    days = set(recorded)
    if monthly_fixed:
        days |= {first + timedelta(days=shift) for shift in range((end - first).days + 1)}
    fixed = monthly_fixed / _MONTH_DAYS
    return tuple(
        _cost_day(day, used.get(day, []), predictions.get(day, 0), rates, fixed if day >= first else Decimal(0))
        for day in sorted(days)
    )


def _cost_day(day: date, rows: list[UsageDay], predictions: int, rates: Rates, fixed: Decimal) -> CostDay:
    def spent(row: UsageDay) -> Decimal:
        return decimal(row.cpu_seconds) / _HOUR * rates.cpu_hour if row.billed is None else row.billed

    def total(wanted: Callable[[UsageDay], bool]) -> Decimal:
        return sum((spent(row) for row in rows if wanted(row)), Decimal(0))

    def is_stored(row: UsageDay) -> bool:
        return row.billed is not None and row.component == STORAGE

    stored = Decimal(sum(row.bytes for row in rows)) / _GIGABYTE * rates.gb_month / _MONTH_DAYS
    return CostDay(
        day=day,
        compute=total(lambda row: row.component not in _SERVED and not is_stored(row)),
        storage=stored + total(is_stored),
        serving=total(lambda row: row.component in _SERVED),
        predictions=predictions,
        fixed=fixed,
        marginal=total(lambda row: row.component in (SCORING if row.billed is None else _BILLED_SCORING)),
        training=total(lambda row: row.component == TRAINING),
        evaluation=total(lambda row: row.component == EVALUATION),
        features=total(lambda row: row.component == FEATURES),
    )


def doubted(state: Health) -> Health:
    """What is left of a verdict on a cost that is not complete: nothing healthy."""
    return Health.UNKNOWN if state is Health.HEALTHY else state


def unpriced(usage: Iterable[UsageDay]) -> str:
    """Which use the platform billed and nobody has a price for, in one sentence; empty without any."""
    rows = [row for row in usage if row.unpriced]
    if not rows:
        return ""
    days = len({row.day for row in rows})
    shown = "; ".join(dict.fromkeys(row.unpriced for row in rows))
    more = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return f"On {days} days use was billed that has no price here, so the cost is too low: {more}."


def allocate(
    usage: Sequence[UsageDay], predictions: Mapping[str, int], rates: Rates, *, fixed: Decimal
) -> tuple[VersionShare, ...]:
    """Measured use by version at the rate card; what names no version, fixed and billed cost is laid on versions by
    their predictions.

    That last step is an allocation and no measurement: without predictions nobody is charged. A platform bills
    endpoints and jobs, which know no version.
    """
    rows: dict[str, list[UsageDay]] = defaultdict(list)
    for row in usage:
        if row.billed is not None:
            fixed += row.billed
        elif row.version:
            rows[row.version].append(row)
        else:
            fixed += _cost_day(row.day, [row], 0, rates, Decimal(0)).total
    total = sum(predictions.values())
    found = []
    for version in sorted({*rows, *predictions}):
        by_day: dict[date, list[UsageDay]] = defaultdict(list)
        for row in rows[version]:
            by_day[row.day].append(row)
        measured_cost = sum(
            (_cost_day(day, used, 0, rates, Decimal(0)).total for day, used in by_day.items()), Decimal(0)
        )
        made = predictions.get(version, 0)
        found.append(
            VersionShare(
                version=version,
                predictions=made,
                measured=measured_cost,
                allocated=fixed * made / total if total else Decimal(0),
            )
        )
    return tuple(found)


def daily_benefit(
    rule: BenefitRule,
    baseline: Baseline,
    line: BenefitLine,
    days: Mapping[date, Tally],
    *,
    review: Baseline | None = None,
) -> dict[date, Span]:
    """The line day by day. The base is what each day itself brought; its ends are the line's, by observations."""
    quantity = Quantity(rule.quantity)
    sign = 1 if quantity is Quantity.CORRECT_REFERRALS else -1
    before, size = decimal(as_share(baseline)), _size(quantity)
    found = {}
    for day, tally in days.items():
        if not tally.n and not tally.hits:
            continue
        made = decimal(tally.total) if quantity is Quantity.ERROR_REDUCTION else Decimal(tally.hits) * _each(review)
        base = sign * (made - before * tally.n) * size * rule.unit_value
        low, high = ((end - line.amount) * tally.n / line.n for end in (line.low, line.high))
        found[day] = Span(low=base + min(low, Decimal(0)), base=base, high=base + max(high, Decimal(0)))
    return found


def together(parts: Iterable[Mapping[date, Span]]) -> dict[date, Span]:
    """Several lines as one: ends are added, as if all were at the same end at once."""
    found: dict[date, Span] = {}
    for part in parts:
        for day, span in part.items():
            known = found.get(day)
            found[day] = (
                span
                if known is None
                else Span(low=known.low + span.low, base=known.base + span.base, high=known.high + span.high)
            )
    return found


def as_share(baseline: Baseline) -> float:
    """The measure before as a plain number; percent become a share."""
    return float(baseline.before) / (100 if baseline.unit.startswith("%") else 1)


def measured(quantity: Quantity, tally: Tally, review: Baseline | None = None) -> Estimate | None:
    """Today's rate or error with its interval, or None when there is nothing to measure it from."""
    if quantity is Quantity.ERROR_REDUCTION:
        return mean_of(tally)
    if quantity is Quantity.LABOUR_HOURS:
        return minutes_per_case(tally, review)
    return share_of(tally.hits, tally.n)


def minutes_per_case(tally: Tally, review: Baseline | None) -> Estimate | None:
    """Recorded reviews x stated minutes of one / predictions. None without reviews: unknown work is not saved work."""
    if review is None or not tally.hits or not tally.n:
        return None
    # Reviews of earlier predictions may outnumber the predictions of a window: then there is no share to estimate.
    share = share_of(tally.hits, tally.n) if tally.hits <= tally.n else None
    value, each = tally.hits / tally.n, float(review.before)
    low, high = (share.low, share.high) if share else (value, value)
    return Estimate(value=value * each, low=low * each, high=high * each)


def _each(review: Baseline | None) -> Decimal:
    return review.before if review is not None else Decimal(1)


def _size(quantity: Quantity) -> Decimal:
    """Of one observation in the unit of the line: work is recorded in minutes and paid by the hour."""
    return 1 / Decimal(60) if quantity is Quantity.LABOUR_HOURS else Decimal(1)


def mean_of(tally: Tally) -> Estimate | None:
    if tally.n < 2:
        return None
    mean = tally.total / tally.n
    spread = max(0.0, tally.square / tally.n - mean**2) * tally.n / (tally.n - 1)
    error = Z_95 * sqrt(spread / tally.n)
    return Estimate(value=mean, low=max(0.0, mean - error), high=mean + error)


def benefit_line(
    rule: BenefitRule,
    baseline: Baseline,
    tally: Tally,
    *,
    currency: str,
    window: str,
    review: Baseline | None = None,
) -> BenefitLine | None:
    """Volume x difference to before x unit value; None without observations. Low and high span rate and unit value.

    `review` says how many minutes one review takes, for hours of work and for nothing else.
    """
    quantity = Quantity(rule.quantity)
    review = review if quantity is Quantity.LABOUR_HOURS else None
    now = measured(quantity, tally, review)
    if now is None:
        return None
    before = as_share(baseline)
    sign = 1 if quantity is Quantity.CORRECT_REFERRALS else -1
    volume = Decimal(tally.n) * _size(quantity)

    def units(rate: float) -> Decimal:
        return volume * sign * (decimal(rate) - decimal(before))

    extremes = [
        units(rate) * unit for rate in (now.low, now.high) for unit in (rule.unit_low, rule.unit_value, rule.unit_high)
    ]
    made = units(now.value)
    fewest, most = sorted(units(rate) for rate in (now.low, now.high))
    what = {
        Quantity.CORRECT_REFERRALS: f"{made:,.1f} more correct referrals ({now.value:.1%} right, before {before:.1%})",
        Quantity.AVOIDED_REWORK: f"{made:,.1f} fewer corrections ({now.value:.1%} corrected, before {before:.1%})",
        Quantity.ERROR_REDUCTION: f"{made:,.1f} less error in all (mean {now.value:,.3g}, before {before:,.3g})",
        Quantity.LABOUR_HOURS: f"{made:,.1f} fewer hours of work, {fewest:,.1f} to {most:,.1f} ({now.value:,.3g} "
        f"minutes a case from {tally.hits:,} reviews, before {before:,.3g})",
    }[quantity]
    assumed = "; ".join(filter(None, (rule.assumed, _stated(baseline, quantity), _stated(review, quantity))))
    return BenefitLine(
        title=rule.title,
        quantity=f"{what} over {tally.n:,}",
        unit_value=f"{rule.unit_value:,.2f} {currency}",
        amount=cents(made * rule.unit_value),
        low=cents(min(extremes)),
        high=cents(max(extremes)),
        n=tally.n,
        assumed=assumed,
        explanation=Explanation(
            formula=_FORMULA_HOURS if quantity is Quantity.LABOUR_HOURS else _FORMULA,
            source=f"Recorded labels and reviews; before: {baseline.source}; unit value: {rule.source}"
            + (f"; minutes of a review: {review.source}" if review else ""),
            window=window,
            as_of=None,
            n=tally.n,
            note=f"Assumption: {assumed}" if assumed else "",
        ),
    )


def _stated(figure: Baseline | None, quantity: Quantity) -> str:
    """A typed number of minutes is named as what it is."""
    if figure is None or not figure.assumed or quantity is not Quantity.LABOUR_HOURS:
        return ""
    return f"{figure.title}: {figure.before:f} {figure.unit}".strip()


def verdict(
    cost: Decimal, benefit: Decimal | None, low: Decimal | None, *, currency: str, missing: str
) -> tuple[Health, str]:
    if benefit is None or low is None:
        return Health.UNKNOWN, f"No benefit is recorded: {missing} Cost so far {cost:,.2f} {currency}."
    net = benefit - cost
    if net < 0:
        return Health.BREACH, f"Costs {-net:,.2f} {currency} more than it brought in this window."
    if low < cost:
        return (
            Health.WATCH,
            f"Brought {net:,.2f} {currency} net, but the low end of the benefit ({low:,.2f}) does not cover the cost.",
        )
    return Health.HEALTHY, f"Brought {net:,.2f} {currency} net; even the low end of the benefit covers the cost."
