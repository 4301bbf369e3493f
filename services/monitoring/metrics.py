"""Performance of a model from counts by score bin, or from sums of errors, each with a 95 % interval. Pure.

Scores inside a bin are taken at its middle where a definition needs them, and a bin belongs to one side of the
decision threshold: with 1,000 bins both are finer than any interval shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from services.kernel.interval import Z_95, Estimate
from services.monitoring import statistics
from services.monitoring.cubes import Known
from services.monitoring.profile import SCORE_BINS

Floats = NDArray[np.float64]
MIDDLES: Floats = (np.arange(SCORE_BINS) + 0.5) / SCORE_BINS


class Metric(StrEnum):
    AUC = "auc"
    PRECISION = "precision"
    RECALL = "recall"
    F1 = "f1"
    ACCURACY = "accuracy"
    BRIER = "brier"
    LOG_LOSS = "log_loss"
    MAE = "mae"
    RMSE = "rmse"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricWords:
    title: str
    unit: str
    formula: str
    higher_is_better: bool
    at_threshold: bool = False


WORDS: Mapping[Metric, MetricWords] = {
    Metric.AUC: MetricWords(
        title="Area under the ROC curve",
        unit="AUC",
        formula="Share of pairs of a positive and a negative label in which the positive one scored higher; equal "
        "scores count half. Interval after Hanley and McNeil (1982).",
        higher_is_better=True,
    ),
    Metric.PRECISION: MetricWords(
        title="Precision",
        unit="precision",
        formula="Positive labels / predictions at or above the decision threshold. Interval after Wilson (1927).",
        higher_is_better=True,
        at_threshold=True,
    ),
    Metric.RECALL: MetricWords(
        title="Recall",
        unit="recall",
        formula="Positive labels at or above the decision threshold / all positive labels. Interval after Wilson "
        "(1927).",
        higher_is_better=True,
        at_threshold=True,
    ),
    Metric.F1: MetricWords(
        title="F1",
        unit="F1",
        formula="2 TP / (2 TP + FP + FN) at the decision threshold. Interval: that of TP / (TP + FP + FN) after "
        "Wilson (1927), carried over.",
        higher_is_better=True,
        at_threshold=True,
    ),
    Metric.ACCURACY: MetricWords(
        title="Accuracy",
        unit="accuracy",
        formula="Predictions on the right side of the decision threshold / all. Interval after Wilson (1927).",
        higher_is_better=True,
        at_threshold=True,
    ),
    Metric.BRIER: MetricWords(
        title="Brier score",
        unit="Brier",
        formula="Mean of (score - label)^2, after Brier (1950). Normal interval from its spread.",
        higher_is_better=False,
    ),
    Metric.LOG_LOSS: MetricWords(
        title="Log-loss",
        unit="log-loss",
        formula="Mean of -ln(score given to what happened), scores at the middle of 1,000 bins, so none is 0 or 1. "
        "Normal interval from its spread.",
        higher_is_better=False,
    ),
    Metric.MAE: MetricWords(
        title="Mean absolute error",
        unit="MAE",
        formula="Mean of |forecast - label|. Normal interval from its spread.",
        higher_is_better=False,
    ),
    Metric.RMSE: MetricWords(
        title="Root mean square error",
        unit="RMSE",
        formula="Root of the mean of (forecast - label)^2. Interval: the normal one of the mean square, from sums of "
        "fourth powers, and its root.",
        higher_is_better=False,
    ),
}
SCORED = (
    Metric.AUC,
    Metric.PRECISION,
    Metric.RECALL,
    Metric.F1,
    Metric.ACCURACY,
    Metric.BRIER,
    Metric.LOG_LOSS,
)
FORECAST = (Metric.MAE, Metric.RMSE)


def measure(metric: Metric, known: Known, *, threshold: float) -> Estimate | None:
    """The metric over known labels; None where it has no meaning: no pairs, one class only for AUC, nothing chosen."""
    if metric in FORECAST:
        return _of_errors(metric, known)
    if metric is Metric.BRIER and known.n:
        # The mean is exact from the sums; bins only give the spread.
        binned = from_counts(metric, known.positives, known.negatives, threshold=threshold)
        return binned and _moved(binned, known.square / known.n)
    return from_counts(metric, known.positives, known.negatives, threshold=threshold)


def from_counts(
    metric: Metric,
    positives: NDArray[np.int64] | Floats,
    negatives: NDArray[np.int64] | Floats,
    *,
    threshold: float,
    scores: Floats = MIDDLES,
) -> Estimate | None:
    """From labels by score bin. Counts may be expected ones; `scores` stand for the bins."""
    if metric is Metric.AUC:
        return statistics.auc(positives, negatives)
    if metric is Metric.BRIER:
        return _mean_of((1 - scores) ** 2, scores**2, positives, negatives)
    if metric is Metric.LOG_LOSS:
        inside = np.clip(scores, MIDDLES[0], MIDDLES[-1])
        return _mean_of(-np.log(inside), -np.log(1 - inside), positives, negatives)
    return _AT_THRESHOLD[metric](confusion(positives, negatives, threshold))


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    tp: float
    fp: float
    fn: float
    tn: float


def confusion(positives: NDArray[np.int64] | Floats, negatives: NDArray[np.int64] | Floats, at: float) -> Confusion:
    """A score at or above the threshold is a positive decision; a bin counts by its lower end."""
    first = first_bin(at)
    return Confusion(
        tp=float(positives[first:].sum()),
        fp=float(negatives[first:].sum()),
        fn=float(positives[:first].sum()),
        tn=float(negatives[:first].sum()),
    )


def first_bin(threshold: float) -> int:
    """The lowest bin on the positive side. A threshold inside a bin moves to its nearer end."""
    return max(0, min(SCORE_BINS, round(threshold * SCORE_BINS)))


def share(hits: float, n: float) -> Estimate | None:
    """Wilson's interval, also for expected counts."""
    if n <= 0:
        return None
    part, z2 = hits / n, Z_95**2
    centre = (part + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * sqrt(max(0.0, part * (1 - part)) / n + z2 / (4 * n * n))
    return Estimate(value=part, low=max(0.0, centre - half), high=min(1.0, centre + half))


def _f1(found: Confusion) -> Estimate | None:
    overlap = share(found.tp, found.tp + found.fp + found.fn)
    if overlap is None:
        return None
    value, low, high = (2 * part / (1 + part) for part in (overlap.value, overlap.low, overlap.high))
    return Estimate(value=value, low=low, high=high)


_AT_THRESHOLD: Mapping[Metric, Callable[[Confusion], Estimate | None]] = {
    Metric.PRECISION: lambda found: share(found.tp, found.tp + found.fp),
    Metric.RECALL: lambda found: share(found.tp, found.tp + found.fn),
    Metric.F1: _f1,
    Metric.ACCURACY: lambda found: share(found.tp + found.tn, found.tp + found.fp + found.fn + found.tn),
}


def _mean_of(
    positive: Floats, negative: Floats, positives: NDArray[np.int64] | Floats, negatives: NDArray[np.int64] | Floats
) -> Estimate | None:
    """Mean of a loss that each bin has for either label."""
    n = float(positives.sum() + negatives.sum())
    if n < 2:
        return None
    mean = float(positives @ positive + negatives @ negative) / n
    square = float(positives @ positive**2 + negatives @ negative**2) / n
    error = Z_95 * sqrt(max(0.0, square - mean**2) / (n - 1))
    return Estimate(value=mean, low=max(0.0, mean - error), high=mean + error)


def _moved(estimate: Estimate, value: float) -> Estimate:
    shift = value - estimate.value
    return Estimate(value=value, low=max(0.0, estimate.low + shift), high=estimate.high + shift)


def _of_errors(metric: Metric, known: Known) -> Estimate | None:
    if metric is Metric.MAE:
        return statistics.mean_absolute_error(known.n, known.absolute, known.square)
    mean = statistics.mean_absolute_error(known.n, known.square, known.fourth)
    return mean and Estimate(value=sqrt(max(0.0, mean.value)), low=sqrt(mean.low), high=sqrt(max(0.0, mean.high)))
