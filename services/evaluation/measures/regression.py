"""What a regressor does on labelled rows: size and direction of its errors, single and against another model.

Errors are prediction minus label, in the unit of the label. Numbers are not rounded.
"""

from __future__ import annotations

import math

import numpy as np

from services.evaluation.measures.models import (
    UNKNOWN,
    Estimate,
    Floats,
    Linear,
    checked,
    on_log,
    paired,
    plain,
    t_quantile,
)


def measure_regression(label: Floats, prediction: Floats) -> dict[str, float]:
    """Every measure the rows can give, by name; one that is not defined (labels all equal, say) is absent."""
    found = intervals_regression(label, prediction)
    return {name: item.value for name, item in found.items() if item.value is not None} | {"n": float(len(label))}


def intervals_regression(label: Floats, prediction: Floats) -> dict[str, Estimate]:
    label, prediction = checked(label, prediction)
    found = _linear(label, prediction)
    if not found:
        return dict.fromkeys(("mae", "rmse", "r2", "bias"), UNKNOWN)
    return {
        "mae": plain(found["mae"]),
        "rmse": on_log(found["rmse"], "linearised"),
        "r2": _r2(found["r2"]) if "r2" in found else UNKNOWN,
        "bias": plain(found["bias"]),
    }


def paired_regression(label: Floats, challenger: Floats, champion: Floats) -> dict[str, Estimate]:
    """Challenger minus champion on the same rows."""
    label, challenger = checked(label, challenger)
    _, champion = checked(label, champion)
    if len(label) < 2:
        return {}
    return paired(_linear(label, challenger), _linear(label, champion), "paired t")


def _linear(label: Floats, prediction: Floats) -> dict[str, Linear]:
    if not len(label):
        return {}
    error = prediction - label
    size, square = np.abs(error), error * error
    mse = float(square.mean())
    root = math.sqrt(mse)
    found = {
        "mae": Linear(value=float(size.mean()), influence=size - size.mean()),
        "rmse": Linear(value=root, influence=(square - mse) / (2 * root) if root else np.zeros(len(label))),
        "bias": Linear(value=float(error.mean()), influence=error - error.mean()),
    }
    centred = label - label.mean()
    spread = float((centred * centred).mean())
    if spread and len(label) > 1:
        influence = (mse * centred * centred / spread - square) / spread
        found["r2"] = Linear(value=1 - mse / spread, influence=influence)
    return found


def _r2(found: Linear) -> Estimate:
    """Symmetric on the logarithm of what is left unexplained, which is a ratio of two variances."""
    left = 1 - found.value
    if left <= 0 or len(found.influence) < 2:
        return Estimate(value=found.value, low=None, high=None, method="no variance in these rows")
    half = t_quantile(len(found.influence)) * found.error / left
    return Estimate(
        value=found.value, low=1 - left * math.exp(half), high=1 - left * math.exp(-half), method="linearised"
    )
