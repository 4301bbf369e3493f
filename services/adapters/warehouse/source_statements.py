"""Statements over tables of other estates: DuckDB, Databricks, PostgreSQL and SQLite answer the same text of Core.

Beside the other statements because two of these four know neither TRY_CAST nor quantiles: values at ranks come from a
numbered order, and every column is what the source says it is. Each is asked of all four in the tests, and of Spark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from services.adapters.warehouse.source_sql import cell, day, is_finite, literal, number, text
from services.adapters.warehouse.sources import OpenTable
from services.adapters.warehouse.statements.versions import commonest_by_day
from services.monitoring.monitors import ColumnMapping
from services.monitoring.profile import SCORE_BINS, FeatureReference

UNVERSIONED = "unknown"
"""Version of predictions whose source has no column for it."""
_EXACT, _PRIME = 1e15, 1e9 + 7
"""Up to the first every whole number is a double of its own; the second divides what is added up."""
Condition = sa.ColumnElement[bool]
Statement = sa.Select[Any]


# Which rows


def on_days(table: OpenTable, mapping: ColumnMapping, days: Iterable[date]) -> Condition:
    on = day(table, mapping.timestamp)
    known = sorted(days)
    if not known:
        return sa.false()
    ends = (known[0], known[-1])
    if len(known) == (ends[1] - ends[0]).days + 1:
        return on.between(*(_bound(table, item) for item in ends))
    return on.in_([_bound(table, item) for item in known])


def between(table: OpenTable, mapping: ColumnMapping, first: date, last: date) -> Condition:
    return day(table, mapping.timestamp).between(_bound(table, first), _bound(table, last))


def in_slice(table: OpenTable, column: str, value: str) -> Condition:
    return text(table, column) == value


def _bound(table: OpenTable, on: date) -> Any:
    return on.isoformat() if table.dialect == "sqlite" else sa.cast(sa.literal(on.isoformat()), sa.Date)


# What days there are


def marks(table: OpenTable, mapping: ColumnMapping) -> Statement:
    """(day, then what tells whether it changed): counts, extremes, and sums of predictions, labels and their products.

    The product tells that two labels changed places, which leaves all other sums as they were.
    """
    on, x = day(table, mapping.timestamp), number(table, mapping.prediction)
    at = table.column(mapping.timestamp)
    asked = [sa.func.count(), sa.func.count(x), sa.func.min(x), sa.func.max(x), sa.func.max(at), _whole_sum(table, x)]
    if mapping.label:
        label = number(table, mapping.label)
        asked += [
            sa.func.count(table.column(mapping.label)),
            _whole_sum(table, label),
            _whole_sum(table, _product(table, x, label)),
        ]
    inner = sa.select(on.label("day"), *(item.label(f"f{place}") for place, item in enumerate(asked)))
    return inner.select_from(table.table).where(at.is_not(None)).group_by(on).order_by(on)


def _whole_sum(table: OpenTable, x: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Of whole numbers made from each value: a sum of doubles ends in digits that depend on the order of the rows.

    To a millionth up to a thousand million, whole beyond; what would not fit a double exactly is left out. The rest
    of a division keeps the sum small enough for any number of rows.
    """
    fits = sa.and_(is_finite(table, x), sa.func.abs(x) <= literal(_EXACT))
    scaled = sa.case((sa.and_(fits, sa.func.abs(x) <= literal(1e9)), x * literal(1e6)), (fits, x), else_=literal(0.0))
    whole = sa.func.floor(scaled + literal(0.5))
    rest = whole - sa.func.floor(whole / literal(_PRIME)) * literal(_PRIME)
    return sa.func.sum(sa.cast(rest, sa.BigInteger))


