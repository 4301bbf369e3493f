"""Cost and benefit as recorded. Money is Decimal with its currency; assumptions are marked as assumptions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The rate card: money per CPU hour and per gigabyte and month (30 days, 10^9 bytes)."""

    currency: str
    cpu_hour: Decimal
    gb_month: Decimal


class BenefitBasis(StrEnum):
    """Which recorded facts a benefit counts."""

    CORRECT_REFERRALS = "correct_referrals"
    """Labelled predictions at or above `threshold`: share that was right, against the share of the rule before."""
    AVOIDED_REWORK = "avoided_rework"
    """Reviewed predictions: share that was corrected, against the share before."""
    ERROR_REDUCTION = "error_reduction"
    """Labelled forecasts: mean absolute error, against the error of the method before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitRule:
    """How recorded facts become money. Nobody measures `unit_value`: it is an assumption of the named person."""

    title: str
    basis: BenefitBasis
    unit_value: Decimal
    unit: str
    """What one unit is, in words: "per correct referral"."""
    stated_by: str
    before: float
    """Rate (0 to 1) or error that the method before had."""
    before_source: str
    threshold: float = 0.5


class MeasureKind(StrEnum):
    OVERRIDE_RATE = "override_rate"
    REFERRAL_PRECISION = "referral_precision"
    FORECAST_ERROR = "forecast_error"
    BATCH_WINDOW_HOURS = "batch_window_hours"
    """Hours between one run and the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRule:
    title: str
    kind: MeasureKind
    before: float
    before_source: str
    threshold: float = 0.5
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueConfig:
    model: str
    benefits: tuple[BenefitRule, ...] = ()
    measures: tuple[MeasureRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageDay:
    """Measured use of one component (`serving`, `batch`, `training`) on one day."""

    day: date
    version: str
    component: str
    cpu_seconds: float
    bytes: int
    wall_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """`hits` out of `n`; for errors the sums that give mean and spread."""

    n: int
    hits: int = 0
    total: float = 0.0
    square: float = 0.0
