"""What monitoring needs: recorded predictions and labels as aggregates, a place for profiles, the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol, runtime_checkable

from services.inventory.facts import Partition, Vanished
from services.inventory.models import GovernedModel
from services.monitoring.cubes import Arrival, ScoreDay
from services.monitoring.fleet import DriftVerdict, Judged
from services.monitoring.models import Expectation, JobRun, MonitoringConfig
from services.monitoring.performance_models import ValuePerDecision
from services.monitoring.profile import DayProfile, LabelledDay, Reference
from services.monitoring.recorded_schema import Columns, SchemaChange

Days = tuple[date, date]
"""First and last, both included."""


class Catalog(Protocol):
    def model(self, name: str) -> GovernedModel:
        """Raises UnknownModelError."""
        ...


class FleetCatalog(Catalog, Protocol):
    def models(self) -> tuple[GovernedModel, ...]: ...


class MonitoringFacts(Protocol):
    """Recorded inference facts. Rows stay where they are; answers are aggregates.

    A folder that does not exist is an empty answer; a file that cannot be read raises TelemetryUnavailableError.
    """

    def partitions(self) -> tuple[Partition, ...]:
        """Sources `predictions`, `labels`, `jobs` by day, and `reference` (its day has no meaning)."""
        ...

    def fit_reference(
        self,
        model: str,
        digest: str,
        *,
        slices: tuple[str, ...] = (),
        threshold: float | None = None,
        window: Days | None = None,
    ) -> Reference | None:
        """Cells from the reference window, or None when there is none or it is empty.

        `window` takes the live predictions of these days in place of the rows that were kept for it.

        `slices` names columns; their commonest values split the counts. A column that is not there splits nothing.
        `threshold` becomes an edge of the score's cells, so that scores at or above it are counted exactly.
        """
        ...

    def profile(self, reference: Reference, days: tuple[date, ...]) -> tuple[DayProfile, ...]:
        """Live predictions of these days in the cells of the reference, whole and by the slices of the reference."""
        ...

    def labelled_on(self, model: str, arrivals: tuple[date, ...]) -> tuple[date, ...]:
        """Days of prediction that the labels arriving on these days speak about."""
        ...

    def labelled_days(self, model: str, days: tuple[date, ...], *, scores: bool) -> tuple[LabelledDay, ...]:
        """Live predictions of these days with all labels known now. `scores` asks for counts by score."""
        ...

    def job_runs(self, model: str, days: tuple[date, ...]) -> tuple[tuple[date, JobRun], ...]:
        """Batch runs with the day of their folder."""
        ...


@runtime_checkable
class RecordedColumns(Protocol):
    """Which columns recorded predictions have. A separate question: not every source of facts has days of its own."""

    def columns_by_day(self, model: str, days: tuple[date, ...]) -> tuple[tuple[date, Columns], ...]:
        """Columns of all files of a day together, with their kinds, oldest day first.

        A table that has one set of columns tells them for its newest day alone. Raises TelemetryUnavailableError.
        """
        ...


class MonitoringStore(Protocol):
    """Profiles in the governance database. Methods raise StorageUnavailableError."""

    def seen(self) -> Mapping[tuple[str, str, date], str]: ...

    def put_configs(self, configs: tuple[MonitoringConfig, ...]) -> None: ...

    def config(self, model: str) -> MonitoringConfig | None: ...

    def put_reference(self, reference: Reference) -> None:
        """Replaces the reference of the model and forgets profiles made with another one."""
        ...

    def reference(self, model: str) -> Reference | None: ...

    def reference_digests(self) -> Mapping[str, str]: ...

    def replace_profiles(
        self, model: str, days: tuple[date, ...], profiles: tuple[DayProfile, ...], read: tuple[Partition, ...]
    ) -> None:
        """Everything known about these days is what is given; `read` is remembered in the same transaction."""
        ...

    def profiles(
        self, model: str, start: date, end: date, feature: str = "", *, slice_key: str | None = ""
    ) -> tuple[DayProfile, ...]:
        """Ordered by slice, feature, then day; both ends included. `slice_key` None gives the whole and every slice."""
        ...

    def put_columns(self, model: str, days: tuple[tuple[date, Columns], ...]) -> None:
        """Columns of these days are what is given; changes between days are then found again for the whole history."""
        ...

    def has_columns(self, model: str) -> bool:
        """Whether columns of any day are noted."""
        ...

    def schema_changes(self, model: str, since: date) -> tuple[SchemaChange, ...]:
        """Newest first."""
        ...

    def all_schema_changes(self, since: date) -> tuple[tuple[str, SchemaChange], ...]:
        """Of all models with their names, newest first, in one question."""
        ...

    def forget_days(self, gone: Vanished) -> None:
        """Deletes what was counted of these days of this source, and that they were read, in one transaction."""
        ...

    def forget_before(self, day: date) -> None:
        """Deletes all figures of older days, and that they were read. Changes of columns that were found stay."""
        ...

    def head(self, model: str) -> int:
        """Grows with everything that is written about the drift of this model; 0 for nothing."""
        ...

    def heads(self) -> Mapping[str, int]:
        """The same of all models, in one question."""
        ...

    def judged(self) -> Mapping[str, Judged]: ...

    def verdicts_mark(self) -> str:
        """Another text after every write of verdicts, and of figures that they rest on."""
        ...

    def put_verdicts(self, model: str, verdicts: tuple[DriftVerdict, ...], judged: Judged) -> None:
        """Replaces those of the model."""
        ...

    def verdicts(self, since: date) -> tuple[DriftVerdict, ...]:
        """Of all models, by model and day, in one question."""
        ...

    def last_day(self, model: str) -> date | None: ...

    def replace_labelled(
        self, model: str, days: tuple[date, ...], rows: tuple[LabelledDay, ...], read: tuple[Partition, ...]
    ) -> None: ...

    def labelled(self, model: str, start: date) -> tuple[LabelledDay, ...]: ...

    def replace_jobs(self, model: str, runs: tuple[tuple[date, JobRun], ...], read: tuple[Partition, ...]) -> None: ...

    def job_runs(self, model: str, limit: int) -> tuple[JobRun, ...]:
        """Newest first."""
        ...

    def expectation(self, model: str, metric: str) -> Expectation | None:
        """Hold-out figures of the version that serves now, or None when none serves."""
        ...

    def record_sync(self, source: str, *, at: datetime, error: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceColumn:
    """A column whose listed values split what is counted; rows with another value are in no slice."""

    column: str
    values: tuple[str, ...] = ()


class PerformanceFacts(Protocol):
    """Recorded predictions and labels as counts. Methods raise TelemetryUnavailableError for unreadable files."""

    def partitions(self) -> tuple[Partition, ...]:
        """Sources `predictions` by day of prediction and `labels` by day of arrival."""
        ...

    def counted_as(self, model: str) -> str:
        """Names the way this model is counted beside its slices; another one means that all is counted anew."""
        ...

    def arrived(
        self, model: str, arrivals: tuple[date, ...], *, scores: bool, slices: tuple[SliceColumn, ...]
    ) -> tuple[Arrival, ...]:
        """What the labels filed on these days changed, given everything filed before each of them."""
        ...

    def scored(
        self, model: str, days: tuple[date, ...], *, scores: bool, slices: tuple[SliceColumn, ...]
    ) -> tuple[ScoreDay, ...]:
        """Live predictions of these days by score."""
        ...


class PerformanceStore(Protocol):
    """Cubes in the governance database. Methods raise StorageUnavailableError."""

    def seen(self) -> Mapping[tuple[str, str, date], str]: ...

    def renew(self, model: str, definition: str) -> bool:
        """Forgets everything about the model that was counted under another definition; True if it did."""
        ...

    def replace_arrivals(
        self, model: str, days: tuple[date, ...], arrivals: tuple[Arrival, ...], read: tuple[Partition, ...]
    ) -> None:
        """Everything that arrived on these days is what is given; `read` is remembered in the same transaction."""
        ...

    def replace_scores(
        self, model: str, days: tuple[date, ...], scores: tuple[ScoreDay, ...], read: tuple[Partition, ...]
    ) -> None: ...

    def forget_days(self, gone: Vanished) -> None:
        """Deletes what was counted of these days of this source, and that they were read, in one transaction."""
        ...

    def forget_before(self, day: date) -> None:
        """Deletes scores of older days and what labels said about them, and that these days were read."""
        ...

    def arrivals_about(self, model: str, days: tuple[date, ...]) -> tuple[date, ...]:
        """Days of arrival that speak, or tried to speak, about predictions of these days or their neighbours."""
        ...

    def arrivals(self, model: str, since: date, *, before: date, slice_key: str = "") -> tuple[Arrival, ...]:
        """Filed in [since, before): of every version, and for the whole also labels that found no prediction."""
        ...

    def scores(self, model: str, since: date, *, before: date, slice_key: str = "") -> tuple[ScoreDay, ...]:
        """Of every version, predicted in [since, before)."""
        ...

    def choices(self, model: str, *, before: date) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Versions with predictions, the one with the newest last; and slice keys."""
        ...

    def record_sync(self, source: str, *, at: datetime, error: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewCount:
    """People's reviews of one version's predictions on one day, and how many of them decided otherwise."""

    day: date
    version: str
    reviewed: int
    corrected: int


class BusinessFacts(Protocol):
    """What other parts of the room know about decisions made with a model."""

    def threshold(self, model: str) -> float | None:
        """At or above it a score is a positive decision; None where nobody recorded one."""
        ...

    def reviews(self, model: str, since: date) -> tuple[ReviewCount, ...]: ...

    def value(self, model: str) -> ValuePerDecision | None:
        """None where no benefit is recorded."""
        ...
