"""What has to be asked about a reference window to lay its cells: how many values, where its deciles are, its atoms."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, Select, cast, func, select

from services.adapters.warehouse.statements.dialects import Number, Quantiles, exact, is_finite, text_of, whole


def finite_numbers(source: FromClause, column: str) -> Any:
    """Subquery with the finite values of a column as `x`; adding zero makes -0.0 and 0.0 the same value."""
    inner = select((Number(source.c[column]) + exact(0.0)).label("x")).select_from(source).subquery()
    return select(inner.c.x).where(is_finite(inner.c.x)).subquery()


def extent(numbers: Any, shares: tuple[float, ...]) -> Select[Any]:
    """(values, different values, values at these ranks)."""
    asked: tuple[ColumnElement[Any], ...] = (func.count(), func.count(numbers.c.x.distinct()))
    return select(*asked, Quantiles(numbers.c.x, shares))


def heavy_values(numbers: Any, least: float) -> Select[Any]:
    return select(numbers.c.x).group_by(numbers.c.x).having(func.count() >= exact(least))


def texts(source: FromClause, column: str) -> Any:
    inner = select(text_of(source.c[column]).label("x")).select_from(source).subquery()
    return select(inner.c.x).where(inner.c.x.is_not(None)).subquery()


def commonest(values: Any, most: int) -> Select[Any]:
    """(value, count, number of different values, number of rows with a value), commonest first."""
    grouped = select(values.c.x, func.count().label("n")).group_by(values.c.x).subquery()
    return (
        select(grouped.c.x, grouped.c.n, func.count().over(), cast(func.sum(grouped.c.n).over(), BigInteger()))
        .order_by(grouped.c.n.desc(), grouped.c.x)
        .limit(whole(most))
    )


def total(source: FromClause) -> Select[Any]:
    counted: ColumnElement[int] = func.count()
    return select(counted).select_from(source)
