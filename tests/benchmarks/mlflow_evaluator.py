"""MLflow's own evaluator on labelled rows: a logistic regression over one column gives the scores that both measure."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from services.adapters.mlflow.initialise import initialise_store
from services.evaluation.measures.models import Floats

_NEEDED = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true", "MPLBACKEND": "agg"}


@contextmanager
def tracking(folder: Path) -> Iterator[None]:
    """A private MLflow store in `folder`; the one that was set before is set again."""
    import mlflow

    before, uri = mlflow.get_tracking_uri(), f"sqlite:///{folder / 'mlflow.db'}"
    initialise_store(uri)
    mlflow.set_tracking_uri(uri)
    if mlflow.get_experiment_by_name("evaluator") is None:
        mlflow.create_experiment("evaluator", artifact_location=(folder / "artifacts").as_uri())
    mlflow.set_experiment("evaluator")
    # The evaluator loads the model that was written a moment ago by this process, and draws without a window.
    kept = {name: os.environ.get(name) for name in _NEEDED}
    os.environ |= _NEEDED
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)
        for name, value in kept.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def classifier(rows: int, *, seed: int = 17) -> tuple[Any, pd.DataFrame, Floats, Floats]:
    """A fitted model, its rows, their labels and the scores it gives to them."""
    from sklearn.linear_model import LogisticRegression

    generator = np.random.default_rng(seed)
    frame = pd.DataFrame({"signal": generator.normal(size=rows)})
    label = (generator.random(rows) < 1 / (1 + np.exp(1 - 1.4 * frame["signal"].to_numpy()))).astype(float)
    model = LogisticRegression().fit(frame, label)
    return model, frame, label, np.asarray(model.predict_proba(frame)[:, 1], dtype=np.float64)


def evaluated(model: Any, frame: pd.DataFrame, label: Floats) -> tuple[dict[str, float], float]:
    """What MLflow's evaluator says about the classifier, and the seconds of CPU it took, logging included."""
    import mlflow

    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(model, name="model", serialization_format="skops", pip_requirements=[])
        begin = time.process_time()
        result = mlflow.models.evaluate(
            logged.model_uri,
            data=frame.assign(label=label),
            targets="label",
            model_type="classifier",
            evaluators=["classifier"],
            evaluator_config={"classifier": {"pos_label": 1}},
        )
        return dict(result.metrics), time.process_time() - begin


def regressed(frame: pd.DataFrame) -> dict[str, float]:
    """MLflow's figures for static predictions in the columns `label` and `prediction`."""
    import mlflow

    with mlflow.start_run():
        result = mlflow.models.evaluate(
            data=frame, targets="label", predictions="prediction", model_type="regressor", evaluators=["regressor"]
        )
        return dict(result.metrics)
