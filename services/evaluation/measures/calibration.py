"""Whether scores mean what they say: Brier score, expected calibration error, calibration-in-the-large, reliability.

Bins hold equally many rows; rows of the same score stay in one bin, so the order of the rows does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.evaluation.measures.models import (
    LEVEL,
    UNKNOWN,
    Estimate,
    Floats,
    Linear,
    checked_classes,
    plain,
    wilson,
)

BINS = 10
_DRAWS = 2_000
_TAIL = (1 - LEVEL) / 2
_SEED = 20_260_101


@dataclass(frozen=True, slots=True, kw_only=True)
class Binned:
    """Rows by score bin: `of_row` names the bin of each row; sums per bin. Never an empty bin."""

    of_row: npt.NDArray[np.intp]
    n: Floats
    lowest: Floats
    highest: Floats
    mean_score: Floats
    observed: Floats

    @property
    def gap(self) -> Floats:
        return self.mean_score - self.observed


def brier(label: Floats, score: Floats) -> Estimate:
    """Mean squared distance of score and label; lower is better."""
    found = brier_influence(label, score)
    return UNKNOWN if found is None else plain(found)


def calibration_gap(label: Floats, score: Floats) -> Estimate:
    """Calibration-in-the-large: mean score minus share of positive rows."""
    found = gap_influence(label, score)
    return UNKNOWN if found is None else plain(found)


def brier_influence(label: Floats, score: Floats) -> Linear | None:
    label, score = checked_classes(label, score)
    return _mean((score - label) ** 2)


def gap_influence(label: Floats, score: Floats) -> Linear | None:
    label, score = checked_classes(label, score)
    return _mean(score - label)


def ece(label: Floats, score: Floats, bins: int = BINS) -> Estimate:
    """Expected calibration error: mean absolute gap of the bins, weighted by rows.

    Noise alone makes absolute gaps positive, so a value plus and minus its error would miss the truth near zero. The
    interval holds the errors under which the value seen is not extreme: for each, the gaps nearest to those seen are
    taken, drawn again with their noise, and measured (hybrid resampling, Chuang and Lai 2000).
    """
    label, score = checked_classes(label, score)
    if len(label) < 2:
        return UNKNOWN
    found = binned(label, score, bins)
    weight, size = found.n / len(label), np.abs(found.gap)
    variance = _residual_variance(score - label, found) / found.n
    noise = _normals(len(size)) * np.sqrt(variance)
    value = float((weight * size).sum())

    def at(pull: float) -> tuple[float, float]:
        """Error of the nearest gaps that are pulled in (or pushed out) this far; share of draws at least as large."""
        gaps = np.maximum(0.0, size - pull * weight * variance)
        drawn = np.abs(noise + gaps) @ weight
        return float((weight * gaps).sum()), float((drawn >= value).mean())

    # Between the pull at which every gap is gone and a push ten standard errors out, both limits are found.
    gone = float((size / (weight * variance)).max())
    out = -10 * math.sqrt(float((weight**2 * variance).sum())) / float((weight**2 * variance).sum())
    low = 0.0 if at(gone)[1] > _TAIL else _crossing(at, 0.0, gone, _TAIL)
    high = _crossing(at, out, gone, 1 - _TAIL) if at(gone)[1] < 1 - _TAIL else 0.0
    method = f"resampled gaps of {len(size)} bins"
    return Estimate(value=value, low=min(low, value), high=min(1.0, max(high, value)), method=method)


def reliability(label: Floats, score: Floats, bins: int = BINS) -> list[dict[str, Any]]:
    """Mean score against the observed share of each bin with its Wilson interval; numbers with six digits."""
    label, score = checked_classes(label, score)
    if not len(label):
        return []
    found = binned(label, score, bins)
    parts = []
    for at in range(len(found.n)):
        n, seen = int(found.n[at]), float(found.observed[at])
        low, high = wilson(seen * n, n)
        parts.append(
            {
                "low": round(float(found.lowest[at]), 6),
                "high": round(float(found.highest[at]), 6),
                "n": n,
                "mean_score": round(float(found.mean_score[at]), 6),
                "observed": round(seen, 6),
                "observed_low": round(low, 6),
                "observed_high": round(high, 6),
                "gap": round(float(found.gap[at]), 6),
            }
        )
    return parts


def binned(label: Floats, score: Floats, bins: int = BINS) -> Binned:
    """At least one row. A score shared by many rows puts all of them into the bin of its middle row."""
    n = len(score)
    order = np.argsort(score)
    s = score[order]
    starts = np.flatnonzero(np.append([True], s[1:] != s[:-1]))
    ends = np.append(starts[1:], n)
    # The first n % bins bins have one row more, as numpy's array_split does it.
    edges = np.cumsum([n // bins + (at < n % bins) for at in range(bins)])
    of_score = np.searchsorted(edges, (starts + ends - 1) // 2, side="right")
    _, of_score = np.unique(of_score, return_inverse=True)
    sorted_bins = np.repeat(of_score, ends - starts)
    of_row = np.empty(n, dtype=np.intp)
    of_row[order] = sorted_bins
    first = np.flatnonzero(np.append([True], sorted_bins[1:] != sorted_bins[:-1]))
    sizes = np.diff(np.append(first, n)).astype(np.float64)
    return Binned(
        of_row=of_row,
        n=sizes,
        lowest=s[first],
        highest=s[np.append(first[1:], n) - 1],
        mean_score=np.add.reduceat(s, first) / sizes,
        observed=np.add.reduceat(label[order], first) / sizes,
    )


def _mean(values: Floats) -> Linear | None:
    if not len(values):
        return None
    value = float(values.mean())
    return Linear(value=value, influence=values - value)


def _residual_variance(residual: Floats, found: Binned) -> Floats:
    """Variance of score minus label inside each bin; at least that of one row unlike the others."""
    count = len(found.n)
    sums = np.bincount(found.of_row, residual, count)
    squares = np.bincount(found.of_row, residual * residual, count)
    variance = (squares - sums * sums / found.n) / np.maximum(found.n - 1, 1)
    return np.asarray(np.maximum(variance, 1 / np.maximum(found.n, 2) ** 2), dtype=np.float64)


def _normals(width: int) -> Floats:
    """The same draws every time: one report of the same rows is one report."""
    half = np.random.default_rng(_SEED).standard_normal((_DRAWS // 2, width))
    return np.concatenate([half, -half])


def _crossing(at: Callable[[float], tuple[float, float]], low: float, high: float, share: float) -> float:
    """The error at which the share of larger draws falls through `share` between two pulls."""
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if at(middle)[1] < share else (middle, high)
        if abs(high - low) <= 1e-4 * abs(high):
            break
    return at((low + high) / 2)[0]
