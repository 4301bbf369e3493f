"""Cost and benefit as recorded. Money is Decimal with its currency; assumptions are marked as assumptions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from services.kernel.health import Explanation, Health
from services.value.returns import Returns


@dataclass(frozen=True, slots=True, kw_only=True)
class CostDay:
    day: date
    compute: Decimal
    storage: Decimal
    serving: Decimal
    predictions: int
    fixed: Decimal = Decimal(0)
    """Stated, not measured: the day's part of licences and people."""
    marginal: Decimal = Decimal(0)
    """The part of compute and serving that scoring used: it grows with predictions, the floor does not."""
    training: Decimal = Decimal(0)
    evaluation: Decimal = Decimal(0)
    features: Decimal = Decimal(0)
    """Three parts of `compute`, where use says which part it was."""

    @property
    def jobs(self) -> Decimal:
        """The rest of compute: batch scoring, and jobs that do not say what they are."""
        return self.compute - self.training - self.evaluation - self.features

    @property
    def floor(self) -> Decimal:
        """What the day would have cost without a single prediction."""
        return self.total - self.marginal

    @property
    def total(self) -> Decimal:
        return self.compute + self.storage + self.serving + self.fixed

    @property
    def per_thousand(self) -> Decimal | None:
        """Cost per 1,000 predictions, or None on a day without predictions."""
        return self.total * 1000 / self.predictions if self.predictions else None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionShare:
    """What one version used, as measured, and the part of the fixed cost laid on it: an allocation."""

    version: str
    predictions: int
    measured: Decimal
    allocated: Decimal

    @property
    def per_thousand(self) -> Decimal | None:
        return (self.measured + self.allocated) * 1000 / self.predictions if self.predictions else None


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

    @property
    def pays(self) -> bool:
        """False for a line whose unit is worth nothing: it is counted and shown, and another line pays for it."""
        return bool(self.low or self.amount or self.high)


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
class DataAge:
    """How far the copied bill of the platform reaches, and how old the copy is."""

    state: Health
    sentence: str
    up_to: datetime | None = None
    copied_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nobodys:
    """Use under a name that no governed model has."""

    name: str
    amount: Decimal
    unpriced: str = ""


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
    setup_cost: Decimal | None = None
    payback_months: Decimal | None = None
    """Months until net benefit at this window's pace has repaid the setup; None when it never would."""
    returns: Returns | None = None
    """Multiple and payback with their ranges; None where nothing was computed."""
    versions: tuple[VersionShare, ...] = ()
    first: date | None = None
    """The first day of the window with a record of cost or benefit."""
    statement: int = 0
    """The signed version of the value statement it was computed with; 0: nobody signed one."""
    last: date | None = None
    """The last day with a record of use: how old the cost is."""
    age: DataAge | None = None
    """How far the bill reaches; None where use is measured here."""
    unpriced: str = ""
    """Billed use without a price: the cost is too low by it. Empty where everything has one."""
    recorded: frozenset[str] = frozenset()
    """Components with a record of use in the window: a part that nobody measured is unknown and not free."""
    absent: tuple[tuple[str, str], ...] = ()
    """Components that nothing here uses, and the words to say so: there is nothing to record."""

    @property
    def marginal_per_thousand(self) -> Decimal | None:
        spent = sum((day.marginal for day in self.days), Decimal(0))
        return spent * 1000 / self.predictions if self.predictions else None

    @property
    def floor(self) -> Decimal:
        return sum((day.floor for day in self.days), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The rate card: money per CPU hour and per gigabyte and month (30 days, 10^9 bytes)."""

    currency: str
    cpu_hour: Decimal
    gb_month: Decimal


class Quantity(StrEnum):
    """Recorded facts a benefit may count. Each is a rate before and a rate measured, times a volume."""

    CORRECT_REFERRALS = "correct_referrals"
    """Labelled predictions at or above the threshold: share that was right, beyond `referral_precision` before."""
    AVOIDED_REWORK = "avoided_rework"
    """Reviewed predictions: share that was corrected, below `override_rate` before."""
    ERROR_REDUCTION = "error_reduction"
    """Labelled forecasts: mean absolute error, below `forecast_error` before."""
    LABOUR_HOURS = "labour_hours"
    """Hours of work: predictions x `minutes_per_case` before, less recorded reviews x `minutes_per_review`."""


class BaselineId(StrEnum):
    """Measures that can be taken before and after."""

    REFERRAL_PRECISION = "referral_precision"
    """Of the labelled decisions at or above the threshold, those that were right."""
    REFERRAL_RECALL = "referral_recall"
    """Of the labelled cases that should have been referred, those that were."""
    OVERRIDE_RATE = "override_rate"
    """Reviewed decisions that a person changed, of all that were reviewed."""
    REWORK_RATE = "rework_rate"
    """Decisions that a person changed, of all that were made."""
    FORECAST_ERROR = "forecast_error"
    BATCH_WINDOW_HOURS = "batch_window_hours"
    """Hours from one batch window to the next."""
    END_TO_END_HOURS = "end_to_end_hours"
    """Hours from the start of the window in which the data arrived to the end of the run that decided on it."""
    MINUTES_PER_CASE = "minutes_per_case"
    """Minutes of work that one case took."""
    MINUTES_PER_REVIEW = "minutes_per_review"
    """Minutes that one review takes with the model: nothing records them, so they are stated, beside the baselines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitRule:
    """How a recorded quantity becomes money. `assumed` names the factor nobody measured and who stated it."""

    id: str
    title: str
    quantity: str
    """A word of `Quantity`; any other word is shown as not computable, never as zero."""
    unit_value: Decimal
    unit_low: Decimal
    unit_high: Decimal
    assumed: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A measure as it was before the model, with its source."""

    id: str
    """A word of `BaselineId`; other words are shown with "not measured" as the value after."""
    title: str
    before: Decimal
    unit: str
    lower_is_better: bool
    source: str
    assumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueConfig:
    model: str
    benefits: tuple[BenefitRule, ...] = ()
    baselines: tuple[Baseline, ...] = ()
    setup_cost: Decimal = Decimal(0)
    monthly_cost_fixed: Decimal = Decimal(0)
    cost_source: str = ""
    decision_threshold: float = 0.5
    note: str = ""
    monthly_budget: Decimal | None = None
    """None: nobody set one."""
    budget_alerts: tuple[Decimal, ...] = (Decimal("0.8"), Decimal(1))
    """Shares of the budget; from the first on somebody looks, from the last on it is overrun."""
    gate_monthly_net: Decimal = Decimal(0)
    """A month with less net benefit than this is missed; two in a row open a review."""

    def baseline(self, name: str) -> Baseline | None:
        return next((baseline for baseline in self.baselines if baseline.id == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageDay:
    """Use of one component (`serving`, `batch`, `training`, ...) on one day, as measured or as billed."""

    day: date
    version: str
    component: str
    cpu_seconds: float
    bytes: int
    wall_seconds: float
    billed: Decimal | None = None
    """What the platform charged, corrections included; None where use was measured and the rate card counts."""
    unpriced: str = ""
    """Billed use that has no price: its quantities in words. It is not in `billed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """`hits` out of `n`; for errors the sums that give mean and spread; for labour reviews out of predictions."""

    n: int
    hits: int = 0
    total: float = 0.0
    square: float = 0.0
