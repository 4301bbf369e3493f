"""A complete tier 1 evaluation of 100,000 rows beside MLflow's own evaluator on the same rows and estimator."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from tests.benchmarks.inventory_rerun import Figure
from tests.unit.harness.lab import MODEL, Lab, a_lab, fitted, good_rows
from tests.unit.harness.rows import INPUTS, rows

ROWS = 100_000
BAR = 2.0


def measure(folder: Path) -> Iterator[Figure]:
    lab = a_lab(folder)
    try:
        training, _ = good_rows()
        estimator, holdout = fitted(training), rows(8, ROWS)
        lab.log("large", estimator, holdout=holdout)
        # One small run first: both sides have their libraries loaded when the clock starts.
        lab.log("small", estimator, holdout=holdout.head(2_000))
        lab.harness.run_now(MODEL, lab.versions["small"])
        theirs = _mlflow(lab, estimator, holdout)
        begun = time.perf_counter()
        run = lab.harness.run_now(MODEL, lab.versions["large"])
        ours = time.perf_counter() - begun
        asked = sum(step.seconds for step in run.steps if step.check == "latency")
    finally:
        lab.close()
    yield Figure(name=f"MLflow's evaluator, {ROWS:,} rows", value=theirs, unit="s", note="")
    yield Figure(
        name=f"whole tier 1 evaluation, {ROWS:,} rows", value=ours, unit="s",
        note=f"{len(run.steps)} checks; {asked:.1f} s of it ask for response times",
    )  # fmt: skip
    yield Figure(name="evaluation against MLflow's evaluator", value=ours / theirs, unit="x", note=f"bar {BAR:g}")


def _mlflow(lab: Lab, estimator: object, holdout: pd.DataFrame) -> float:
    """Seconds of `mlflow.models.evaluate` with its default metrics and plots, without explanations."""
    import mlflow

    # Whole numbers, so that it sees two classes and not amounts.
    data = holdout[[*INPUTS, "label"]].astype({"label": int})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mlflow.start_run(experiment_id=lab._experiment()):
            info = mlflow.sklearn.log_model(
                estimator,
                name="theirs",
                serialization_format="skops",
                skops_trusted_types=["numpy.dtype"],
                pip_requirements=["scikit-learn"],
            )
        # The switch also refuses skops files; this one was written three lines above.
        before = os.environ.get("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "true"
        begun = time.perf_counter()
        with mlflow.start_run(experiment_id=lab._experiment()):
            mlflow.models.evaluate(
                model=info.model_uri,
                data=data,
                targets="label",
                model_type="classifier",
                evaluators="default",
                evaluator_config={"log_model_explainability": False},
            )
        took = time.perf_counter() - begun
        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = before
        return took