def _product(table: OpenTable, one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """PostgreSQL refuses a product that is too large or too small for a double."""
    fit = (
        sa.and_(is_finite(table, x), sa.func.abs(x).between(literal(1 / _EXACT), literal(_EXACT))) for x in (one, other)
    )
    return sa.case((sa.and_(*fit), one * other), else_=literal(0.0))


# Cells of a reference


def total(table: OpenTable, inside: Condition) -> Statement:
    return sa.select(sa.func.count()).select_from(table.table).where(inside)


def finite_numbers(table: OpenTable, column: str, inside: Condition) -> sa.Subquery:
    x = number(table, column)
    return sa.select(x.label("x")).select_from(table.table).where(inside, is_finite(table, x)).subquery()


def size_and_mean(finite: sa.Subquery) -> Statement:
    """(values, different values, mean)."""
    return sa.select(sa.func.count(), sa.func.count(finite.c.x.distinct()), sa.func.avg(finite.c.x))


def squares(finite: sa.Subquery, mean: float) -> Statement:
    """From the mean in a second pass: not every database knows a deviation, and no digits are lost so."""
    off = finite.c.x - literal(mean)
    return sa.select(sa.func.sum(sa.case((sa.func.abs(off) < literal(1e150), off * off))))


def at_ranks(finite: sa.Subquery, ranks: Sequence[int]) -> Statement:
    """(rank, value), by a numbered order: the one way all databases share."""
    ordered = sa.select(finite.c.x, sa.func.row_number().over(order_by=finite.c.x).label("place")).subquery()
    return sa.select(ordered.c.place, ordered.c.x).where(ordered.c.place.in_(sorted(set(ranks))))


def heavy_values(finite: sa.Subquery, least: float) -> Statement:
    return sa.select(finite.c.x).group_by(finite.c.x).having(sa.func.count() >= literal(least))


def values(table: OpenTable, column: str, inside: Condition, *, coded: bool) -> sa.Subquery:
    value = number(table, column) if coded else text(table, column)
    given = sa.select(value.label("v")).select_from(table.table).where(inside, table.column(column).is_not(None))
    return given.subquery()


def different(given: sa.Subquery) -> Statement:
    """(different values, rows with a value)."""
    asked: tuple[sa.ColumnElement[Any], ...] = (sa.func.count(given.c.v.distinct()), sa.func.count(given.c.v))
    return sa.select(*asked)


def commonest(given: sa.Subquery, most: int, *, least: float = 0.0) -> Statement:
    """(value, count), commonest first."""
    n = sa.func.count()
    found = sa.select(given.c.v, n).group_by(given.c.v).order_by(n.desc(), given.c.v).limit(most)
    return found.having(n >= literal(least)) if least else found


# Days in cells


def in_cells(
    table: OpenTable, mapping: ColumnMapping, feature: FeatureReference, inside: Condition, *, whole: bool = False
) -> Statement:
    """(day, cell, count, sum of what is finite). `whole` counts all days together, as the reference does."""
    x = number(table, feature.column) if feature.numeric else None
    added = sa.case((is_finite(table, x), x), else_=literal(0.0)) if x is not None else literal(0.0)
    first = sa.literal_column("0") if whole else day(table, mapping.timestamp)
    inner = (
        sa.select(first.label("day"), cell(table, feature).label("cell"), added.label("x"))
        .select_from(table.table)
        .where(inside)
        .subquery()
    )
    counted = sa.select(inner.c.day, inner.c.cell, sa.func.count(), sa.func.sum(inner.c.x))
    return counted.group_by(inner.c.day, inner.c.cell)


def rows_by_version(table: OpenTable, mapping: ColumnMapping, inside: Condition) -> Statement:
    """(day, version, its rows, all rows of the day)."""
    told = sa.select(day(table, mapping.timestamp).label("d"), text(table, mapping.version).label("v"))
    asked: Statement = commonest_by_day(told.select_from(table.table).where(inside).subquery())
    return asked


# Predictions and labels


def labelled(table: OpenTable, mapping: ColumnMapping, inside: Condition, *, scores: bool, part: str = "") -> Statement:
    """(day, version, value of the slice, labelled, pair, bin, positive, n, then sums of error, |error|, error^2, ^4).

    A pair is a finite score beside a finite label. `part` is a column that splits, `scores` asks for bins.
    """
    score = number(table, mapping.prediction)
    label = number(table, mapping.label) if mapping.label else sa.null()
    version = text(table, mapping.version) if mapping.version else sa.literal("")
    told = is_finite(table, label) if mapping.label else sa.false()
    known = sa.and_(is_finite(table, score), told)
    zero: sa.ColumnElement[Any] = sa.literal_column("0")
    inner = (
        sa.select(
            day(table, mapping.timestamp).label("day"),
            sa.func.coalesce(version, "").label("version"),
            (text(table, part) if part else sa.literal("")).label("part"),
            sa.case((told, 1), else_=0).label("told"),
            sa.case((known, 1), else_=0).label("known"),
            (sa.case((known, _bin(score)), else_=0) if scores else zero).label("bin"),
            (sa.case((sa.and_(known, label >= literal(0.5)), 1), else_=0) if scores else zero).label("positive"),
            sa.case((known, score - label), else_=literal(0.0)).label("error"),
        )
        .select_from(table.table)
        .where(inside)
        .subquery()
    )
    keys = tuple(inner.c[name] for name in ("day", "version", "part", "told", "known", "bin", "positive"))
    error = inner.c.error
    square = error * error
    sums = (sa.func.sum(item) for item in (error, sa.func.abs(error), square, square * square))
    return sa.select(*keys, sa.func.count(), *sums).group_by(*keys)


def scored(table: OpenTable, mapping: ColumnMapping, inside: Condition, *, scores: bool, part: str = "") -> Statement:
    """(day, version, value of the slice, score bin or -1, predictions, sum of scores)."""
    score = number(table, mapping.prediction)
    good = is_finite(table, score)
    version = text(table, mapping.version) if mapping.version else sa.literal("")
    inner = (
        sa.select(
            day(table, mapping.timestamp).label("day"),
            sa.func.coalesce(version, "").label("version"),
            (text(table, part) if part else sa.literal("")).label("part"),
            sa.case((good, 0), else_=1).label("lost"),
            (sa.case((good, _bin(score)), else_=0) if scores else sa.literal_column("0")).label("bin"),
            sa.case((good, score), else_=literal(0.0)).label("x"),
        )
        .select_from(table.table)
        .where(inside)
        .subquery()
    )
    keys = (inner.c.day, inner.c.version, inner.c.part, inner.c.lost, inner.c.bin)
    return sa.select(*keys, sa.func.count(), sa.func.sum(inner.c.x)).group_by(*keys)


def _bin(score: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.case(
        (score >= literal(1.0), sa.literal_column(str(SCORE_BINS - 1))),
        (score < literal(0.0), sa.literal_column("0")),
        else_=sa.cast(sa.func.floor(score * literal(float(SCORE_BINS))), sa.Integer),
    )
