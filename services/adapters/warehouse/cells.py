"""SQL that sorts values into the cells of a reference, and the fitting of those cells.

Edges are rendered as literals with an exponent: they are our own numbers, they may be hundreds, and a plain decimal
would be a DECIMAL and not a DOUBLE. Values of categories are bound, never rendered.
"""

# ruff: noqa: S608 - names are quoted identifiers of the file, numbers are our own, everything else is bound.

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np

from services.adapters.warehouse.duckdb import quoted, rows, table_of
from services.monitoring.profile import FeatureReference

FEW_VALUES = 10
"""A number with so few different values is a code: its values are compared, not its deciles."""
ATOM_SHARE = 0.02
ATOMS_IF_DISTINCT = 50
MOST_VALUES = 100
IDENTIFIER_DISTINCT = 1000
"""A text with more different values identifies things; its distribution says nothing."""
_SUB_CELLS = 8
_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_KNOTS = (0.001, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.999)


def is_numeric(kind: str) -> bool:
    return kind in _NUMERIC or kind in {"FLOAT", "DOUBLE"} or kind.startswith("DECIMAL")


def is_text(kind: str) -> bool:
    return kind in {"VARCHAR", "BOOLEAN"} or kind.startswith("ENUM")


def number(column: str) -> str:
    return f"TRY_CAST({quoted(column)} AS DOUBLE)"


def value(column: str, *, coded: bool) -> str:
    """A category as text; a code is read as a number first, so 1 and 1.0 are the same value."""
    return f"CAST({number(column)} AS VARCHAR)" if coded else f"CAST({quoted(column)} AS VARCHAR)"


def fit(
    connection: duckdb.DuckDBPyConnection, file: str, feature: str, column: str, kind: str
) -> FeatureReference | None:
    """Cells of one reference column, still without counts; None for a column that has nothing to compare."""
    source, given = table_of("files"), {"files": [file]}
    if is_text(kind):
        return _fit_values(connection, file, feature, column, coded=False)
    if not is_numeric(kind):
        return None
    x = number(column)
    finite = f"FROM (SELECT {x} AS x FROM {source}) WHERE isfinite(x)"
    # Squares of values beyond 1e150 have no number; such a column has no usable spread anyway.
    spread = "stddev_pop(x) FILTER (abs(x) < 1.0e150)"
    [(n, distinct, deviation)] = rows(connection, f"SELECT count(*), count(DISTINCT x), {spread} {finite}", given)
    if not n:
        return None
    if distinct <= FEW_VALUES:
        return _fit_values(connection, file, feature, column, coded=True)
    [(knots,)] = rows(connection, f"SELECT quantile_disc(x, {list(_KNOTS)}) {finite}", given)
    least = 1 if distinct <= ATOMS_IF_DISTINCT else ATOM_SHARE * n
    atoms = rows(connection, f"SELECT x {finite} GROUP BY x HAVING count(*) >= {float(least)}", given)
    deciles = tuple(sorted({float(knot) for knot in knots[1:-1]}))
    edges = _edges([float(knot) for knot in knots], [float(atom) for (atom,) in atoms])
    empty = len(edges) + 3
    return FeatureReference(
        feature=feature, column=column, numeric=True, edges=edges, deciles=deciles, values=(),
        counts=np.zeros(empty, dtype=np.int64), sums=np.zeros(empty), spread=deviation,
    )  # fmt: skip


def _edges(knots: list[float], atoms: list[float]) -> tuple[float, ...]:
    """Eight equal cells between neighbouring knots, and a cell of its own for every heavy value."""
    outer = sorted(set(knots))
    edges = set(outer)
    for low, high in pairwise(outer):
        edges.update(low + (high - low) * part / _SUB_CELLS for part in range(1, _SUB_CELLS))
    for atom in atoms:
        edges.update((atom, math.nextafter(atom, -math.inf)))
    return tuple(sorted(edge for edge in edges if math.isfinite(edge)))


def _fit_values(
    connection: duckdb.DuckDBPyConnection, file: str, feature: str, column: str, *, coded: bool
) -> FeatureReference | None:
    text = value(column, coded=coded)
    found = rows(
        connection,
        f"SELECT v, count(*) AS n, count(*) OVER () FROM (SELECT {text} AS v FROM {table_of('files')})"
        f" WHERE v IS NOT NULL GROUP BY v ORDER BY n DESC, v LIMIT {MOST_VALUES}",
        {"files": [file]},
    )
    if not found or found[0][2] > IDENTIFIER_DISTINCT:
        return None
    values = tuple(str(v) for v, _, _ in found)
    return FeatureReference(
        feature=feature, column=column, numeric=False, coded=coded, edges=(), deciles=(), values=values,
        counts=np.zeros(len(values) + 2, dtype=np.int64), sums=np.zeros(len(values) + 2),
    )  # fmt: skip


def counting(feature: FeatureReference, position: int, table: str) -> tuple[str, dict[str, Any]]:
    """`SELECT position, day, cell, count, sum` over a table with columns `day` and the feature's own."""
    if not feature.numeric:
        parameter = f"values_{position}_"
        text = value(feature.column, coded=feature.coded)
        other, missing = len(feature.values), len(feature.values) + 1
        cell = f"CASE WHEN v IS NULL THEN {missing} ELSE coalesce(list_position(${parameter}, v) - 1, {other}) END"
        inner = f"SELECT day, {text} AS v FROM {table}"
        sql = f"SELECT {position} AS f, day, {cell} AS cell, count(*) AS n, 0.0e0 AS total FROM ({inner}) GROUP BY ALL"
        return sql, {parameter: list(feature.values)}
    nan, null = len(feature.edges) + 1, len(feature.edges) + 2
    tree = _tree(feature.edges, 0, len(feature.edges))
    cell = f"CASE WHEN x IS NULL THEN {null} WHEN isnan(x) THEN {nan} ELSE {tree} END"
    inner = f"SELECT day, {number(feature.column)} AS x FROM {table}"
    sql = (
        f"SELECT {position} AS f, day, {cell} AS cell, count(*) AS n,"
        f" sum(CASE WHEN isfinite(x) THEN x ELSE 0.0e0 END) AS total FROM ({inner}) GROUP BY day, cell"
    )
    return sql, {}


def _tree(edges: tuple[float, ...], low: int, high: int) -> str:
    """A balanced search: about seven comparisons for eighty cells."""
    if low == high:
        return str(low)
    middle = (low + high) // 2
    left, right = _tree(edges, low, middle), _tree(edges, middle + 1, high)
    return f"CASE WHEN x <= ({edges[middle]:.17e}) THEN {left} ELSE {right} END"
