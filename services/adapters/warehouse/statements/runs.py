"""Eight cells at once by one multiplication and one addition, and how to be sure that they are the cells meant.

Between two knots lie eight cells of nearly equal width. Which of them holds x is `ceil(x * slope + offset)`, four
times as fast as a search through their edges. Rounding decides where exactly such a cell ends, so the edges are laid
where the arithmetic of IEEE doubles puts them (`part_edges`), and before a statement uses the arithmetic, every edge
is tried (`run_at`). Edges that were laid in another way are searched by comparisons, with the same result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

PARTS = 8
_INSET = 1e-6
"""Share of a cell that both ends are moved in, so that no rounding leads out of the eight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Cells `first` to `last`, each (edge, next edge]. With a slope the cell of x is ceil(x * slope + offset)."""

    first: int
    last: int
    slope: float = 0.0
    offset: float = 0.0


def runs(edges: Sequence[float]) -> list[Run]:
    """All cells of finite numbers from the lowest, in as few runs as the edges allow."""
    found = [Run(first=0, last=0)]
    at = 0
    while at < len(edges):
        run = run_at(edges, at) or Run(first=at + 1, last=at + 1)
        found.append(run)
        at += run.last - run.first + 1
    return found


def run_at(edges: Sequence[float], at: int) -> Run | None:
    """The run whose lower knot is `edges[at]`, if the arithmetic puts every number between where the edges put it."""
    if at + PARTS >= len(edges):
        return None
    first, inside = at + 1, edges[at + 1 : at + PARTS]
    line = _line(edges[at], edges[at + PARTS], first)
    if line is None:
        return None
    slope, offset = line
    ends = (math.nextafter(edges[at], math.inf), edges[at + PARTS])
    if [math.ceil(x * slope + offset) for x in ends] != [first, first + PARTS - 1]:
        return None
    for cell, edge in enumerate(inside, first):
        above = math.nextafter(edge, math.inf)
        if math.ceil(edge * slope + offset) != cell or math.ceil(above * slope + offset) != cell + 1:
            return None
    return Run(first=first, last=first + PARTS - 1, slope=slope, offset=offset)


def part_edges(low: float, high: float, first: int) -> list[float]:
    """Seven edges between two knots, of which the lower is the upper edge of cell `first` - 1."""
    line = _line(low, high, first)
    equal = [low + (high - low) * part / PARTS for part in range(1, PARTS)]
    if line is None:
        return equal
    return [_last_below(first + part, low, high, line) for part in range(PARTS - 1)]


def _line(low: float, high: float, first: int) -> tuple[float, float] | None:
    width = high - low
    if not 0 < width < math.inf:
        return None
    slope = (PARTS - _INSET) / width
    offset = first - 1 + _INSET / 2 - low * slope
    return (slope, offset) if math.isfinite(slope) and math.isfinite(offset) else None


def _last_below(cell: int, low: float, high: float, line: tuple[float, float]) -> float:
    """The largest double that the arithmetic puts into a cell up to this one. It never falls as x grows."""
    slope, offset = line
    guess, near = (cell - offset) / slope, (high - low) * 1e-9
    inside, outside = max(low, guess - near), min(high, guess + near)
    if inside * slope + offset > cell:
        inside = low
    if outside * slope + offset <= cell:
        outside = high
    while inside < (middle := inside + (outside - inside) / 2) < outside:
        if middle * slope + offset <= cell:
            inside = middle
        else:
            outside = middle
    return inside
