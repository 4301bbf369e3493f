"""What is known about the rows of a feature table on one day, what its rules say about them, and how pipelines ran."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from services.kernel.health import Explanation, Health
from services.kernel.interval import Estimate

OWN_JOB = "batch job"
"""Kind of the recorded jobs of the workspace; other platforms have jobs and pipelines."""


class RuleKind(StrEnum):
    """In the order in which a reader asks: is it there, is it all there, is it what it was, is it sound?"""

    FRESHNESS = "freshness"
    VOLUME = "volume"
    SCHEMA = "schema"
    NULLS = "nulls"
    RANGE = "range"
    UNIQUE = "unique"


class Family(StrEnum):
    """Types as far as a model cares: an integer that becomes a float is the same column, one that becomes text not."""

    NUMBER = "number"
    TEXT = "text"
    TIME = "time"
    TRUTH = "true or false"
    OTHER = "other"


class Zones(StrEnum):
    """How the times of a table say where they belong."""

    STATED = "stated"
    """Every time carries its zone."""
    SILENT = "silent"
    """No time carries a zone; they are read as UTC."""
    MIXED = "mixed"
    """Some do and some do not: an hour may be lost or doubled, and nobody can tell which."""
    NONE = "none"
    """There is no time column, or nothing in it can be read as a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFact:
    """One column on one day. `missing` counts NULL and NaN; `outside` those beyond the rule's bounds."""

    name: str
    family: Family
    type: str
    missing: int
    low: float | None = None
    high: float | None = None
    outside: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDay:
    """Aggregates of the rows of one day, counted where the rows are."""

    day: date
    rows: int
    """Without shadow and mirrored copies, so that a trial does not double a table."""
    all_rows: int
    newest: datetime | None
    """Newest time that is not in the future."""
    future: int
    undated: int
    zones: Zones
    columns: tuple[ColumnFact, ...]
    repeated: int | None
    """Rows more than different keys; None while no key is known."""

    def column(self, name: str) -> ColumnFact | None:
        return next((item for item in self.columns if item.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """One rule on one day. `n`: rows that were looked at. `value`: hours, rows, columns or share, as the kind says."""

    kind: RuleKind
    state: Health
    sentence: str
    n: int
    value: float | None = None
    settled: bool = True
    """False while the day is not over and more rows may come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthDay:
    """One table on one day, judged by revision `revision` of its rules."""

    table: str
    day: date
    revision: int
    results: tuple[RuleResult, ...]
    rows: int | None

    @property
    def state(self) -> Health:
        return Health.worst([item.state for item in self.results if item.settled])

    def result(self, kind: RuleKind) -> RuleResult | None:
        return next((item for item in self.results if item.kind is kind), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The last word on one rule of a table: its newest settled result, and since when it stands."""

    result: RuleResult
    day: date
    since: date


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWord:
    """What the newest look made of a table; its history is read for one table at a time."""

    standings: tuple[Standing, ...]
    last_day: date | None
    """The newest day with rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableHealth:
    name: str
    title: str
    owner: str
    models: tuple[str, ...]
    """Models that rest on it, directly or through other tables."""
    revision: int
    """Of the rules; 0 while there are none."""
    standings: tuple[Standing, ...]
    last_day: date | None
    checked_at: datetime | None
    problem: str = ""
    """Why nothing could be found out just now."""
    catalog_name: str = ""
    """Its three names in a catalog, by which a platform's lineage knows it."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """What lineage may call it."""
        return (self.name, self.catalog_name) if self.catalog_name else (self.name,)

    @property
    def state(self) -> Health:
        if self.problem:
            return Health.UNKNOWN
        return Health.worst([item.result.state for item in self.standings])

    def standing(self, kind: RuleKind) -> Standing | None:
        return next((item for item in self.standings if item.result.kind is kind), None)

    @property
    def broken(self) -> tuple[Standing, ...]:
        return tuple(item for item in self.standings if item.result.state is Health.BREACH)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRun:
    """One run of a job or pipeline, as recorded. `on_time` is None where no window was promised for it."""

    pipeline: str
    title: str
    kind: str
    """`OWN_JOB`, `job` or `pipeline`."""
    run_id: str
    started_at: datetime
    finished_at: datetime
    ok: bool
    on_time: bool | None
    error: str = ""
    aside: bool = False
    """Skipped or cancelled: it neither ended well nor failed. `error` says which; `ok` is False."""
    writes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    known_to: datetime | None = None
    """For copied runs: up to when the records of the platform were complete. None: recorded by ourselves, as it ran."""
    copied_at: datetime | None = None
    """When the records of the platform were last read; None for our own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineHealth:
    """A pipeline over a window. Shares carry their interval; few runs are "too few", never green."""

    pipeline: str
    title: str
    kind: str
    runs: int
    """Without those that were skipped or cancelled."""
    failed: int
    late: int
    aside: int
    """Skipped or cancelled; in no share."""
    on_time: Estimate | None
    typical_seconds: float | None
    """Median of the runs that ended well."""
    slow_seconds: float | None
    """Nineteen of twenty good runs took at most this."""
    last: PipelineRun | None
    every_seconds: float | None
    """Median time between starts; None with fewer than five runs."""
    expected_by: datetime | None
    """When the next run should have finished."""
    state: Health
    sentence: str
    since: datetime | None
    """Since when it is late or failing without a good run in between; None when it is not."""
    models: tuple[str, ...]
    """Models that rest on it, directly or along the lineage of what it writes."""
    explanation: Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Hurt:
    """A model that rests on something broken. `subject` is the table or the pipeline."""

    model: str
    kind: str
    """`table` or `pipeline`."""
    subject: str
    title: str
    state: Health
    since: datetime
    sentence: str
    way: tuple[str, ...]
    """From the subject to the model, both included."""
