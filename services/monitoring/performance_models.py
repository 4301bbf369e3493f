"""What the performance screen shows: cohorts of predictions with confirmed and estimated figures kept apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from services.kernel.health import Explanation, Signal
from services.kernel.interval import Estimate
from services.monitoring.calibration import Calibration
from services.monitoring.maturity import Maturity
from services.monitoring.metrics import Metric

ALL_VERSIONS = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceQuery:
    """`known_on` is the last day whose labels count; None means today. An empty slice is the whole.

    An empty version is the one that made the newest predictions: two models in one line hide what either does.
    """

    model: str
    metric: Metric | None = None
    version: str = ""
    slice_key: str = ""
    known_on: date | None = None
    days: int = 184
    period_days: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSource:
    """A table of the settings that predictions and labels of a model come from."""

    words: str
    labelled: bool
    arrives: str
    """Its column that says when a label came; empty where that is assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Predictions of one period.

    `confirmed` is measured at the age at which labels are mature, and only once every day of the period is that old.
    `so_far` is what the labels of a younger cohort say today; `peers` is what mature cohorts said at the same age.
    `estimate` needs no label.
    """

    start: date
    end: date
    predicted: int
    labelled: int
    n: int
    coverage: float
    usual_coverage: float | None
    """Usual share of labels at the age these predictions have."""
    age: int
    """Whole days since the last day of the period; negative while it is not over."""
    mature: bool
    late: bool
    """Far fewer labels than usual at this age."""
    confirmed: Estimate | None
    so_far: Estimate | None
    peers: Estimate | None
    estimate: Estimate | None
    referral: Estimate | None
    """Share of scores at or above the decision threshold."""
    calibration: Calibration | None

    @property
    def finished(self) -> bool:
        return self.age >= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Mean and spread of what mature cohorts of the reference period realised."""

    mean: float
    low: float
    high: float
    chunks: int
    first: date
    last: date


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessPoint:
    start: date
    end: date
    reviewed: int
    corrected: int
    override: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePerDecision:
    """Benefit per 1,000 decisions as accounted, with the range of its stated factors."""

    currency: str
    amount: float
    low: float
    high: float
    decisions: int
    window: str
    assumed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Business:
    """None or empty where nothing is recorded: not zero."""

    threshold: float | None
    overrides: tuple[BusinessPoint, ...]
    value: ValuePerDecision | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecayView:
    model: str
    query: PerformanceQuery
    metric: Metric
    metrics: tuple[Metric, ...]
    version: str
    """The one looked at, or `all`."""
    versions: tuple[str, ...]
    slices: tuple[str, ...]
    known_on: date
    cohorts: tuple[Cohort, ...]
    """Oldest first, those of the asked time range."""
    maturity: Maturity
    band: Band | None
    signal: Signal
    judged_by: str
    """`confirmed`, `estimate`, or empty when nothing could be judged."""
    estimate_method: str
    """Empty where no estimate can be made; `estimate_sentence` then says why."""
    estimate_sentence: str
    estimate_error: float | None
    """Mean distance of estimate and confirmed value over mature cohorts outside the calibration."""
    calibration: Calibration | None
    """Of all mature cohorts of the time range together."""
    business: Business
    unmatched: int
    """Labels that found no prediction."""
    confirmed_explanation: Explanation
    estimate_explanation: Explanation
    maturity_explanation: Explanation
    calibration_explanation: Explanation
    business_explanation: Explanation
    assumption: str = ""
    """What is taken for granted about the labels of an imported table, or that it has none; empty for recorded ones."""
