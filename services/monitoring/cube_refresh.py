"""Keeps the cubes of performance up to date: each new day is counted once, and an interrupted run goes on later.

Wiring: `CubeRefresh(facts=DuckDbPerformanceFacts(folder), store=SqlPerformance(database),
monitoring=SqlMonitoring(database), catalog=inventory, clock=clock)`; the worker calls `run` after monitoring.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from services.inventory.facts import Partition, by_owner, kept_from, vanished
from services.inventory.models import Task
from services.kernel.clock import Clock
from services.kernel.errors import TelemetryUnavailableError, UnknownModelError
from services.monitoring.cubes import about_days_from
from services.monitoring.keeping import KeptDays
from services.monitoring.ports import Catalog, MonitoringStore, PerformanceFacts, PerformanceStore, SliceColumn
from services.monitoring.profile import SCORE_BINS, column_and_value

SOURCE = "performance"
_LAYOUT = 1
"""Raised when the stored columns change their meaning; everything is then counted anew."""
_DAYS_AT_ONCE = 31


class CubeRefresh:
    def __init__(
        self,
        *,
        facts: PerformanceFacts,
        store: PerformanceStore,
        monitoring: MonitoringStore,
        catalog: Catalog,
        clock: Clock,
        keep_days: int = 0,
    ) -> None:
        """Predictions older than `keep_days` are deleted with what labels said about them; 0 keeps all."""
        self._facts = facts
        self._store = store
        self._monitoring = monitoring
        self._catalog = catalog
        self._clock = clock
        self._kept = KeptDays(keep_days, clock)

    def run(self) -> int:
        """Reads days that are new or changed; returns how many. A model that cannot be read does not stop the others.

        Raises the first TelemetryUnavailableError at the end, after recording it.
        """
        at, read, broken = self._clock.now(), 0, list[TelemetryUnavailableError]()
        try:
            found = by_owner(kept_from(self._kept.first, self._facts.partitions()))
        except TelemetryUnavailableError as missing:
            self._store.record_sync(SOURCE, at=at, error=str(missing))
            raise
        self._kept.forget_older(self._store.forget_before)
        for model, partitions in found.items():
            try:
                read += self._refresh(model, partitions)
            except TelemetryUnavailableError as missing:
                broken.append(missing)
        self._store.record_sync(SOURCE, at=at, error=str(broken[0]) if broken else "")
        if broken:
            raise broken[0]
        return read

    def _refresh(self, model: str, partitions: Sequence[Partition]) -> int:
        scores, slices = self._is_scored(model), self._slices(model)
        self._store.renew(model, _definition(self._facts.counted_as(model), scores=scores, slices=slices))
        seen = self._store.seen()
        fresh = [item for item in partitions if seen.get(item.key) != item.fingerprint]
        predictions = sorted((item for item in fresh if item.source == "predictions"), key=lambda item: item.day)
        labels = [item for item in partitions if item.source == "labels"]
        ours = {key: fingerprint for key, fingerprint in seen.items() if key[1] == model}
        lost = tuple(item for item in vanished(partitions, ours) if item.is_believable)
        taken = {item.source: item.days for item in lost}
        # Found before anything is remembered: if this run ends early, the next one finds them again.
        days = (*(item.day for item in predictions), *taken.get("predictions", ()))
        again = (*self._store.arrivals_about(model, days), *_told_later(predictions, labels, ours))
        due = arrivals_due(
            labels, [item for item in fresh if item.source == "labels"], seen, again, gone=taken.get("labels", ())
        )
        for part in _parts(due):
            days = tuple(item.day for item in part)
            arrived = self._facts.arrived(model, days, scores=scores, slices=slices)
            kept = tuple(about_days_from(self._kept.first, item) for item in arrived)
            self._store.replace_arrivals(model, days, kept, part)
        for part in _parts(predictions):
            days = tuple(item.day for item in part)
            scored = self._facts.scored(model, days, scores=scores, slices=slices)
            self._store.replace_scores(model, days, scored, part)
        for item in lost:
            self._store.forget_days(item)
        return len(due) + len(predictions) + sum(len(item.days) for item in lost)

    def _is_scored(self, model: str) -> bool:
        try:
            return self._catalog.model(model).task is Task.CLASSIFICATION
        except UnknownModelError:
            return False

    def _slices(self, model: str) -> tuple[SliceColumn, ...]:
        """The same slices as the sketches have: those of the reference window."""
        reference = self._monitoring.reference(model)
        values: dict[str, list[str]] = {}
        for column, value in map(column_and_value, reference.slice_keys if reference else ()):
            values.setdefault(column, []).append(value)
        return tuple(SliceColumn(column=column, values=tuple(sorted(known))) for column, known in values.items())


def _told_later(
    predictions: Sequence[Partition], labels: Sequence[Partition], seen: Mapping[tuple[str, str, date], str]
) -> Iterator[date]:
    """Days of arrival from which the oldest days were left out while less was kept: what is kept now reaches back."""
    known = min((day for source, _, day in seen if source == "predictions"), default=date.min)
    first = min((item.day for item in predictions), default=date.max)
    if first < known:
        yield from (item.day for item in labels if item.day >= first)


def arrivals_due(
    labels: Sequence[Partition],
    fresh: Sequence[Partition],
    seen: Mapping[tuple[str, str, date], str],
    again: Sequence[date],
    *,
    gone: Sequence[date] = (),
) -> tuple[Partition, ...]:
    """Days of arrival to count: new ones, those that speak about changed predictions, and everything after a change.

    A later day takes the value away that an earlier one stated. So a day that changes behind others, or is `gone`,
    makes all known days after it due as well.
    """
    changed = {item.day for item in fresh}
    first = min((*changed, *gone), default=date.max)
    return tuple(
        sorted(
            (
                item
                for item in labels
                if item.day in changed or item.day in again or (item.day > first and item.key in seen)
            ),
            key=lambda item: item.day,
        )
    )


def _parts(partitions: Sequence[Partition]) -> Iterator[tuple[Partition, ...]]:
    for start in range(0, len(partitions), _DAYS_AT_ONCE):
        yield tuple(partitions[start : start + _DAYS_AT_ONCE])


def _definition(counted_as: str, *, scores: bool, slices: tuple[SliceColumn, ...]) -> str:
    document: list[object] = [_LAYOUT, SCORE_BINS if scores else 0, [[item.column, *item.values] for item in slices]]
    document += [counted_as] if counted_as else []
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()
