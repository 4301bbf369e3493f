"""Cells of a reference window and the filling of them, on any engine: asked as statements, answered as aggregates.

`Ask` runs one SQLAlchemy Core statement; DuckDB and a Databricks SQL warehouse are asked the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import FromClause

from services.adapters.warehouse.statements import fitting
from services.adapters.warehouse.statements.counting import centre, profile_counts
from services.adapters.warehouse.statements.runs import PARTS, part_edges
from services.monitoring.profile import (
    SCORE,
    DayProfile,
    FeatureReference,
    Reference,
    ReferenceSlice,
    at_threshold,
    column_and_value,
    slice_key,
)

Ask = Callable[[Any], Sequence[Sequence[Any]]]
Thinned = Callable[[str], FromClause]
"""A relation with some of the rows of a column, drawn evenly, of a reference too large to be sorted."""
NUMBER, TEXT = "number", "text"

FEW_VALUES = 10
"""A number with so few different values is a code: its values are compared, not its deciles."""
ATOM_SHARE = 0.02
ATOMS_IF_DISTINCT = 50
MOST_VALUES = 100
IDENTIFIER_DISTINCT = 1000
"""A text with more different values identifies things; its distribution says nothing."""
SLICE_SHARE = 0.01
MOST_SLICES = 20
"""Per column. A slice below one row in a hundred never has enough observations for a verdict."""
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
    threshold: float | None = None,
) -> Reference | None:
    """Cells and counts of all inputs with a kind, whole and by slice; None when there is nothing to compare.

    `kinds` says `number` or `text` for every input. The column `score` is the prediction.
    """
    [(total,)] = ask(fitting.total(source))
    fitted = (
        fit(ask, source, SCORE if name == "score" else name, name, kind, thinned=thinned)
        for name, kind in kinds.items()
    )
    features = tuple(at_threshold(feature, threshold) for feature in fitted if feature is not None) if total else ()
    if not features:
        return None
    splits = [(column, _slice_values(ask, source, column, int(total))) for column in slices if column in source.c]
    return filled(
        ask, source, features, [split for split in splits if split[1]], model=model, digest=digest, rows=int(total)
    )


def filled(
    ask: Ask,
    source: FromClause,
    features: Sequence[FeatureReference],
    splits: Sequence[tuple[str, tuple[str, ...]]],
    *,
    model: str,
    digest: str,
    rows: int,
) -> Reference:
    """A reference whose cells are laid, with what its rows put into them."""
    answers = list(ask(profile_counts(source, features, splits, squares=True)))
    found: dict[tuple[str, str], DayProfile] = {}
    for one in _gathered((answer[:-1] for answer in answers), features, splits):
        known = found.get((one.feature, one.slice_key))
        found[one.feature, one.slice_key] = added(known, one) if known else one
    return Reference(
        model=model,
        digest=digest,
        rows=rows,
        features=tuple(
            replace(
                feature,
                counts=found[feature.feature, ""].counts,
                sums=found[feature.feature, ""].sums,
                spread=_spread(feature, [answer for answer in answers if int(answer[0]) == place]),
            )
            for place, feature in enumerate(features)
        ),
        slices=tuple(
            ReferenceSlice(feature=one.feature, slice_key=one.slice_key, counts=one.counts, sums=one.sums)
            for one in found.values()
            if one.slice_key
        ),
    )


def _spread(feature: FeatureReference, answers: Sequence[Sequence[Any]]) -> float | None:
    """Standard deviation of a number from its cells. A cell whose squares have no number is left out."""
    if not feature.numeric:
        return None
    usable = [
        (int(n), float(total), float(square))
        for *_, cell, n, total, square in answers
        if int(cell) <= len(feature.edges) and math.isfinite(float(square)) and math.isfinite(float(total))
    ]
    count = sum(n for n, _, _ in usable)
    if not count:
        return None
    off = math.fsum(total for _, total, _ in usable) / count - centre(feature)
    return math.sqrt(max(0.0, math.fsum(square for *_, square in usable) / count - off * off))


def added(one: DayProfile, other: DayProfile) -> DayProfile:
    return replace(one, counts=one.counts + other.counts, sums=one.sums + other.sums)


def fit(
    ask: Ask, source: FromClause, feature: str, column: str, kind: str, *, thinned: Thinned | None = None
) -> FeatureReference | None:
    """Cells of one reference column, still without counts; None for a column that has nothing to compare."""
    if kind == TEXT:
        return _of_values(ask, fitting.texts(source, column), feature, column, coded=False)
    numbers = fitting.finite_numbers(thinned(column) if thinned else source, column)
    [(n, distinct)] = ask(fitting.how_many(numbers))
    if thinned and distinct <= ATOMS_IF_DISTINCT:
        # Few values among some rows: whether there are few among all is asked of all.
        numbers = fitting.finite_numbers(source, column)
        [(n, distinct)] = ask(fitting.how_many(numbers))
    if not n:
        return None
    if distinct <= FEW_VALUES:
        return _of_values(ask, numbers, feature, column, coded=True)
    [(found,)] = ask(fitting.quantiles(numbers, _KNOTS))
    knots = [float(knot) for knot in found]
    least = 1 if distinct <= ATOMS_IF_DISTINCT else ATOM_SHARE * n
    atoms = [float(atom) for (atom,) in ask(fitting.heavy_values(numbers, least))]
    edges = edges_of(knots, atoms)
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


def _of_values(ask: Ask, values: Any, feature: str, column: str, *, coded: bool) -> FeatureReference | None:
    found = ask(fitting.commonest(values, MOST_VALUES))
    if not found or found[0][2] > IDENTIFIER_DISTINCT:
        return None
    known = tuple(str(float(value)) if coded else str(value) for value, _, _ in found)
    return FeatureReference(
        feature=feature, column=column, numeric=False, coded=coded, edges=(), deciles=(), values=known,
        counts=np.zeros(len(known) + 2, dtype=np.int64), sums=np.zeros(len(known) + 2),
    )  # fmt: skip


def _slice_values(ask: Ask, source: FromClause, column: str, rows: int) -> tuple[str, ...]:
    """Commonest values of a column of the reference. Columns with an equals sign in their name split nothing."""
    found = () if "=" in column else ask(fitting.commonest(fitting.texts(source, column), MOST_SLICES))
    return tuple(str(value) for value, n, _ in found if n >= SLICE_SHARE * rows)


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
    splits: Sequence[tuple[str, tuple[str, ...]]] = (),
) -> tuple[DayProfile, ...]:
    """One statement, one scan of every column; the whole is what the parts of the first split add up to."""
    statement = profile_counts(source, features, splits)
    return () if statement is None else _gathered(ask(statement), features, splits)


def _gathered(
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
