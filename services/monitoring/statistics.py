"""Single values of drift and performance, with intervals: one pair of counts in, one number out.

Definitions and sources stand in `distances` (for many windows at once) and `floors` (what chance alone reaches).
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from services.kernel.interval import Z_95, Estimate
from services.monitoring import distances, floors
from services.monitoring.distances import Floats, Ints
from services.monitoring.floors import MINIMUM_EXPECTED

__all__ = [
    "MINIMUM_EXPECTED",
    "Floats",
    "Ints",
    "auc",
    "jensen_shannon",
    "ks",
    "mean_absolute_error",
    "psi",
    "psi_floor",
    "psi_mean",
]


def psi(reference: Ints, current: Ints) -> float | None:
    """Population stability index over the same bins, or None when one side is empty."""
    return _value(distances.psi(reference, current))


def psi_mean(bins: int, n: int, m: int) -> float:
    """What PSI is on average when nothing drifted."""
    return (bins - 1) * (1 / n + 1 / m)


def psi_floor(bins: int, n: int, m: int, level: float = 0.01) -> float:
    """The 99 % noise floor: without drift, at most about one window in a hundred exceeds it by chance."""
    size, base = np.asarray(n, dtype=np.float64), np.asarray(m, dtype=np.float64)
    return float(floors.psi(bins, size, base, level)) if bins > 1 else 0.0


def jensen_shannon(reference: Ints, current: Ints) -> float | None:
    """Jensen-Shannon distance, logarithm base 2: 0 for equal, 1 for disjoint; None when one side is empty."""
    return _value(distances.jensen_shannon(reference, current))


def ks(reference: Ints, current: Ints) -> float | None:
    """Largest gap between the distribution functions at cell edges; too low by at most the largest cell's share."""
    return _value(distances.ks(reference, current))


def _value(found: Floats) -> float | None:
    return None if np.isnan(found) else float(found)


def auc(positives: Ints | Floats, negatives: Ints | Floats) -> Estimate | None:
    """Area under the ROC curve from labels by score bin (ascending), interval after Hanley and McNeil (1982).

    Equal scores count half. None without at least one label of each kind. Counts may be expected ones.
    """
    n1, n0 = float(positives.sum()), float(negatives.sum())
    if n1 < 1 or n0 < 1:
        return None
    below = np.cumsum(negatives) - negatives
    area = float(np.sum(positives * (below + negatives / 2)) / n1 / n0)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (n1 - 1) * (q1 - area**2) + (n0 - 1) * (q2 - area**2)
    error = Z_95 * sqrt(max(0.0, spread) / (n1 * n0))
    return Estimate(value=area, low=max(0.0, area - error), high=min(1.0, area + error))


def mean_absolute_error(n: int, total: float, square: float) -> Estimate | None:
    """Mean of |error| with a normal 95 % interval from its spread; None for fewer than two observations."""
    if n < 2:
        return None
    mean = total / n
    spread = max(0.0, square / n - mean**2) * n / (n - 1)
    error = Z_95 * sqrt(spread / n)
    return Estimate(value=mean, low=max(0.0, mean - error), high=mean + error)
