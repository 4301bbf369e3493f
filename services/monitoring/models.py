"""Drift and performance as measured: always with window, number of observations and noise floor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from services.kernel.health import Explanation, Health, Signal
from services.kernel.interval import Estimate
from services.monitoring.definitions import CODE_RED, JUDGING, Limits, Statistic, Versus, limits_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPoint:
    """One statistic of one feature over the window that ends on `day`; `floor` is what noise reaches at this n."""

    day: date
    value: float
    n: int
    floor: float
    state: Health = Health.UNKNOWN
    """By this statistic alone."""
    error: float = 0.0
    """How far the value can be too low because it was read from cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The last window by one statistic. A `value` of None is undefined; chi-squared has `p` and no state."""

    statistic: Statistic
    value: float | None
    floor: float | None
    state: Health | None
    sentence: str
    p: float | None = None
    limits: Limits | None = None
    """Of the monitor of this model."""
    judges: bool = True
    """The verdict of the column rests on it; else it informs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The middle of a column in words and numbers: mean for numbers, commonest value for categories."""

    words: str
    mean: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRate:
    """Share of scored predictions at or above the decision threshold, in the last window and before it."""

    threshold: float
    now: Estimate | None
    """With its 95 % interval (Wilson 1927); None where nothing was scored."""
    before: float | None
    n: int
    m: int
    """Scored predictions now, and on the other side."""
    floor: float | None
    """By how much the share moves through chance alone."""
    state: Health
    series: tuple[tuple[date, float, float], ...]
    """(end of the window, share, share it is compared with)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureDrift:
    feature: str
    title: str
    kind: str
    """`numeric`, `categorical` or `prediction`."""
    state: Health
    latest: DriftPoint | None
    series: tuple[DriftPoint, ...]
    sentence: str
    ks: float | None = None
    """Largest gap between the two distribution functions, from cells; None for categories."""
    missing_reference: float | None = None
    missing_current: float | None = None
    """Share of missing values, between 0 and 1."""
    unseen_current: float | None = None
    """Share of values that the reference does not list; None for numbers."""
    readings: tuple[Reading, ...] = ()
    """The last window by every statistic that applies."""
    sustained: bool = False
    """Red in two of the last three windows."""
    since: date | None = None
    """End of the first window of the present run of moved windows."""
    before: Level | None = None
    now: Level | None = None
    history: tuple[tuple[date, Health], ...] = ()
    """The verdict of every window."""
    n: int = 0
    """Predictions in the last window."""
    missing_series: tuple[tuple[date, float], ...] = ()
    unseen_series: tuple[tuple[date, float], ...] = ()
    alert_rate: AlertRate | None = None
    """Of the score of a model that decides at a threshold."""
    closely: tuple[DriftPoint, ...] = ()
    """PSI of every window, judged by the levels of code red."""
    next_step: str = ""
    """What to do about a column that cannot be compared at all; empty for every other."""
    together: float | None = None
    """Share of the reference whose values are one cell, since they are not among the commonest; None for numbers."""

    @property
    def is_compared(self) -> bool:
        return not self.next_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Share per bin of the reference, the current and the previous window, same bins."""

    bins: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]
    reference_n: int
    current_n: int
    previous: tuple[float, ...] = ()
    previous_n: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RedWindow:
    """Code red of the window that ends on `day`. `titles` are what its state rests on, `feature` the first of them if
    that is a column; none where it is healthy.
    """

    day: date
    state: Health
    titles: tuple[str, ...] = ()
    feature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftView:
    model: str
    window_days: int
    watch: float
    breach: float
    features: tuple[FeatureDrift, ...]
    """Ranked, worst first; predictions included as feature `prediction`."""
    signal: Signal
    reference: str
    explanation: Explanation
    statistic: Statistic = Statistic.PSI
    versus: Versus = Versus.REFERENCE
    slice_key: str = ""
    version: str = ""
    """The version whose predictions alone are looked at; empty for all."""
    limits: Limits | None = None
    """Of the chosen statistic."""
    code_red: Signal | None = None
    """Over everything, against the reference; None elsewhere, and where nothing is watched that closely."""
    red_windows: tuple[RedWindow, ...] = ()
    """The same for every window of the course."""
    red_limits: Limits = CODE_RED
    """PSI of a mix or of a column that is watched most closely."""
    red_rule: str = ""
    """What code red is for this model, in words."""
    last_day: date | None = None
    is_named: bool = False
    """The columns are those that a monitor in force names, and not simply all of the reference."""

    @property
    def uncompared(self) -> tuple[FeatureDrift, ...]:
        """Columns that are watched in vain."""
        return tuple(item for item in self.features if not item.is_compared)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceDrift:
    """One slice by its worst column."""

    slice_key: str
    n: int
    state: Health
    feature: str
    title: str
    value: float | None
    moved: int
    judged: int
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformancePoint:
    """A metric over one period of predictions whose labels have arrived. `coverage` is labelled / predicted."""

    start: date
    end: date
    value: float | None
    low: float | None
    high: float | None
    n: int
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceView:
    model: str
    metric: str
    title: str
    higher_is_better: bool
    points: tuple[PerformancePoint, ...]
    baseline: float | None
    baseline_name: str
    signal: Signal
    explanation: Explanation
    expected: float | None = None
    """What the live version measured on its hold-out rows before release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringConfig:
    """How one model is watched. Without `features` every column of the reference window is judged."""

    model: str
    features: tuple[tuple[str, str, str], ...] = ()
    """(column, title in words, `numeric` or `categorical`)."""
    score_title: str = "Prediction"
    metric_title: str = ""
    baseline_name: str = "Simple rule on the hold-out rows"
    watch: float = 0.10
    breach: float = 0.25
    reference: str = ""
    """The reference window in words."""
    label_delay_hours: float | None = None
    minimum_labels: int = 50
    minimum_coverage: float = 0.5
    """Share of predictions of a week that must have a label before the week is judged."""
    slices: tuple[str, ...] = ()
    """Columns whose values split the sketches of every feature."""
    current_days: tuple[int, ...] = (7,)
    """Lengths of the current window, in days; the first is what judges, and what screens open with."""
    statistics: tuple[str, ...] = ()
    """Names of the statistics that judge; empty leaves the choice to the verdicts."""
    limits: tuple[tuple[str, float, float], ...] = ()
    """(statistic, watch, breach); a statistic that is not named keeps its usual limits."""
    code_red_columns: tuple[str, ...] = ()
    """Columns that are watched most closely; empty: those that moved most."""
    code_red_limits: tuple[float, float] = (CODE_RED.watch, CODE_RED.breach)
    """PSI of one of them or of a mix: amber, red."""
    code_red_windows: int = 2
    """Windows in a row, without a common day, that make it red."""
    minimum_rows: int = 0
    """Predictions a window needs before it is judged at all, beside what each statistic needs by itself."""
    monitor_version: int | None = None
    """The version of the monitor this was derived from; None where nobody saved one."""
    imported_from: str = ""
    """The table of another estate that predictions are read from, in words; empty for recorded ones."""
    has_labels: bool = True
    """False for an import without a column of labels."""
    arrivals_from: str = ""
    """The column of that table which says when a label came; empty where that is assumed."""

    @property
    def judging(self) -> tuple[Statistic, ...]:
        """What a verdict about a column rests on."""
        return tuple(Statistic(name) for name in self.statistics) or JUDGING

    def limits_of(self, statistic: Statistic) -> Limits | None:
        """Its own where the monitor names them, else the usual ones; None for a statistic that only informs."""
        own = {name: Limits(watch=watch, breach=breach) for name, watch, breach in self.limits}
        return own.get(statistic.value) or limits_of(statistic, watch=self.watch, breach=self.breach)

    @property
    def red_limits(self) -> Limits:
        amber, red = self.code_red_limits
        return Limits(watch=amber, breach=red)

    def title(self, column: str) -> str:
        return next((title for name, title, _ in self.features if name == column), column.replace("_", " "))


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """Hold-out figures of the live version, as its run recorded them."""

    version: str
    value: float | None
    baseline: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """One run of a batch job, as recorded."""

    job: str
    model: str
    version: str
    window_start: datetime
    started_at: datetime
    finished_at: datetime
    rows: int
    ok: bool
    on_time: bool
    error: str = ""
