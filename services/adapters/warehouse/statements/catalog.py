"""Tables of a catalog by days: which days have rows, which rows have none, and the rows of some days.

A table is cut into days of UTC by a column of times. Its newest day may not be over; rows of later days and rows
without a time belong to no day, and are counted apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    FromClause,
    Select,
    String,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
)

from services.adapters.warehouse.statements.dialects import Moment, days_listed, whole
from services.adapters.warehouse.statements.tables import DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class DayColumn:
    """The column whose times put rows on days of UTC."""

    name: str
    text: bool = False
    """Its times are kept as text."""

    def moment(self, table: FromClause) -> ColumnElement[Any]:
        """Without a function around a column of times, the engine skips files by their limits."""
        return Moment(table.c[self.name]) if self.text else table.c[self.name]


OF_FILES: ColumnElement[Any] = literal_column("_metadata.file_modification_time")
"""When the file of a row was written: a hidden column of tables that Spark reads from files."""


def days_on_record(
    table: FromClause, at: DayColumn, since: date, until: date, written: ColumnElement[Any] | None = None
) -> Select[Any]:
    """(day, rows, earliest, latest, last written or NULL) of each day with rows, both ends included."""
    day = cast(at.moment(table), Date())
    span = (func.min(table.c[at.name]), func.max(table.c[at.name]), _latest(written))
    return select(day, func.count(), *span).where(*_between(table, at, since, until)).group_by(day)


def astray(table: FromClause, at: DayColumn, until: date) -> Select[Any]:
    """(newest day up to `until`, rows on later days, rows without a time): what the days do not tell."""
    moment, after = at.moment(table), _midnight(until + timedelta(days=1))
    newest = func.max(case((moment < after, cast(moment, Date()))))
    return select(newest, _number_of(moment >= after), _number_of(moment.is_(None)))


def on_days(table: FromClause, at: DayColumn, days: Sequence[date], columns: Sequence[str]) -> FromClause:
    """These columns of the rows of these days, each with its day as text, for `day_facts`."""
    moment = at.moment(table)
    day = cast(moment, Date())
    kept = (*_between(table, at, min(days), max(days)), day.in_(days_listed(days)))
    return select(cast(day, String()).label(DAY), *(table.c[name] for name in columns)).where(*kept).subquery()


def as_one_day(table: FromClause, day: date, columns: Sequence[str]) -> FromClause:
    """A table whose rows belong to no day, as it is now."""
    return select(literal(day.isoformat()).label(DAY), *(table.c[name] for name in columns)).subquery()


def between(table: FromClause, at: DayColumn, since: date, until: date, columns: Sequence[str]) -> FromClause:
    """These columns of the rows of a span of days, both ends included."""
    return select(*(table.c[name] for name in columns)).where(*_between(table, at, since, until)).subquery()


def counted(table: FromClause, written: ColumnElement[Any] | None = None) -> Select[Any]:
    """(rows, last written or NULL)"""
    return select(func.count(), _latest(written)).select_from(table)


def _latest(written: ColumnElement[Any] | None) -> ColumnElement[Any]:
    return null() if written is None else func.max(written)


def _between(table: FromClause, at: DayColumn, since: date, until: date) -> tuple[ColumnElement[bool], ...]:
    moment = at.moment(table)
    return moment >= _midnight(since), moment < _midnight(until + timedelta(days=1))


def _midnight(day: date) -> ColumnElement[Any]:
    return literal_column(f"TIMESTAMP '{day.isoformat()} 00:00:00'")


def _number_of(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return cast(func.sum(case((condition, whole(1)), else_=whole(0))), BigInteger())
