"""The pipeline of the other versions, but it sleeps before each answer: a response time that doubled."""

from __future__ import annotations

import time
from typing import Any

import mlflow.models
from mlflow.pyfunc.model import PythonModel

TRUSTED_TYPES = ["numpy.dtype"]


class SlowModel(PythonModel):
    def load_context(self, context: Any) -> None:
        import skops.io

        self.pipeline = skops.io.load(context.artifacts["pipeline"], trusted=TRUSTED_TYPES)

    def predict(self, context, model_input, params=None):
        time.sleep(0.045)
        return self.pipeline.predict_proba(model_input)[:, 1]


mlflow.models.set_model(SlowModel())
