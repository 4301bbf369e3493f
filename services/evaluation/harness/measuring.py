"""The harness's way to the statistics: measures by task, the main metric, what counts as worse. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.evaluation.harness.material import Material
from services.evaluation.harness.rows import Floats
from services.evaluation.measures import classification, discrimination, regression
from services.evaluation.measures.models import Estimate

PREFIX = "holdout_"
HIGHER_IS_BETTER = frozenset({"auc", "pr_auc", "precision", "recall", "f1", "r2"})
LOWER_IS_BETTER = frozenset({"brier", "logloss", "ece", "mae", "rmse"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    metrics: dict[str, float]
    intervals: dict[str, Any]


def measured(material: Material, label: Floats, score: Floats) -> Measured:
    """Every measure of the task under its `holdout_` name. Raises InputError for scores that are no numbers."""
    if material.classifies:
        found = classification.intervals_classification(label, score, material.threshold)
    else:
        found = regression.intervals_regression(label, score)
    return Measured(
        metrics=_finite({f"{PREFIX}{name}": item.value for name, item in found.items()})
        | {f"{PREFIX}n": float(len(label))},
        intervals={f"{PREFIX}{name}": interval(item) for name, item in found.items() if has_interval(item)},
    )


def paired(material: Material, label: Floats, new: Floats, old: Floats) -> dict[str, Any]:
    """New minus old on the same rows, by `holdout_` name."""
    if material.classifies:
        found = classification.paired_classification(label, new, old, material.threshold)
    else:
        found = regression.paired_regression(label, new, old)
    return {
        f"{PREFIX}{name}": {"delta": item.value, "low": item.low, "high": item.high, "method": item.method}
        for name, item in found.items()
        if item.value is not None and has_interval(item)
    }


def main_metric(material: Material) -> str:
    return "auc" if material.classifies else "mae"


def main_value(material: Material, label: Floats, score: Floats) -> float | None:
    """AUC, or mean absolute error; None when the rows cannot give it."""
    if not len(label) or not np.isfinite(score).all():
        return None
    if material.classifies:
        return discrimination.auc(label, score)
    return float(np.abs(score - label).mean())


def drop(material: Material, base: float, value: float) -> float:
    """How much worse: AUC lost, or the share by which the mean absolute error grew."""
    if material.classifies:
        return base - value
    return (value - base) / base if base > 0 else 0.0


def interval(item: Estimate) -> dict[str, Any]:
    return {"low": item.low, "high": item.high, "level": 0.95, "method": item.method}


def has_interval(item: Estimate) -> bool:
    return item.low is not None and item.high is not None and math.isfinite(item.low) and math.isfinite(item.high)


def said(value: float | None, digits: int = 3) -> str:
    return "not measurable" if value is None else f"{value:,.{digits}f}"


def _finite(found: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}
