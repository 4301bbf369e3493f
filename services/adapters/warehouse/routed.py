"""Recorded facts by model: from tables of a SQL warehouse where they are mapped, else from the inference folder.

A warehouse that does not answer is one changed partition: reading it fails, that is recorded, and the others go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Protocol

from services.data_health.models import TableDay
from services.data_health.ports import TableRows
from services.data_health.rules import TableRules
from services.inventory.facts import NO_DAY, Partition
from services.inventory.tables import FeatureTable, Measured, TableFacts
from services.kernel.errors import TelemetryUnavailableError
from services.monitoring.cubes import Arrival, ScoreDay
from services.monitoring.models import JobRun
from services.monitoring.ports import Days, MonitoringFacts, PerformanceFacts, RecordedColumns, SliceColumn
from services.monitoring.profile import DayProfile, LabelledDay, Reference
from services.monitoring.recorded_schema import Columns
from services.reliability.models import RequestSlot
from services.reliability.ports import RequestFacts
from services.rollout.release_models import ShadowComparison, TelemetryBatch
from services.rollout.release_ports import ShadowFacts, Telemetry


class _Partitioned(Protocol):
    def partitions(self) -> tuple[Partition, ...]: ...


def _partitions(recorded: _Partitioned, mapped: Mapping[str, _Partitioned], *, unread: str) -> tuple[Partition, ...]:
    """`unread` is the source of the one partition that stands for a warehouse that does not answer."""
    found = [item for item in recorded.partitions() if item.owner not in mapped]
    for model, facts in mapped.items():
        try:
            found += facts.partitions()
        except TelemetryUnavailableError:
            found.append(Partition(source=unread, owner=model, day=NO_DAY, fingerprint="cannot-be-read"))
    return tuple(found)


class RoutedFacts:
    """Implements monitoring.ports.MonitoringFacts."""

    def __init__(self, recorded: MonitoringFacts, mapped: Mapping[str, MonitoringFacts]) -> None:
        self._recorded = recorded
        self._mapped = mapped

    def partitions(self) -> tuple[Partition, ...]:
        return _partitions(self._recorded, self._mapped, unread="reference")

    def fit_reference(
        self,
        model: str,
        digest: str,
        *,
        slices: tuple[str, ...] = (),
        threshold: float | None = None,
        window: Days | None = None,
    ) -> Reference | None:
        return self._of(model).fit_reference(model, digest, slices=slices, threshold=threshold, window=window)

    def profile(self, reference: Reference, days: tuple[date, ...]) -> tuple[DayProfile, ...]:
        return self._of(reference.model).profile(reference, days)

    def labelled_on(self, model: str, arrivals: tuple[date, ...]) -> tuple[date, ...]:
        return self._of(model).labelled_on(model, arrivals)

    def labelled_days(self, model: str, days: tuple[date, ...], *, scores: bool) -> tuple[LabelledDay, ...]:
        return self._of(model).labelled_days(model, days, scores=scores)

    def job_runs(self, model: str, days: tuple[date, ...]) -> tuple[tuple[date, JobRun], ...]:
        return self._of(model).job_runs(model, days)

    def columns_by_day(self, model: str, days: tuple[date, ...]) -> tuple[tuple[date, Columns], ...]:
        """Implements monitoring.ports.RecordedColumns; the log of an endpoint has the same columns for ever."""
        facts = self._of(model)
        return facts.columns_by_day(model, days) if isinstance(facts, RecordedColumns) else ()

    def __getattr__(self, name: str) -> Any:
        """Questions about recorded facts that tables do not answer."""
        return getattr(self._recorded, name)

    def _of(self, model: str) -> MonitoringFacts:
        return self._mapped.get(model, self._recorded)


class RoutedRequests:
    """Implements reliability.ports.RequestFacts; a deployment carries the name of its model."""

    def __init__(self, recorded: RequestFacts, mapped: Mapping[str, RequestFacts]) -> None:
        self._recorded = recorded
        self._mapped = mapped

    def partitions(self) -> tuple[Partition, ...]:
        return _partitions(self._recorded, self._mapped, unread="requests")

    def slots(
        self, deployment: str, days: tuple[date, ...], *, slot_minutes: int
    ) -> tuple[tuple[date, RequestSlot], ...]:
        return self._mapped.get(deployment, self._recorded).slots(deployment, days, slot_minutes=slot_minutes)


class RoutedTelemetry:
    """Implements rollout.release_ports.Telemetry; a deployment carries the name of its model."""

    def __init__(self, recorded: Telemetry, mapped: Mapping[str, Telemetry]) -> None:
        self._recorded = recorded
        self._mapped = mapped

    def since(
        self, deployment: str, since: datetime, *, tick_seconds: int, score_edges: tuple[float, ...] = ()
    ) -> TelemetryBatch:
        source = self._mapped.get(deployment, self._recorded)
        return source.since(deployment, since, tick_seconds=tick_seconds, score_edges=score_edges)


class WithReplays:
    """Telemetry of a table with the copies that were replayed: those this application knows from sending them."""

    def __init__(self, answered: Telemetry, replayed: Telemetry) -> None:
        self._answered = answered
        self._replayed = replayed

    def since(
        self, deployment: str, since: datetime, *, tick_seconds: int, score_edges: tuple[float, ...] = ()
    ) -> TelemetryBatch:
        found = self._answered.since(deployment, since, tick_seconds=tick_seconds, score_edges=score_edges)
        copies = self._replayed.since(deployment, since, tick_seconds=tick_seconds, score_edges=score_edges)
        # Whether calls of a version's own address are in the table is the platform's secret; ours count once.
        cells = [cell for cell in found.cells if cell.role == "live"]
        return replace(found, cells=(*cells, *(cell for cell in copies.cells if cell.role == "mirror")))


class RoutedShadow:
    """Implements rollout.release_ports.ShadowFacts; a deployment carries the name of its model."""

    def __init__(self, recorded: ShadowFacts, mapped: Mapping[str, ShadowFacts]) -> None:
        self._recorded = recorded
        self._mapped = mapped

    def compare(
        self,
        deployment: str,
        *,
        live: str,
        candidate: str,
        since: datetime,
        until: datetime,
        threshold: float | None,
        tolerance: float | None,
    ) -> ShadowComparison:
        return self._mapped.get(deployment, self._recorded).compare(
            deployment,
            live=live,
            candidate=candidate,
            since=since,
            until=until,
            threshold=threshold,
            tolerance=tolerance,
        )


class RoutedTableRows:
    """Implements data_health.ports.TableRows: files here, tables of a catalog where they lie."""

    def __init__(self, files: TableRows, catalog: TableRows) -> None:
        self._files = files
        self._catalog = catalog

    def partitions(self, table: FeatureTable) -> tuple[Partition, ...]:
        return self._of(table).partitions(table)

    def profile(
        self, table: FeatureTable, days: tuple[date, ...], rules: TableRules | None, *, now: datetime
    ) -> tuple[TableDay, ...]:
        return self._of(table).profile(table, days, rules, now=now)

    def reference(self, table: FeatureTable) -> TableDay | None:
        return self._of(table).reference(table)

    def _of(self, table: FeatureTable) -> TableRows:
        return self._catalog if table.table else self._files


class RoutedTableFacts:
    """Implements inventory.tables.TableFacts."""

    def __init__(self, files: TableFacts, catalog: TableFacts) -> None:
        self._files = files
        self._catalog = catalog

    def measure(self, table: FeatureTable, *, now: datetime) -> tuple[Measured, ...]:
        return (self._catalog if table.table else self._files).measure(table, now=now)


class RoutedPerformance:
    """Implements monitoring.ports.PerformanceFacts."""

    def __init__(self, recorded: PerformanceFacts, mapped: Mapping[str, PerformanceFacts]) -> None:
        self._recorded = recorded
        self._mapped = mapped

    def partitions(self) -> tuple[Partition, ...]:
        return _partitions(self._recorded, self._mapped, unread="labels")

    def counted_as(self, model: str) -> str:
        return self._of(model).counted_as(model)

    def arrived(
        self, model: str, arrivals: tuple[date, ...], *, scores: bool, slices: tuple[SliceColumn, ...]
    ) -> tuple[Arrival, ...]:
        return self._of(model).arrived(model, arrivals, scores=scores, slices=slices)

    def scored(
        self, model: str, days: tuple[date, ...], *, scores: bool, slices: tuple[SliceColumn, ...]
    ) -> tuple[ScoreDay, ...]:
        return self._of(model).scored(model, days, scores=scores, slices=slices)

    def _of(self, model: str) -> PerformanceFacts:
        return self._mapped.get(model, self._recorded)
