"""A full measurement of 100,000 rows as tier 1 asks for it, beside MLflow's own evaluator on the same rows.

Ours: every measure with its interval, the live version with paired intervals, calibration, curves, fairness of two
attributes, stability by week, single inputs, and the worst slice. MLflow's: its metrics and their drawings, as it
cannot leave them out; and, more strictly, the part of it that computes metrics alone.
"""

from __future__ import annotations

import logging
import statistics
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from services.evaluation.measures import calibration, curves, fairness, leakage, search, stability
from services.evaluation.measures.classification import intervals_classification, paired_classification
from services.evaluation.measures.models import Floats
from tests.benchmarks import mlflow_evaluator
from tests.benchmarks.inventory_rerun import Figure

ROWS, ROUNDS = 100_000, 3
THRESHOLD = 0.5


def measure(folder: Path, *, rows: int = ROWS) -> Iterator[Figure]:
    warnings.simplefilter("ignore")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    model, frame, label, score = mlflow_evaluator.classifier(rows)
    material = _material(rows, label, score)
    ours, theirs, metrics_alone = [], [], []
    with mlflow_evaluator.tracking(folder), _timed(metrics_alone):
        # The first round of each loads libraries; it does not count.
        for number in range(ROUNDS + 1):
            _, seconds = mlflow_evaluator.evaluated(model, frame, label)
            begin = time.process_time()
            full_measurement(label, score, **material)
            if number:
                theirs.append(seconds)
                ours.append(time.process_time() - begin)
    took, whole, part = (statistics.median(times) for times in (ours, theirs, metrics_alone[1:]))
    note = f"{rows:,} rows: {took:.2f} s beside {whole:.2f} s with its drawings, median of {ROUNDS} (bar 2)"
    yield Figure("full tier 1 measurement / MLflow's evaluator", took / whole, "x", note)
    note = (
        f"{took:.2f} s beside {part:.2f} s for its thirteen metrics without intervals, groups, weeks or a second model"
    )
    yield Figure("full tier 1 measurement / the metrics of MLflow's evaluator alone", took / part, "x", note)


def full_measurement(
    label: Floats, score: Floats, *, live: Floats, rows: dict[str, Any], attributes: dict[str, Any], times: Any
) -> dict[str, Any]:
    groups = [
        item for name, values in attributes.items() for item in fairness.slices(name, values, label, score, THRESHOLD)
    ]
    return {
        "single": intervals_classification(label, score, THRESHOLD),
        "champion": intervals_classification(label, live, THRESHOLD),
        "paired": paired_classification(label, score, live, THRESHOLD),
        "reliability": [calibration.reliability(label, values) for values in (score, live)],
        "curves": [curve(label, values) for values in (score, live) for curve in (curves.roc, curves.pr)],
        "slices": groups,
        "fairness": fairness.compare(groups),
        "stability": stability.by_time(times, label, score, THRESHOLD),
        "suspects": leakage.single_feature_auc(rows, label),
        "worst": search.worst_slices(rows, label, score, "classification"),
    }


def _material(rows: int, label: Floats, score: Floats) -> dict[str, Any]:
    """Ten inputs, two attributes, half a year: what a tier 1 holdout looks like."""
    generator = np.random.default_rng(23)
    numbers = {f"amount_{number}": generator.normal(size=rows) for number in range(7)}
    words = {
        "region": generator.choice(["east", "north", "south", "west"], rows).astype(object),
        "carrier": generator.choice([f"carrier {number}" for number in range(20)], rows).astype(object),
        "weekday": generator.integers(0, 7, rows),
    }
    return {
        "live": np.clip(score + generator.normal(0, 0.1, rows), 0, 1),
        "rows": numbers | words,
        "attributes": {
            "sex": generator.choice(["female", "male"], rows).astype(object),
            "age_band": generator.choice(["18 to 39", "40 to 64", "65 to 84", "over 85"], rows).astype(object),
        },
        "times": np.datetime64("2030-01-07") + generator.integers(0, 182, rows).astype("timedelta64[D]"),
    }


@contextmanager
def _timed(seconds: list[float]) -> Iterator[None]:
    """Also times the part of MLflow's evaluator that computes its metrics."""
    from mlflow.models.evaluation.evaluators.classifier import ClassifierEvaluator

    whole = ClassifierEvaluator._compute_builtin_metrics

    def timed(self: Any, model: Any) -> None:
        begin = time.process_time()
        whole(self, model)
        seconds.append(time.process_time() - begin)

    ClassifierEvaluator._compute_builtin_metrics = timed
    try:
        yield
    finally:
        ClassifierEvaluator._compute_builtin_metrics = whole
