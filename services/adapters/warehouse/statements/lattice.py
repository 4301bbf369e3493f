"""Numbers counted on a lattice: all multiples of a power of two, and the open intervals between them.

Multiplying by a power of two is exact, so `ceil(x * 2**m)` names the step that x lies in, its upper end included, with
the same answer on every engine, in a fraction of the time of a search through edges. Where an edge lies right below a
multiple, so that a heavy value has a cell of its own, `floor(x * 2**m) + ceil(x * 2**m)` names the multiple that x is
(even keys) or the open interval that it lies in (odd keys). Where all edges of a feature lie on a lattice of a few
thousand steps, rows are counted by key first and keys are put into cells afterwards. Nothing but the edges is needed
to know the lattice.

A key is NULL for what is no number in reach: NULL, NaN, infinities, and numbers far outside of the reference. Where
the steps are wider than one, a number below 1e-300 counts as zero.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Integer, SmallInteger, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from services.adapters.warehouse.statements.dialects import digits
from services.adapters.warehouse.statements.runs import PARTS

_USUAL_STEPS, _MOST_STEPS = 1024, 4096
_LEAST_STEPS = 16
"""Between neighbouring deciles, so that a decile moved up to the lattice is off by a sixteenth of its rows at most."""
_KEYS = 32_768
"""Keys from -_KEYS up to below _KEYS have two bytes, which bounds the groups of a column whatever its rows say."""
_REACH = 16
"""How many times as far as the reference keys reach; less than that, and they are moved to where its long tail is."""
_COARSEST, _FINEST, _DIGITS = -60, 60, sys.float_info.mant_dig
BOTTOM, TOP, INFINITE_BELOW, INFINITE_ABOVE, NOT_A_NUMBER, ABSENT = range(_KEYS, _KEYS + 6)
"""Keys of what has no key on the lattice; the first two are finite numbers."""
_TINY, _HUGE = 1e-200, 1e200
"""References outside of these lie on no lattice, so that nothing below overflows."""
_LARGEST = digits(sys.float_info.max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Multiples of 2**-power. `ends` holds, for each edge, the last key that lies at or below it."""

    power: int
    stepped: bool
    """Keys are steps with their upper end; else multiples and the intervals between them, two keys a step."""
    shift: int
    """Taken from every key: an even number, 0 unless the reference is far from zero."""
    ends: tuple[int, ...]

    @property
    def scale(self) -> float:
        return math.ldexp(1.0, self.power)

    @property
    def reach(self) -> tuple[float, float]:
        """Numbers with a key: from the first up to below the second."""
        if self.stepped:  # A step begins right above its lower end.
            lows = (math.ldexp(float(self.shift + side * _KEYS - 1), -self.power) for side in (-1, 1))
            low, high = (math.nextafter(one, math.inf) for one in lows)
            return low, high
        low, high = ((self.shift + side * _KEYS) // 2 for side in (-1, 1))
        return math.ldexp(float(low), -self.power), math.ldexp(float(high), -self.power)


def lattice_of(edges: Sequence[float]) -> Lattice | None:
    """The coarsest lattice with every edge at, or right below, one of its points; None if that takes too many."""
    if not edges or max(abs(edges[0]), abs(edges[-1])) > _HUGE:
        return None
    at = np.asarray(edges, dtype=np.float64)
    above = np.nextafter(at, np.inf)
    power = int(np.minimum(_powers(at), _powers(above)).max())
    if not _COARSEST <= power <= _FINEST or math.ldexp(max(abs(at[0]), abs(at[-1])), power) >= 2.0**52:
        return None
    scaled = np.ldexp(at, power)
    ends = np.where(scaled == np.floor(scaled), 2 * scaled, 2 * np.ldexp(above, power) - 1).astype(np.int64)
    if ends[-1] - ends[0] > 2 * _MOST_STEPS:
        return None
    stepped = not (ends % 2).any()
    ends = ends // 2 if stepped else ends
    shift = _shift(int(ends[0]), int(ends[len(ends) // 2]), int(ends[-1]))
    return Lattice(power=power, stepped=stepped, shift=shift, ends=tuple((ends - shift).tolist()))


def _shift(low: int, middle: int, high: int) -> int:
    """Zero for a reference around zero; else keys are shared out as the reference stretches below and above."""
    if max(abs(low), abs(high)) * _REACH <= _KEYS:
        return 0
    below = min(max((middle - low) / max(1, high - low), 1 / _REACH), 1 - 1 / _REACH)
    return (middle + _KEYS - int(2 * _KEYS * below)) // 2 * 2


def laid(
    knots: Sequence[float], atoms: Iterable[float], kept: Iterable[float] = ()
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """(edges, knots) on a lattice: knots moved up to it, eight cells between two, a cell for each atom.

    None where deciles are too uneven for a few thousand equal steps, or an atom or a `kept` edge lies on none.
    """
    distinct, atoms, kept = sorted(set(knots)), list(atoms), list(kept)
    span, narrowest = distinct[-1] - distinct[0], min((b - a for a, b in pairwise(distinct)), default=0.0)
    if narrowest <= 0 or not _TINY < span < _HUGE or max(map(abs, (*distinct, *atoms, *kept))) > _HUGE:
        return None
    power = math.floor(math.log2(_USUAL_STEPS / span))
    while power <= _FINEST and math.ldexp(narrowest, power) < _LEAST_STEPS:
        power += 1
    beside = np.array(kept, dtype=np.float64)
    needed = np.minimum(_powers(beside), _powers(np.nextafter(beside, np.inf)))
    power = max([power, *_powers(np.array(atoms, dtype=np.float64)).tolist(), *needed.tolist()])
    if not _COARSEST <= power <= _FINEST or math.ldexp(span, power) > _MOST_STEPS:
        return None
    points = [math.ceil(math.ldexp(knot, power)) for knot in distinct]
    inner = {low + round((high - low) * part / PARTS) for low, high in pairwise(points) for part in range(PARTS)}
    heavy = {edge for atom in atoms for edge in (math.nextafter(atom, -math.inf), atom)}
    moved = tuple(math.ldexp(math.ceil(math.ldexp(knot, power)), -power) for knot in knots)
    edges = tuple(sorted({math.ldexp(point, -power) for point in (*inner, points[-1])} | heavy))
    return (edges, moved) if lattice_of(edges) else None


def _powers(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """The coarsest lattice that each number is a point of: every digit of its binary form up to the last 1."""
    share, exponent = np.frexp(numbers)
    digits_of = np.ldexp(share, _DIGITS).astype(np.int64)
    last = np.frexp((digits_of & -digits_of).astype(np.float64))[1] - 1
    return np.where(digits_of == 0, _COARSEST, _DIGITS - exponent.astype(np.int64) - last)


class LatticeKey(FunctionElement[int]):
    """Key of a number; NULL for what has none. Databricks' own floor is an integer, of NaN as well: reach is asked."""

    type = SmallInteger()
    name = "lattice_key"
    inherit_cache = False

    def __init__(self, value: ColumnElement[float], lattice: Lattice) -> None:
        super().__init__(value)
        self.lattice = lattice


class KeyOutside(FunctionElement[int]):
    """Key of a number that has none on the lattice."""

    type = Integer()
    name = "key_outside"
    inherit_cache = False

    def __init__(self, value: ColumnElement[float], lattice: Lattice) -> None:
        super().__init__(value)
        self.lattice = lattice


class CellOfKey(FunctionElement[int]):
    """The cell of a key: edges[i-1] < x <= edges[i], then one above, then NaN, then NULL."""

    type = Integer()
    name = "cell_of_key"
    inherit_cache = False

    def __init__(self, key: ColumnElement[int], lattice: Lattice) -> None:
        super().__init__(key)
        self.lattice = lattice


def every_key(value: ColumnElement[float], lattice: Lattice) -> ColumnElement[int]:
    """A key for every row: the rare questions are asked only about rows that have no key on the lattice."""
    found: ColumnElement[int] = func.coalesce(LatticeKey(value, lattice), KeyOutside(value, lattice))
    return found


@compiles(LatticeKey)
def _guarded(element: LatticeKey, compiler: Any, **how: Any) -> str:
    x = compiler.process(element.clauses, **how)
    low, high = map(digits, element.lattice.reach)
    return f"CASE WHEN {x} >= {low} AND {x} < {high} THEN CAST({_key(x, element.lattice)} AS SMALLINT) END"


@compiles(LatticeKey, "duckdb")
def _tried(element: LatticeKey, compiler: Any, **how: Any) -> str:
    return f"TRY_CAST({_key(compiler.process(element.clauses, **how), element.lattice)} AS SMALLINT)"


def _key(x: str, lattice: Lattice) -> str:
    scaled = f"{x} * {digits(lattice.scale)}"
    moved = f" - {digits(lattice.shift)}" if lattice.shift else ""
    return f"ceil({scaled}){moved}" if lattice.stepped else f"floor({scaled}) + ceil({scaled}){moved}"


@compiles(KeyOutside)
def _outside(element: KeyOutside, compiler: Any, **how: Any) -> str:
    x, high = compiler.process(element.clauses, **how), digits(element.lattice.reach[1])
    return (
        f"CASE WHEN {x} IS NULL THEN {ABSENT} WHEN isnan({x}) THEN {NOT_A_NUMBER} WHEN {x} > {_LARGEST} THEN"
        f" {INFINITE_ABOVE} WHEN {x} < -{_LARGEST} THEN {INFINITE_BELOW} WHEN {x} >= {high} THEN {TOP}"
        f" ELSE {BOTTOM} END"
    )


@compiles(CellOfKey)
def _cell(element: CellOfKey, compiler: Any, **how: Any) -> str:
    k, ends = compiler.process(element.clauses, **how), element.lattice.ends
    above = len(ends)
    outside = {BOTTOM: 0, INFINITE_BELOW: 0, NOT_A_NUMBER: above + 1, ABSENT: above + 2}
    others = "".join(f" WHEN {k} = {key} THEN {cell}" for key, cell in outside.items())

    def tree(low: int, high: int) -> str:
        if low == high:
            return str(low)
        middle = (low + high) // 2
        return f"CASE WHEN {k} <= {ends[middle]} THEN {tree(low, middle)} ELSE {tree(middle + 1, high)} END"

    return f"CASE{others} ELSE {tree(0, above)} END"
