"""What a classifier does on labelled rows: ranking, probability and decision measures, single and against another.

Labels are 0 and 1, scores probabilities, and rows at or above the threshold are selected. Numbers are not rounded.
"""

from __future__ import annotations

import math

import numpy as np

from services.evaluation.measures import calibration, discrimination
from services.evaluation.measures.models import (
    UNKNOWN,
    Estimate,
    Floats,
    Linear,
    checked_classes,
    paired,
    plain,
    share,
)

HALF = 0.5


def measure_classification(label: Floats, score: Floats, threshold: float | None) -> dict[str, float]:
    """Every measure the rows can give, by name; one that is not defined (no positive row, say) is absent."""
    found = intervals_classification(label, score, threshold)
    return {name: item.value for name, item in found.items() if item.value is not None} | {"n": float(len(label))}


def intervals_classification(label: Floats, score: Floats, threshold: float | None) -> dict[str, Estimate]:
    """Every measure with its 95 % interval, also those that are not measurable on these rows."""
    label, score = checked_classes(label, score)
    chosen = score >= (HALF if threshold is None else threshold)
    n, positives, selected = len(label), float(label.sum()), float(chosen.sum())
    hits = float(label[chosen].sum())
    return {
        "auc": discrimination.auc_with_interval(label, score),
        "pr_auc": discrimination.pr_auc_with_interval(label, score),
        "brier": calibration.brier(label, score),
        "logloss": _single(_logloss(label, score)),
        "ece": calibration.ece(label, score),
        "calibration_gap": calibration.calibration_gap(label, score),
        "precision": share(hits, selected),
        "recall": share(hits, positives),
        "f1": _f1(hits, selected + positives - hits),
        "positive_rate": share(positives, n),
        "selected_rate": share(selected, n),
    }


def paired_classification(
    label: Floats,
    challenger: Floats,
    champion: Floats,
    threshold: float | None,
    champion_threshold: float | None = None,
) -> dict[str, Estimate]:
    """Challenger minus champion on the same rows. Without a threshold of its own the champion has the same one.

    The calibration error is left out: noise makes it positive in each, and their difference has no sound interval.
    """
    label, challenger = checked_classes(label, challenger)
    _, champion = checked_classes(label, champion)
    if len(label) < 2:
        return {}
    other = threshold if champion_threshold is None else champion_threshold
    found = {"auc": discrimination.paired_auc(label, challenger, champion)}
    found |= paired(_linear(label, challenger, threshold), _linear(label, champion, other), "paired t")
    return {name: item for name, item in found.items() if item.value is not None}


def _linear(label: Floats, score: Floats, threshold: float | None) -> dict[str, Linear]:
    chosen = (score >= (HALF if threshold is None else threshold)).astype(np.float64)
    hits = chosen * label
    candidates: dict[str, Linear | None] = {
        "pr_auc": discrimination.average_precision(label, score),
        "brier": calibration.brier_influence(label, score),
        "logloss": _logloss(label, score),
        "calibration_gap": calibration.gap_influence(label, score),
        "precision": _ratio(hits, chosen),
        "recall": _ratio(hits, label),
        "f1": _ratio(2 * hits, chosen + label),
        "selected_rate": _ratio(chosen, np.ones(len(chosen))),
    }
    return {name: item for name, item in candidates.items() if item is not None}


def _logloss(label: Floats, score: Floats) -> Linear | None:
    """Mean negative log-likelihood; scores of exactly 0 and 1 are moved inside by one step, as scikit-learn does."""
    if not len(label) or (score < 0).any() or (score > 1).any():
        return None
    tiny = float(np.finfo(np.float64).eps)
    inside = np.clip(score, tiny, 1 - tiny)
    loss = -np.log(np.where(label == 1, inside, 1 - inside))
    value = float(loss.mean())
    return Linear(value=value, influence=loss - value)


def _ratio(top: Floats, bottom: Floats) -> Linear | None:
    """A ratio of two means, linearised (delta method)."""
    mean = float(bottom.mean())
    if mean == 0:
        return None
    value = float(top.mean()) / mean
    return Linear(value=value, influence=(top - value * bottom) / mean)


def _f1(hits: float, either: float) -> Estimate:
    """F1 is 2 J / (1 + J) with J the share of hits among rows that are selected or positive: a share like any other."""
    jaccard = share(hits, either)
    if jaccard.value is None or jaccard.low is None or jaccard.high is None:
        return UNKNOWN
    low, value, high = (2 * part / (1 + part) for part in (jaccard.low, jaccard.value, jaccard.high))
    return Estimate(value=value, low=low, high=high, method=jaccard.method)


def _single(found: Linear | None) -> Estimate:
    if found is None or not math.isfinite(found.value):
        return UNKNOWN
    return plain(found)
