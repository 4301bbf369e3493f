"""A month's budget against what was measured, forecast to the end of the month. Pure.

Method (named beside every figure): spent so far + days left x the mean cost of the last 28 complete days, fewer where
there are fewer. The range is a prediction interval for the sum of the days left: 1.96 x s x sqrt(k + k^2 / m), with s
the standard deviation of m past days and k days left (Montgomery and Runger, 7th edition, 8-6). Days are taken as
independent; a model that is used by the week has wider swings than this says, which is why the last 28 days are whole
weeks. Fewer than seven complete days, or a last record older than three days, give no forecast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from math import sqrt
from statistics import fmean, stdev

from services.kernel.health import Explanation, Health
from services.kernel.interval import Z_95
from services.value.periods import days_of
from services.value.returns import Span

LOOK_BACK = 28
FEWEST_DAYS = 7
STALE_AFTER = timedelta(days=3)
METHOD = "Spent so far + days left x mean of the last {days} complete days"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    model: str
    month: str
    currency: str
    budget: Decimal | None
    spent: Decimal
    forecast: Span | None
    share: Decimal | None
    """Forecast / budget."""
    state: Health
    sentence: str
    explanation: Explanation
    window: str = ""
    """The day it was looked at: the same day twice is one look."""
    crossed: Decimal | None = None
    """The highest alert share that the forecast reaches."""


def forecast(
    model: str,
    costs: Mapping[date, Decimal],
    *,
    today: date,
    currency: str,
    budget: Decimal | None,
    alerts: Sequence[Decimal],
) -> BudgetView:
    """`costs` holds the total of each recorded day; today is not complete and counts as spent only."""
    month = f"{today:%Y-%m}"
    first, last = days_of(month)
    spent = sum((cost for day, cost in costs.items() if first <= day <= today), Decimal(0))
    past = sorted(day for day in costs if today - timedelta(days=LOOK_BACK) <= day < today)
    newest = max((day for day in costs if day <= today), default=None)
    left = (last - today).days + (0 if today in costs else 1)
    ahead = _ahead(spent, [costs[day] for day in past], left)
    why = _blind(past, newest, today)
    if why:
        ahead = None
    share = ahead.base / budget if ahead and budget else None
    crossed = max((alert for alert in alerts if share is not None and share >= alert), default=None)
    return BudgetView(
        model=model,
        month=month,
        currency=currency,
        budget=budget,
        spent=spent,
        forecast=ahead,
        share=share,
        state=_state(budget, spent, share, alerts),
        sentence=_sentence(budget, spent, ahead, share, why, currency),
        crossed=crossed,
        window=today.isoformat(),
        explanation=Explanation(
            formula=METHOD.format(days=len(past)) + "; range: 1.96 x s x sqrt(k + k^2 / m) for k days left",
            source="Cost by day: measured use at the rate card, and the stated fixed cost by the day",
            window=f"{month}, {left} days left; pace from {past[0]:%d %b %Y}" if past else month,
            as_of=None,
            n=len(past),
            note=why,
        ),
    )


def _ahead(spent: Decimal, past: Sequence[Decimal], left: int) -> Span | None:
    if len(past) < FEWEST_DAYS:
        return None
    days = [float(cost) for cost in past]
    half = Decimal(repr(Z_95 * stdev(days) * sqrt(left + left**2 / len(days))))
    base = spent + Decimal(repr(fmean(days))) * left
    return Span(low=max(spent, base - half), base=base, high=base + half)


def _blind(past: Sequence[date], newest: date | None, today: date) -> str:
    if newest is None:
        return "No cost is recorded."
    if today - newest > STALE_AFTER:
        return f"The newest cost is of {newest:%d %b %Y}: what was spent since is not known."
    if len(past) < FEWEST_DAYS:
        return f"Only {len(past)} complete days are recorded; a forecast needs {FEWEST_DAYS}."
    return ""


def _state(budget: Decimal | None, spent: Decimal, share: Decimal | None, alerts: Sequence[Decimal]) -> Health:
    if budget is None:
        return Health.UNKNOWN
    if spent > budget:
        return Health.BREACH
    if share is None:
        return Health.UNKNOWN
    limits = sorted(alerts) or [Decimal(1)]
    if share >= limits[-1]:
        return Health.BREACH
    return Health.WATCH if share >= limits[0] else Health.HEALTHY


def _sentence(  # noqa: PLR0917 - one caller, some lines above
    budget: Decimal | None, spent: Decimal, ahead: Span | None, share: Decimal | None, why: str, currency: str
) -> str:
    so_far = f"{spent:,.2f} {currency} spent so far"
    if budget is None:
        pace = f", {ahead.base:,.2f} forecast to month end" if ahead else ""
        return f"No budget is set; {so_far}{pace}."
    if spent > budget:
        return f"Overrun: {so_far} of a budget of {budget:,.2f}."
    if ahead is None or share is None:
        return f"{so_far} of a budget of {budget:,.2f}. {why}"
    return (
        f"Forecast {share:.0%} of the budget: {ahead.base:,.2f} {currency} ({ahead.low:,.2f} to {ahead.high:,.2f}) of "
        f"{budget:,.2f}; {so_far}."
    )


# Right-sizing


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests by whole hour over `hours` hours, silent hours included, and what serving them used."""

    hours: int
    busy_hours: int
    requests: int
    busiest: int
    cpu_seconds: float
    p95_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a smaller size would save per month and do to latency; `saving` None where nobody could say."""

    title: str
    sentence: str
    utilisation: float | None
    idle_share: float | None
    saving: Span | None
    latency: str
    explanation: Explanation
    idle_words: str = "Hours without a request"
    """What `idle_share` is a share of."""


COLD_START_SECONDS = (10, 60)
"""What waking a scaled-to-zero endpoint usually takes; stated, not measured here."""
_IDLE_ENOUGH = 0.5
_MONTH_HOURS = Decimal(720)
_FEWEST_HOURS = 72
_HEADROOM = 0.7
"""Utilisation of the busiest hour beyond which a smaller size would queue."""
_LEAST = 0.01


def right_size(traffic: Traffic | None, *, cpus: Decimal, cpu_hour: Decimal, currency: str) -> Advice:
    """One suggestion from measured traffic against `cpus` processors that are paid for around the clock."""
    if traffic is None or traffic.hours < _FEWEST_HOURS:
        hours = traffic.hours if traffic else 0
        return _advice(
            "No advice", f"Traffic of {hours} hours is recorded; {_FEWEST_HOURS} are needed to say anything.", traffic
        )
    if not cpus:
        return _advice("No advice", "Nobody stated how many processors are kept for it.", traffic)
    used = traffic.cpu_seconds / 3600 / (traffic.hours * float(cpus))
    idle = 1 - traffic.busy_hours / traffic.hours
    peak = used * traffic.hours * traffic.busiest / max(traffic.requests, 1)
    paid = cpus * cpu_hour * _MONTH_HOURS
    if idle >= _IDLE_ENOUGH:
        low, high = COLD_START_SECONDS
        saved = paid * Decimal(repr(idle))
        return _advice(
            "Scale to zero when idle",
            f"No request in {part(idle)} of {traffic.hours:,} hours; {part(used, 1)} of the size paid for was used.",
            traffic, used=used, idle=idle, saving=Span(low=saved * Decimal("0.8"), base=saved, high=saved),
            latency=f"The first request after a pause waits {low} to {high} seconds more; others keep "
            f"{_p95(traffic)}. {currency} saved is the idle share of what is paid; the low end leaves a fifth for "
            "pauses too short to stop for.",
        )  # fmt: skip
    if peak < _HEADROOM / 2:
        return _advice(
            "Half the size",
            f"Even the busiest hour used {part(peak)} of the size paid for, all hours together {part(used, 1)}.",
            traffic, used=used, idle=idle, saving=Span(low=paid / 2, base=paid / 2, high=paid / 2),
            latency=f"The busiest hour would use {part(2 * peak)}: p95 of {_p95(traffic)} is expected to hold; try it "
            "on a canary.",
        )  # fmt: skip
    return _advice(
        "Keep the size",
        f"The busiest hour used {part(peak)} of the size paid for; a smaller one would queue.",
        traffic, used=used, idle=idle, latency=f"p95 stays {_p95(traffic)}.",
    )  # fmt: skip


def part(share: float, digits: int = 0) -> str:
    """A share in percent; what is there is never told as nothing, and what is missing never as all."""
    if 0 < share < _LEAST:
        return "under 1 %"
    if 1 - _LEAST < share < 1:
        return "over 99 %"
    return f"{share * 100:.{digits}f} %"


def _p95(traffic: Traffic) -> str:
    return "not measured" if traffic.p95_ms is None else f"{traffic.p95_ms:,.0f} ms"


def _advice(
    title: str,
    sentence: str,
    traffic: Traffic | None,
    *,
    used: float | None = None,
    idle: float | None = None,
    saving: Span | None = None,
    latency: str = "",
) -> Advice:
    return Advice(
        title=title, sentence=sentence, utilisation=used, idle_share=idle, saving=saving, latency=latency,
        explanation=Explanation(
            formula="Utilisation = CPU seconds used / (processors x seconds); idle = hours without a request / hours",
            source="Requests by hour as recorded; CPU seconds of the serving processes; size as stated in the settings",
            window=f"{traffic.hours:,} hours" if traffic else "nothing recorded",
            as_of=None,
            n=traffic.requests if traffic else 0,
        ),
    )  # fmt: skip
