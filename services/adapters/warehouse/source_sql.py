"""Expressions over tables of other estates, the same for DuckDB, Databricks, PostgreSQL and SQLite.

Numbers of ours are rendered with an exponent, so that they are doubles; everything that comes from data is bound.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from services.adapters.warehouse.sources import OpenTable
from services.adapters.warehouse.statements.dialects import digits
from services.inventory.access import Mask, MaskKind
from services.monitoring.monitor_rules import ColumnKind
from services.monitoring.profile import FeatureReference

LARGEST = 1.7976931348623157e308
Expression = sa.ColumnElement[Any]


def literal(value: float) -> Expression:
    """The shortest text that reads back as the same number: more digits of the largest one are too large for Spark."""
    return sa.literal_column(f"({digits(value)})")


def number(source: OpenTable, name: str) -> Expression:
    """As a double; true is 1."""
    column = source.column(name)
    if source.kind(name) is ColumnKind.BOOLEAN and source.dialect != "sqlite":
        return sa.case((column.is_(None), sa.null()), (column, literal(1.0)), else_=literal(0.0))
    return sa.cast(column, sa.Double)


def text(source: OpenTable, name: str) -> Expression:
    column = source.column(name)
    if source.kind(name) is ColumnKind.BOOLEAN:
        condition = column if source.dialect != "sqlite" else column != 0
        return sa.case((column.is_(None), sa.null()), (condition, sa.literal("true")), else_=sa.literal("false"))
    return sa.cast(column, sa.String)


def is_nan(source: OpenTable, x: Expression) -> Expression:
    if source.dialect == "sqlite":
        return sa.false()  # SQLite stores NaN as NULL
    if source.dialect == "postgresql":
        return x == sa.cast(sa.literal("NaN"), sa.Double)
    return sa.func.isnan(x)


def is_finite(source: OpenTable, x: Expression) -> Expression:
    return sa.and_(x.is_not(None), sa.not_(is_nan(source, x)), x <= literal(LARGEST), x >= literal(-LARGEST))


def moment(source: OpenTable, name: str) -> Expression:
    """A time that can be compared and cast; text is read as a time with its zone, without one as UTC."""
    column = source.column(name)
    if source.kind(name) is ColumnKind.TEXT and source.dialect != "sqlite":
        return sa.cast(column, sa.TIMESTAMP(timezone=True))
    return column


def day(source: OpenTable, name: str) -> Expression:
    """The day in UTC."""
    if source.dialect == "sqlite":
        return sa.func.date(source.column(name))
    return sa.cast(moment(source, name), sa.Date)


def cell(source: OpenTable, feature: FeatureReference) -> Expression:
    """Which cell of the reference a row falls into."""
    if feature.numeric:
        x = number(source, feature.column)
        nan, null = len(feature.edges) + 1, len(feature.edges) + 2
        return sa.case(
            (x.is_(None), sa.literal_column(str(null))),
            (is_nan(source, x), sa.literal_column(str(nan))),
            else_=_tree(x, feature.edges, 0, len(feature.edges)),
        )
    other, missing = len(feature.values), len(feature.values) + 1
    if feature.coded:
        x = number(source, feature.column)
        cases: list[tuple[Any, Any]] = [
            (x == literal(float(value)), sa.literal_column(str(place))) for place, value in enumerate(feature.values)
        ]
    else:
        x = text(source, feature.column)
        cases = [
            (x == sa.bindparam(None, value, type_=sa.String), sa.literal_column(str(place)))
            for place, value in enumerate(feature.values)
        ]
    return sa.case((x.is_(None), sa.literal_column(str(missing))), *cases, else_=sa.literal_column(str(other)))


def _tree(x: Expression, edges: tuple[float, ...], low: int, high: int) -> Expression:
    """A balanced search: about seven comparisons for eighty cells."""
    if low == high:
        return sa.literal_column(str(low))
    middle = (low + high) // 2
    return sa.case((x <= literal(edges[middle]), _tree(x, edges, low, middle)), else_=_tree(x, edges, middle + 1, high))


def shown(source: OpenTable, name: str, mask: Mask) -> Expression:
    """What of a value may leave the statement: as text, as the lower end of its band, or nothing."""
    if mask.kind is MaskKind.HIDE:
        return sa.literal("hidden")
    if mask.kind is MaskKind.NONE:
        return text(source, name)
    x, size = number(source, name), literal(float(mask.number))
    if mask.kind is MaskKind.BAND:
        return sa.func.floor(x / size) * size
    return sa.case((x >= size, size), else_=x)


def said(value: Any, mask: Mask) -> str:
    """The words for what `shown` returned."""
    if value is None:
        return "missing"
    if mask.kind is MaskKind.BAND:
        return f"{float(value):g} up to {float(value) + float(mask.number):g}"
    if mask.kind is MaskKind.TOP:
        return f"{mask.size} and more" if float(value) >= float(mask.number) else f"{float(value):g}"
    return str(value)[:80]
