"""ROC and precision-recall curves as at most 101 points, for drawing; areas are measured on all rows."""

from __future__ import annotations

import numpy as np

from services.evaluation.measures.models import Floats, checked_classes

MAX_POINTS = 101


def roc(label: Floats, score: Floats) -> list[list[float]]:
    """[false positive rate, true positive rate] from (0, 0) to (1, 1); empty with one class only."""
    counts = _counts(label, score)
    if counts is None:
        return []
    hits, alarms = counts
    x = np.append([0.0], alarms / alarms[-1])
    y = np.append([0.0], hits / hits[-1])
    return _thinned(x, y)


def pr(label: Floats, score: Floats) -> list[list[float]]:
    """[recall, precision] from the highest score down; empty with one class only."""
    counts = _counts(label, score)
    if counts is None:
        return []
    hits, alarms = counts
    return _thinned(hits / hits[-1], hits / (hits + alarms))


def _counts(label: Floats, score: Floats) -> tuple[Floats, Floats] | None:
    """Positive and negative rows at or above each score, highest score first."""
    label, score = checked_classes(label, score)
    positives = float(label.sum())
    if not positives or positives == len(label):
        return None
    order = np.argsort(-score)
    s = score[order]
    ends = np.flatnonzero(np.append(s[1:] != s[:-1], [True]))
    hits = np.cumsum(label[order])[ends]
    return hits, ends + 1 - hits


def _thinned(x: Floats, y: Floats) -> list[list[float]]:
    """Points at even steps of length along the curve, so that steep and flat parts keep theirs; both ends stay."""
    if len(x) > MAX_POINTS:
        way = np.append([0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
        kept = np.unique(np.searchsorted(way, np.linspace(0, way[-1], MAX_POINTS - 1)).clip(0, len(x) - 1))
        kept = np.union1d(kept, [len(x) - 1])
        x, y = x[kept], y[kept]
    return [[round(float(a), 6), round(float(b), 6)] for a, b in zip(x, y, strict=True)]
