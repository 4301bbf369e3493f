"""Recorded requests from inference tables of Databricks: slots with buckets for reliability, predictions for value.

Counts are of rows. Where the endpoint writes a sample, `estimated` is what those rows stand for; rates and quantiles
stay those of the rows, because a weighted row is no further evidence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from services.adapters.warehouse.databricks_sql import partition_of
from services.adapters.warehouse.duckdb import at_microseconds
from services.adapters.warehouse.payload_tables import Asking, NotSoOften, PayloadTable, ServedVersions
from services.adapters.warehouse.statements import payload
from services.adapters.warehouse.statements.latency import NO_LATENCY
from services.inventory.facts import Partition
from services.kernel.errors import TelemetryUnavailableError
from services.monitoring.models import JobRun
from services.monitoring.ports import Days
from services.monitoring.profile import SCORE_BINS, DayProfile, LabelledDay, Reference
from services.reliability.models import RequestSlot

NEVER = date(1970, 1, 1)
"""The day that stands for a table that does not answer."""
_STILL_GROWING = timedelta(days=2)
DAYS_AT_ONCE = 7
"""A first reading of a year of a busy endpoint would otherwise be one answer of millions of cells."""


class _PayloadDays:
    """Which days there are, and whether they changed: asked now and then, for one model."""

    source: str

    def __init__(
        self,
        warehouse: Asking,
        table: PayloadTable,
        *,
        versions: ServedVersions,
        since: Callable[[], date],
        looked: Callable[[str, str], None] = lambda _model, _error: None,
    ) -> None:
        """`looked` is told the model, and why its table did not answer: empty when it did."""
        self._warehouse = warehouse
        self._table = table
        self._versions = versions
        self._since = since
        self._looked = looked
        self._seldom = NotSoOften(table.every_seconds)
        self._newest: date | None = None

    def partitions(self) -> tuple[Partition, ...]:
        return self._seldom("days", self._days)

    def _days(self) -> tuple[Partition, ...]:
        table = self._table
        try:
            with self._warehouse.asking(f"the days of the {table.words}") as ask:
                found = ask(payload.days(table.rows(ask), self._first()))
        except TelemetryUnavailableError as away:
            self._looked(table.model, away.message)
            raise
        self._looked(table.model, "")
        self._newest = max((day for day, *_ in found), default=self._newest)
        return tuple(partition_of(self.source, table.model, day, facts) for day, *facts in found)

    def _first(self) -> date:
        """Everything once; afterwards the days that rows may still arrive for."""
        since = self._since()
        return since if self._newest is None else max(since, self._newest - _STILL_GROWING)

    def _known(self, days: tuple[date, ...]) -> list[tuple[date, ...]]:
        """The days in parts; raises what kept the table from being read, where a day stands for that."""
        if NEVER in days:
            self.partitions()
        ordered = sorted(day for day in days if day != NEVER)
        return [tuple(ordered[start : start + DAYS_AT_ONCE]) for start in range(0, len(ordered), DAYS_AT_ONCE)]


class PayloadRequests(_PayloadDays):
    """Implements reliability.ports.RequestFacts for one model."""

    source = "requests"

    def slots(
        self, deployment: str, days: tuple[date, ...], *, slot_minutes: int
    ) -> tuple[tuple[date, RequestSlot], ...]:
        table, found = self._table, list[tuple[date, RequestSlot]]()
        if deployment != table.model:
            return ()
        for some in self._known(days):
            with self._warehouse.asking(f"requests in the {table.words}") as ask:
                cells = ask(payload.requests_by_bucket(table.rows(ask), some, slot_minutes=slot_minutes))
                names = self._versions.of(ask, table.model, {str(entity) for _, _, entity, *_ in cells})
            found += slots_of(cells, names)
        return tuple(found)


def slots_of(cells: Iterable[Sequence[Any]], names: dict[str, str]) -> list[tuple[date, RequestSlot]]:
    """Cells of `payload.requests_by_bucket` as slots; two served entities of one version are one."""
    groups: dict[tuple[date, int, str], list[tuple[int, int, int, float]]] = defaultdict(list)
    for day, slot, entity, bucket, n, failed, weight, _ in cells:
        key = (day, int(slot), names[str(entity)])
        groups[key].append((int(bucket), int(n), int(failed), float(weight)))
    carried: dict[tuple[date, str], float] = defaultdict(float)
    found = []
    for (day, slot, version), group in sorted(groups.items()):
        requests, weight = sum(n for _, n, _, _ in group), sum(w for *_, w in group)
        # What rounding leaves goes to the next slot: at three rows in ten a slot of one row would lose a tenth each.
        whole = round(weight + carried[day, version])
        carried[day, version] += weight - whole
        buckets: dict[int, int] = defaultdict(int)
        for bucket, n, _, _ in group:
            buckets[bucket] += n
        buckets.pop(NO_LATENCY, None)
        found.append(
            (
                day,
                RequestSlot(
                    start=at_microseconds(slot),
                    version=version,
                    requests=requests,
                    errors=sum(failed for _, _, failed, _ in group),
                    injected=0,
                    buckets=tuple(sorted(buckets.items())),
                    estimated=None if weight == requests else max(whole, requests),
                ),
            )
        )
    return found


class PayloadPredictions(_PayloadDays):
    """How many predictions there were, by day and version, for value: no scores, no labels, no reference.

    Implements monitoring.ports.MonitoringFacts for a model whose predictions no other table holds.
    """

    source = "predictions"

    def labelled_days(self, model: str, days: tuple[date, ...], *, scores: bool) -> tuple[LabelledDay, ...]:
        table, counted = self._table, dict[tuple[date, str], float]()
        if model != table.model:
            return ()
        for some in self._known(days):
            with self._warehouse.asking(f"predictions in the {table.words}") as ask:
                cells = ask(payload.predicted(table.rows(ask), some))
                names = self._versions.of(ask, table.model, {str(entity) for _, entity, *_ in cells})
            for day, entity, _, _, predictions, _ in cells:
                key = (day, names[str(entity)])
                counted[key] = counted.get(key, 0.0) + float(predictions)
        nothing = np.zeros(SCORE_BINS if scores else 0, dtype=np.int64)
        return tuple(
            LabelledDay(
                day=day, version=version, predicted=round(n), labelled=0, positives=nothing, negatives=nothing,
                sum_error=0.0, sum_absolute=0.0, sum_square=0.0,
            )
            for (day, version), n in sorted(counted.items())
        )  # fmt: skip

    def fit_reference(
        self,
        model: str,  # noqa: ARG002 - the port has them
        digest: str,  # noqa: ARG002
        *,
        slices: tuple[str, ...] = (),  # noqa: ARG002
        threshold: float | None = None,  # noqa: ARG002
        window: Days | None = None,  # noqa: ARG002
    ) -> Reference | None:
        """Drift needs the mapping `inference`: nothing here names a reference. Raises what kept it from being read."""
        self.partitions()
        return None

    def profile(self, reference: Reference, days: tuple[date, ...]) -> tuple[DayProfile, ...]:  # noqa: ARG002
        return ()

    def labelled_on(self, model: str, arrivals: tuple[date, ...]) -> tuple[date, ...]:  # noqa: ARG002
        return ()

    def job_runs(self, model: str, days: tuple[date, ...]) -> tuple[tuple[date, JobRun], ...]:  # noqa: ARG002
        return ()
