"""Recorded predictions in a table of a Databricks SQL warehouse: an inference table, or any Delta table with times.

Implements monitoring.ports.MonitoringFacts with the statements that DuckDB answers, too. Every question returns
aggregates; what leaves the warehouse are counts, sums and the values of categories. Days are days in UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Date, FromClause, Select, cast, false, func, literal_column, null, select, text

from services.adapters.warehouse.cells import NUMBER, TEXT, reference_of, sketches, splits_of
from services.adapters.warehouse.labelled import labelled_from
from services.adapters.warehouse.payload_tables import NotSoOften
from services.adapters.warehouse.sql_warehouse import Session, SqlWarehouse
from services.adapters.warehouse.statements import labels
from services.adapters.warehouse.statements.counting import DAY
from services.adapters.warehouse.statements.dialects import Number, databricks_dialect, relation
from services.adapters.warehouse.statements.versions import rows_by_version
from services.inventory.facts import NO_DAY, Partition
from services.kernel.errors import TelemetryUnavailableError
from services.monitoring.models import JobRun
from services.monitoring.ports import Days
from services.monitoring.profile import DayProfile, LabelledDay, Reference
from services.monitoring.recorded_schema import Columns
from services.monitoring.versions import VersionRows, split_column

_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal")
_TEXTS = ("string", "varchar", "char", "boolean")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseTable:
    """Where the predictions of a model are and what its columns mean. An empty name: there is no such column."""

    model: str
    name: tuple[str, ...]
    """Catalog, schema, table."""
    at: str
    """Time of the prediction."""
    score: str
    label: str = ""
    arrived_at: str = ""
    """When the label of a row came."""
    version: str = ""
    prediction_id: str = ""
    """With it a prediction that was written twice counts once."""
    written_at: str = ""
    """When a row was last written. Without it a row that is rewritten in place with equal totals goes unnoticed."""
    inputs: tuple[str, ...] = ()
    """Empty: every other number or text of the table."""
    reference: tuple[str, ...] = ()
    """Table of the reference window; with `reference_days` rows of the same table instead."""
    reference_days: tuple[date, date] | None = None
    every_seconds: float = 0.0
    """How often it is asked which days changed: each time wakes the warehouse, however often the worker looks."""

    @property
    def named(self) -> tuple[str, ...]:
        given = (
            self.at, self.score, self.label, self.arrived_at, self.version, self.prediction_id, self.written_at,
        )  # fmt: skip
        return tuple(dict.fromkeys(name for name in given if name))


class DatabricksMonitoringFacts:
    """Implements monitoring.ports.MonitoringFacts. Predictions before the day that `since` gives are not looked at."""

    def __init__(
        self, warehouse: SqlWarehouse, tables: tuple[WarehouseTable, ...], *, since: Callable[[], date]
    ) -> None:
        self._warehouse = warehouse
        self._tables = {table.model: table for table in tables}
        self._since = since
        self._seldom = {table.model: NotSoOften(table.every_seconds) for table in tables}

    def partitions(self) -> tuple[Partition, ...]:
        found: list[Partition] = []
        for model, table in self._tables.items():
            found += self._seldom[model]("days", partial(self._days, table))
        return tuple(found)

    def _days(self, table: WarehouseTable) -> tuple[Partition, ...]:
        with self._warehouse.asking(f"the days of {table.model}") as ask:
            rows = table_rows(table, table.name, table.named)
            told = ask(_fingerprints(rows, table, since=self._since()))
            found = [partition_of("predictions", table.model, day, facts) for day, *facts in told]
            if table.reference or table.reference_days:
                held = sorted(ask(_fingerprints(_reference_rows(table, table.named), table, since=None)), key=str)
                found += [partition_of("reference", table.model, NO_DAY, held)] if held else []
        return tuple(found)

    def fit_reference(
        self,
        model: str,
        digest: str,
        *,
        slices: tuple[str, ...] = (),
        threshold: float | None = None,
        window: Days | None = None,
    ) -> Reference | None:
        table = self._tables.get(model)
        if table is not None and window is not None:
            table = replace(table, reference=(), reference_days=window)
        if table is None or not (table.reference or table.reference_days):
            return None
        with self._warehouse.asking(f"the reference window of {model}") as ask:
            kinds = self._kinds(ask, table)
            kept = tuple(dict.fromkeys([*kinds, *(column for column in slices if column)]))
            there = table_columns(ask, table.reference or table.name)
            columns = tuple(column for column in kept if column in there or column == "score")
            rows = _reference_rows(table, (*table.named, *columns))
            source = _source(rows, table, columns)
            return reference_of(
                ask, source, {name: kind for name, kind in kinds.items() if name in columns},
                model=model, digest=digest, slices=slices, threshold=threshold,
            )  # fmt: skip

    def profile(self, reference: Reference, days: tuple[date, ...]) -> tuple[DayProfile, ...]:
        table = self._tables.get(reference.model)
        if table is None or not days:
            return ()
        with self._warehouse.asking(f"predictions of {table.model}") as ask:
            there = frozenset(table_columns(ask, table.name)) | {"score"}
            wanted = tuple(feature for feature in reference.features if feature.column in there)
            splits = splits_of(reference, there)

            def source(asked: tuple[date, ...], *more: str) -> FromClause:
                split_by = (column for column, _ in splits)
                columns = tuple(dict.fromkeys([*(one.column for one in wanted), *split_by, *more]))
                return _source(table_rows(table, table.name, (*table.named, *columns)), table, columns, asked)

            if table.version not in there:
                return sketches(ask, source(days), wanted, splits)
            held = VersionRows()
            held.add_counted(ask(rows_by_version(source(days, table.version), table.version)))
            several = held.several(days)
            plain = tuple(day for day in days if day not in several)
            found = list(held.marks())
            if plain:
                found += sketches(ask, source(plain), wanted, splits)
            if versions := held.named(several):
                by = [*splits, (table.version, versions)], [*splits, (split_column(), versions)]
                found += sketches(ask, source(several, table.version), wanted, by[0], named=by[1])
            return tuple(found)

    def labelled_on(self, model: str, arrivals: tuple[date, ...]) -> tuple[date, ...]:  # noqa: ARG002 - the port has them
        """A label is a column of its prediction: a day whose labels changed is a changed day of predictions."""
        return ()

    def labelled_days(self, model: str, days: tuple[date, ...], *, scores: bool) -> tuple[LabelledDay, ...]:
        table = self._tables.get(model)
        if table is None or not days:
            return ()
        with self._warehouse.asking(f"predictions and labels of {model}") as ask:
            rows = labels.once(_labelled_source(table_rows(table, table.name, table.named), table, days))
            totals = ask(labels.totals(rows))
            counted = ask(labels.by_score(rows)) if scores else []
        return labelled_from(totals, counted, scores=scores)

    def job_runs(
        self,
        model: str,  # noqa: ARG002 - the port has them
        days: tuple[date, ...],  # noqa: ARG002
    ) -> tuple[tuple[date, JobRun], ...]:
        """A table of predictions does not say which job wrote it."""
        return ()

    def columns_by_day(self, model: str, days: tuple[date, ...]) -> tuple[tuple[date, Columns], ...]:
        """Implements monitoring.ports.RecordedColumns: what the table has now, for its newest day."""
        table = self._tables.get(model)
        if table is None or not days:
            return ()
        with self._warehouse.asking(f"the columns of {model}") as ask:
            rows = table_rows(table, table.name, (table.at,))
            [(newest,)] = ask(select(func.max(day_of(rows, table))))
            if newest not in days:
                return ()
            return ((newest, {name: _noted(kind) for name, kind in table_columns(ask, table.name).items()}),)

    def _kinds(self, ask: Session, table: WarehouseTable) -> dict[str, str]:
        described = table_columns(ask, table.name)
        missing = [name for name in table.named if name not in described]
        if missing:
            raise TelemetryUnavailableError(
                f"The table of {table.model} has no column {missing[0]!r}.",
                hint=f"Map it to one of: {', '.join(sorted(described)[:20])}.",
            )
        inputs = table.inputs or tuple(name for name in described if name not in table.named)
        kinds = {name: _kind(described[name]) or "other" for name in inputs if name in described}
        if not table.inputs:
            kinds = {name: kind for name, kind in kinds.items() if kind in {NUMBER, TEXT}}
        return {**kinds, "score": NUMBER}


def _kind(type_name: str) -> str:
    plain = type_name.lower().split("(", maxsplit=1)[0]
    return NUMBER if plain in _NUMBERS else TEXT if plain in _TEXTS else ""


def _noted(type_name: str) -> str:
    return _kind(type_name) or ("time" if type_name.lower().startswith(("timestamp", "date")) else "other")


def table_columns(ask: Session, name: tuple[str, ...]) -> dict[str, str]:
    """Columns of a table and their types, from a statement that returns nothing."""
    return ask.kinds(select(text("*")).select_from(relation(name, (), databricks_dialect())).where(false()))


def table_rows(table: WarehouseTable, name: tuple[str, ...], columns: tuple[str, ...]) -> FromClause:
    real = dict.fromkeys(table.score if column == "score" else column for column in columns)
    return relation(name, tuple(real), databricks_dialect())


def _reference_rows(table: WarehouseTable, columns: tuple[str, ...]) -> FromClause:
    if table.reference or table.reference_days is None:
        return table_rows(table, table.reference or table.name, columns)
    rows = table_rows(table, table.name, columns)
    first, last = table.reference_days
    return select(*rows.c).where(*between(rows, table, first, last)).subquery()


def day_of(rows: FromClause, table: WarehouseTable) -> ColumnElement[Any]:
    return cast(rows.c[table.at], Date())


def between(rows: FromClause, table: WarehouseTable, first: date, last: date) -> list[ColumnElement[bool]]:
    """On the raw column, so that the engine can skip files whose times lie outside."""
    return [rows.c[table.at] >= moment(first), rows.c[table.at] < moment(last + timedelta(days=1))]


def moment(day: date) -> ColumnElement[Any]:
    return literal_column(f"TIMESTAMP '{datetime.combine(day, time()):%Y-%m-%d %H:%M:%S}'")


def _fingerprints(rows: FromClause, table: WarehouseTable, *, since: date | None) -> Select[Any]:
    """A day is known by its rows, labels and latest times; it is read again when any of them changed."""
    told = [func.count(), func.min(rows.c[table.at]), func.max(rows.c[table.at])]
    if table.label:
        told += [func.count(rows.c[table.label]), func.sum(Number(rows.c[table.label]))]
    if table.written_at:
        told.append(func.max(rows.c[table.written_at]))
    day = day_of(rows, table)
    statement = select(day, *told).where(rows.c[table.at].is_not(None)).group_by(day)
    return statement if since is None else statement.where(rows.c[table.at] >= moment(since))


def partition_of(source: str, model: str, day: date, facts: Sequence[Any]) -> Partition:
    digest = hashlib.sha256(repr(tuple(map(str, facts))).encode()).hexdigest()[:32]
    return Partition(source=source, owner=model, day=day, fingerprint=digest)


def _source(
    rows: FromClause, table: WarehouseTable, columns: tuple[str, ...], days: tuple[date, ...] = ()
) -> FromClause:
    day = day_of(rows, table) if days else literal_column(f"DATE '{NO_DAY}'")
    named = [
        (rows.c[table.score].label("score") if column == "score" else rows.c[column].label(column))
        for column in columns
    ]
    statement = select(day.label(DAY), *named).where(rows.c[table.at].is_not(None))
    return _on(statement, rows, table, days).subquery()


def _on(statement: Select[Any], rows: FromClause, table: WarehouseTable, days: tuple[date, ...]) -> Select[Any]:
    if not days:
        return statement
    wanted: list[Any] = [literal_column(f"DATE '{day}'") for day in sorted(days)]
    return statement.where(*between(rows, table, min(days), max(days)), day_of(rows, table).in_(wanted))


def _labelled_source(rows: FromClause, table: WarehouseTable, days: tuple[date, ...]) -> FromClause:
    unnumbered = func.uuid() if not table.prediction_id else rows.c[table.prediction_id]
    statement = select(
        day_of(rows, table).label(DAY),
        rows.c[table.score].label(labels.SCORE),
        (rows.c[table.label] if table.label else null()).label(labels.LABEL),
        (rows.c[table.version] if table.version else literal_column("''")).label(labels.VERSION),
        unnumbered.label(labels.KEY),
        rows.c[table.at].label(labels.AT),
    )
    return _on(statement, rows, table, days).subquery()
