"""How well scores tell the two classes apart: area under the ROC curve and average precision.

AUC has the variance of DeLong, DeLong and Clarke-Pearson (1988), computed from midranks as in Sun and Xu (2014), with
the interval on the logit scale. A perfect separation has no variance: there Newcombe's (2006) method 5 is used.
"""

from __future__ import annotations

import math

import numpy as np

from services.evaluation.measures.models import (
    UNKNOWN,
    Estimate,
    Floats,
    Linear,
    Z,
    checked_classes,
    on_logit,
)


def auc(label: Floats, score: Floats) -> float | None:
    """Probability that a positive row scores above a negative one, ties counting half; None with one class only."""
    found = _placements(*checked_classes(label, score))
    return None if found is None else float(found[0].mean())


def auc_with_interval(label: Floats, score: Floats) -> Estimate:
    found = _placements(*checked_classes(label, score))
    if found is None:
        return UNKNOWN
    above, below = found
    value, error = float(above.mean()), math.sqrt(_variance(above) + _variance(below))
    if error == 0.0 or not math.isfinite(error) or value in {0.0, 1.0}:
        low, high = _without_variance(value, len(above), len(below))
        return Estimate(value=value, low=low, high=high, method="Newcombe")
    return on_logit(value, error, "DeLong")


def paired_auc(label: Floats, score_a: Floats, score_b: Floats) -> Estimate:
    """AUC of a minus AUC of b on the same rows (DeLong)."""
    label, score_a = checked_classes(label, score_a)
    a, b = _placements(label, score_a), _placements(*checked_classes(label, score_b))
    if a is None or b is None:
        return UNKNOWN
    delta = float(a[0].mean() - b[0].mean())
    half = Z * math.sqrt(_variance(a[0] - b[0]) + _variance(a[1] - b[1]))
    if not math.isfinite(half):
        return Estimate(value=delta, low=None, high=None, method="DeLong")
    return Estimate(value=delta, low=max(-1.0, delta - half), high=min(1.0, delta + half), method="DeLong")


def pr_auc(label: Floats, score: Floats) -> float | None:
    """Average precision: precision at each score, weighted by the recall it adds. None without a positive row."""
    found = average_precision(label, score)
    return None if found is None else found.value


def pr_auc_with_interval(label: Floats, score: Floats) -> Estimate:
    found = average_precision(label, score)
    return UNKNOWN if found is None else pr_interval(found)


def pr_interval(found: Linear) -> Estimate:
    error = found.error
    if error == 0.0 or not math.isfinite(error) or not 0 < found.value < 1:
        return Estimate(value=found.value, low=None, high=None, method="no variance in these rows")
    return on_logit(found.value, error, "linearised")


def average_precision(label: Floats, score: Floats) -> Linear | None:
    """With S the share of rows at or above a score and p the precision there, AP = E[y p] / E[y].

    Each row moves E[y p] by its own y p and, through p, by every positive row that scores no higher.
    """
    label, score = checked_classes(label, score)
    n, positives = len(label), float(label.sum())
    if not positives:
        return None
    order = np.argsort(-score)
    y, s = label[order], score[order]
    last = np.append(s[1:] != s[:-1], [True])
    ends = np.flatnonzero(last)
    group = np.cumsum(last) - last
    above = np.cumsum(y)[ends] / n
    share = (ends + 1) / n
    precision = above / share
    mine = np.diff(np.cumsum(y)[ends], prepend=0.0) / n
    total = float((mine * precision).sum())
    # Sums over the positive rows that score at most as high: from the lowest score upwards.
    through_hits = np.cumsum((mine / share)[::-1])[::-1]
    through_share = np.cumsum((mine * precision / share)[::-1])[::-1]
    on_total = y * precision[group] - total + y * through_hits[group] - through_share[group]
    value = total * n / positives
    influence = np.empty(n)
    influence[order] = (on_total - value * (y - positives / n)) * n / positives
    return Linear(value=value, influence=influence)


def _placements(label: Floats, score: Floats) -> tuple[Floats, Floats] | None:
    """Share of negative rows below each positive row, and of positive rows above each negative one."""
    positive = label == 1
    positives = int(positive.sum())
    negatives = len(label) - positives
    if not positives or not negatives:
        return None
    order = np.argsort(score)
    s, y = score[order], label[order]
    first = np.append([True], s[1:] != s[:-1])
    starts = np.flatnonzero(first)
    group = np.cumsum(first) - 1
    hits = np.add.reduceat(y, starts)
    sizes = np.diff(np.append(starts, len(s)))
    misses = sizes - hits
    under = (np.cumsum(misses) - misses / 2) / negatives
    over = 1 - (np.cumsum(hits) - hits / 2) / positives
    place = np.where(y == 1, under[group], over[group])
    in_rows = np.empty(len(s))
    in_rows[order] = place
    return in_rows[positive], in_rows[~positive]


def _variance(values: Floats) -> float:
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else math.inf


def _without_variance(value: float, positives: int, negatives: int) -> tuple[float, float]:
    """Newcombe (2006), method 5: the values whose own variance reaches the one seen."""
    from scipy import optimize

    def distance(true: float) -> float:
        size = (positives + negatives) / 2 - 1
        spread = 1 + size * (1 - true) / (2 - true) + size * true / (1 + true)
        return (value - true) ** 2 - Z * Z * true * (1 - true) * spread / (positives * negatives)

    tiny = 1e-12
    low = 0.0 if value <= tiny else float(optimize.brentq(distance, tiny, value - tiny))
    high = 1.0 if value >= 1 - tiny else float(optimize.brentq(distance, value + tiny, 1 - tiny))
    return low, high
