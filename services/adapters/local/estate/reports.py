"""What is measured on the holdout rows: metrics for the run and the evaluation report for the gates.

evaluation.json: task, holdout, slices, suspects, availability, reliability (classification), champion.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from services.adapters.local.estate.recipes import ModelPlan
from services.inventory.models import Task

Floats = npt.NDArray[np.float64]
FORMAT = "countersign.evaluation/1"
_BINS = 10
_SUSPECT_ROWS = 6_000


def measure(task: Task, label: Floats, score: Floats, threshold: float | None) -> dict[str, float]:
    """Metrics without prefix, rounded to six digits. `gap` and `bias` are mean score minus mean label."""
    if task is Task.REGRESSION:
        error = score - label
        spread = float(((label - label.mean()) ** 2).sum())
        found = {
            "mae": float(np.abs(error).mean()),
            "rmse": math.sqrt(float((error**2).mean())),
            "r2": 1.0 - float((error**2).sum()) / spread if spread else 0.0,
            "bias": float(error.mean()),
        }
    else:
        chosen = score >= (threshold or 0.5)
        hits = float(label[chosen].sum())
        found = {
            "auc": auc(label, score),
            "brier": float(((score - label) ** 2).mean()),
            "ece": sum(abs(part["gap"]) * part["n"] for part in reliability(label, score)) / len(label),
            "calibration_gap": float(score.mean() - label.mean()),
            "precision": hits / float(chosen.sum()) if chosen.any() else 0.0,
            "recall": hits / float(label.sum()) if label.any() else 0.0,
            "positive_rate": float(label.mean()),
            "selected_rate": float(chosen.mean()),
        }
    return {name: round(value, 6) for name, value in found.items()} | {"n": float(len(label))}


def auc(label: Floats, score: Floats) -> float:
    """Probability that a positive row scores above a negative one; 0.5 when one of the classes is absent."""
    positives = int(label.sum())
    negatives = len(label) - positives
    if not positives or not negatives:
        return 0.5
    ranks = pd.Series(score).rank().to_numpy()
    return (float(ranks[label == 1].sum()) - positives * (positives + 1) / 2) / (positives * negatives)


def reliability(label: Floats, score: Floats) -> list[dict[str, Any]]:
    """Mean score against observed share in bins with equally many rows."""
    order = np.argsort(score, kind="stable")
    parts = []
    for rows in np.array_split(order, _BINS):
        if len(rows):
            mean, seen = float(score[rows].mean()), float(label[rows].mean())
            low, high = wilson(seen * len(rows), len(rows))
            parts.append(
                {
                    "low": round(float(score[rows[0]]), 6),
                    "high": round(float(score[rows[-1]]), 6),
                    "n": len(rows),
                    "mean_score": round(mean, 6),
                    "observed": round(seen, 6),
                    "observed_low": low,
                    "observed_high": high,
                    "gap": round(mean - seen, 6),
                }
            )
    return parts


def slices(plan: ModelPlan, rows: pd.DataFrame, label: Floats, score: Floats) -> list[dict[str, Any]]:
    """Every group of every fairness attribute, however small: the policy decides which are too few."""
    found = []
    for attribute, group_of in plan.slices:
        groups = group_of(rows).fillna("unknown").to_numpy()
        for group in sorted(set(groups)):
            members = groups == group
            found.append({"attribute": attribute, "group": str(group)} | _slice(plan, label[members], score[members]))
    return found


def suspects(rows: pd.DataFrame, label: Floats) -> list[dict[str, Any]]:
    """How well each input alone tells the label (above or below its mean), best first."""
    sample = np.linspace(0, len(rows) - 1, min(len(rows), _SUSPECT_ROWS)).astype(int)
    target = (label[sample] > label[sample].mean()).astype("float64")
    found = []
    for name in rows.columns:
        column = rows[name].iloc[sample]
        if not pd.api.types.is_numeric_dtype(column):
            column = pd.Series(target, index=column.index).groupby(column).transform("mean")
        values = column.fillna(column.median()).to_numpy(dtype="float64")
        alone = auc(target, values)
        found.append({"feature": str(name), "auc": round(max(alone, 1 - alone), 4)})
    return sorted(found, key=lambda suspect: -suspect["auc"])


def availability(plan: ModelPlan, inputs: tuple[str, ...]) -> list[dict[str, Any]]:
    late = dict(plan.unavailable)
    return [
        {"feature": name, "available": name not in late, "note": late.get(name, "known before the decision")}
        for name in inputs
    ]


def wilson(hits: float, n: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if n == 0:
        return 0.0, 1.0
    z, share = 1.959964, hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return round(max(0.0, middle - half), 6), round(min(1.0, middle + half), 6)


def _slice(plan: ModelPlan, label: Floats, score: Floats) -> dict[str, Any]:
    n = len(label)
    if plan.task is Task.REGRESSION:
        error = score - label
        half = 1.959964 * float(error.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
        mean = float(error.mean())
        return {
            "n": n,
            "error": round(mean, 6),
            "error_low": round(mean - half, 6),
            "error_high": round(mean + half, 6),
            "mae": round(float(np.abs(error).mean()), 6),
        }
    chosen = score >= (plan.threshold or 0.5)
    positives = int(label.sum())
    low, high = wilson(float(chosen.sum()), n)
    facts: dict[str, Any] = {
        "n": n,
        "rate": round(float(chosen.mean()), 6),
        "rate_low": low,
        "rate_high": high,
        "positives": positives,
        "observed_rate": round(float(label.mean()), 6),
        "mean_score": round(float(score.mean()), 6),
    }
    if positives:
        hits = float(chosen[label == 1].sum())
        tpr_low, tpr_high = wilson(hits, positives)
        facts |= {"tpr": round(hits / positives, 6), "tpr_low": tpr_low, "tpr_high": tpr_high}
    return facts
