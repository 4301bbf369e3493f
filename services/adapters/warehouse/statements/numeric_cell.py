"""Which cell of its reference a number falls into, as one expression of about two comparisons and two operations.

A tree of CASE, four ways at a node and balanced by how much of the reference lies where, finds the run of eight cells;
inside a run the cell is computed (`runs`). Engines evaluate the branches of a CASE on the rows that reach them, so the
rare things (NULL, NaN, infinities) are asked about in the outermost branches only. Comparisons with NULL hold for no
row and NaN is larger than every number, on DuckDB and on Databricks: both end in the topmost branch.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, case
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from services.adapters.warehouse.statements.dialects import digits, exact, whole
from services.adapters.warehouse.statements.runs import Run, runs

ABOVE, BELOW = -1, -2
"""Keys of the infinities: they belong to the outermost cells and would poison their sums."""
_LARGEST = digits(sys.float_info.max)
_WAYS = 4
_TINY = 127


class NumericCell(FunctionElement[int]):
    """Key of a number: its cell, or ABOVE or BELOW. Cell i holds (edges[i-1], edges[i]]; then NaN, then NULL.

    Rendered as text in one go: objects for the nodes of fifty trees would take a second to make.
    """

    type = BigInteger()
    name = "numeric_cell"
    inherit_cache = False

    def __init__(self, value: ColumnElement[float], edges: Sequence[float], counts: Sequence[int] = ()) -> None:
        super().__init__(value)
        self.edges = tuple(edges)
        self.counts = tuple(counts)


def cell_of(key: ColumnElement[int], edges: Sequence[float]) -> ColumnElement[int]:
    return case((key == whole(ABOVE), whole(len(edges))), (key == whole(BELOW), whole(0)), else_=key)


def sum_of(key: ColumnElement[int], total: ColumnElement[float], edges: Sequence[float]) -> ColumnElement[float]:
    """The sum of a group, or zero where its values are no finite numbers."""
    return case(((key >= whole(0)) & (key <= whole(len(edges))), total), else_=exact(0.0))


@compiles(NumericCell)
def _numeric_cell(element: NumericCell, compiler: Any, **how: Any) -> str:
    x, edges = compiler.process(element.clauses, **how), element.edges
    found = runs(edges)
    weights = [_weight(run, element.counts, len(edges)) for run in found]

    def leaf(run: Run) -> str:
        if run.slope:
            return f"{x} * {digits(run.slope)} + {digits(run.offset)}"
        ends = []
        if run.first == len(edges):
            ends += [f"{x} IS NULL THEN {digits(len(edges) + 2)}", f"isnan({x}) THEN {digits(len(edges) + 1)}"]
            ends += [f"{x} > {_LARGEST} THEN {digits(ABOVE)}"]
        if run.first == 0:
            ends += [f"{x} < -{_LARGEST} THEN {digits(BELOW)}"]
        whens = "".join(f" WHEN {end}" for end in ends)
        return f"CASE{whens} ELSE {digits(run.first)} END" if ends else digits(run.first)

    def tree(low: int, high: int) -> str:
        if low == high:
            return leaf(found[low])
        *parts, (start, end) = _shared(weights, low, high)
        whens = "".join(f" WHEN {x} <= {digits(edges[found[b].last])} THEN {tree(a, b)}" for a, b in parts)
        return f"CASE{whens} ELSE {tree(start, end)} END"

    kind = "TINYINT" if len(edges) + 2 <= _TINY else "INTEGER"
    return f"CAST(ceil({tree(0, len(found) - 1)}) AS {kind})"


def _weight(run: Run, counts: Sequence[int], top: int) -> float:
    """How many rows of the reference a branch has; before it is counted, cells are alike and the open ends rare."""
    if any(counts):
        return 1.0 + sum(counts[run.first : run.last + 1])
    return 0.1 if run.first in {0, top} else float(run.last - run.first + 1)


def _shared(weights: Sequence[float], low: int, high: int) -> list[tuple[int, int]]:
    """Neighbouring branches in up to four parts of about equal weight."""
    parts, start = [], low
    for ways in range(min(_WAYS, high - low + 1), 1, -1):
        target, end, held = sum(weights[start : high + 1]) / ways, start, weights[start]
        # Every later part needs a branch of its own.
        while end < high - ways + 1 and abs(held + weights[end + 1] - target) < abs(held - target):
            end += 1
            held += weights[end]
        parts.append((start, end))
        start = end + 1
    return [*parts, (start, high)]
