"""What each statistic reaches by chance alone: the noise floor a verdict has to exceed. Pure NumPy.

With n current and m reference rows drawn from one distribution, a floor at level a is exceeded by at most a share a of
windows. One model-window has many columns and several statistics; `level_of_each` splits the family's level among
them (Sidak 1967), so that all of them together stay below it.

The floors assume that rows are independent. Rows of one day often are not: see `docs/monitoring.md`.
"""

from __future__ import annotations

from math import erfc, exp, lgamma, log, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FAMILY_LEVEL = 0.01
"""At most this share of windows of one model may show any false verdict at all."""
SMALL_SAMPLE = 1.2
"""With few observations per bin the logarithm makes the tail of PSI heavier than chi-square: by 12 % at ten per bin
and 13 % at five, as simulated (40,000 windows for 3, 10 and 21 bins). This factor covers it and vanishes with n."""
MINIMUM_EXPECTED = 5
"""Rule of thumb for chi-square approximations: fewer expected observations per bin and the floor does not hold."""
_TAIL_GUARD = 1.2
"""The gamma approximation of the Wasserstein noise is up to a fifth short in heavy tails (simulated: t(3), lognormal,
zero-inflated; 200 to 100,000 rows)."""


def level_of_each(tests: int, family: float = FAMILY_LEVEL) -> float:
    """The level at which each of so many tests has to be taken (Sidak 1967)."""
    return float(1 - (1 - family) ** (1 / max(1, tests)))


def psi(bins: Ints | int, n: Floats, m: Floats, level: float) -> Floats:
    """Without drift PSI is (1/n + 1/m) times chi-square with bins - 1 degrees (Yurdakul and Naranjo 2020)."""
    bins = np.asarray(bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (1 / n + 1 / m) * (1 + SMALL_SAMPLE * (bins / n + bins / m))
    return np.where(bins < 2, 0.0, scale * chi_square_quantiles(bins - 1, level))


def jensen_shannon(bins: Ints | int, n: Floats, m: Floats, level: float) -> Floats:
    """For small shifts the divergence in nats is PSI / 8, so the base-2 distance is sqrt(PSI / (8 ln 2))."""
    return np.asarray(np.sqrt(psi(bins, n, m, level) / (8 * log(2))), dtype=np.float64)


def ks(n: Floats, m: Floats, level: float) -> Floats:
    """Two-sample bound (Smirnov 1939; the constant of Dvoretzky, Kiefer and Wolfowitz after Massart 1990).

    sqrt(-ln(level / 2) / 2) * sqrt(1/n + 1/m); ties and cells only make the statistic smaller.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(sqrt(-log(level / 2) / 2) * np.sqrt(1 / n + 1 / m), dtype=np.float64)


def wasserstein(counts: Ints, means: Floats, spread: float, *, n: Floats, m: Floats, level: float) -> Floats:
    """Quantile of W1 / sigma without drift, from the reference's own cells.

    The gap of the two distribution functions is sqrt(1/n + 1/m) times a Brownian bridge B(F(x)) (del Barrio, Gine and
    Matran 1999). Mean and variance of the integral of |B(F(x))| are exact for jointly normal values:
    E|X||Y| = (2/pi) sx sy (sqrt(1 - r^2) + r asin(r)); a gamma distribution with both gives the quantile.
    """
    used = counts > 0
    if not spread > 0 or np.count_nonzero(used) < 2:
        return np.zeros(np.broadcast_shapes(np.shape(n), np.shape(m)))
    points, filled = means[used], counts[used]
    below = (np.cumsum(filled) / filled.sum())[:-1]
    steps = np.diff(points)
    deviation = np.sqrt(below * (1 - below))
    lower, upper = np.minimum.outer(below, below), np.maximum.outer(below, below)
    r = np.clip(lower * (1 - upper) / np.outer(deviation, deviation), -1.0, 1.0)
    weights = np.outer(steps * deviation, steps * deviation)
    average = sqrt(2 / np.pi) * float(steps @ deviation)
    square = 2 / np.pi * float((weights * (np.sqrt(1 - r**2) + r * np.arcsin(r))).sum())
    variance = max(square - average**2, 1e-300)
    shape = average**2 / variance
    unit = _gamma_quantile(shape, variance / average, level) / spread * _TAIL_GUARD
    with np.errstate(divide="ignore"):
        return np.asarray(unit * np.sqrt(1 / n + 1 / m), dtype=np.float64)


def share_change(before: Ints, after: Ints, m: Floats, n: Floats, level: float) -> Floats:
    """How far a share can move by chance: normal with one added observation on each side (Agresti and Caffo 2000)."""
    pooled = (before + after + 2) / (m + n + 4)
    z = NormalDist().inv_cdf(1 - level / 2)
    with np.errstate(divide="ignore"):
        inverse = 1 / n + 1 / m
        return np.asarray(z * np.sqrt(pooled * (1 - pooled) * inverse) + z**2 / 6 * inverse, dtype=np.float64)


def chi_square_quantiles(freedom: Ints, level: float) -> Floats:
    """Upper quantile of chi-square (Wilson and Hilferty 1931); one degree, its only shortfall, gets a hundredth."""
    z = NormalDist().inv_cdf(1 - level)
    freedom = np.maximum(freedom, 1)
    part = 2 / (9 * freedom)
    guard = np.where(freedom == 1, 1.01, 1.0)
    return np.asarray(guard * freedom * (1 - part + z * np.sqrt(part)) ** 3, dtype=np.float64)


def _gamma_quantile(shape: float, scale: float, level: float) -> float:
    """Gamma with shape k is chi-square with 2k degrees, times half its scale."""
    part = 1 / (9 * shape)
    return float(shape * scale * max(0.0, 1 - part + NormalDist().inv_cdf(1 - level) * sqrt(part)) ** 3)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """Probability of a chi-square this large, exact by its finite sum (Abramowitz and Stegun 26.4.4 and 26.4.5)."""
    if freedom < 1 or statistic <= 0:
        return 1.0
    half = statistic / 2
    odd = freedom % 2
    total = erfc(sqrt(half)) if odd else 0.0
    for j in range(freedom // 2):
        power = j + odd / 2
        total += exp(power * log(half) - half - lgamma(power + 1))
    return min(1.0, total)


def ks_tail(statistic: float, n: int, m: int) -> float:
    """Probability of a gap this large (Kolmogorov's series with the correction of Stephens 1970)."""
    root = sqrt(n * m / (n + m))
    x = (root + 0.12 + 0.11 / root) * statistic
    if x < 0.2:
        return 1.0
    return float(min(1.0, max(0.0, 2 * sum((-1) ** (k - 1) * exp(-2 * k * k * x * x) for k in range(1, 101)))))
