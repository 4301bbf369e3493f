"""Tiny models written as code, registered in a temporary MLflow store: real artifacts without training."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_CODE = """
import time

import mlflow
import pandas as pd


class Constant(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        if (model_input["x"] < -1000).any():
            raise ValueError("x is too small for this model")
        time.sleep({delay})
        return [float(x) + {offset} for x in model_input["x"]]


mlflow.models.set_model(Constant())
"""


def tracking_uri(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def register_versions(folder: Path, model: str, offsets: tuple[float, ...], *, slow: tuple[int, ...] = ()) -> str:
    """Version n answers x + offsets[n-1]; versions in `slow` take 1.5 seconds. Returns the tracking URI."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    import mlflow
    import pandas as pd

    uri = tracking_uri(folder)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name(model)
    number = (
        experiment.experiment_id
        if experiment
        else client.create_experiment(model, artifact_location=(folder / "artifacts" / model).as_uri())
    )
    example = pd.DataFrame({"x": [1.0, 2.0], "city": ["EWR", "JFK"]})
    signature = mlflow.models.infer_signature(example, [1.0, 2.0])
    for position, offset in enumerate(offsets, start=1):
        code = folder / f"{model}_{position}.py"
        code.write_text(_CODE.format(offset=offset, delay=1.5 if position in slow else 0))
        with mlflow.start_run(experiment_id=number):
            mlflow.pyfunc.log_model(
                name="model",
                python_model=str(code),
                signature=signature,
                input_example=example,
                registered_model_name=model,
                pip_requirements=[],
            )
    return uri


def remove_files(folder: Path, model: str, version: str) -> None:
    """Deletes the artifact of one version, as a careless clean-up would."""
    import mlflow

    client = mlflow.MlflowClient(tracking_uri(folder))
    place = client.get_model_version_download_uri(model, version)
    if place.startswith("models:/"):
        place = client.get_logged_model(place.removeprefix("models:/")).artifact_location
    shutil.rmtree(place.removeprefix("file://"))


_ANY = """
import mlflow
import pandas as pd


class Any(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        numbers = model_input.select_dtypes("number").fillna(0.0)
        return {answer}


mlflow.models.set_model(Any())
"""


_FOLLOWS = "[float(total % 10) / 10 for total in numbers.sum(axis=1)]"
_CONSTANT = "[0.5] * len(numbers)"


def register_answering(folder: Path, model: str, cases: pd.DataFrame) -> str:
    """One version that takes the inputs of an estate model and answers something between 0 and 1."""
    return _register_any(folder, model, cases, (_FOLLOWS,))


def register_good_and_broken(folder: Path, model: str, cases: pd.DataFrame) -> str:
    """Version 1 follows its inputs; version 2 answers the same number for every row."""
    return _register_any(folder, model, cases, (_FOLLOWS, _CONSTANT))


def _register_any(folder: Path, model: str, cases: pd.DataFrame, answers: tuple[str, ...]) -> str:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    import mlflow

    from services.adapters.local.estate.placed import FEATURES

    uri = tracking_uri(folder)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    number = mlflow.MlflowClient(uri).create_experiment(
        model, artifact_location=(folder / "artifacts" / model).as_uri()
    )
    example = cases[list(FEATURES[model])].head(2)
    for position, answer in enumerate(answers, start=1):
        code = folder / f"{model}_{position}.py"
        code.write_text(_ANY.format(answer=answer))
        with mlflow.start_run(experiment_id=number):
            mlflow.pyfunc.log_model(
                name="model",
                python_model=str(code),
                signature=mlflow.models.infer_signature(example, [1.0, 2.0]),
                input_example=example,
                registered_model_name=model,
                pip_requirements=[],
            )
    return uri
