"""Where a model is worst: slices of one or two conditions whose rows do worse than all others, corrected for looking.

Each slice is held against the rest of the rows with Welch's test (one-sided for losses, two-sided for gaps), as Slice
Finder does (Chung et al. 2019); Holm's correction counts every slice that was looked at, so that a long search does
not find something by chance. Amounts are cut at their quartiles; rare words of a text column are put together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from services.evaluation.measures.grouping import UNKNOWN_GROUP, Codes, grouped
from services.evaluation.measures.models import Floats, checked

Metric = Literal["brier", "calibration_gap", "mae", "bias"]
MOST_WORDS = 8
MOST_SHOWN = 10
_OTHER = "other"
_ENOUGH = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstSlice:
    """`description` reads `age over 61 and region = north`. The value and its overall counterpart are in the metric's
    unit; a `p_adjusted` above 0.05 is what a search among so many slices finds by chance.
    """

    description: str
    n: int
    metric: str
    value: float
    overall: float
    p_adjusted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Condition:
    column: str
    words: tuple[str, ...]
    of_row: Codes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    words: str
    parents: tuple[str, ...]
    n: int
    mean: float
    p: float


def worst_slices(
    rows: Mapping[str, npt.NDArray[Any]],
    label: Floats,
    score: Floats,
    task: str,
    *,
    min_n: int = 200,
    budget: int = 2_000,
    metric: Metric | None = None,
) -> list[WorstSlice]:
    """At most ten slices of at least `min_n` rows, the least likely to be chance first; `budget` slices are looked at.

    `brier` (classification) and `mae` (regression) find where predictions are furthest off, which may be where the
    outcome is hard to know; `calibration_gap` and `bias` find where they are off in one direction.
    A slice of two conditions is left out when one of them alone is as bad.
    """
    label, score = checked(label, score)
    metric = metric or ("mae" if task == "regression" else "brier")
    loss, two_sided = _losses(metric, label, score)
    if len(loss) < 2 * min_n:
        return []
    overall = float(loss.mean())
    cells = list(_cells(_conditions(rows), loss, min_n=min_n, budget=budget, two_sided=two_sided))
    adjusted = _holm([cell.p for cell in cells])
    distance = {cell.words: _distance(cell.mean, overall, two_sided=two_sided) for cell in cells}
    kept = [
        (p, -distance[cell.words], cell)
        for cell, p in zip(cells, adjusted, strict=True)
        if distance[cell.words] > 0 and all(distance[cell.words] > distance.get(parent, 0.0) for parent in cell.parents)
    ]
    kept.sort(key=lambda item: (item[0], item[1], item[2].words))
    return [
        WorstSlice(description=cell.words, n=cell.n, metric=metric, value=cell.mean, overall=overall, p_adjusted=p)
        for p, _, cell in kept[:MOST_SHOWN]
    ]


def _losses(metric: Metric, label: Floats, score: Floats) -> tuple[Floats, bool]:
    error = score - label
    match metric:
        case "brier":
            return error * error, False
        case "mae":
            return np.abs(error), False
        case "calibration_gap" | "bias":
            return error, True


def _distance(mean: float, overall: float, *, two_sided: bool) -> float:
    return abs(mean) - abs(overall) if two_sided else mean - overall


def _conditions(rows: Mapping[str, npt.NDArray[Any]]) -> list[_Condition]:
    found = (_condition(str(name), np.asarray(rows[name])) for name in sorted(rows))
    return [item for item in found if len(item.words) > 1]


def _condition(name: str, column: npt.NDArray[Any]) -> _Condition:
    if column.dtype.kind in "iuf":
        values = column.astype(np.float64)
        some = values[:: max(1, len(values) // _ENOUGH)]
        if len(np.unique(some[np.isfinite(some)])) > MOST_WORDS:
            return _quartiles(name, values)
    names, of_row = grouped(column)
    if len(names) > MOST_WORDS:
        names, of_row = _common(names, of_row)
    words = tuple(f"{name} missing" if word == UNKNOWN_GROUP else f"{name} = {word}" for word in names)
    return _Condition(column=name, words=words, of_row=of_row)


def _common(names: list[str], of_row: Codes) -> tuple[list[str], Codes]:
    """The most frequent words, and one for all others."""
    frequent = np.sort(np.argsort(-np.bincount(of_row, minlength=len(names)), kind="stable")[: MOST_WORDS - 1])
    place = np.full(len(names), len(frequent), dtype=np.intp)
    place[frequent] = np.arange(len(frequent))
    return [*(names[code] for code in frequent), _OTHER], place[of_row]


def _quartiles(name: str, values: Floats) -> _Condition:
    known = np.isfinite(values)
    cuts = np.unique(np.quantile(values[known], (0.25, 0.5, 0.75)))
    of_row = np.where(known, np.searchsorted(cuts, values, side="left"), len(cuts) + 1)
    shown = [f"{cut:.6g}" for cut in cuts]
    between = [f"{name} over {low} to {high}" for low, high in pairwise(shown)]
    words = (f"{name} up to {shown[0]}", *between, f"{name} over {shown[-1]}", f"{name} missing")
    return _Condition(column=name, words=words, of_row=of_row.astype(np.intp))


def _cells(conditions: list[_Condition], loss: Floats, *, min_n: int, budget: int, two_sided: bool) -> Iterator[_Cell]:
    """Single conditions first, then pairs, until the budget is used up."""
    left = budget
    singles = ((item.words, item.of_row, ()) for item in conditions)
    pairs = (_both(a, b) for a, b in combinations(conditions, 2))
    for many in (singles, pairs):
        for words, of_row, parents in many:
            if left <= 0:
                return
            found = list(_tested(words, of_row, parents, loss, min_n=min_n, two_sided=two_sided))[:left]
            left -= len(found)
            yield from found


def _both(a: _Condition, b: _Condition) -> tuple[tuple[str, ...], Codes, tuple[tuple[str, ...], ...]]:
    named = [(one, other) for one in a.words for other in b.words]
    return tuple(f"{one} and {other}" for one, other in named), a.of_row * len(b.words) + b.of_row, tuple(named)


def _tested(
    words: tuple[str, ...],
    of_row: Codes,
    parents: tuple[tuple[str, ...], ...],
    loss: Floats,
    *,
    min_n: int,
    two_sided: bool,
) -> Iterator[_Cell]:
    total = len(loss)
    count = np.bincount(of_row, minlength=len(words)).astype(np.float64)
    sums = np.bincount(of_row, loss, len(words))
    squares = np.bincount(of_row, loss * loss, len(words))
    looked_at = np.flatnonzero((count >= min_n) & (total - count >= min_n))
    n, m = count[looked_at], total - count[looked_at]
    mean, rest = sums[looked_at] / n, (sums.sum() - sums[looked_at]) / m
    inside = np.maximum(squares[looked_at] / n - mean**2, 0.0) / (n - 1)
    outside = np.maximum((squares.sum() - squares[looked_at]) / m - rest**2, 0.0) / (m - 1)
    p = _welch(mean - rest, inside, outside, n, m, two_sided=two_sided)
    for at, number in enumerate(looked_at):
        yield _Cell(
            words=words[number],
            parents=parents[number] if parents else (),
            n=int(n[at]),
            mean=float(mean[at]),
            p=float(p[at]),
        )


def _welch(difference: Floats, inside: Floats, outside: Floats, n: Floats, m: Floats, *, two_sided: bool) -> Floats:
    """Upper tail, or both; equal rows everywhere are no evidence."""
    both = inside + outside
    safe = np.where(both > 0, both, 1.0)
    freedom = np.where(both > 0, safe**2 / np.maximum(inside**2 / (n - 1) + outside**2 / (m - 1), 1e-300), 1.0)
    t = np.where(both > 0, difference / np.sqrt(safe), 0.0)
    tail = special.stdtr(freedom, -np.abs(t) if two_sided else -t)
    return np.asarray(2 * tail if two_sided else tail, dtype=np.float64)


def _holm(p: list[float]) -> list[float]:
    """Holm (1979): the i-th smallest times the number of those not smaller, never falling."""
    if not p:
        return []
    order = np.argsort(p, kind="stable")
    adjusted = np.minimum(1.0, np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1)))
    found = np.empty(len(p))
    found[order] = adjusted
    return [float(value) for value in found]
