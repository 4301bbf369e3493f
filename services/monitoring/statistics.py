"""Distances between a reference and a current distribution, their noise floor, and intervals. Pure NumPy.

Population stability index (PSI), after Siddiqi, Credit Risk Scorecards (2006):

    PSI = sum over bins of (current share - reference share) * ln(current share / reference share)

A share of zero would make it infinite; it is replaced by half an observation (0.5 / n), so an empty bin counts and a
bigger sample makes it count more. Bins are reference deciles (numeric) or values (categories), plus one for missing.

Noise floor, after Yurdakul and Naranjo, Statistical properties of the population stability index (2020): without any
drift PSI is distributed as (1/n + 1/m) * chi-square with B - 1 degrees of freedom. Hence mean (B-1)(1/n + 1/m), and a
99 % quantile that a verdict has to exceed.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from services.kernel.interval import Z_95, Estimate

Z_99_ONE_SIDED = 2.3263478740408408
SMALL_SAMPLE = 1.2
"""With few observations per bin the logarithm makes the tail heavier than chi-square: by 12 % at ten per bin and
13 % at five, as simulated (40,000 windows for 3, 10 and 21 bins). This factor covers it and vanishes with n."""
MINIMUM_EXPECTED = 5
"""Rule of thumb for chi-square approximations: fewer expected observations per bin and the floor does not hold."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def psi(reference: Ints, current: Ints) -> float | None:
    """Population stability index over the same bins, or None when one side is empty."""
    n, m = int(current.sum()), int(reference.sum())
    if not n or not m:
        return None
    used = (reference > 0) | (current > 0)
    before = np.maximum(reference[used], 0.5) / m
    after = np.maximum(current[used], 0.5) / n
    return float(np.sum((after - before) * np.log(after / before)))


def psi_mean(bins: int, n: int, m: int) -> float:
    """What PSI is on average when nothing drifted."""
    return (bins - 1) * (1 / n + 1 / m)


def psi_floor(bins: int, n: int, m: int) -> float:
    """The 99 % noise floor: without drift, at most about one window in a hundred exceeds it by chance."""
    if bins < 2:
        return 0.0
    return (1 / n + 1 / m) * chi_square_99(bins - 1) * (1 + SMALL_SAMPLE * (bins / n + bins / m))


def chi_square_99(freedom: int) -> float:
    """99 % quantile of chi-square (Wilson and Hilferty 1931; within 1 % from two degrees, 0.7 % from one)."""
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + Z_99_ONE_SIDED * sqrt(part)) ** 3)


def jensen_shannon(reference: Ints, current: Ints) -> float | None:
    """Jensen-Shannon distance, logarithm base 2: 0 for equal, 1 for disjoint; None when one side is empty."""
    if not current.sum() or not reference.sum():
        return None
    p, q = reference / reference.sum(), current / current.sum()
    middle = (p + q) / 2
    return sqrt(max(0.0, (_divergence(p, middle) + _divergence(q, middle)) / 2))


def _divergence(p: Floats, q: Floats) -> float:
    used = p > 0
    return float(np.sum(p[used] * np.log2(p[used] / q[used])))


def ks(reference: Ints, current: Ints) -> float | None:
    """Largest gap between the distribution functions at cell edges; too low by at most the largest cell's share."""
    if not current.sum() or not reference.sum():
        return None
    return float(np.max(np.abs(np.cumsum(reference) / reference.sum() - np.cumsum(current) / current.sum())))


def auc(positives: Ints, negatives: Ints) -> Estimate | None:
    """Area under the ROC curve from labels by score bin (ascending), interval after Hanley and McNeil (1982).

    Equal scores count half. None without at least one label of each kind.
    """
    n1, n0 = int(positives.sum()), int(negatives.sum())
    if not n1 or not n0:
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
