"""A fitted scikit-learn pipeline as a model: one score per row, the probability of the positive class or the forecast.

Logged as code beside a skops file. Only the types named here are built from that file, whatever the file itself asks
for; MLflow's own reader takes the list from the file. Self-contained: MLflow copies it.
"""

from __future__ import annotations

from typing import Any

import mlflow.models
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.pyfunc.model import PythonModel

TRUSTED_TYPES = ["numpy.dtype", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
"""Beyond what skops trusts by itself."""


class PipelineModel(PythonModel):
    def load_context(self, context: Any) -> None:
        import skops.io

        self.pipeline = skops.io.load(context.artifacts["pipeline"], trusted=TRUSTED_TYPES)

    def predict(
        self,
        context: Any,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> npt.NDArray[np.float64]:
        if hasattr(self.pipeline, "predict_proba"):
            scores: npt.NDArray[np.float64] = self.pipeline.predict_proba(model_input)[:, 1]
        else:
            scores = self.pipeline.predict(model_input)
        return scores


mlflow.models.set_model(PipelineModel())
