"""Does a score of 0.3 happen three times in ten? Calibration of scores from labels by score bin. Pure.

Calibration in the large is mean score minus share of positive labels. The expected calibration error is

    ECE = sum over groups of n_g / n * |share of positive labels in g - mean score in g|

with ten groups of about equal size (Naeini et al. 2015). It is above zero by chance alone; `floor` is the 99 % level
it stays below when the scores are right, from 400 draws of labels with the scores as their probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from services.kernel.interval import Z_95, Estimate
from services.monitoring.cubes import Known
from services.monitoring.metrics import MIDDLES, share

Floats = NDArray[np.float64]
GROUPS = 10
_DRAWS = 400
_SEED = 20_160_229
"""The same counts must always give the same interval, on every screen and in every export."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityGroup:
    """Predictions with similar scores: what the model said, and what happened."""

    low: float
    high: float
    score: float
    happened: Estimate
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """`large` and `ece` are None without pairs. `off` means further off than chance explains."""

    n: int
    large: Estimate | None
    ece: Estimate | None
    floor: float | None
    off: bool
    groups: tuple[ReliabilityGroup, ...]


def measured(known: Known, *, means: Floats = MIDDLES) -> Calibration:
    sizes = known.positives + known.negatives
    n = int(sizes.sum())
    if n < GROUPS:
        return Calibration(n=n, large=None, ece=None, floor=None, off=False, groups=())
    parts = _parts(sizes)
    totals = np.array([sizes[part].sum() for part in parts])
    hits = np.array([known.positives[part].sum() for part in parts])
    scores = np.array([float(sizes[part] @ means[part]) for part in parts]) / totals
    ece = float(np.sum(np.abs(hits - totals * scores))) / n
    low, high, floor = _by_chance(tuple(totals.tolist()), tuple(hits.tolist()), tuple(scores.tolist()))
    # Drawing again from what was seen adds its noise a second time; the excess is taken off (basic bootstrap).
    low, high = 2 * ece - high, 2 * ece - low
    return Calibration(
        n=n,
        large=_large(known, n),
        ece=Estimate(value=ece, low=max(0.0, min(low, ece)), high=max(high, ece)),
        floor=floor,
        off=ece > floor,
        groups=tuple(
            _group(part, score, hit, total)
            for part, score, hit, total in zip(parts, scores.tolist(), hits.tolist(), totals.tolist(), strict=True)
        ),
    )


@lru_cache(maxsize=4096)
def _by_chance(totals: tuple[int, ...], hits: tuple[int, ...], scores: tuple[float, ...]) -> tuple[float, float, float]:
    """2.5 % and 97.5 % quantiles of ECE redrawn from what was seen, and its 99 % quantile if the scores were right.

    Kept, because a mature cohort is the same each time somebody looks.
    """
    n, seen, right = np.array(totals), np.array(hits) / np.array(totals), np.array(scores)
    draws, size = np.random.default_rng(_SEED), (_DRAWS, len(totals))
    if_right = _errors(draws.binomial(n, np.clip(right, 0, 1), size), n, right)
    as_seen = _errors(draws.binomial(n, seen, size), n, right)
    low, high = np.quantile(as_seen, (0.025, 0.975))
    return float(low), float(high), float(np.quantile(if_right, 0.99))


def _errors(hits: NDArray[np.int64], totals: NDArray[np.int64], scores: Floats) -> Floats:
    errors: Floats = np.abs(hits - totals * scores).sum(axis=1) / totals.sum()
    return errors


def _parts(sizes: NDArray[np.int64]) -> list[slice]:
    """Neighbouring bins in groups of about equal size; a heavy bin is a group of its own, none is empty."""
    ends = np.cumsum(sizes)
    wanted = ends[-1] * np.arange(1, GROUPS) / GROUPS
    cuts = [0, *np.unique(np.searchsorted(ends, wanted) + 1).tolist(), len(sizes)]
    parts = [slice(low, high) for low, high in pairwise(cuts) if high > low]
    return [part for part in parts if sizes[part].sum()]


def _group(part: slice, score: float, hit: int, total: int) -> ReliabilityGroup:
    happened = share(hit, total) or Estimate(value=0.0, low=0.0, high=1.0)
    size = len(MIDDLES)
    return ReliabilityGroup(low=part.start / size, high=part.stop / size, score=score, happened=happened, n=total)


def _large(known: Known, n: int) -> Estimate:
    mean = known.error / n
    error = Z_95 * sqrt(max(0.0, known.square / n - mean**2) / n)
    return Estimate(value=mean, low=mean - error, high=mean + error)
