"""What is measured on the holdout rows: metrics for the run and the evaluation report for the gates.

evaluation.json: task, holdout, slices, suspects, availability, reliability (classification), champion.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from services.adapters.local.estate.recipes import ModelPlan
from services.evaluation.measures import fairness, leakage
from services.evaluation.measures.classification import HALF, measure_classification
from services.evaluation.measures.models import Floats
from services.evaluation.measures.regression import measure_regression
from services.inventory.models import Task

FORMAT = "countersign.evaluation/1"


def measure(task: Task, label: Floats, score: Floats, threshold: float | None) -> dict[str, float]:
    """Metrics without prefix, rounded to six digits; one that the rows cannot give is absent."""
    if task is Task.REGRESSION:
        found = measure_regression(label, score)
    else:
        found = measure_classification(label, score, threshold)
    return {name: round(value, 6) for name, value in found.items()}


def slices(plan: ModelPlan, rows: pd.DataFrame, label: Floats, score: Floats) -> list[dict[str, Any]]:
    """Every group of every fairness attribute, however small: the policy decides which are too few."""
    threshold = None if plan.task is Task.REGRESSION else plan.threshold or HALF
    found = [
        entry
        for attribute, group_of in plan.slices
        for entry in fairness.slices(attribute, group_of(rows).to_numpy(dtype=object), label, score, threshold)
    ]
    return [{name: _rounded(value) for name, value in entry.items()} for entry in found]


def suspects(rows: pd.DataFrame, label: Floats) -> list[dict[str, Any]]:
    """How well each input alone tells the label (above or below its mean), best first."""
    columns = {str(name): rows[name].to_numpy() for name in rows.columns}
    return [entry | {"auc": round(entry["auc"], 4)} for entry in leakage.single_feature_auc(columns, label)]


def availability(plan: ModelPlan, inputs: tuple[str, ...]) -> list[dict[str, Any]]:
    late = dict(plan.unavailable)
    return [
        {"feature": name, "available": name not in late, "note": late.get(name, "known before the decision")}
        for name in inputs
    ]


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value
