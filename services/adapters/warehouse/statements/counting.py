"""A profile as one statement: UNION ALL of one small GROUP BY per feature, so that one column is in flight at a time.

Answer: (feature position, day, part, cell, count, sum). `part` is the position of the slice value, or the number of
slice values for every other row. Without a slice column it is 0. A cell may be answered twice: infinities apart.
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
    String,
    case,
    cast,
    func,
    select,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from services.adapters.warehouse.statements.dialects import Number, digits, exact, text_of, whole
from services.adapters.warehouse.statements.lattice import (
    INFINITE_BELOW,
    CellOfKey,
    Lattice,
    LatticeKey,
    every_key,
    lattice_of,
)
from services.adapters.warehouse.statements.numeric_cell import NumericCell, cell_of, sum_of
from services.monitoring.profile import FeatureReference

DAY = "__day"
"""Name of the day in every source: no input of a model starts with two underscores."""
Split = tuple[str, tuple[str, ...]]


def profile_counts(
    source: FromClause,
    features: Sequence[FeatureReference],
    splits: Sequence[Split] = (),
    *,
    squares: bool = False,
) -> CompoundSelect[Any] | None:
    """Counts of all features over a source with the day and their columns; `splits` are (column, values).

    Answers of the second split stand after those of the first, with positions from `len(features)` on. `squares` adds
    one more column: the sum of squared distances from the `centre` of a number.
    """
    parts = [
        (_numbers if feature.numeric else _categories)(
            source, feature, whole(position + number * len(features)), split, squares=squares
        )
        for number, split in enumerate(splits or (None,))
        for position, feature in enumerate(features)
    ]
    return union_all(*parts) if parts else None


def lattice_counts(
    source: FromClause, columns: Sequence[tuple[str, Lattice]], centres: Sequence[float] = ()
) -> CompoundSelect[Any]:
    """(column position, key, count, sum) of one day in one scan, as quick as an engine can group.

    With a centre for each column, one more: the sum of squared distances from it.

    Rows without a key are one group. Where its sum is NULL they are missing values; else some are NaN, infinite or far
    outside, and `profile_counts` has to be asked about the column.
    """
    parts = []
    for place, (column, lattice) in enumerate(columns):
        value = Number(source.c[column])
        raw = select(LatticeKey(value, lattice).label("k"), value.label("x")).subquery()
        asked = (whole(place).label("f"), raw.c.k, func.count().label("n"), func.sum(raw.c.x).label("s"))
        off = [raw.c.x - exact(one) for one in centres[place : place + 1]]
        parts.append(select(*asked, *(func.sum(one * one).label("q") for one in off)).group_by(raw.c.k))
    return union_all(*parts)


def known_counts(source: FromClause, columns: Sequence[tuple[str, tuple[str, ...]]]) -> CompoundSelect[Any]:
    """(column position, value, whether it is missing, count) of one day of texts in one scan.

    The value is NULL for all that are not among those named for the column, so that however many there are, few answer.
    """
    parts = []
    for place, (column, values) in enumerate(columns):
        text = text_of(source.c[column])
        raw = select(text.label("x"), func.count().label("n")).group_by(text).subquery()
        named = select(KnownValue(raw.c.x, values).label("v"), raw.c.x.is_(None).label("m"), raw.c.n).subquery()
        asked = (whole(place).label("f"), named.c.v, named.c.m, cast(func.sum(named.c.n), BigInteger()).label("n"))
        parts.append(select(*asked).group_by(named.c.v, named.c.m))
    return union_all(*parts)


def centre(feature: FeatureReference) -> float:
    """A number in the middle of the reference: squares of distances from it lose no digits, however far zero is."""
    return feature.edges[len(feature.edges) // 2] if feature.edges else 0.0


def _numbers(
    source: FromClause, feature: FeatureReference, place: ColumnElement[int], split: Split | None, *, squares: bool
) -> Select[Any]:
    part = [text_of(source.c[split[0]]).label("p")] if split else []
    raw = select(source.c[DAY].label("d"), *part, Number(source.c[feature.column]).label("x")).subquery()
    keys = [raw.c.d, *([raw.c.p] if split else [])]
    off = raw.c.x - exact(centre(feature)) if squares else None
    extra = [] if off is None else [(off * off).label("o")]
    lattice = lattice_of(feature.edges)
    key = every_key(raw.c.x, lattice) if lattice else NumericCell(raw.c.x, feature.edges, feature.counts.tolist())
    keyed = select(*keys, key.label("k"), raw.c.x, *extra).subquery()
    named = [keyed.c[key.name] for key in keys] + [keyed.c.k]
    sums = [func.sum(keyed.c.x).label("s"), *([func.sum(keyed.c.o).label("q")] if squares else [])]
    grouped = select(*named, func.count().label("n"), *sums).group_by(*named).subquery()
    if lattice:
        at = _position(grouped.c.p, split[1]) if split else whole(0)
        finite = grouped.c.k < whole(INFINITE_BELOW)
        held = [case((finite, grouped.c[one]), else_=exact(0.0)) for one in (("s", "q") if squares else ("s",))]
        return _by_part(place, grouped, at, CellOfKey(grouped.c.k, lattice), held)
    cell = cell_of(grouped.c.k, feature.edges)
    totals = [sum_of(grouped.c.k, grouped.c[one], feature.edges) for one in (("s", "q") if squares else ("s",))]
    if split is None:
        return select(place.label("f"), grouped.c.d, whole(0).label("p"), cell.label("k"), grouped.c.n, *totals)
    return _by_part(place, grouped, _position(grouped.c.p, split[1]), cell, totals)


def _categories(
    source: FromClause, feature: FeatureReference, place: ColumnElement[int], split: Split | None, *, squares: bool
) -> Select[Any]:
    """First by what the row says, then by what we know: a thousand values are compared once per group, not per row."""
    value = Number(source.c[feature.column]) if feature.coded else text_of(source.c[feature.column])
    part = [text_of(source.c[split[0]]).label("p")] if split else []
    raw = select(source.c[DAY].label("d"), *part, value.label("x")).subquery()
    keys = [raw.c.d, *([raw.c.p] if split else []), raw.c.x]
    grouped = select(*keys, func.count().label("n")).group_by(*keys).subquery()
    at = _position(grouped.c.p, split[1]) if split else whole(0)
    nothing = [exact(0.0)] * (2 if squares else 1)
    return _by_part(place, grouped, at, category_cell(grouped.c.x, feature), nothing)


def _by_part(
    place: ColumnElement[int],
    groups: FromClause,
    part: ColumnElement[Any],
    cell: ColumnElement[int],
    totals: Sequence[ColumnElement[float]],
) -> Select[Any]:
    """Groups that mean the same together. A sum of integers is a HUGEINT in DuckDB and a BIGINT in Spark."""
    named = select(
        groups.c.d.label("d"), part.label("p"), cell.label("k"), groups.c.n.label("n"),
        *(total.label(f"t{number}") for number, total in enumerate(totals)),
    ).subquery()  # fmt: skip
    keys = (named.c.d, named.c.p, named.c.k)
    sums = [func.sum(named.c[f"t{number}"]) for number in range(len(totals))]
    return select(place.label("f"), *keys, cast(func.sum(named.c.n), BigInteger()), *sums).group_by(*keys)


def category_cell(value: ColumnElement[Any], feature: FeatureReference) -> ColumnElement[int]:
    """One cell per known value, then every other value, then NULL. A code that is NaN is missing, too."""
    return CategoryCell(value, feature.values, coded=feature.coded)


class KnownValue(FunctionElement[str]):
    """The text where it is one of these, else NULL."""

    type = String()
    name = "known_value"
    inherit_cache = False

    def __init__(self, value: ColumnElement[str], values: Sequence[str]) -> None:
        super().__init__(value)
        self.values = tuple(values)


@compiles(KnownValue)
def _known_value(element: KnownValue, compiler: Any, **how: Any) -> str:
    x, text = compiler.process(element.clauses, **how), String().dialect_impl(compiler.dialect)
    listed = ", ".join(compiler.render_literal_value(one, text) for one in element.values)
    return f"CASE WHEN {x} IN ({listed}) THEN {x} END" if listed else "CAST(NULL AS VARCHAR(1))"


class CategoryCell(FunctionElement[int]):
    """Rendered as text in one go, as the cells of numbers are: a hundred values make as many objects otherwise."""

    type = BigInteger()
    name = "category_cell"
    inherit_cache = False

    def __init__(self, value: ColumnElement[Any], values: Sequence[str], *, coded: bool) -> None:
        super().__init__(value)
        self.values, self.coded = tuple(values), coded


@compiles(CategoryCell)
def _category_cell(element: CategoryCell, compiler: Any, **how: Any) -> str:
    x, other = compiler.process(element.clauses, **how), len(element.values)
    absent = f"{x} IS NULL OR isnan({x})" if element.coded else f"{x} IS NULL"
    text = String().dialect_impl(compiler.dialect)
    known = (
        digits(float(one)) if element.coded else compiler.render_literal_value(one, text) for one in element.values
    )
    whens = "".join(f" WHEN {x} = {one} THEN {place}" for place, one in enumerate(known))
    return f"CASE WHEN {absent} THEN {other + 1}{whens} ELSE {other} END"


def _position(value: ColumnElement[str], values: Sequence[str]) -> ColumnElement[int]:
    return case(*((value == one, whole(place)) for place, one in enumerate(values)), else_=whole(len(values)))
