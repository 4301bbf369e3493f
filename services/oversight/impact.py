"""What passing a watch threshold costs per day, as a range, and who pays: pure, from recorded benefit.

benefit per day  = recorded benefit of the window (low, base and high) / days with predictions
share limit s    = s of the benefit per day is lost from the moment the limit is passed
drift            = the share of rows that the statistic says have moved at the limit; see services.value.at_risk

Nothing is said about a model without recorded benefit: a guess would look like a measurement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from services.inventory.models import DeploymentKind, GovernedModel, ServiceLevel
from services.kernel.health import Explanation
from services.monitoring.definitions import DEFINITIONS, JUDGING, Limits, Statistic
from services.monitoring.monitors import STATISTICS, Monitor
from services.monitoring.verdicts import written
from services.value.at_risk import (
    LIFT_GONE,
    AtRisk,
    DayWorth,
    Share,
    at_risk,
    day_worth,
    promised_shares,
    share_affected,
)
from services.value.models import ModelValue

WATCH, BREACH, PERFORMANCE = "watch", "breach", "performance"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdImpact:
    """One threshold. Money per day at risk once it is passed, from `low` to `high`."""

    title: str
    limit: str
    low: Decimal
    high: Decimal
    formula: str
    base: Decimal = Decimal(0)
    weakest: str = ""
    """The assumption that the range hangs on most."""
    statistic: str = ""
    """Of drift, or `performance`; empty for a promise."""
    level: str = ""
    """`watch` or `breach`; empty where there is one limit only."""
    judges: bool = True
    """False for a statistic that only informs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """`payer` carries the loss; empty when nobody is named. Without lines `problem` says why."""

    currency: str
    payer: str
    lines: tuple[ThresholdImpact, ...]
    explanation: Explanation | None
    problem: str = ""
    stated: str = ""
    """What the monitor states by hand, an assumption; empty where nobody did."""

    def of(self, statistic: str, level: str) -> ThresholdImpact | None:
        return next((line for line in self.lines if (line.statistic, line.level) == (statistic, level)), None)


def impact(model: GovernedModel, value: ModelValue, monitor: Monitor | None = None) -> Impact:
    """Without a monitor the usual limits are told."""
    owner = model.owner_of("cost_owner") or model.owner_of("business_owner")
    payer = (monitor.impact.payer if monitor else "") or (owner.name if owner else "")
    worth, stated = day_worth(value), _stated(monitor)
    if worth.span is None:
        return Impact(
            currency=value.currency, payer=payer, lines=(), explanation=None, stated=stated,
            problem=f"What a passed threshold costs is not known; nobody can say: {worth.problem}",
        )  # fmt: skip
    lines = [
        _line(at_risk(worth, share), title, limit) for title, limit, share in _promises(model.service_level, model.kind)
    ]
    lines += [_performance(worth), *(_drift(worth, *found) for found in _levels(monitor))]
    return Impact(
        currency=value.currency,
        payer=payer,
        lines=tuple(lines),
        explanation=Explanation(
            formula="Recorded benefit of the window (units x worth of a unit, low, base and high) / days with "
            "predictions x share of decisions affected; the share follows from the statistic at its limit",
            source="; ".join(dict.fromkeys(line.explanation.source for line in value.benefits)),
            window=value.window,
            as_of=None,
            n=worth.days,
            note=f"{worth.basis}. Unit values are assumptions and are marked so on the value page.",
        ),
        stated=stated,
    )


def _levels(monitor: Monitor | None) -> Iterator[tuple[Statistic, str, float, bool]]:
    """(statistic, level, limit, whether it judges) of every statistic that has levels, the monitor's own first."""
    judging = set(monitor.statistics if monitor and monitor.statistics else JUDGING)
    for statistic in Statistic:
        own = monitor.threshold(statistic.value) if monitor else None
        limits = Limits(watch=own.watch, breach=own.breach) if own else DEFINITIONS[statistic].limits
        if limits is not None:
            yield statistic, WATCH, limits.watch, statistic.value in judging
            yield statistic, BREACH, limits.breach, statistic.value in judging


def _drift(worth: DayWorth, statistic: Statistic, level: str, limit: float, judges: bool) -> ThresholdImpact:  # noqa: FBT001
    found = at_risk(worth, share_affected(statistic.value, limit))
    title = "Drift (PSI)" if statistic is Statistic.PSI else STATISTICS[statistic.value]
    line = _line(found, f"{title}, {level}", written(limit, DEFINITIONS[statistic].share))
    return replace(line, statistic=statistic.value, level=level, judges=judges)


def _performance(worth: DayWorth) -> ThresholdImpact:
    found = _line(at_risk(worth, LIFT_GONE), "Performance, breach", "worse than the simple rule, or out of line")
    return replace(found, statistic=PERFORMANCE, level=BREACH)


def _line(found: AtRisk, title: str, limit: str) -> ThresholdImpact:
    assert found.span is not None  # noqa: S101 - the worth of a day is known here
    return ThresholdImpact(
        title=title, limit=limit, low=found.span.low, base=found.span.base, high=found.span.high,
        formula=found.formula, weakest=found.weakest,
    )  # fmt: skip


def _stated(monitor: Monitor | None) -> str:
    if monitor is None or monitor.impact.breach_per_day is None:
        return ""
    stated = monitor.impact
    paid = f", paid by {stated.payer}" if stated.payer else ""
    return f"{stated.breach_per_day:,.0f} {stated.currency} a day in breach{paid} (assumption of the monitor)"


def _promises(level: ServiceLevel | None, kind: DeploymentKind) -> Iterable[tuple[str, str, Share]]:
    """Title, limit in words, and the share of results that is lost at the limit."""
    shares = promised_shares(level, kind)
    if level is None:
        return
    yield "Errors", f"{_percent(Decimal(str(level.error_rate)))} of requests", shares["errors"]
    if "latency" not in shares:
        return
    if kind is DeploymentKind.BATCH and level.on_time_share is not None:
        yield "Runs on time", _percent(Decimal(str(level.on_time_share))), shares["latency"]
    else:
        yield "Response time p95", f"{level.p95_ms:.0f} ms", shares["latency"]


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f} %"
