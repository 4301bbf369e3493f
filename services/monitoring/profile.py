"""A day of one feature as counts and sums per cell: made once, added up for every window, never rescanned.

Numeric features get reference deciles as outer knots with eight equal cells inside each, so decile PSI is exact and
Kolmogorov-Smirnov is known to within the largest cell. Categories get one cell per known value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """All features of a reference window. `digest` names the file it was read from; a new file is a new reference."""

    model: str
    digest: str
    rows: int
    features: tuple[FeatureReference, ...]

    def feature(self, name: str) -> FeatureReference | None:
        return next((feature for feature in self.features if feature.feature == name), None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayProfile:
    """Counts and sums of one feature on one day, in the cells of its reference."""

    day: date
    feature: str
    counts: Counts
    sums: Sums


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
