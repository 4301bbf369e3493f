"""Feature tables that lie in a SQL warehouse, by the three names of Unity Catalog, as daily aggregates.

`CatalogTableRows` implements data_health.ports.TableRows, `CatalogTableFacts` inventory.tables.TableFacts, with the
statements that DuckDB answers about files. Rows stay where they are; what cannot be read raises
TelemetryUnavailableError, and is then not known, never healthy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, FromClause, false, select, text

from services.adapters.warehouse.duckdb import at_microseconds
from services.adapters.warehouse.sql_warehouse import Session, SqlWarehouse
from services.adapters.warehouse.statements import catalog
from services.adapters.warehouse.statements.catalog import DayColumn
from services.adapters.warehouse.statements.tables import TimeKind, day_facts, rule_value
from services.adapters.warehouse.table_days import Asked, TypedColumn, asked_of, counted_day, empty_day
from services.data_health.models import Family, TableDay, Zones
from services.data_health.rules import TableRules
from services.inventory.facts import Partition
from services.inventory.tables import FeatureTable, Measured, QualityRule, RuleKind
from services.kernel.errors import TelemetryUnavailableError

_SOURCE = "catalog"
_DAYS_AT_ONCE = 60
_NUMBERS = frozenset({"tinyint", "smallint", "int", "bigint", "float", "double", "decimal"})
_FINITE = frozenset({"float", "double"})
_FAMILIES = {
    **dict.fromkeys(_NUMBERS, Family.NUMBER),
    **dict.fromkeys(("string", "varchar", "char"), Family.TEXT),
    **dict.fromkeys(("timestamp", "timestamp_ntz", "date"), Family.TIME),
    "boolean": Family.TRUTH,
}
_WANTED = {RuleKind.RANGE: Family.NUMBER, RuleKind.FRESHNESS: Family.TIME}
"""What a column has to hold, or texts of it, for a rule of this kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A table that can be asked. `days` None: its rows belong to no day."""

    ask: Session
    rows: FromClause
    columns: tuple[TypedColumn, ...]
    days: DayColumn | None
    written: str

    def last_written(self) -> ColumnElement[Any] | None:
        """The column that was named for it, else that of the files, which a view does not have."""
        if self.written:
            return self.rows.c[self.written]
        try:
            self.ask(select(catalog.OF_FILES).select_from(self.rows).where(false()))
        except TelemetryUnavailableError:
            return None
        return catalog.OF_FILES

    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def typed(self, name: str) -> TypedColumn | None:
        return next((column for column in self.columns if column.name == name), None)


@contextmanager
def _opened(warehouse: SqlWarehouse | None, table: FeatureTable) -> Iterator[_Opened]:
    if warehouse is None:
        raise TelemetryUnavailableError(
            f"{table.table} is a table of Unity Catalog, and no SQL warehouse is named that could be asked about it.",
            hint="Set COUNTERSIGN_DATABRICKS_WAREHOUSE.",
        )
    name = tuple(table.table.split("."))
    with warehouse.asking(f"the table {table.table}") as ask:
        kinds = ask.kinds(select(text("*")).select_from(ask.relation(name, ())).where(false()))
        columns = tuple(_typed(column, kind) for column, kind in kinds.items())
        rows = ask.relation(name, tuple(kinds))
        yield _Opened(ask=ask, rows=rows, columns=columns, days=_days_of(table, columns), written=table.written)


def _typed(name: str, kind: str) -> TypedColumn:
    plain = kind.lower().split("(", maxsplit=1)[0]
    family = _FAMILIES.get(plain, Family.OTHER)
    return TypedColumn(name=name, family=family, type=kind, may_be_nan=plain in _FINITE)


def _days_of(table: FeatureTable, columns: Sequence[TypedColumn]) -> DayColumn | None:
    """Raises TelemetryUnavailableError for a column that is not there or holds no times."""
    there = {column.name: column for column in columns}
    for name in filter(None, (table.time, table.written)):
        if name not in there:
            raise TelemetryUnavailableError(
                f"{table.table} has no column {name}, so its rows cannot be put on days.",
                hint=f"Correct time or written in the catalog file; it has {', '.join(sorted(there)[:20])}.",
            )
    if not table.time:
        return None
    column = there[table.time]
    if column.family not in {Family.TIME, Family.TEXT}:
        raise TelemetryUnavailableError(
            f"{table.time} of {table.table} is {column.family} ({column.type}), not a time.",
            hint="Correct time in the catalog file: a column of times, of dates, or of texts that are times.",
        )
    return DayColumn(name=table.time, text=column.family is Family.TEXT)


class CatalogTableRows:
    """`since` gives the day before which nothing is looked at; a warehouse of None is one that nobody named."""

    def __init__(
        self, warehouse: SqlWarehouse | None, *, now: Callable[[], datetime], since: Callable[[], date]
    ) -> None:
        self._warehouse = warehouse
        self._now = now
        self._since = since

    def partitions(self, table: FeatureTable) -> tuple[Partition, ...]:
        """Days with rows. The newest is also known by its columns and by the rows that belong to no day."""
        today = self._now().date()
        with _opened(self._warehouse, table) as found:
            shape = [(column.name, column.type) for column in found.columns]
            if found.days is None:
                told = found.ask(catalog.counted(found.rows, found.last_written()))
                return (_partition(table, today, (told, shape)),) if int(told[0][0]) else ()
            asked = catalog.days_on_record(found.rows, found.days, self._since(), today, found.last_written())
            days = {day: facts for day, *facts in found.ask(asked)}
            newest, *astray = found.ask(catalog.astray(found.rows, found.days, today))[0]
        if newest is None:
            if any(map(bool, astray)):
                raise TelemetryUnavailableError(
                    f"No row of {table.table} has a time in {table.time} that is not in the future.",
                    hint="Correct time in the catalog file, or what writes that column.",
                )
            return ()
        days.setdefault(newest, [])  # rows that are too old to be judged are still rows
        return tuple(
            _partition(table, day, (facts, astray, shape) if day == newest else facts)
            for day, facts in sorted(days.items())
        )

    def profile(
        self, table: FeatureTable, days: tuple[date, ...], rules: TableRules | None, *, now: datetime
    ) -> tuple[TableDay, ...]:
        if not days:
            return ()
        with _opened(self._warehouse, table) as found:
            asked = _asked(found, table, rules, now)
            if found.days is None:
                answers = self._answers(found, asked, catalog.as_one_day(found.rows, days[-1], found.names()))
                return (_day(days[-1], answers, asked),)
            answers = {}
            for start in range(0, len(days), _DAYS_AT_ONCE):
                part = sorted(days)[start : start + _DAYS_AT_ONCE]
                answers |= self._answers(found, asked, catalog.on_days(found.rows, found.days, part, found.names()))
            newest, future, undated = found.ask(catalog.astray(found.rows, found.days, now.date()))[0]
        counted = {day: _day(day, answers, asked) for day in days}
        if newest in counted:
            last = counted[newest]
            counted[newest] = replace(
                last, future=last.future + int(future or 0), undated=last.undated + int(undated or 0)
            )
        return tuple(counted.values())

    @staticmethod
    def _answers(found: _Opened, asked: Asked, rows: FromClause) -> dict[str, Sequence[Any]]:
        return {str(day): answer for day, *answer in found.ask(day_facts(rows, asked.table))}

    def reference(self, table: FeatureTable) -> TableDay | None:  # noqa: ARG002 - the port has it
        """Rules are derived from the first weeks: a table says not which of its rows a model learned from."""
        return None


def _day(day: date, answers: Mapping[str, Sequence[Any]], asked: Asked) -> TableDay:
    answer = answers.get(day.isoformat())
    return empty_day(day, asked) if answer is None else counted_day(day, answer, asked)


def _asked(found: _Opened, table: FeatureTable, rules: TableRules | None, now: datetime) -> Asked:
    time = rules.time_column if rules else table.time
    kind, zones = _time(found.typed(time))
    return asked_of(found.columns, rules, now=now, time=time, time_kind=kind, zones=zones)


def _time(column: TypedColumn | None) -> tuple[TimeKind, Zones]:
    """A TIMESTAMP is a moment; TIMESTAMP_NTZ and DATE do not say where they belong. Of text the values say it."""
    if column is None or column.family not in {Family.TIME, Family.TEXT}:
        return TimeKind.NONE, Zones.NONE
    if column.family is Family.TEXT:
        return TimeKind.TEXT, Zones.NONE
    return TimeKind.TYPED, Zones.STATED if column.type.lower() == "timestamp" else Zones.SILENT


def _partition(table: FeatureTable, day: date, facts: object) -> Partition:
    digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
    return Partition(source=_SOURCE, owner=table.name, day=day, fingerprint=digest)


class CatalogTableFacts:
    """Declared rules over the last days; where these have no row, over the newest day, so that age can be told."""

    def __init__(self, warehouse: SqlWarehouse | None) -> None:
        self._warehouse = warehouse

    def measure(self, table: FeatureTable, *, now: datetime) -> tuple[Measured, ...]:
        if not table.rules:
            return ()
        with _opened(self._warehouse, table) as found:
            rows: FromClause = found.rows
            if found.days is not None:
                first, last = (now - timedelta(days=table.days)).date(), now.date()
                newest = found.ask(catalog.astray(found.rows, found.days, last))[0][0]
                if newest is not None and newest < first:
                    first = last = newest
                rows = catalog.between(found.rows, found.days, first, last, found.names())
            return tuple(_measured(found, rows, rule) for rule in table.rules)


def _measured(found: _Opened, rows: FromClause, rule: QualityRule) -> Measured:
    columns = {name: column for name in rule.columns if (column := found.typed(name)) is not None}
    missing = [name for name in rule.columns if name not in columns]
    if missing:
        return Measured(rule=rule.id, rows=0, problem=f"The table has no column {missing[0]}.")
    first = columns[rule.columns[0]]
    wanted = _WANTED.get(rule.kind)
    if wanted is not None and first.family not in {wanted, Family.TEXT}:
        said = f"{first.name} is {first.family} ({first.type}), not a {wanted}."
        return Measured(rule=rule.id, rows=0, problem=said)
    [(n, value)] = found.ask(rule_value(rows, rule, number=first.may_be_nan))
    if rule.kind is RuleKind.FRESHNESS:
        return Measured(rule=rule.id, rows=int(n), newest=None if value is None else at_microseconds(value))
    return Measured(rule=rule.id, rows=int(n), value=float(value or 0))
