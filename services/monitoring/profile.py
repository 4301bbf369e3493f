"""A day of one feature as counts and sums per cell: made once, added up for every window, never rescanned.

Numeric features get reference deciles as outer knots with eight equal cells inside each, so decile PSI is exact and
Kolmogorov-Smirnov is known to within the largest cell. Categories get one cell per known value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Sums = NDArray[np.float64]

SCORE = "prediction"
"""Name under which the score of the model is profiled beside its inputs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureReference:
    """Cells of one feature and how the reference window fills them.

    Numeric: cell i holds values in (edges[i-1], edges[i]], one open cell above, then NaN, then NULL.
    Categorical: one cell per value in `values`, then every other value, then NULL.
    """

    feature: str
    column: str
    numeric: bool
    edges: tuple[float, ...]
    deciles: tuple[float, ...]
    values: tuple[str, ...]
    counts: Counts
    sums: Sums
    coded: bool = False
    """A category written as a number."""
    spread: float | None = None
    """Standard deviation of the present values of the reference (n in the denominator), if measured on its rows."""
    threshold: float | None = None
    """The decision threshold of a score, where `edges` holds the number just below it; see `at_threshold`."""

    @property
    def cells(self) -> int:
        return len(self.edges) + 3 if self.numeric else len(self.values) + 2

    @property
    def n(self) -> int:
        return int(self.counts.sum())

    @property
    def missing_cells(self) -> int:
        """How many cells at the end hold missing values."""
        return 2 if self.numeric else 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReferenceSlice:
    """Counts and sums of one feature in one slice of the reference window, in the cells of the whole."""

    feature: str
    slice_key: str
    counts: Counts
    sums: Sums


class WhyNot(StrEnum):
    """What keeps a column from being compared."""

    NO_VALUE = "no value"
    """Every value of the reference is missing, or is no finite number."""
    SCATTERED = "scattered"
    """Too many values, of which too few are common."""
    NO_DISTRIBUTION = "no distribution"
    """Of a type that is not compared, such as times and lists."""
    NO_COLUMN = "no column"
    """The reference does not have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncompared:
    """A column without cells. It is watched by nothing, which has to be seen: it is never left out in silence."""

    feature: str
    column: str
    why: WhyNot
    values: int = 0
    """How many different values the reference has, where there are too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """All features of a reference window. `digest` names the file it was read from; a new file is a new reference."""

    model: str
    digest: str
    rows: int
    features: tuple[FeatureReference, ...]
    slices: tuple[ReferenceSlice, ...] = ()
    """How each slice of the reference window fills the same cells."""
    uncompared: tuple[Uncompared, ...] = ()
    """Columns of the reference window that have no cells."""

    def feature(self, name: str, slice_key: str = "") -> FeatureReference | None:
        """Cells of the whole, filled by the whole or by one slice; None when either is not in the reference."""
        whole = next((feature for feature in self.features if feature.feature == name), None)
        if whole is None or not slice_key:
            return whole
        part = next((part for part in self.slices if (part.feature, part.slice_key) == (name, slice_key)), None)
        return None if part is None else replace(whole, counts=part.counts, sums=part.sums)

    @property
    def slice_keys(self) -> tuple[str, ...]:
        """Slices that the reference knows, biggest first within their column as they were found."""
        return tuple(dict.fromkeys(part.slice_key for part in self.slices))


def below(threshold: float) -> float:
    """The edge that parts scores at or above the threshold from those under it: cells are open below, closed above."""
    return math.nextafter(threshold, -math.inf)


def at_threshold(feature: FeatureReference, threshold: float | None) -> FeatureReference:
    """A score, not yet counted, with one more edge, so that its alert rate is counted exactly; others as they are."""
    if threshold is None or not math.isfinite(threshold) or not feature.numeric or feature.feature != SCORE:
        return feature
    edges = tuple(sorted({*feature.edges, below(threshold)}))
    empty = len(edges) + 3
    return replace(
        feature, edges=edges, threshold=threshold, counts=np.zeros(empty, dtype=np.int64), sums=np.zeros(empty)
    )


def alerting(feature: FeatureReference) -> slice | None:
    """The cells of scores at or above the threshold; None where they cannot be told exactly."""
    if feature.threshold is None or below(feature.threshold) not in feature.edges:
        return None
    return slice(feature.edges.index(below(feature.threshold)) + 1, feature.cells - feature.missing_cells)


def slice_key(column: str, value: str) -> str:
    return f"{column}={value}"


def column_and_value(key: str) -> tuple[str, str]:
    """What `slice_key` was made from; columns with an equals sign in their name never split anything."""
    column, _, value = key.partition("=")
    return column, value


_MADE = "by version, with what has no cells"
"""Changes when a release keeps more of a day than the one before: what it lacks is in no sketch, only in the rows."""


def reference_digest(fingerprint: str, slices: tuple[str, ...], threshold: float | None = None) -> str:
    """Names what a reference was made from: its file, the columns that split it, and the threshold of its score."""
    parts = (_MADE, *slices, *(() if threshold is None else (f"threshold {threshold!r}",)))
    return sha256("\0".join((fingerprint, *parts)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayProfile:
    """Counts and sums of one feature on one day, in the cells of its reference.

    `slice_key` is empty for all rows of the day, else `column=value`. Rows whose value the reference does not know,
    or knows only as a rare one, are in no slice: they are what the whole has more than its slices.
    """

    day: date
    feature: str
    counts: Counts
    sums: Sums
    slice_key: str = ""


SCORE_BINS = 1000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledDay:
    """Predictions of one day and version beside the labels known so far: additive, so weeks are sums of days.

    `positives` and `negatives` count labels by score in 1,000 equal bins of [0, 1]; empty for regression.
    Errors are prediction minus label.
    """

    day: date
    version: str
    predicted: int
    labelled: int
    positives: Counts
    negatives: Counts
    sum_error: float
    sum_absolute: float
    sum_square: float
