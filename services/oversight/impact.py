"""What passing a watch threshold costs per day, as a range, and who pays: pure, from recorded benefit.

benefit per day  = recorded benefit of the window (low and high unit values) / days with predictions
share limit s    = at least s of the benefit per day is lost from the moment the limit is passed
drift            = from nothing to the whole benefit per day: results may still be right, nobody can say

Nothing is said about a model without recorded benefit: a guess would look like a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.inventory.models import DeploymentKind, GovernedModel, ServiceLevel
from services.kernel.health import Explanation
from services.value.models import ModelValue

DRIFT_BREACH = Decimal("0.25")
_SLOW_SHARE = Decimal("0.05")
"""A 95th percentile at its limit means that one request in twenty takes longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdImpact:
    """One threshold. Money per day at risk once it is passed, from `low` to `high`."""

    title: str
    limit: str
    low: Decimal
    high: Decimal
    formula: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """`payer` carries the loss; empty when nobody is named. Without lines `problem` says why."""

    currency: str
    payer: str
    lines: tuple[ThresholdImpact, ...]
    explanation: Explanation | None
    problem: str = ""


def impact(model: GovernedModel, value: ModelValue) -> Impact:
    owner = model.owner_of("cost_owner") or model.owner_of("business_owner")
    payer = owner.name if owner else ""
    days = sum(day.predictions > 0 for day in value.days)
    if not value.benefits or not days:
        return Impact(
            currency=value.currency,
            payer=payer,
            lines=(),
            explanation=None,
            problem="No benefit is recorded, so nobody can say what a passed threshold costs.",
        )
    low = sum((line.low for line in value.benefits), Decimal(0)) / days
    high = sum((line.high for line in value.benefits), Decimal(0)) / days
    low, high = max(low, Decimal(0)), max(high, Decimal(0))
    shares = [*_promises(model.service_level, model.kind)]
    lines = [
        ThresholdImpact(
            title=title,
            limit=limit,
            low=_cents(low * share),
            high=_cents(high * share),
            formula=f"{_percent(share)} of the benefit per day",
        )
        for title, limit, share in shares
    ]
    lines.append(
        ThresholdImpact(
            title="Drift (PSI)",
            limit=f"{DRIFT_BREACH}",
            low=Decimal("0.00"),
            high=_cents(high),
            formula="from nothing to the whole benefit per day",
        )
    )
    return Impact(
        currency=value.currency,
        payer=payer,
        lines=tuple(lines),
        explanation=Explanation(
            formula="Recorded benefit of the window, low and high, divided by its days with predictions",
            source="; ".join(dict.fromkeys(line.explanation.source for line in value.benefits)),
            window=value.window,
            as_of=None,
            n=days,
            note="Unit values are assumptions and are marked so on the value page.",
        ),
    )


def _promises(level: ServiceLevel | None, kind: DeploymentKind) -> list[tuple[str, str, Decimal]]:
    """Title, limit in words, and the share of results that is lost at the limit."""
    if level is None:
        return []
    errors = Decimal(str(level.error_rate))
    found = [("Errors", f"{_percent(errors)} of requests", errors)]
    if level.p95_ms is not None:
        found.append(("Response time p95", f"{level.p95_ms:.0f} ms", _SLOW_SHARE))
    if kind is DeploymentKind.BATCH and level.on_time_share is not None:
        late = 1 - Decimal(str(level.on_time_share))
        found.append(("Runs on time", _percent(1 - late), late))
    return found


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f} %"


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))
