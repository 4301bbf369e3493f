"""Feature tables as aggregates: rules that are checked over all rows, and the facts of each day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, Select, and_, case, cast, func, literal, null, or_, select

from services.adapters.warehouse.statements.dialects import (
    Microseconds,
    Moment,
    Number,
    Together,
    exact,
    is_finite,
    text_of,
    whole,
)
from services.adapters.warehouse.statements.zones import is_zoned
from services.inventory.tables import QualityRule, RuleKind

DAY = "__day"


def rule_value(table: FromClause, rule: QualityRule, *, number: bool = True) -> Select[Any]:
    """(rows, value): rows that break the rule, or for freshness the newest time in microseconds.

    `number`: the column may hold NaN, which is missing; Spark refuses to ask that of a date.
    """
    column = table.c[rule.columns[0]]
    rows: ColumnElement[Any] = func.count()
    if rule.kind is RuleKind.FRESHNESS:
        return select(rows, Microseconds(func.max(column)))
    if rule.kind is RuleKind.NULLS:
        missing = column.is_(None)
        return select(rows, _count(or_(missing, func.isnan(Number(column))) if number else missing))
    if rule.kind is RuleKind.UNIQUE:
        together = Together(*(table.c[name] for name in rule.columns))
        return select(rows, rows - func.count(together.distinct()))
    x = Number(column)
    outside = [x < exact(rule.low)] if rule.low is not None else []
    outside += [x > exact(rule.high)] if rule.high is not None else []
    # A value that is not a number at all lies outside; a missing one is the business of the rule about nulls.
    return select(rows, _count(or_(*outside, and_(column.is_not(None), x.is_(None)))))


class TimeKind(StrEnum):
    NONE = "none"
    """No column of times, or its files disagree about its type."""
    TYPED = "typed"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedColumn:
    name: str
    number: bool
    broken: bool = False
    """A kind of number that may be NaN or infinite."""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTable:
    """What is asked of every day of a table. `latest`: microseconds after which a time is in the future."""

    columns: tuple[AskedColumn, ...]
    time: str
    time_kind: TimeKind
    latest: int
    key: tuple[str, ...] = ()
    role: str = ""
    """Column that says whether a row is live; without one all are."""


def day_facts(table: FromClause, asked: AskedTable) -> Select[Any]:
    """(day, rows, live rows, newest time, times in the future, without time, zone stated, not stated, repeated keys),
    then per column (missing, lowest, highest, outside).
    """
    at, zoned, unzoned = _time(table, asked)
    read = select(table.c[DAY], *(table.c[name] for name in _needed(asked)), at.label("__at"), zoned.label("__zoned"),
                  unzoned.label("__unzoned")).subquery()  # fmt: skip
    rows: ColumnElement[int] = func.count()
    moment, latest = read.c["__at"], whole(asked.latest)
    live = rows
    if asked.role:
        role = read.c[asked.role]
        live = _count(or_(role.is_(None), role == literal(""), role == literal("live")))
    repeated: ColumnElement[Any] = null()
    if asked.key:
        repeated = rows - func.count(Together(*(read.c[name] for name in asked.key)).distinct())
    parts = [
        live,
        func.max(case((moment <= latest, moment))),
        _count(moment > latest),
        _count(moment.is_(None)),
        _sum(read.c["__zoned"]),
        _sum(read.c["__unzoned"]),
        repeated,
    ]
    for column in asked.columns:
        parts += _aggregates(read, column)
    return select(read.c[DAY], rows, *parts).group_by(read.c[DAY])


def _needed(asked: AskedTable) -> tuple[str, ...]:
    names = [column.name for column in asked.columns]
    return tuple(dict.fromkeys([*names, *asked.key, *([asked.role] if asked.role else [])]))


def _time(table: FromClause, asked: AskedTable) -> tuple[ColumnElement[Any], ColumnElement[int], ColumnElement[int]]:
    """Microseconds, and whether a text that is a time states its zone, or does not."""
    if asked.time_kind is TimeKind.NONE:
        return cast(null(), BigInteger()), whole(0), whole(0)
    column = table.c[asked.time]
    at = Microseconds(Moment(column))
    if asked.time_kind is TimeKind.TYPED:
        return at, whole(0), whole(0)
    readable, states = Moment(column).is_not(None), is_zoned(text_of(column))
    return (
        at,
        case((and_(readable, states), whole(1)), else_=whole(0)),
        case((and_(readable, ~states), whole(1)), else_=whole(0)),
    )


def _aggregates(rows: FromClause, asked: AskedColumn) -> Sequence[ColumnElement[Any]]:
    """A number that is not finite has no place in a span; NaN is missing."""
    column = rows.c[asked.name]
    if not asked.number:
        return (func.count() - func.count(column), cast(null(), BigInteger()), cast(null(), BigInteger()), whole(0))
    x = Number(column)
    missing = func.count() - func.count(column)
    if asked.broken:
        missing = _count(or_(column.is_(None), func.isnan(x)))
    finite = case((is_finite(x), x))
    bounds = [x < exact(asked.low)] if asked.low is not None else []
    if asked.high is not None:
        # NaN is larger than every number here; it is missing, not outside.
        bounds.append(and_(x > exact(asked.high), ~func.isnan(x)))
    outside = _count(or_(*bounds)) if bounds else whole(0)
    return (missing, func.min(finite), func.max(finite), outside)


def _count(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return _sum(case((condition, whole(1)), else_=whole(0)))


def _sum(value: ColumnElement[int]) -> ColumnElement[Any]:
    return cast(func.sum(value), BigInteger())
