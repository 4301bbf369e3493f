"""Which versions made the predictions of a day, and how many: a question of one column, before any is profiled."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, FromClause, Select, cast, func, select

from services.adapters.warehouse.statements.counting import DAY
from services.adapters.warehouse.statements.dialects import text_of, whole

MOST_VERSIONS = 20
"""Of a day, by their rows. A column with more holds no versions, and its values would be carried for nothing."""


def rows_by_version(source: FromClause, column: str) -> Select[Any]:
    """(day, version, its rows, all rows of the day)."""
    return commonest_by_day(select(source.c[DAY].label("d"), text_of(source.c[column]).label("v")).subquery())


def commonest_by_day(told: FromClause) -> Select[Any]:
    """The same from a day `d` and a version `v` for every prediction."""
    rows = select(told.c.d, told.c.v, cast(func.count(), BigInteger()).label("n")).group_by(told.c.d, told.c.v)
    grouped = rows.subquery()
    day = grouped.c.d
    ranked = select(
        day,
        grouped.c.v,
        grouped.c.n,
        cast(func.sum(grouped.c.n).over(partition_by=day), BigInteger()).label("total"),
        func.row_number().over(partition_by=day, order_by=(grouped.c.n.desc(), grouped.c.v)).label("place"),
    ).subquery()
    told_of = select(ranked.c.d, ranked.c.v, ranked.c.n, ranked.c.total)
    return told_of.where(ranked.c.place <= whole(MOST_VERSIONS))
