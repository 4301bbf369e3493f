"""Does on request what a model must not: the first number of the rows says what."""

from __future__ import annotations

import os
import signal
import time

import mlflow.models
import numpy as np
from mlflow.pyfunc.model import PythonModel


class OddModel(PythonModel):
    def predict(self, context, model_input, params=None):
        code = float(model_input.iloc[0, 0])
        if code == 1.0:
            time.sleep(60)
        elif code == 2.0:
            return np.ones(2**28).cumsum()
        elif code == 3.0:
            os.kill(os.getpid(), signal.SIGKILL)
        elif code == 4.0:
            return np.zeros((len(model_input), 3))
        elif code == 5.0:
            return np.zeros(2)
        elif code == 6.0:
            return np.full(len(model_input), float(any(name.startswith("COUNTERSIGN") for name in os.environ)))
        return np.full(len(model_input), 0.5)


mlflow.models.set_model(OddModel())
