"""A measured number with its interval, and the intervals every measure is built from.

A number that the rows cannot give (one class missing, too few rows) is None with the method `not measurable`.
Rows that are no numbers are refused: a metric of NaN would be a guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from services.kernel.errors import InputError

Floats = npt.NDArray[np.float64]
LEVEL = 0.95
Z = float(special.ndtri(0.5 + LEVEL / 2))
NOT_MEASURABLE = "not measurable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval. All three are None when it cannot be measured; ends may be None on their own."""

    value: float | None
    low: float | None
    high: float | None
    method: str


UNKNOWN = Estimate(value=None, low=None, high=None, method=NOT_MEASURABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """A statistic with the influence of each row on it: its value moves by the mean of `influence` of added rows.

    Its variance is var(influence) / n, and that of a difference on the same rows var(a - b) / n: one way to an
    interval for every smooth statistic, single or paired (Hampel 1974; van der Vaart, Asymptotic Statistics, ch. 20).
    """

    value: float
    influence: Floats

    @property
    def error(self) -> float:
        """Standard error."""
        n = len(self.influence)
        return math.sqrt(float(self.influence.var(ddof=1)) / n) if n > 1 else math.inf


def checked(label: Floats, score: Floats) -> tuple[Floats, Floats]:
    """Both as float64. Raises InputError for unequal lengths and for values that are not finite."""
    label, score = np.asarray(label, dtype=np.float64), np.asarray(score, dtype=np.float64)
    if label.ndim != 1 or label.shape != score.shape:
        raise InputError(f"There are {label.size} labels and {score.size} predictions; each row needs one of both.")
    for name, values in (("labels", label), ("predictions", score)):
        bad = int(values.size - np.isfinite(values).sum())
        if bad:
            raise InputError(f"{bad} of {values.size} {name} are not finite numbers, so nothing was measured.")
    return label, score


def checked_classes(label: Floats, score: Floats) -> tuple[Floats, Floats]:
    """As `checked`; also raises InputError when a label is neither 0 nor 1."""
    label, score = checked(label, score)
    if not ((label == 0) | (label == 1)).all():
        raise InputError("The labels of a classifier are 0 and 1; other values were found, so nothing was measured.")
    return label, score


def wilson(hits: float, n: float) -> tuple[float, float]:
    """95 % score interval of a share (Wilson 1927)."""
    if n <= 0:
        return 0.0, 1.0
    share = hits / n
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    # At the ends the formula gives exactly 0 and 1, but for the last digit.
    low = 0.0 if hits <= 0 else max(0.0, middle - half)
    high = 1.0 if hits >= n else min(1.0, middle + half)
    return low, high


def share(hits: float, n: float) -> Estimate:
    if n <= 0:
        return UNKNOWN
    low, high = wilson(hits, n)
    return Estimate(value=hits / n, low=low, high=high, method="Wilson")


def t_quantile(n: int) -> float:
    """The two-sided 95 % quantile of Student's t with n - 1 degrees of freedom."""
    return float(special.stdtrit(n - 1, 0.5 + LEVEL / 2))


def plain(found: Linear, method: str = "t") -> Estimate:
    """Value plus and minus t times its standard error."""
    n = len(found.influence)
    if n < 2:
        return Estimate(value=found.value, low=None, high=None, method=NOT_MEASURABLE)
    half = t_quantile(n) * found.error
    return Estimate(value=found.value, low=found.value - half, high=found.value + half, method=method)


def on_log(found: Linear, method: str) -> Estimate:
    """For positive statistics with a long right tail: the interval is symmetric on the logarithm."""
    if found.value <= 0 or len(found.influence) < 2:
        return plain(found, method)
    half = t_quantile(len(found.influence)) * found.error / found.value
    return Estimate(
        value=found.value, low=found.value * math.exp(-half), high=found.value * math.exp(half), method=method
    )


def on_logit(value: float, error: float, method: str) -> Estimate:
    """For statistics between 0 and 1: the interval is symmetric on the logit and stays inside."""
    centre, half = math.log(value / (1 - value)), Z * error / (value * (1 - value))
    low, high = float(special.expit(centre - half)), float(special.expit(centre + half))
    return Estimate(value=value, low=low, high=high, method=method)


def paired(new: Mapping[str, Linear], old: Mapping[str, Linear], method: str) -> dict[str, Estimate]:
    """New minus old for every statistic known of both, on the same rows."""
    return {
        name: plain(Linear(value=item.value - old[name].value, influence=item.influence - old[name].influence), method)
        for name, item in new.items()
        if name in old
    }
