"""Cells of a reference window and the filling of them, on any engine: asked as statements, answered as aggregates.

`Ask` runs one SQLAlchemy Core statement; DuckDB and a Databricks SQL warehouse are asked the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import FromClause

from services.adapters.warehouse.statements import fitting
from services.adapters.warehouse.statements.counting import Split, centre, lattice_counts, profile_counts
from services.adapters.warehouse.statements.lattice import Lattice, laid, lattice_of
from services.adapters.warehouse.statements.runs import PARTS, part_edges
from services.monitoring.profile import (
    SCORE,
    DayProfile,
    FeatureReference,
    Reference,
    ReferenceSlice,
    Uncompared,
    WhyNot,
    at_threshold,
    below,
    column_and_value,
    slice_key,
)

Ask = Callable[[Any], Sequence[Sequence[Any]]]
AskArrays = Callable[[Any], Mapping[str, NDArray[Any]]]
"""Runs one statement whose columns are numbers, and answers them by name; NULL is masked."""
Thinned = Callable[[str], FromClause]
"""A relation with some of the rows of a column, drawn evenly, of a reference too large to be sorted."""
NUMBER, TEXT, EMPTY = "number", "text", "empty"
"""Kinds of columns; one of another kind has no distribution."""

FEW_VALUES = 10
"""A number with so few different values is a code: its values are compared, not its deciles."""
ATOM_SHARE = 0.02
ATOMS_IF_DISTINCT = 50
MOST_VALUES = 100
MANY_VALUES = 1000
COMMON_ROWS, COMMON_SHARE, COMMONEST_SHARE = 30, 0.5, 0.01
"""A category of more values lists those that are common for sure, since one that is by chance will be rarer every day
after. It is compared where these hold half of its rows, and one of them is a bin of its own; else it identifies things,
and its distribution says nothing."""
SLICE_SHARE = 0.01
MOST_SLICES = 20
"""Per column. A slice below one row in a hundred never has enough observations for a verdict."""
FEATURES_AT_ONCE = 10
"""Every column of a statement over files holds a reader of every file until the statement ends."""
_KNOTS = (0.001, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.999)


def reference_of(
    ask: Ask,
    source: FromClause,
    kinds: Mapping[str, str],
    *,
    model: str,
    digest: str,
    slices: tuple[str, ...],
    thinned: Thinned | None = None,
    arrays: AskArrays | None = None,
    threshold: float | None = None,
    pool: Executor | None = None,
) -> Reference | None:
    """Cells and counts of all inputs, whole and by slice; None when there is nothing to compare.

    `kinds` says `number` or `text` for every input; one of another kind is named as not compared. The column `score` is
    the prediction. With `arrays`, numbers on a lattice are counted by its points first, which is quicker where
    thousands of answers are nothing to carry. With a `pool`, its threads lay the cells of several columns at once:
    `ask` and `thinned` have to be of the asking thread.
    """
    [(total,)] = ask(fitting.total(source))

    def of_column(name: str) -> FeatureReference | Uncompared:
        feature = SCORE if name == "score" else name
        return fit(ask, source, feature, name, kinds[name], thinned=thinned, threshold=threshold)

    features, uncompared = apart((pool.map if pool else map)(of_column, kinds) if total else (), threshold)
    if not features:
        return None
    found = [(column, _slice_values(ask, source, column, int(total))) for column in slices if column in source.c]
    splits = [split for split in found if split[1]]
    known = {} if arrays is None or splits else _on_lattices(arrays, source, features)
    made = filled(ask, source, features, splits, known, model=model, digest=digest, rows=int(total))
    return replace(made, uncompared=uncompared)


def apart(
    fitted: Iterable[FeatureReference | Uncompared], threshold: float | None
) -> tuple[tuple[FeatureReference, ...], tuple[Uncompared, ...]]:
    """Columns with cells, and those without."""
    found = list(fitted)
    return (
        tuple(at_threshold(item, threshold) for item in found if isinstance(item, FeatureReference)),
        tuple(item for item in found if isinstance(item, Uncompared)),
    )


def filled(
    ask: Ask,
    source: FromClause,
    features: Sequence[FeatureReference],
    splits: Sequence[tuple[str, tuple[str, ...]]],
    known: Mapping[str, FeatureReference],
    *,
    model: str,
    digest: str,
    rows: int,
) -> Reference:
    """A reference whose cells are laid, with what its rows put into them. Features that are `known` are not asked."""
    wanted = [feature for feature in features if feature.feature not in known]
    answers = list(ask(profile_counts(source, wanted, splits, squares=True))) if wanted else []
    found: dict[tuple[str, str], DayProfile] = {}
    for one in gathered((answer[:-1] for answer in answers), wanted, splits):
        before = found.get((one.feature, one.slice_key))
        found[one.feature, one.slice_key] = added(before, one) if before else one
    squares = {feature.feature: np.zeros(feature.cells) for feature in wanted}
    for place, _, _, cell, _, _, square in answers:
        if int(place) < len(wanted):
            squares[wanted[int(place)].feature][int(cell)] += float(square)
    counted = {one.feature: _counted(one, found[one.feature, ""], squares[one.feature]) for one in wanted}
    return Reference(
        model=model,
        digest=digest,
        rows=rows,
        features=tuple((known.get(feature.feature) or counted[feature.feature]) for feature in features),
        slices=tuple(
            ReferenceSlice(feature=one.feature, slice_key=one.slice_key, counts=one.counts, sums=one.sums)
            for one in found.values()
            if one.slice_key
        ),
    )


def _on_lattices(
    arrays: AskArrays, source: FromClause, features: Sequence[FeatureReference]
) -> dict[str, FeatureReference]:
    """The numbers that lie on a lattice, counted and with their deviation."""
    found: dict[str, FeatureReference] = {}
    quick = [(feature, lattice) for feature in features if (lattice := lattice_of(feature.edges))]
    for start in range(0, len(quick), FEATURES_AT_ONCE):
        part = quick[start : start + FEATURES_AT_ONCE]
        columns, centres = [(feature.column, lattice) for feature, lattice in part], [centre(one) for one, _ in part]
        answer = arrays(lattice_counts(source, columns, centres))
        profiles = put_into_cells(answer, part, date.min)
        squares = put_into_cells({**answer, "s": answer["q"]}, part, date.min)
        for (feature, _), profile, square in zip(part, profiles, squares, strict=True):
            if profile is not None and square is not None:
                found[feature.feature] = _counted(feature, profile, square.sums)
    return found


def _counted(feature: FeatureReference, whole: DayProfile, squares: NDArray[np.float64]) -> FeatureReference:
    spread = _spread(feature, whole, squares)
    return replace(feature, counts=whole.counts, sums=whole.sums, spread=spread)


def _spread(feature: FeatureReference, whole: DayProfile, squares: NDArray[np.float64]) -> float | None:
    """Standard deviation of a number from its cells. A cell whose squares have no number is left out."""
    if not feature.numeric:
        return None
    cells = slice(0, len(feature.edges) + 1)
    usable = np.isfinite(squares[cells]) & np.isfinite(whole.sums[cells])
    count = int(whole.counts[cells][usable].sum())
    if not count:
        return None
    off = math.fsum(whole.sums[cells][usable]) / count - centre(feature)
    return math.sqrt(max(0.0, math.fsum(squares[cells][usable]) / count - off * off))


def counted_by(reference: Reference, days: Iterable[DayProfile]) -> Reference:
    """The same cells, filled by these days together."""
    found: dict[tuple[str, str], DayProfile] = {}
    for one in days:
        before = found.get((one.feature, one.slice_key))
        found[one.feature, one.slice_key] = added(before, one) if before else one
    return replace(
        reference,
        features=tuple(
            replace(one, counts=day.counts, sums=day.sums) if (day := found.get((one.feature, ""))) else one
            for one in reference.features
        ),
        slices=tuple(
            replace(one, counts=day.counts, sums=day.sums) if (day := found.get((one.feature, one.slice_key))) else one
            for one in reference.slices
        ),
    )


def added(one: DayProfile, other: DayProfile) -> DayProfile:
    return replace(one, counts=one.counts + other.counts, sums=one.sums + other.sums)


def fit(
    ask: Ask,
    source: FromClause,
    feature: str,
    column: str,
    kind: str,
    *,
    thinned: Thinned | None = None,
    threshold: float | None = None,
) -> FeatureReference | Uncompared:
    """Cells of one reference column, still without counts, or why it has none.

    Deciles that were read off some rows are moved up to a lattice if there is one for them, and for the edge that the
    `threshold` of a score needs: rows are then counted in half the time. Exact deciles stay where they are.
    """
    if kind == TEXT:
        return _of_values(ask, fitting.texts(source, column), feature, column, coded=False)
    if kind != NUMBER:
        why = WhyNot.NO_VALUE if kind == EMPTY else WhyNot.NO_DISTRIBUTION
        return Uncompared(feature=feature, column=column, why=why)
    numbers = fitting.finite_numbers(thinned(column) if thinned else source, column)
    [(n, distinct, ranked)] = ask(fitting.extent(numbers, _KNOTS))
    if thinned and distinct <= ATOMS_IF_DISTINCT:
        # Few values among some rows: whether there are few among all is asked of all.
        numbers = fitting.finite_numbers(source, column)
        [(n, distinct, ranked)] = ask(fitting.extent(numbers, _KNOTS))
    if not n:
        return Uncompared(feature=feature, column=column, why=WhyNot.NO_VALUE)
    if distinct <= FEW_VALUES:
        return _of_values(ask, numbers, feature, column, coded=True)
    knots: Sequence[float] = [float(knot) for knot in ranked]
    least = 1 if distinct <= ATOMS_IF_DISTINCT else ATOM_SHARE * n
    atoms = [float(atom) for (atom,) in ask(fitting.heavy_values(numbers, least))]
    kept = (below(threshold),) if threshold is not None and feature == SCORE else ()
    lattice = laid(knots, atoms, kept) if thinned else None
    edges, knots = lattice or (edges_of(knots, atoms), tuple(knots))
    empty = len(edges) + 3
    return FeatureReference(
        feature=feature, column=column, numeric=True, edges=edges, deciles=tuple(sorted(set(knots[1:-1]))), values=(),
        counts=np.zeros(empty, dtype=np.int64), sums=np.zeros(empty),
    )  # fmt: skip


def edges_of(knots: Sequence[float], atoms: Sequence[float]) -> tuple[float, ...]:
    """Eight cells between neighbouring knots, and a cell of its own for every heavy value.

    Where no heavy value lies between two knots the cells are those that can be computed; else they are equal.
    """
    heavy = {edge for atom in atoms for edge in (math.nextafter(atom, -math.inf), atom)}
    edges = sorted(edge for edge in {*knots, *heavy} if math.isfinite(edge))
    found = edges[:1]
    between = dict(pairwise(sorted(set(knots))))
    for low, high in pairwise(edges):
        knot = max((one for one in between if one <= low), default=None)
        parts: list[float] = []
        if knot == low and between[knot] in {high, math.nextafter(high, math.inf)}:
            parts = part_edges(low, high, len(found))
        elif knot is not None:
            parts = [knot + (between[knot] - knot) * part / PARTS for part in range(1, PARTS)]
        found += [*sorted({edge for edge in parts if low < edge < high}), high]
    return tuple(found)


def _of_values(ask: Ask, values: Any, feature: str, column: str, *, coded: bool) -> FeatureReference | Uncompared:
    found = ask(fitting.commonest(values, MOST_VALUES))
    different, rows = (int(found[0][2]), int(found[0][3])) if found else (0, 0)
    listed = common([(value, int(n)) for value, n, *_ in found], different)
    if why := why_not([n for _, n in listed], different, rows):
        return Uncompared(feature=feature, column=column, why=why, values=different)
    known = tuple(str(float(value)) if coded else str(value) for value, _ in listed)
    return FeatureReference(
        feature=feature, column=column, numeric=False, coded=coded, edges=(), deciles=(), values=known,
        counts=np.zeros(len(known) + 2, dtype=np.int64), sums=np.zeros(len(known) + 2),
    )  # fmt: skip


def common(found: Sequence[tuple[Any, int]], different: int) -> list[tuple[Any, int]]:
    """Those of the commonest values of a category that get cells, with their counts."""
    return [(value, n) for value, n in found if different <= MANY_VALUES or n >= COMMON_ROWS]


def why_not(counts: Sequence[int], different: int, rows: int) -> WhyNot | None:
    """Of a category with the counts of its listed values, commonest first, among so many different ones and rows."""
    if not different:
        return WhyNot.NO_VALUE
    if different <= MANY_VALUES or (
        counts and sum(counts) >= COMMON_SHARE * rows and counts[0] >= COMMONEST_SHARE * rows
    ):
        return None
    return WhyNot.SCATTERED


def _slice_values(ask: Ask, source: FromClause, column: str, rows: int) -> tuple[str, ...]:
    """Commonest values of a column of the reference. Columns with an equals sign in their name split nothing."""
    found = () if "=" in column else ask(fitting.commonest(fitting.texts(source, column), MOST_SLICES))
    return tuple(str(value) for value, n, *_ in found if n >= SLICE_SHARE * rows)


def splits_of(reference: Reference, columns: frozenset[str]) -> list[tuple[str, tuple[str, ...]]]:
    """The slices of a reference by column, as far as these columns are there."""
    splits: dict[str, list[str]] = {}
    for key in reference.slice_keys:
        column, value = column_and_value(key)
        if column in columns:
            splits.setdefault(column, []).append(value)
    return [(column, tuple(values)) for column, values in splits.items()]


def sketches(
    ask: Ask,
    source: FromClause,
    features: Sequence[FeatureReference],
    splits: Sequence[Split] = (),
    *,
    named: Sequence[Split] | None = None,
) -> tuple[DayProfile, ...]:
    """One statement, one scan of every column; the whole is what the parts of the first split add up to.

    `named` are the same splits where their slices are called otherwise than the columns.
    """
    statement = profile_counts(source, features, splits)
    return () if statement is None else gathered(ask(statement), features, splits if named is None else named)


def put_into_cells(
    answer: Mapping[str, NDArray[Any]], features: Sequence[tuple[FeatureReference, Lattice]], day: date
) -> list[DayProfile | None]:
    """Columns f, k, n, s of `lattice_counts` as one profile per feature; None where they do not say enough."""
    found: list[DayProfile | None] = []
    order = np.argsort(np.ma.getdata(answer["f"]), kind="stable")
    starts = np.searchsorted(np.ma.getdata(answer["f"])[order], np.arange(len(features) + 1))
    places, counts, sums, without, unknown = (
        one[order]
        for one in (
            *(np.ma.getdata(answer[name]) for name in ("k", "n", "s")),
            *(np.ma.getmaskarray(np.ma.asarray(answer[name])) for name in ("k", "s")),
        )
    )
    for (feature, lattice), (start, end) in zip(features, pairwise(starts.tolist()), strict=True):
        own, missing = slice(start, end), without[start:end]
        if start == end or (missing & ~unknown[own]).any():
            found.append(None)
            continue
        profile, inside = _empty(feature, day, ""), ~missing
        at = np.searchsorted(lattice.ends, places[own][inside], side="left")
        # As numbers with 53 digits: no day has so many rows that one would be lost.
        profile.counts[:] = np.bincount(at, weights=counts[own][inside], minlength=feature.cells)
        profile.sums[:] = np.bincount(at, weights=sums[own][inside], minlength=feature.cells)
        profile.counts[-1] = counts[own][missing].sum()
        found.append(profile)
    return found


def put_into_categories(
    answers: Iterable[Sequence[Any]], features: Sequence[FeatureReference], day: date
) -> list[DayProfile]:
    """Rows of `known_counts` as one profile per feature: a cell for each known value, every other one, then missing."""
    found: dict[int, DayProfile] = {}
    places = [{value: place for place, value in enumerate(feature.values)} for feature in features]
    for position, value, missing, n in answers:
        feature, known = features[int(position)], places[int(position)]
        profile = found.setdefault(int(position), _empty(feature, day, ""))
        profile.counts[len(known) + 1 if missing else known.get(value, len(known))] += int(n)
    return list(found.values())


def gathered(
    answers: Iterable[Sequence[Any]],
    features: Sequence[FeatureReference],
    splits: Sequence[tuple[str, tuple[str, ...]]],
) -> tuple[DayProfile, ...]:
    found: dict[tuple[int, date, str], DayProfile] = {}
    for position, day, part, cell, n, total in answers:
        split, place = divmod(int(position), len(features))
        for key in _keys(splits, split, int(part)):
            profile = found.setdefault((place, day, key), _empty(features[place], day, key))
            profile.counts[int(cell)] += int(n)
            profile.sums[int(cell)] += float(total)
    return tuple(found.values())


def _keys(splits: Sequence[tuple[str, tuple[str, ...]]], split: int, part: int) -> Iterator[str]:
    if split == 0:
        yield ""
    if splits and part < len(splits[split][1]):
        yield slice_key(splits[split][0], splits[split][1][part])


def _empty(feature: FeatureReference, day: date, key: str) -> DayProfile:
    return DayProfile(
        day=day, feature=feature.feature, slice_key=key, counts=np.zeros(feature.cells, dtype=np.int64),
        sums=np.zeros(feature.cells),
    )  # fmt: skip
