"""Sketches of tables of other estates through the same port as our own predictions: only the column names differ.

A day has changed when its number of rows, predictions or labels, its extremes or its latest time changed. A row that
is rewritten in place with all of these equal is not noticed; a new version of the monitor reads everything again.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import sqlalchemy as sa

from services.adapters.warehouse.cells import (
    ATOM_SHARE,
    ATOMS_IF_DISTINCT,
    FEW_VALUES,
    IDENTIFIER_DISTINCT,
    MOST_VALUES,
)
from services.adapters.warehouse.source_reader import as_day
from services.adapters.warehouse.source_sql import cell, day, is_finite, literal, number, text
from services.adapters.warehouse.sources import Estates, OpenTable
from services.inventory.facts import Partition
from services.kernel.errors import ControlRoomError, TelemetryUnavailableError
from services.monitoring.models import JobRun
from services.monitoring.monitors import FeatureKind, Monitor, MonitorVersion, SourceKind, document
from services.monitoring.ports import MonitoringFacts
from services.monitoring.profile import (
    SCORE,
    SCORE_BINS,
    DayProfile,
    FeatureReference,
    LabelledDay,
    Reference,
    ReferenceSlice,
    at_threshold,
    column_and_value,
    slice_key,
)

_RANKS = (0.001, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.999)
_SUB_CELLS, _SLICE_SHARE, _MOST_SLICES = 8, 0.01, 20
_NEVER = date(1970, 1, 1)


class MappedFacts:
    """Implements monitoring.ports.MonitoringFacts: imported models here, every other one by `recorded`."""

    def __init__(
        self, recorded: MonitoringFacts, *, estates: Estates, in_force: Callable[[], tuple[MonitorVersion, ...]]
    ) -> None:
        self._recorded = recorded
        self._estates = estates
        self._in_force = in_force

    def partitions(self) -> tuple[Partition, ...]:
        imported = self._imported()
        recorded = tuple(item for item in self._recorded.partitions() if item.owner not in imported)
        return (*recorded, *(item for monitor in imported.values() for item in self._partitions(monitor)))

    def fit_reference(
        self, model: str, digest: str, *, slices: tuple[str, ...] = (), threshold: float | None = None
    ) -> Reference | None:
        monitor = self._imported().get(model)
        if monitor is None:
            return self._recorded.fit_reference(model, digest, slices=slices, threshold=threshold)
        with _spoken(), self._estates.open(monitor.source) as table:
            return _reference(table, monitor, digest, slices, threshold)

    def profile(self, reference: Reference, days: tuple[date, ...]) -> tuple[DayProfile, ...]:
        monitor = self._imported().get(reference.model)
        if monitor is None:
            return self._recorded.profile(reference, days)
        with _spoken(), self._estates.open(monitor.source) as table:
            inside = _on_days(table, monitor, days)
            wanted = [item for item in reference.features if item.column in table.columns]
            return tuple(
                profile
                for part in ("", *(key for key in reference.slice_keys if column_and_value(key)[0] in table.columns))
                for profile in _profiles(table, monitor, wanted, inside, part)
            )

    def labelled_on(self, model: str, arrivals: tuple[date, ...]) -> tuple[date, ...]:
        # A label is a column of its prediction: a day whose labels changed is a changed day of predictions.
        return () if model in self._imported() else self._recorded.labelled_on(model, arrivals)

    def labelled_days(self, model: str, days: tuple[date, ...], *, scores: bool) -> tuple[LabelledDay, ...]:
        monitor = self._imported().get(model)
        if monitor is None:
            return self._recorded.labelled_days(model, days, scores=scores)
        with _spoken(), self._estates.open(monitor.source) as table:
            return _labelled(table, monitor, days, scores=scores)

    def job_runs(self, model: str, days: tuple[date, ...]) -> tuple[tuple[date, JobRun], ...]:
        return () if model in self._imported() else self._recorded.job_runs(model, days)

    def __getattr__(self, name: str) -> Any:
        """Questions about recorded facts that imports do not answer."""
        return getattr(self._recorded, name)

    def _imported(self) -> dict[str, Monitor]:
        found = ((item.model, item.monitor) for item in self._in_force())
        return {model: monitor for model, monitor in found if monitor.source.kind is not SourceKind.INFERENCE}

    def _partitions(self, monitor: Monitor) -> Iterator[Partition]:
        """A source that cannot be read is one changed partition: reading it fails, and that is then recorded."""
        meaning = hashlib.sha256(document(replace(monitor, thresholds=(), windows=(1,))).encode()).hexdigest()
        try:
            with self._estates.open(monitor.source) as table:
                days = _days(table, monitor)
        except ControlRoomError:
            yield Partition(source="reference", owner=monitor.model, day=_NEVER, fingerprint="cannot-be-read")
            return
        start, end = monitor.reference.start or date.min, monitor.reference.end or date.max
        inside = [f"{on}{mark}" for on, mark in days if start <= on <= end]
        yield Partition(source="reference", owner=monitor.model, day=_NEVER, fingerprint=_fingerprint(meaning, *inside))
        for on, mark in days:
            yield Partition(source="predictions", owner=monitor.model, day=on, fingerprint=_fingerprint(meaning, mark))


@contextmanager
def _spoken() -> Iterator[None]:
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
    """Every day with what tells whether it changed. Sums are left out: their last digits depend on the order."""
    mapping, on = monitor.mapping, day(table, monitor.mapping.timestamp)
    x = number(table, mapping.prediction)
    label = table.column(mapping.label) if mapping.label else sa.null()
    at = table.column(mapping.timestamp)
    asked = (sa.func.count(), sa.func.count(x), sa.func.count(label), sa.func.min(x), sa.func.max(x), sa.func.max(at))
    inner = sa.select(on.label("day"), *(item.label(f"f{place}") for place, item in enumerate(asked)))
    found = table.rows(inner.select_from(table.table).where(at.is_not(None)).group_by(on).order_by(on))
    return [(known, repr(tuple(marks))) for value, *marks in found if (known := as_day(value)) is not None]


def _on_days(table: OpenTable, monitor: Monitor, days: Iterable[date]) -> sa.ColumnElement[bool]:
    on = day(table, monitor.mapping.timestamp)
    known = sorted(days)
    if not known:
        return sa.false()
    ends = (known[0], known[-1])
    if len(known) == (ends[1] - ends[0]).days + 1:
        return on.between(*(_bound(table, item) for item in ends))
    return on.in_([_bound(table, item) for item in known])


def _bound(table: OpenTable, on: date) -> Any:
    return on.isoformat() if table.dialect == "sqlite" else sa.cast(sa.literal(on.isoformat()), sa.Date)


# The reference


def _reference(
    table: OpenTable, monitor: Monitor, digest: str, slices: tuple[str, ...], threshold: float | None
) -> Reference | None:
    on = day(table, monitor.mapping.timestamp)
    window = monitor.reference
    if window.start is None or window.end is None:
        return None
    inside = on.between(_bound(table, window.start), _bound(table, window.end))
    [(total,)] = table.rows(sa.select(sa.func.count()).select_from(table.table).where(inside))
    asked = [(SCORE, monitor.mapping.prediction, FeatureKind.NUMERIC)]
    asked += [(item.column, item.column, item.kind) for item in monitor.features if item.column in table.columns]
    fitted = [_fit(table, inside, name, column, kind) for name, column, kind in asked]
    features = [at_threshold(item, threshold) for item in fitted if item is not None]
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
        for item in _profiles(table, monitor, features, inside, key, whole=True)
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
    )


def _fit(
    table: OpenTable, inside: sa.ColumnElement[bool], feature: str, column: str, kind: FeatureKind
) -> FeatureReference | None:
    """Cells of one column, still without counts; None for a column that has nothing to compare."""
    if kind is FeatureKind.CATEGORICAL:
        return _fit_values(table, inside, feature, column, coded=False)
    x = number(table, column)
    finite = sa.select(x.label("x")).select_from(table.table).where(inside, is_finite(table, x)).subquery()
    [(n, distinct, mean)] = table.rows(
        sa.select(sa.func.count(), sa.func.count(finite.c.x.distinct()), sa.func.avg(finite.c.x))
    )
    if not n:
        return None
    if distinct <= FEW_VALUES:
        return _fit_values(table, inside, feature, column, coded=True)
    knots = _knots(table, finite, int(n))
    least = 1 if distinct <= ATOMS_IF_DISTINCT else ATOM_SHARE * n
    atoms = table.rows(sa.select(finite.c.x).group_by(finite.c.x).having(sa.func.count() >= literal(float(least))))
    edges = _edges(knots, [float(atom) for (atom,) in atoms])
    empty = len(edges) + 3
    return FeatureReference(
        feature=feature, column=column, numeric=True, edges=edges, deciles=tuple(sorted(set(knots[1:-1]))), values=(),
        counts=np.zeros(empty, dtype=np.int64), sums=np.zeros(empty),
        spread=_spread(table, finite, float(mean), int(n)),
    )  # fmt: skip


def _spread(table: OpenTable, finite: sa.Subquery, mean: float, n: int) -> float | None:
    """Standard deviation, from the mean in a second pass: not every database knows one, and none loses digits so."""
    if not math.isfinite(mean):
        return None
    off = finite.c.x - literal(mean)
    [(squares,)] = table.rows(sa.select(sa.func.sum(sa.case((sa.func.abs(off) < literal(1e150), off * off)))))
    return None if squares is None else math.sqrt(float(squares) / n)


def _knots(table: OpenTable, finite: sa.Subquery, n: int) -> list[float]:
    """Values at the ranks of the quantiles, by a numbered order: the one way all databases share."""
    ranks = [max(1, math.ceil(share * n)) for share in _RANKS]
    ordered = sa.select(finite.c.x, sa.func.row_number().over(order_by=finite.c.x).label("place")).subquery()
    found = table.rows(sa.select(ordered.c.place, ordered.c.x).where(ordered.c.place.in_(sorted(set(ranks)))))
    at = {int(place): float(value) for place, value in found}
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
) -> FeatureReference | None:
    value = number(table, column) if coded else text(table, column)
    given = sa.select(value.label("v")).select_from(table.table).where(inside, table.column(column).is_not(None))
    inner = given.subquery()
    [(distinct,)] = table.rows(sa.select(sa.func.count(inner.c.v.distinct())))
    if not distinct or distinct > IDENTIFIER_DISTINCT:
        return None
    n = sa.func.count()
    found = table.rows(sa.select(inner.c.v, n).group_by(inner.c.v).order_by(n.desc(), inner.c.v).limit(MOST_VALUES))
    values = tuple(repr(float(item)) if coded else str(item) for item, _ in found if item is not None)
    return FeatureReference(
        feature=feature, column=column, numeric=False, coded=coded, edges=(), deciles=(), values=values,
        counts=np.zeros(len(values) + 2, dtype=np.int64), sums=np.zeros(len(values) + 2),
    )  # fmt: skip


def _slice_keys(table: OpenTable, column: str, inside: sa.ColumnElement[bool], total: int) -> list[str]:
    """Commonest values of a column of the reference; rare ones would be noise alone."""
    inner = sa.select(text(table, column).label("v")).select_from(table.table).where(inside).subquery()
    n = sa.func.count()
    found = table.rows(
        sa.select(inner.c.v)
        .where(inner.c.v.is_not(None))
        .group_by(inner.c.v)
        .having(n >= literal(_SLICE_SHARE * total))
        .order_by(n.desc(), inner.c.v)
        .limit(_MOST_SLICES)
    )
    return [slice_key(column, str(value)) for (value,) in found]


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
    """One small GROUP BY per feature. `whole` counts all days together, as the reference does."""
    if part:
        column, value = column_and_value(part)
        inside = sa.and_(inside, text(table, column) == value)
    on = day(table, monitor.mapping.timestamp)
    for feature in features:
        numeric = feature.numeric
        x = number(table, feature.column) if numeric else None
        total = sa.case((is_finite(table, x), x), else_=literal(0.0)) if x is not None else literal(0.0)
        first = sa.literal_column("0") if whole else on
        inner = (
            sa.select(first.label("day"), cell(table, feature).label("cell"), total.label("x"))
            .select_from(table.table)
            .where(inside)
            .subquery()
        )
        counted = sa.select(inner.c.day, inner.c.cell, sa.func.count(), sa.func.sum(inner.c.x))
        found: dict[date, DayProfile] = {}
        for on_day, place, n, added in table.rows(counted.group_by(inner.c.day, inner.c.cell)):
            known = _NEVER if whole else as_day(on_day)
            if known is None:
                continue
            profile = found.setdefault(known, _blank(feature, known, part))
            profile.counts[int(place)] += int(n)
            profile.sums[int(place)] += float(added or 0.0)
        yield from found.values()


def _blank(feature: FeatureReference, on: date, part: str) -> DayProfile:
    return DayProfile(
        day=on, feature=feature.feature, slice_key=part, counts=np.zeros(feature.cells, dtype=np.int64),
        sums=np.zeros(feature.cells),
    )  # fmt: skip


def _labelled(table: OpenTable, monitor: Monitor, days: tuple[date, ...], *, scores: bool) -> tuple[LabelledDay, ...]:
    mapping, on = monitor.mapping, day(table, monitor.mapping.timestamp)
    score = number(table, mapping.prediction)
    label = number(table, mapping.label) if mapping.label else sa.null()
    version = text(table, mapping.version) if mapping.version else sa.literal("")
    known = sa.and_(is_finite(table, score), is_finite(table, label)) if mapping.label else sa.false()
    place = sa.case(
        (score >= literal(1.0), sa.literal_column(str(SCORE_BINS - 1))),
        (score < literal(0.0), sa.literal_column("0")),
        else_=sa.cast(sa.func.floor(score * literal(float(SCORE_BINS))), sa.Integer),
    )
    inner = (
        sa.select(
            on.label("day"),
            sa.func.coalesce(version, "").label("version"),
            sa.case((known, 1), else_=0).label("known"),
            sa.case((known, score - label), else_=literal(0.0)).label("error"),
            (sa.case((known, place), else_=0) if scores else sa.literal_column("0")).label("bin"),
            (sa.case((sa.and_(known, label >= literal(0.5)), 1), else_=0) if scores else sa.literal_column("0")).label(
                "positive"
            ),
        )
        .select_from(table.table)
        .where(_on_days(table, monitor, days))
        .subquery()
    )
    sums = (sa.func.count(), *(sa.func.sum(item) for item in (
        inner.c.error, sa.func.abs(inner.c.error), inner.c.error * inner.c.error)))  # fmt: skip
    keys = (inner.c.day, inner.c.version, inner.c.known, inner.c.bin, inner.c.positive)
    return _added_up(table.rows(sa.select(*keys, *sums).group_by(*keys)), scores=scores)


def _added_up(rows: Sequence[Any], *, scores: bool) -> tuple[LabelledDay, ...]:
    bins = SCORE_BINS if scores else 0
    counts: dict[tuple[date, str, int], Any] = defaultdict(lambda: np.zeros(bins, dtype=np.int64))
    totals: dict[tuple[date, str], list[float]] = defaultdict(lambda: [0, 0, 0.0, 0.0, 0.0])
    for on_day, version, known, place, positive, n, error, absolute, square in rows:
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
