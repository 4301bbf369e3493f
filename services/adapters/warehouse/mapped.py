"""Sketches of tables of other estates through the same port as our own predictions: only the column names differ.

A day has changed when its number of rows, predictions or labels, its extremes, its latest time, or a sum of its
predictions, labels or their products changed. Another value of a feature alone is not noticed where all of these are
equal; a new version of the monitor reads everything again.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import sqlalchemy as sa

from services.adapters.warehouse import source_columns
from services.adapters.warehouse import source_statements as statement
from services.adapters.warehouse.cells import (
    ATOM_SHARE,
    ATOMS_IF_DISTINCT,
    FEW_VALUES,
    MOST_VALUES,
    apart,
    common,
    why_not,
)
from services.adapters.warehouse.source_reader import as_day
from services.adapters.warehouse.sources import Estates, OpenTable
from services.inventory.facts import NO_DAY, Partition
from services.kernel.errors import ControlRoomError, TelemetryUnavailableError
from services.monitoring.models import JobRun
from services.monitoring.monitors import FeatureKind, Monitor, MonitorVersion, ReferenceKind, SourceKind, document
from services.monitoring.ports import Days, MonitoringFacts, RecordedColumns
from services.monitoring.profile import (
    SCORE,
    SCORE_BINS,
    DayProfile,
    FeatureReference,
    LabelledDay,
    Reference,
    ReferenceSlice,
    Uncompared,
    WhyNot,
    column_and_value,
    slice_key,
)
from services.monitoring.recorded_schema import Columns
from services.monitoring.versions import VersionRows, version_key

_RANKS = (0.001, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.999)
_SUB_CELLS, _SLICE_SHARE, _MOST_SLICES = 8, 0.01, 20


Sketched = Callable[[], Mapping[tuple[str, str, date], str]]
"""Fingerprints of what was sketched, by (source, model, day)."""


class MappedFacts:
    """Implements monitoring.ports.MonitoringFacts: imported models here, every other one by `recorded`."""

    def __init__(
        self,
        recorded: MonitoringFacts,
        *,
        estates: Estates,
        in_force: Callable[[], tuple[MonitorVersion, ...]],
        sketched: Sketched = dict,
    ) -> None:
        self._recorded = recorded
        self._estates = estates
        self._in_force = in_force
        self._sketched = sketched

    def partitions(self) -> tuple[Partition, ...]:
        imported = self._imported()
        windows = self._windows()
        seen = self._sketched() if imported or windows else {}
        recorded = _dated([item for item in self._recorded.partitions() if item.owner not in imported], windows, seen)
        return (*recorded, *(item for monitor in imported.values() for item in self._partitions(monitor, seen)))

    def fit_reference(
        self,
        model: str,
        digest: str,
        *,
        slices: tuple[str, ...] = (),
        threshold: float | None = None,
        window: Days | None = None,
    ) -> Reference | None:
        monitor = self._imported().get(model)
        if monitor is None:
            asked = window or self._windows().get(model)
            return self._recorded.fit_reference(model, digest, slices=slices, threshold=threshold, window=asked)
        with spoken(), self._estates.open(monitor.source) as table:
            return _reference(table, monitor, digest, slices, threshold)

    def profile(self, reference: Reference, days: tuple[date, ...]) -> tuple[DayProfile, ...]:
        monitor = self._imported().get(reference.model)
        if monitor is None:
            return self._recorded.profile(reference, days)
        with spoken(), self._estates.open(monitor.source) as table:
            inside = statement.on_days(table, monitor.mapping, days)
            wanted = [item for item in reference.features if item.column in table.columns]
            keys = [key for key in reference.slice_keys if column_and_value(key)[0] in table.columns]
            return (
                *_profiles(table, monitor, wanted, inside, ""),
                *(found for key in keys for found in _profiles(table, monitor, wanted, _and(table, inside, key), key)),
                *_by_version(table, monitor, wanted, inside),
            )

    def labelled_on(self, model: str, arrivals: tuple[date, ...]) -> tuple[date, ...]:
        # A label is a column of its prediction: a day whose labels changed is a changed day of predictions.
        return () if model in self._imported() else self._recorded.labelled_on(model, arrivals)

    def labelled_days(self, model: str, days: tuple[date, ...], *, scores: bool) -> tuple[LabelledDay, ...]:
        monitor = self._imported().get(model)
        if monitor is None:
            return self._recorded.labelled_days(model, days, scores=scores)
        with spoken(), self._estates.open(monitor.source) as table:
            return _labelled(table, monitor, days, scores=scores)

    def job_runs(self, model: str, days: tuple[date, ...]) -> tuple[tuple[date, JobRun], ...]:
        return () if model in self._imported() else self._recorded.job_runs(model, days)

    def columns_by_day(self, model: str, days: tuple[date, ...]) -> tuple[tuple[date, Columns], ...]:
        """Implements monitoring.ports.RecordedColumns."""
        monitor = self._imported().get(model)
        if monitor is None:
            return self._recorded.columns_by_day(model, days) if isinstance(self._recorded, RecordedColumns) else ()
        with spoken(), self._estates.open(monitor.source) as table:
            return source_columns.columns_by_day(table, monitor.mapping, days)

    def __getattr__(self, name: str) -> Any:
        """Questions about recorded facts that imports do not answer."""
        return getattr(self._recorded, name)

    def _imported(self) -> dict[str, Monitor]:
        return imported(self._in_force())

    def _windows(self) -> dict[str, Days]:
        """Monitors of recorded predictions whose reference are days of these."""
        found = ((item.model, item.monitor) for item in self._in_force())
        return {
            model: (window.start, window.end)
            for model, monitor in found
            if monitor.source.kind is SourceKind.INFERENCE
            and (window := monitor.reference).kind is ReferenceKind.DATES
            and window.start is not None
            and window.end is not None
        }

    def _partitions(self, monitor: Monitor, seen: Mapping[tuple[str, str, date], str]) -> Iterator[Partition]:
        """A source that cannot be read is one changed partition: reading it fails, and that is then recorded."""
        meaning = hashlib.sha256(document(replace(monitor, thresholds=(), windows=(1,))).encode()).hexdigest()
        try:
            with self._estates.open(monitor.source) as table:
                days = {on: _fingerprint(meaning, mark) for on, mark in _days(table, monitor)}
        except ControlRoomError:
            yield Partition(source="reference", owner=monitor.model, day=NO_DAY, fingerprint="cannot-be-read")
            return
        start, end = monitor.reference.start or date.min, monitor.reference.end or date.max
        inside = [
            f"{on}{mark}"
            for on, mark in sorted({**_aged(monitor.model, days, seen), **days}.items())
            if start <= on <= end
        ]
        if any(start <= on <= end for on in days):  # of a window that is gone nothing can be fitted
            reference = _fingerprint(meaning, *inside)
            yield Partition(source="reference", owner=monitor.model, day=NO_DAY, fingerprint=reference)
        for on, mark in days.items():
            yield Partition(source="predictions", owner=monitor.model, day=on, fingerprint=mark)


def imported(in_force: Iterable[MonitorVersion]) -> dict[str, Monitor]:
    """Monitors that point at a table of another estate, by model."""
    found = ((item.model, item.monitor) for item in in_force)
    return {model: monitor for model, monitor in found if monitor.source.kind is not SourceKind.INFERENCE}


def _dated(
    found: Sequence[Partition], windows: Mapping[str, Days], seen: Mapping[tuple[str, str, date], str]
) -> tuple[Partition, ...]:
    """The reference of a model with such a window is known by its days; where nothing is recorded, as it was."""
    by_model: dict[str, dict[date, str]] = defaultdict(dict)
    for item in found:
        if item.source == "predictions" and item.owner in windows:
            by_model[item.owner][item.day] = item.fingerprint
    kept = [item for item in found if item.source != "reference" or item.owner not in by_model]
    for model, days in by_model.items():
        start, end = windows[model]
        held = {**_aged(model, days, seen), **days}
        inside = [f"{on}{mark}" for on, mark in sorted(held.items()) if start <= on <= end]
        if inside:
            mark = _fingerprint(start.isoformat(), end.isoformat(), *inside)
            kept.append(Partition(source="reference", owner=model, day=NO_DAY, fingerprint=mark))
    return tuple(kept)


def _aged(model: str, days: Mapping[date, str], seen: Mapping[tuple[str, str, date], str]) -> dict[date, str]:
    """Days that the source no longer keeps are in a reference as they were read: it is not fitted to what is left."""
    return {
        day: fingerprint
        for (source, owner, day), fingerprint in seen.items()
        if (source, owner) == ("predictions", model) and days and day < min(days)
    }


@contextmanager
def spoken() -> Iterator[None]:
    """A refused source is, for the worker, one that could not be read."""
    try:
        yield
    except TelemetryUnavailableError:
        raise
    except ControlRoomError as refused:
        raise TelemetryUnavailableError(refused.message, hint=refused.hint) from refused


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def _days(table: OpenTable, monitor: Monitor) -> list[tuple[date, str]]:
    """Every day with what tells whether it changed."""
    found = table.rows(statement.marks(table, monitor.mapping))
    return [(known, repr(tuple(marks))) for value, *marks in found if (known := as_day(value)) is not None]


# The reference


def _reference(
    table: OpenTable, monitor: Monitor, digest: str, slices: tuple[str, ...], threshold: float | None
) -> Reference | None:
    window = monitor.reference
    if window.start is None or window.end is None:
        return None
    inside = statement.between(table, monitor.mapping, window.start, window.end)
    [(total,)] = table.rows(statement.total(table, inside))
    asked = [(SCORE, monitor.mapping.prediction, FeatureKind.NUMERIC)]
    asked += [(item.column, item.column, item.kind) for item in monitor.features if item.column in table.columns]
    features, uncompared = apart((_fit(table, inside, *one) for one in asked), threshold)
    if not total or not features:
        return None
    filled = {item.feature: item for item in _profiles(table, monitor, features, inside, "", whole=True)}
    keys = [
        key for column in slices if column in table.columns and "=" not in column
        for key in _slice_keys(table, column, inside, int(total))
    ]  # fmt: skip
    parts = [
        ReferenceSlice(feature=item.feature, slice_key=key, counts=item.counts, sums=item.sums)
        for key in keys
        for item in _profiles(table, monitor, features, _and(table, inside, key), key, whole=True)
    ]
    return Reference(
        model=monitor.model,
        digest=digest,
        rows=int(total),
        features=tuple(
            replace(item, counts=filled[item.feature].counts, sums=filled[item.feature].sums)
            for item in features
            if item.feature in filled
        ),
        slices=tuple(parts),
        uncompared=uncompared,
    )


def _fit(
    table: OpenTable, inside: sa.ColumnElement[bool], feature: str, column: str, kind: FeatureKind
) -> FeatureReference | Uncompared:
    """Cells of one column, still without counts, or why it has none."""
    if kind is FeatureKind.CATEGORICAL:
        return _fit_values(table, inside, feature, column, coded=False)
    finite = statement.finite_numbers(table, column, inside)
    [(n, distinct, mean)] = table.rows(statement.size_and_mean(finite))
    if not n:
        return Uncompared(feature=feature, column=column, why=WhyNot.NO_VALUE)
    if distinct <= FEW_VALUES:
        return _fit_values(table, inside, feature, column, coded=True)
    knots = _knots(table, finite, int(n))
    least = 1 if distinct <= ATOMS_IF_DISTINCT else ATOM_SHARE * n
    atoms = table.rows(statement.heavy_values(finite, float(least)))
    edges = _edges(knots, [float(atom) for (atom,) in atoms])
    empty = len(edges) + 3
    return FeatureReference(
        feature=feature, column=column, numeric=True, edges=edges, deciles=tuple(sorted(set(knots[1:-1]))), values=(),
        counts=np.zeros(empty, dtype=np.int64), sums=np.zeros(empty),
        spread=_spread(table, finite, float(mean), int(n)),
    )  # fmt: skip


def _spread(table: OpenTable, finite: sa.Subquery, mean: float, n: int) -> float | None:
    if not math.isfinite(mean):
        return None
    [(squares,)] = table.rows(statement.squares(finite, mean))
    return None if squares is None else math.sqrt(float(squares) / n)


def _knots(table: OpenTable, finite: sa.Subquery, n: int) -> list[float]:
    """Values at the ranks of the quantiles."""
    ranks = [max(1, math.ceil(share * n)) for share in _RANKS]
    at = {int(place): float(value) for place, value in table.rows(statement.at_ranks(finite, ranks))}
    return [at[rank] for rank in ranks]


def _edges(knots: Sequence[float], atoms: Sequence[float]) -> tuple[float, ...]:
    """Eight equal cells between neighbouring knots, and a cell of its own for every heavy value."""
    outer = sorted(set(knots))
    edges = set(outer)
    for low, high in pairwise(outer):
        edges.update(low + (high - low) * part / _SUB_CELLS for part in range(1, _SUB_CELLS))
    for atom in atoms:
        edges.update((atom, math.nextafter(atom, -math.inf)))
    return tuple(sorted(edge for edge in edges if math.isfinite(edge)))


def _fit_values(
    table: OpenTable, inside: sa.ColumnElement[bool], feature: str, column: str, *, coded: bool
) -> FeatureReference | Uncompared:
    given = statement.values(table, column, inside, coded=coded)
    [(distinct, rows)] = table.rows(statement.different(given))
    found = common([(value, int(n)) for value, n in table.rows(statement.commonest(given, MOST_VALUES))], int(distinct))
    if why := why_not([n for _, n in found], int(distinct), int(rows)):
        return Uncompared(feature=feature, column=column, why=why, values=int(distinct))
    values = tuple(repr(float(item)) if coded else str(item) for item, _ in found if item is not None)
    return FeatureReference(
        feature=feature, column=column, numeric=False, coded=coded, edges=(), deciles=(), values=values,
        counts=np.zeros(len(values) + 2, dtype=np.int64), sums=np.zeros(len(values) + 2),
    )  # fmt: skip


def _slice_keys(table: OpenTable, column: str, inside: sa.ColumnElement[bool], total: int) -> list[str]:
    """Commonest values of a column of the reference; rare ones would be noise alone."""
    given = statement.values(table, column, inside, coded=False)
    found = table.rows(statement.commonest(given, _MOST_SLICES, least=_SLICE_SHARE * total))
    return [slice_key(column, str(value)) for value, _ in found]


# Days


def _profiles(
    table: OpenTable,
    monitor: Monitor,
    features: Sequence[FeatureReference],
    inside: sa.ColumnElement[bool],
    part: str,
    *,
    whole: bool = False,
) -> Iterator[DayProfile]:
    """One small GROUP BY per feature over the rows of a part. `whole` counts all days together, as the reference."""
    for feature in features:
        found: dict[date, DayProfile] = {}
        counted = statement.in_cells(table, monitor.mapping, feature, inside, whole=whole)
        for on_day, place, n, added in table.rows(counted):
            known = NO_DAY if whole else as_day(on_day)
            if known is None:
                continue
            profile = found.setdefault(known, _blank(feature, known, part))
            profile.counts[int(place)] += int(n)
            profile.sums[int(place)] += float(added or 0.0)
        yield from found.values()


def _and(table: OpenTable, inside: sa.ColumnElement[bool], key: str) -> sa.ColumnElement[bool]:
    return sa.and_(inside, statement.in_slice(table, *column_and_value(key)))


def _by_version(
    table: OpenTable, monitor: Monitor, features: Sequence[FeatureReference], inside: sa.ColumnElement[bool]
) -> Iterator[DayProfile]:
    """Nothing where no column is mapped that names the version."""
    mapping, held = monitor.mapping, VersionRows()
    if mapping.version not in table.columns:
        return
    told = [(as_day(on), *rest) for on, *rest in table.rows(statement.rows_by_version(table, mapping, inside))]
    held.add_counted((on, version, int(n), int(total)) for on, version, n, total in told if on is not None)
    yield from held.marks()
    several = held.several(held.found)
    for version in held.named(several):
        its = sa.and_(statement.on_days(table, mapping, several), statement.in_slice(table, mapping.version, version))
        yield from _profiles(table, monitor, features, its, version_key(version))


def _blank(feature: FeatureReference, on: date, part: str) -> DayProfile:
    return DayProfile(
        day=on, feature=feature.feature, slice_key=part, counts=np.zeros(feature.cells, dtype=np.int64),
        sums=np.zeros(feature.cells),
    )  # fmt: skip


def _labelled(table: OpenTable, monitor: Monitor, days: tuple[date, ...], *, scores: bool) -> tuple[LabelledDay, ...]:
    mapping = monitor.mapping
    inside = statement.on_days(table, mapping, days)
    bins = SCORE_BINS if scores else 0
    counts: dict[tuple[date, str, int], Any] = defaultdict(lambda: np.zeros(bins, dtype=np.int64))
    totals: dict[tuple[date, str], list[float]] = defaultdict(lambda: [0, 0, 0.0, 0.0, 0.0])
    asked = statement.labelled(table, mapping, inside, scores=scores)
    for on_day, version, _, _, known, place, positive, n, error, absolute, square, _ in table.rows(asked):
        on = as_day(on_day)
        if on is None:
            continue
        total = totals[on, str(version)]
        total[0] += int(n)
        if not known:
            continue
        for position, value in enumerate((n, error, absolute, square), 1):
            total[position] += float(value or 0)
        if scores:
            counts[on, str(version), int(positive)][int(place)] += int(n)
    return tuple(
        LabelledDay(
            day=on, version=version, predicted=int(predicted), labelled=int(labelled),
            positives=counts[on, version, 1], negatives=counts[on, version, 0], sum_error=error,
            sum_absolute=absolute, sum_square=square,
        )
        for (on, version), (predicted, labelled, error, absolute, square) in sorted(totals.items())
    )  # fmt: skip
