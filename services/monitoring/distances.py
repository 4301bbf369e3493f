"""Distances between two distributions given as counts per cell, for many windows at once. Pure NumPy.

Every function takes counts of shape (..., cells) for `before` and `after`, which broadcast against each other, and
gives one value per window; NaN where one side is empty. PSI, Jensen-Shannon and chi-squared depend on how values are
binned, so they are taken on the declared bins only (`windows.bins_of`); Kolmogorov-Smirnov and Wasserstein do not, so
they are taken on the finest cells that were counted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def shares(counts: Ints) -> Floats:
    """Counts as shares of their window; NaN for an empty window."""
    total = counts.sum(axis=-1, keepdims=True).astype(np.float64)
    return np.asarray(np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0))


def psi(before: Ints, after: Ints) -> Floats:
    """Population stability index (Siddiqi, Credit Risk Scorecards, 2006, as the divergence of Kullback 1959).

        PSI = sum over bins of (after share - before share) * ln(after share / before share)

    A share of zero would make it infinite; it is replaced by half an observation (0.5 / n), so an empty bin counts
    and a bigger sample makes it count more. A bin that is empty on both sides counts nothing.
    """
    m, n = _totals(before), _totals(after)
    used = (before > 0) | (after > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = np.maximum(before, 0.5) / m[..., None], np.maximum(after, 0.5) / n[..., None]
        terms = np.where(used, (q - p) * np.log(q / p), 0.0)
    return _known(terms.sum(axis=-1), m, n)


def jensen_shannon(before: Ints, after: Ints) -> Floats:
    """Jensen-Shannon distance, base 2 (Lin 1991; Endres and Schindelin 2003): 0 for equal, 1 for disjoint.

        JS = sqrt((KL(p | r) + KL(q | r)) / 2) with r = (p + q) / 2 and logarithms to base 2

    The square root makes it a metric. In natural logarithms the same distance is 0.8326 times as large.
    """
    p, q = np.broadcast_arrays(shares(before), shares(after))
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return np.asarray(np.sqrt(np.maximum(divergence, 0.0)), dtype=np.float64)


def _relative_entropy(p: Floats, q: Floats) -> Floats:
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return np.asarray(np.where(np.isnan(p), np.nan, p * np.log2(ratio)).sum(axis=-1), dtype=np.float64)


def ks(before: Ints, after: Ints) -> Floats:
    """Kolmogorov-Smirnov statistic (Smirnov 1939): the largest gap between the two distribution functions.

    Read at the cell edges, so never too high, and too low by at most `ks_error`.
    """
    gaps = np.abs(np.cumsum(shares(before), axis=-1) - np.cumsum(shares(after), axis=-1))
    return np.asarray(np.max(gaps, axis=-1), dtype=np.float64)


def ks_error(before: Ints, after: Ints, exact: NDArray[np.bool_] | None = None) -> Floats:
    """How much higher the statistic on raw rows can be than `ks`: the largest share of one cell on either side.

    Inside a cell both functions rise by that cell's share at most. `exact` marks cells that hold a single value,
    where both rise at once and nothing is lost.
    """
    p, q = np.broadcast_arrays(shares(before), shares(after))
    largest = np.maximum(p, q)
    if exact is not None:
        largest = np.where(exact, 0.0, largest)
    return np.asarray(np.max(largest, axis=-1), dtype=np.float64)


def wasserstein(
    before: Ints, before_sums: Floats, after: Ints, after_sums: Floats, *, edges: Floats, spread: float
) -> Floats:
    """First Wasserstein distance over the standard deviation of the reference (as Evidently normalises it).

        W1 / sigma = (1 / sigma) * integral of |F_before(x) - F_after(x)| dx     (Vallender 1974)

    Counts and sums give the signed area between the two functions in every cell exactly, open tails included, which
    is why sums are stored: edges alone say nothing about how far the tails reach. The area is the cell's part unless
    the functions cross inside it; where they differ in sign at its two edges, the straight line between them is taken
    if it is more. Cells are (edges[i-1], edges[i]] with one open cell above. NaN when the reference has no spread.
    """
    before, before_sums = np.broadcast_arrays(before, before_sums)
    after, after_sums = np.broadcast_arrays(after, after_sums)
    shape = np.broadcast_shapes(before.shape, after.shape)
    if not spread > 0 or not len(edges):
        return np.full(shape[:-1], np.nan)
    p, q = shares(before), shares(after)
    at_edge = (np.cumsum(p, axis=-1) - np.cumsum(q, axis=-1))[..., :-1]
    upper = np.array([*edges, edges[-1]])
    first_moments = q * (upper - _means(after, after_sums, edges)) - p * (upper - _means(before, before_sums, edges))
    areas = np.broadcast_to(np.abs(first_moments), shape).copy()
    width, left, right = np.diff(edges), at_edge[..., :-1], at_edge[..., 1:]
    inner = np.abs(left * width - first_moments[..., 1:-1])
    steepness = np.abs(left) + np.abs(right)
    line = np.divide(left**2 + right**2, 2 * steepness, out=np.zeros_like(steepness), where=steepness > 0) * width
    areas[..., 1:-1] = np.where(left * right < 0, np.maximum(inner, line), inner)
    return np.asarray(areas.sum(axis=-1) / spread, dtype=np.float64)


def _means(counts: Ints, sums: Floats, edges: Floats) -> Floats:
    """Mean of each cell, clipped into it: infinite values add to no sum. Empty cells get any finite number."""
    found = np.divide(sums, counts, out=np.zeros(counts.shape), where=counts > 0)
    return np.clip(found, np.array([-np.inf, *edges]), np.array([*edges, np.inf]))


def chi_squared(before: Ints, after: Ints) -> tuple[Floats, Ints]:
    """Pearson's chi-squared of homogeneity (Pearson 1900; two-row contingency table), and its degrees of freedom.

        chi2 = sum over both rows and all bins of (observed - expected)^2 / expected

    Grows with the sample for the same shift, so it is information and never a verdict.
    """
    before, after = np.broadcast_arrays(before, after)
    together = before + after
    m, n = _totals(before)[..., None], _totals(after)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.zeros(together.shape[:-1])
        for observed, total in ((before, m), (after, n)):
            expected = together * total / (m + n)
            terms = np.divide((observed - expected) ** 2, expected, out=np.zeros(together.shape), where=expected > 0)
            statistic = statistic + terms.sum(axis=-1)
    freedom = np.maximum(np.count_nonzero(together, axis=-1) - 1, 0)
    return _known(statistic, m[..., 0], n[..., 0]), np.asarray(freedom, dtype=np.int64)


def _totals(counts: Ints) -> Floats:
    return np.asarray(counts.sum(axis=-1), dtype=np.float64)


def _known(values: Floats, m: Floats, n: Floats) -> Floats:
    return np.where((m > 0) & (n > 0), values, np.nan)
