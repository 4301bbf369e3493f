"""Cost and benefit as recorded. Money is Decimal with its currency; assumptions are marked as assumptions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.kernel.health import Explanation, Health


@dataclass(frozen=True, slots=True, kw_only=True)
class CostDay:
    day: date
    compute: Decimal
    storage: Decimal
    serving: Decimal
    predictions: int

    @property
    def total(self) -> Decimal:
        return self.compute + self.storage + self.serving

    @property
    def per_thousand(self) -> Decimal | None:
        """Cost per 1,000 predictions, or None on a day without predictions."""
        return self.total * 1000 / self.predictions if self.predictions else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitLine:
    """One recorded benefit: quantity x unit value. `assumed` names the factor that nobody measured, or is empty."""

    title: str
    quantity: str
    unit_value: str
    amount: Decimal
    low: Decimal
    high: Decimal
    n: int
    assumed: str
    explanation: Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A before/after measure such as rework rate."""

    title: str
    before: str
    after: str
    change: str
    n: int | None
    explanation: Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelValue:
    model: str
    title: str
    currency: str
    window: str
    days: tuple[CostDay, ...]
    cost: Decimal
    predictions: int
    cost_per_thousand: Decimal | None
    benefits: tuple[BenefitLine, ...]
    benefit: Decimal | None
    """None when no benefit has been recorded: not zero."""
    net: Decimal | None
    measures: tuple[Measure, ...]
    state: Health
    sentence: str
    cost_explanation: Explanation
