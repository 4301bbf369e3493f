"""Labels by day of arrival and scores by day of prediction, counted where they lie. One scan per new day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from sqlalchemy import ColumnElement, FromClause

from services.adapters.warehouse.cells import Ask
from services.adapters.warehouse.duckdb import (
    ParquetFolder,
    asking,
    columns_of,
    facts_of,
    rows,
    statements,
    table_from,
)
from services.adapters.warehouse.statements import performance as statement
from services.adapters.warehouse.statements.dialects import duckdb_dialect, relation
from services.adapters.warehouse.statements.labels import event_days
from services.inventory.facts import Partition
from services.monitoring.cubes import Arrival, ScoreDay
from services.monitoring.ports import SliceColumn
from services.monitoring.profile import SCORE_BINS, slice_key

_LEAD = timedelta(days=31)
"""How long before its prediction a label may have been filed and still be found as the one that was restated."""
_NEIGHBOUR = timedelta(days=1)


class DuckDbPerformanceFacts:
    """Implements monitoring.ports.PerformanceFacts over the inference folder."""

    def __init__(self, folder: Path) -> None:
        self._parquet = ParquetFolder(folder)

    def partitions(self) -> tuple[Partition, ...]:
        return (*self._parquet.partitions("predictions"), *self._parquet.partitions("labels"))

    def counted_as(self, model: str) -> str:  # noqa: ARG002 - the port has it
        return ""

    def arrived(
        self, model: str, arrivals: tuple[date, ...], *, scores: bool, slices: tuple[SliceColumn, ...]
    ) -> tuple[Arrival, ...]:
        files = self._parquet.files("labels", model, arrivals)
        if not files:
            return ()
        with asking(f"labels of {model}") as connection:
            about = self._event_days(connection, files, arrivals)
            since = min(about) - _LEAD
            told = [day for day in self._parquet.days("labels", model) if since <= day <= max(arrivals)]
            near = {day + shift for day in about for shift in (-_NEIGHBOUR, timedelta(0), _NEIGHBOUR)}
            files = self._parquet.files("labels", model, told)
            filed = facts_of(connection, "labels", files, statement.LABELS, copied=False)
            said = table_from(connection, "told", statement.told(filed))
            known, columns = self._made(connection, self._parquet.files("predictions", model, sorted(near)), slices)
            changes = table_from(connection, "changes", statement.changes(said, known, arrivals, len(slices)))
            return tuple(arrivals_of(statements(connection), changes, scores=scores, slices=columns))

    def scored(
        self, model: str, days: tuple[date, ...], *, scores: bool, slices: tuple[SliceColumn, ...]
    ) -> tuple[ScoreDay, ...]:
        files = self._parquet.files("predictions", model, days)
        if not files:
            return ()
        with asking(f"predictions of {model}") as connection:
            known, columns = self._made(connection, files, slices)
            return score_days_of(statements(connection), known, scores=scores, slices=columns)

    def _event_days(
        self, connection: duckdb.DuckDBPyConnection, files: list[str], arrivals: Sequence[date]
    ) -> list[date]:
        told = facts_of(connection, "spoken", files, ("event_at",), copied=False)
        found = [day for (day,) in statements(connection)(event_days(told)) if day is not None]
        # Labels that do not say when their prediction was made are looked for on the day they arrived.
        return found or list(arrivals)

    def _made(
        self, connection: duckdb.DuckDBPyConnection, files: list[str], slices: tuple[SliceColumn, ...]
    ) -> tuple[FromClause, tuple[SliceColumn, ...]]:
        """The slice columns these predictions have. A renamed column is no slice, not a slice of missing values."""
        if not files:
            texts = "".join(f", s{place} VARCHAR" for place in range(len(slices)))
            rows(connection, f"CREATE TEMP TABLE made (i VARCHAR, day DATE, version VARCHAR, score DOUBLE{texts})", {})
            return relation(("made",), statement.made_columns(len(slices)), duckdb_dialect()), ()
        there = columns_of(connection, files)
        names = [item.column if item.column in there else None for item in slices]
        read = tuple(dict.fromkeys([*statement.PREDICTIONS, *(name for name in names if name)]))
        given = facts_of(connection, "predictions", files, read, where="role = 'live'", copied=False)
        known = table_from(connection, "made", statement.made(given, names))
        return known, tuple(item if item.column in there else SliceColumn(column="") for item in slices)


def arrivals_of(ask: Ask, changes: FromClause, *, scores: bool, slices: Sequence[SliceColumn]) -> Iterator[Arrival]:
    """What labels changed, whole and by slice, on any engine."""
    by_day: dict[tuple[str, str, date], list[tuple[Any, ...]]] = defaultdict(list)
    by_cell: dict[tuple[str, str, date], list[tuple[int, int, int]]] = defaultdict(list)
    for column, part in _parts(changes, slices):
        for version, value, arrival, day, *rest in _ordered(ask(statement.by_day(changes, part))):
            by_day[version, _key(column, value), arrival].append((day.toordinal(), *rest))
        for version, value, arrival, day, code, n in _ordered(ask(statement.by_cell(changes, part))) if scores else ():
            by_cell[version, _key(column, value), arrival].append((day.toordinal(), int(code), int(n)))
    for (version, key, arrival), found in sorted(by_day.items()):
        yield Arrival(
            version=version,
            slice_key=key,
            day=arrival,
            cells=np.array(by_cell[version, key, arrival], dtype=np.int64).reshape(-1, 3),
            days=np.array([row[:3] for row in found], dtype=np.int64),
            sums=np.array([row[3:] for row in found], dtype=np.float64),
        )


def score_days_of(ask: Ask, known: FromClause, *, scores: bool, slices: Sequence[SliceColumn]) -> tuple[ScoreDay, ...]:
    """Predictions by score, whole and by slice, on any engine."""
    found: dict[tuple[str, str, date], list[tuple[Any, ...]]] = defaultdict(list)
    for column, part in _parts(known, slices):
        for version, value, day, *rest in ask(statement.by_score(known, part, scores=scores)):
            found[version, _key(column, value), day].append(tuple(rest))
    # Bins in order, and what has none at the end.
    return tuple(
        _score_day(*key, sorted(found[key], key=lambda row: SCORE_BINS if row[0] is None else int(row[0])))
        for key in sorted(found)
    )


def _parts(rows_of: FromClause, slices: Sequence[SliceColumn]) -> Iterator[tuple[str, ColumnElement[Any] | None]]:
    """The whole first, then one per slice column that is there."""
    yield "", None
    for place, item in enumerate(slices):
        if item.column:
            yield item.column, statement.part_of(rows_of.c[f"s{place}"], item.values)


def _key(column: str, value: str) -> str:
    return slice_key(column, value) if column else ""


def _ordered(answers: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    return sorted(answers, key=lambda row: (*tuple(row[:4]), int(row[4])))


def _score_day(version: str, key: str, day: date, found: Sequence[tuple[Any, ...]]) -> ScoreDay:
    binned = [row for row in found if row[0] is not None]
    return ScoreDay(
        version=version,
        slice_key=key,
        day=day,
        predicted=sum(int(row[1]) for row in found),
        unscored=sum(int(row[2]) for row in found),
        bins=np.array([row[0] for row in binned], dtype=np.int64),
        counts=np.array([row[1] for row in binned], dtype=np.int64),
        sums=np.array([row[3] for row in binned], dtype=np.float64),
    )
