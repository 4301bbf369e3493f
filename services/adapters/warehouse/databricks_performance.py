"""Labels by day of arrival and scores by day of prediction from a mapped table of a Databricks SQL warehouse.

A label is a column of the row of its prediction. Where the table says when it came (`arrived_at`), it counts on that
day. Where it does not, or not for that row, it is taken to have come as many whole days after its prediction as the
monitor states; the screen marks that as an assumption. With an id, a label that was stated anew in a later row takes
its older value away; without one, and where rows are rewritten in place, only the newest value was ever known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from math import ceil
from typing import Any

from sqlalchemy import ColumnElement, Date, FromClause, Select, and_, cast, func, literal_column, null, or_, select

from services.adapters.warehouse.databricks_sql import (
    WarehouseTable,
    between,
    day_of,
    moment,
    partition_of,
    table_columns,
    table_rows,
)
from services.adapters.warehouse.payload_tables import NotSoOften
from services.adapters.warehouse.performance import arrivals_of, score_days_of
from services.adapters.warehouse.sql_warehouse import SqlWarehouse
from services.adapters.warehouse.statements import performance as statement
from services.adapters.warehouse.statements.dialects import Number, days_listed
from services.inventory.facts import Partition
from services.monitoring.cubes import Arrival, ScoreDay
from services.monitoring.ports import SliceColumn

Sketched = Callable[[], Mapping[tuple[str, str, date], str]]
"""Fingerprints of what was sketched, by (source, model, day)."""
_A_DAY = timedelta(days=1)


class DatabricksPerformanceFacts:
    """Implements monitoring.ports.PerformanceFacts for one model.

    Which days of prediction there are and whether they changed is known from the sketches: it is not asked twice.
    """

    def __init__(
        self,
        warehouse: SqlWarehouse,
        table: WarehouseTable,
        *,
        delay_hours: Callable[[], float | None],
        sketched: Sketched,
        since: Callable[[], date],
        today: Callable[[], date],
    ) -> None:
        self._warehouse = warehouse
        self._table = table
        self._delay_hours = delay_hours
        self._sketched = sketched
        self._since = since
        self._today = today
        self._seldom = NotSoOften(table.every_seconds)

    def partitions(self) -> tuple[Partition, ...]:
        model = self._table.model
        predicted = [
            Partition(source=source, owner=model, day=day, fingerprint=fingerprint)
            for (source, owner, day), fingerprint in self._sketched().items()
            if (source, owner) == ("predictions", model)
        ]
        return (*predicted, *(self._labels(predicted) if self._table.label else ()))

    def counted_as(self, model: str) -> str:  # noqa: ARG002 - the port has it
        """Another table, mapping or delay means other days of arrival: what was counted before is forgotten."""
        return hashlib.sha256(repr((self._table, self._delay())).encode()).hexdigest()

    def arrived(
        self, model: str, arrivals: tuple[date, ...], *, scores: bool, slices: tuple[SliceColumn, ...]
    ) -> tuple[Arrival, ...]:
        if not self._table.label or not arrivals:
            return ()
        with self._warehouse.asking(f"labels of {model}") as ask:
            about = self._about(ask, arrivals)
            if about is None:
                return ()
            there = self._there(table_columns(ask, self._table.name), slices)
            rows = self._rows(there)
            source = select(*rows.c).where(*between(rows, self._table, *about)).subquery()
            changed = self._changes(source, arrivals, there).subquery()
            return tuple(arrivals_of(ask, changed, scores=scores, slices=there))

    def scored(
        self, model: str, days: tuple[date, ...], *, scores: bool, slices: tuple[SliceColumn, ...]
    ) -> tuple[ScoreDay, ...]:
        if not days:
            return ()
        with self._warehouse.asking(f"predictions of {model}") as ask:
            there = self._there(table_columns(ask, self._table.name), slices)
            rows = self._rows(there)
            inside = between(rows, self._table, min(days), max(days))
            source = select(*rows.c).where(*inside, day_of(rows, self._table).in_(days_listed(days))).subquery()
            known = self._made(source, there).subquery()
            return score_days_of(ask, known, scores=scores, slices=there)

    def _days_of_arrival(self) -> dict[date, list[Any]]:
        with self._warehouse.asking(f"the labels of {self._table.model}") as ask:
            return {day: facts for day, *facts in ask(self._filed()) if day is not None}

    def _labels(self, predicted: Sequence[Partition]) -> Iterator[Partition]:
        """Days of arrival: a statement where a column says so, else those of the predictions and the delay."""
        model, later = self._table.model, self._delay()
        if not self._table.arrived_at:
            for item in predicted:
                yield Partition(source="labels", owner=model, day=item.day + later, fingerprint=item.fingerprint)
            return
        found = self._seldom("labels", self._days_of_arrival)
        past = [day for day in found if day <= self._today()]
        # A day whose labels were all stated anew on others has none any more, and has to be counted as such.
        gaps = (min(past) + shift * _A_DAY for shift in range((max(past) - min(past)).days)) if past else ()
        found = {**{day: [0] for day in gaps}, **found}
        for day, facts in sorted(found.items()):
            yield partition_of("labels", model, day, [later.days, *facts])

    def _filed(self) -> Select[Any]:
        """(day of arrival, then what tells whether it changed)."""
        table = self._table
        rows = table_rows(table, table.name, table.named)
        told = [
            func.count(), func.sum(Number(rows.c[table.label])), func.min(rows.c[table.at]), func.max(rows.c[table.at]),
            func.max(rows.c[table.arrived_at]), *([func.max(rows.c[table.written_at])] if table.written_at else []),
        ]  # fmt: skip
        day = self._arrival(rows)
        return (
            select(day, *told)
            .where(rows.c[table.at] >= moment(self._since()), rows.c[table.label].is_not(None))
            .group_by(day)
        )

    def _about(self, ask: Any, arrivals: Sequence[date]) -> tuple[date, date] | None:
        """First and last day of the predictions that labels of these days speak about."""
        table, later = self._table, self._delay()
        if not table.arrived_at:
            return min(arrivals) - later, max(arrivals) - later
        rows = table_rows(table, table.name, table.named)
        at, arrived, end = rows.c[table.at], rows.c[table.arrived_at], max(arrivals) + _A_DAY
        # On the raw columns, so that the engine can skip files; the day itself is asked below.
        near = or_(
            and_(arrived >= moment(min(arrivals)), arrived < moment(end)),
            and_(arrived.is_(None), at >= moment(min(arrivals) - later), at < moment(end - later)),
        )
        day = day_of(rows, table)
        asked = select(func.count(), func.min(day), func.max(day)).where(
            near, at >= moment(self._since()), rows.c[table.label].is_not(None),
            self._arrival(rows).in_(days_listed(arrivals)),
        )  # fmt: skip
        [(n, first, last)] = ask(asked)
        return (first, last) if n else None

    def _changes(self, source: FromClause, arrivals: Sequence[date], there: Sequence[SliceColumn]) -> Select[Any]:
        table, given = self._table, source.c
        if not table.prediction_id:
            return statement.as_stated(self._predictions(source, there), arrivals, len(there))
        filed = select(
            given[table.prediction_id].label("prediction_id"),
            self._arrival(source).label("date"),
            given[table.at].label("event_at"),
            (given[table.arrived_at] if table.arrived_at else given[table.at]).label("arrived_at"),
            given[table.label].label("label"),
        ).where(given[table.label].is_not(None))
        said = statement.told(filed.subquery()).subquery()
        return statement.changes(said, self._made(source, there).subquery(), arrivals, len(there))

    def _made(self, source: FromClause, there: Sequence[SliceColumn]) -> Select[Any]:
        names = [_slice(place) if item.column else None for place, item in enumerate(there)]
        return statement.made(self._predictions(source, there), names)

    def _predictions(self, source: FromClause, there: Sequence[SliceColumn]) -> FromClause:
        """With the names that statements about recorded predictions use. Without an id, every row is one of its own."""
        table, given = self._table, source.c
        return select(
            (given[table.prediction_id] if table.prediction_id else func.uuid()).label("prediction_id"),
            day_of(source, table).label("date"),
            given[table.at].label("event_at"),
            (given[table.version] if table.version else literal_column(f"'{statement.UNKNOWN}'")).label("version"),
            given[table.score].label("score"),
            (given[table.label] if table.label else null()).label("label"),
            self._arrival(source).label("filed"),
            *(given[item.column].label(_slice(place)) for place, item in enumerate(there) if item.column),
        ).subquery()

    def _arrival(self, rows: FromClause) -> ColumnElement[Any]:
        day, later = day_of(rows, self._table), self._delay().days
        assumed = cast(day + literal_column(f"INTERVAL '{later}' DAY"), Date()) if later else day
        if not self._table.arrived_at:
            return assumed
        return func.coalesce(cast(rows.c[self._table.arrived_at], Date()), assumed)

    def _rows(self, there: Sequence[SliceColumn]) -> FromClause:
        columns = dict.fromkeys([*self._table.named, *(item.column for item in there if item.column)])
        return table_rows(self._table, self._table.name, tuple(columns))

    def _there(self, columns: Mapping[str, str], slices: Sequence[SliceColumn]) -> tuple[SliceColumn, ...]:
        """A column that is not there is no slice, not a slice of missing values."""
        return tuple(item if item.column in columns else SliceColumn(column="") for item in slices)

    def _delay(self) -> timedelta:
        return timedelta(days=ceil((self._delay_hours() or 0.0) / 24))


def _slice(place: int) -> str:
    return f"__slice{place}"
