"""MLflow's own evaluator on the same rows says the same numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from services.evaluation.measures.classification import measure_classification
from services.evaluation.measures.regression import measure_regression
from tests.benchmarks import mlflow_evaluator

EXACT = 1e-9


@pytest.mark.filterwarnings("ignore")
def test_measures_agree_with_the_evaluator_of_mlflow(tmp_path: Path) -> None:
    model, frame, label, score = mlflow_evaluator.classifier(1_500)
    amounts = pd.DataFrame({"label": 40 * frame["signal"] + 3, "prediction": 38 * frame["signal"] + score})

    with mlflow_evaluator.tracking(tmp_path):
        theirs, _ = mlflow_evaluator.evaluated(model, frame, label)
        of_amounts = mlflow_evaluator.regressed(amounts)

    ours = measure_classification(label, score, 0.5)
    names = {"auc": "roc_auc", "pr_auc": "precision_recall_auc", "logloss": "log_loss", "f1": "f1_score"}
    names |= {"precision": "precision_score", "recall": "recall_score", "n": "example_count"}
    assert {name: ours[name] for name in names} == pytest.approx(
        {name: theirs[named] for name, named in names.items()}, abs=EXACT
    )
    found = measure_regression(amounts["label"].to_numpy(), amounts["prediction"].to_numpy())
    assert found["mae"] == pytest.approx(of_amounts["mean_absolute_error"], abs=EXACT)
    assert found["rmse"] == pytest.approx(of_amounts["root_mean_squared_error"], abs=EXACT)
    assert found["r2"] == pytest.approx(of_amounts["r2_score"], abs=EXACT)
