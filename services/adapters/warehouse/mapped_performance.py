"""Performance cubes of imported tables: predictions and labels of other estates, counted where they lie.

An import has one column for labels and none for the time they came. Every label is taken to have come as many days
after its prediction as the monitor states, which the screen marks as an assumption. What days there are and whether
they changed is known from the sketches, so a table is not scanned twice for it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from math import ceil
from typing import Any

import numpy as np

from services.adapters.warehouse import source_statements as statement
from services.adapters.warehouse.mapped import Sketched, imported, spoken
from services.adapters.warehouse.source_reader import as_day
from services.adapters.warehouse.sources import Estates, OpenTable
from services.inventory.facts import Partition
from services.monitoring.cubes import Arrival, ScoreDay
from services.monitoring.monitors import Monitor, MonitorVersion
from services.monitoring.ports import PerformanceFacts, SliceColumn
from services.monitoring.profile import slice_key


class MappedPerformance:
    """Implements monitoring.ports.PerformanceFacts: imported models here, every other one by `recorded`."""

    def __init__(
        self,
        recorded: PerformanceFacts,
        *,
        estates: Estates,
        in_force: Callable[[], tuple[MonitorVersion, ...]],
        sketched: Sketched,
    ) -> None:
        self._recorded = recorded
        self._estates = estates
        self._in_force = in_force
        self._sketched = sketched

    def partitions(self) -> tuple[Partition, ...]:
        found = self._imported()
        recorded = tuple(item for item in self._recorded.partitions() if item.owner not in found)
        return (*recorded, *(self._partitions(found) if found else ()))

    def counted_as(self, model: str) -> str:
        """Another source, mapping or delay means other days of arrival: what was counted before is forgotten."""
        monitor = self._imported().get(model)
        if monitor is None:
            return self._recorded.counted_as(model)
        told = repr((monitor.source, monitor.mapping, delay_of(monitor)))
        return hashlib.sha256(told.encode()).hexdigest()

    def arrived(
        self, model: str, arrivals: tuple[date, ...], *, scores: bool, slices: tuple[SliceColumn, ...]
    ) -> tuple[Arrival, ...]:
        monitor = self._imported().get(model)
        if monitor is None:
            return self._recorded.arrived(model, arrivals, scores=scores, slices=slices)
        if not monitor.mapping.label:
            return ()
        later = delay_of(monitor)
        with spoken(), self._estates.open(monitor.source) as table:
            inside = statement.on_days(table, monitor.mapping, [day - later for day in arrivals])
            return tuple(
                arrival
                for item in _parts(table, slices)
                for arrival in _arrivals(
                    item,
                    table.rows(statement.labelled(table, monitor.mapping, inside, scores=scores, part=item.column)),
                    later,
                    scores=scores,
                )
            )

    def scored(
        self, model: str, days: tuple[date, ...], *, scores: bool, slices: tuple[SliceColumn, ...]
    ) -> tuple[ScoreDay, ...]:
        monitor = self._imported().get(model)
        if monitor is None:
            return self._recorded.scored(model, days, scores=scores, slices=slices)
        with spoken(), self._estates.open(monitor.source) as table:
            inside = statement.on_days(table, monitor.mapping, days)
            return tuple(
                found
                for item in _parts(table, slices)
                for found in _score_days(
                    item,
                    table.rows(statement.scored(table, monitor.mapping, inside, scores=scores, part=item.column)),
                    scores=scores,
                )
            )

    def _imported(self) -> dict[str, Monitor]:
        return imported(self._in_force())

    def _partitions(self, found: Mapping[str, Monitor]) -> Iterator[Partition]:
        for (source, model, day), fingerprint in self._sketched().items():
            monitor = found.get(model)
            if monitor is None or source != "predictions":
                continue
            yield Partition(source="predictions", owner=model, day=day, fingerprint=fingerprint)
            if monitor.mapping.label:
                yield Partition(source="labels", owner=model, day=day + delay_of(monitor), fingerprint=fingerprint)


def delay_of(monitor: Monitor) -> timedelta:
    """Whole days; a monitor that states no delay has labels on the day of their prediction."""
    return timedelta(days=ceil((monitor.label_delay_hours or 0.0) / 24))


def _parts(table: OpenTable, slices: tuple[SliceColumn, ...]) -> Iterator[SliceColumn]:
    yield SliceColumn(column="")
    yield from (item for item in slices if item.column in table.columns)


def _key(item: SliceColumn, value: Any) -> str | None:
    """None for a row that is in no slice."""
    if not item.column:
        return ""
    return slice_key(item.column, str(value)) if value is not None and str(value) in item.values else None


def _arrivals(item: SliceColumn, rows: Any, later: timedelta, *, scores: bool) -> Iterator[Arrival]:
    totals: dict[tuple[str, str, date], list[float]] = defaultdict(lambda: [0, 0, 0.0, 0.0, 0.0, 0.0])
    cells: dict[tuple[str, str, date], list[tuple[int, int, int]]] = defaultdict(list)
    for when, version, value, told, known, place, positive, n, *sums in rows:
        on, key = as_day(when), _key(item, value)
        if on is None or key is None or not told:
            continue
        at = (str(version) or statement.UNVERSIONED, key, on)
        totals[at][0] += int(n)
        if not known:
            continue
        totals[at][1] += int(n)
        for position, added in enumerate(sums, 2):
            totals[at][position] += float(added or 0.0)
        if scores:
            cells[at].append((on.toordinal(), 2 * int(place) + int(positive), int(n)))
    for (version, key, on), (labels, pairs, *added) in sorted(totals.items()):
        yield Arrival(
            version=version,
            slice_key=key,
            day=on + later,
            cells=np.array(sorted(cells[version, key, on]), dtype=np.int64).reshape(-1, 3),
            days=np.array([[on.toordinal(), int(labels), int(pairs)]], dtype=np.int64),
            sums=np.array([added], dtype=np.float64),
        )


def _score_days(item: SliceColumn, rows: Any, *, scores: bool) -> Iterator[ScoreDay]:
    found: dict[tuple[str, str, date], list[tuple[int, int, int, float]]] = defaultdict(list)
    for when, version, value, lost, place, n, total in rows:
        on, key = as_day(when), _key(item, value)
        if on is not None and key is not None:
            at = (str(version) or statement.UNVERSIONED, key, on)
            found[at].append((int(lost), int(place), int(n), float(total or 0.0)))
    for (version, key, on), cells in sorted(found.items()):
        binned = sorted(cell for cell in cells if scores and not cell[0])
        yield ScoreDay(
            version=version,
            slice_key=key,
            day=on,
            predicted=sum(cell[2] for cell in cells),
            unscored=sum(cell[2] for cell in cells if cell[0]),
            bins=np.array([cell[1] for cell in binned], dtype=np.int64),
            counts=np.array([cell[2] for cell in binned], dtype=np.int64),
            sums=np.array([cell[3] for cell in binned], dtype=np.float64),
        )
