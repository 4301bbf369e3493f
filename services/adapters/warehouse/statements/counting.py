"""A profile as one statement: UNION ALL of one small GROUP BY per feature, so that one column is in flight at a time.

Answer: (feature position, day, part, cell, count, sum). `part` is the position of the slice value, or the number of
slice values for every other row. Without a slice column it is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    case,
    cast,
    func,
    select,
    union_all,
)

from services.adapters.warehouse.statements.dialects import Number, NumericCell, exact, finite, text_of, whole
from services.monitoring.profile import FeatureReference

DAY = "__day"
"""Name of the day in every source: no input of a model starts with two underscores."""


def profile_counts(
    source: FromClause, features: Sequence[FeatureReference], splits: Sequence[tuple[str, tuple[str, ...]]] = ()
) -> CompoundSelect[Any] | None:
    """Counts of all features over a source with the day and their columns; `splits` are (column, values).

    Answers of the second split stand after those of the first, with positions from `len(features)` on.
    """
    parts = [
        _counts(source, feature, position + number * len(features), split)
        for number, split in enumerate(splits or (None,))
        for position, feature in enumerate(features)
    ]
    return union_all(*parts) if parts else None


def _counts(
    source: FromClause, feature: FeatureReference, position: int, split: tuple[str, tuple[str, ...]] | None
) -> Select[Any]:
    """First by what the row says, then by what we know: a thousand values are compared once per group, not per row."""
    x = Number(source.c[feature.column])
    value = x if feature.numeric or feature.coded else text_of(source.c[feature.column])
    part = text_of(source.c[split[0]]) if split else whole(0)
    raw = select(source.c[DAY].label("d"), part.label("p"), value.label("x")).subquery()
    key = NumericCell(raw.c.x, feature.edges) if feature.numeric else raw.c.x
    total = finite(raw.c.x) if feature.numeric else exact(0.0)
    keyed = select(raw.c.d, raw.c.p, key.label("k"), total.label("t")).subquery()
    grouped = (
        select(keyed.c.d, keyed.c.p, keyed.c.k, func.count().label("n"), func.sum(keyed.c.t).label("s"))
        .group_by(keyed.c.d, keyed.c.p, keyed.c.k)
        .subquery()
    )
    cell = grouped.c.k if feature.numeric else category_cell(grouped.c.k, feature)
    named = select(
        grouped.c.d,
        (_position(grouped.c.p, split[1]) if split else grouped.c.p).label("p"),
        cell.label("k"),
        grouped.c.n,
        grouped.c.s,
    ).subquery()
    columns = (whole(position).label("f"), named.c.d, named.c.p, named.c.k)
    if feature.numeric and not split:
        return select(*columns, named.c.n, named.c.s)
    # A sum of integers is a HUGEINT in DuckDB and a BIGINT in Spark.
    n = cast(func.sum(named.c.n), BigInteger())
    return select(*columns, n, func.sum(named.c.s)).group_by(named.c.d, named.c.p, named.c.k)


def category_cell(value: ColumnElement[Any], feature: FeatureReference) -> ColumnElement[int]:
    """One cell per known value, then every other value, then NULL. A code that is NaN is missing, too."""
    other, missing = len(feature.values), len(feature.values) + 1
    absent = value.is_(None) | func.isnan(value) if feature.coded else value.is_(None)
    known: list[Any] = [exact(float(code)) for code in feature.values] if feature.coded else list(feature.values)
    return case(
        (absent, whole(missing)),
        *((value == one, whole(place)) for place, one in enumerate(known)),
        else_=whole(other),
    )


def _position(value: ColumnElement[str], values: Sequence[str]) -> ColumnElement[int]:
    return case(*((value == one, whole(place)) for place, one in enumerate(values)), else_=whole(len(values)))
