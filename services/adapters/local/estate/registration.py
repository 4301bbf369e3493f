"""Writes a trained version into MLflow: run, metrics, datasets, model files, evaluation report, registered version."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np
import pandas as pd

from services.adapters.local.estate import data, fitting, model_code
from services.adapters.local.estate.calendar import ReplayCalendar
from services.adapters.local.estate.placed import FEATURES, cases_of, timed
from services.adapters.local.estate.recipes import Rule, parameters_of
from services.adapters.local.estate.trained import Trained, created_at, window_words
from services.inventory.models import Task
from services.kernel.clock import utc_text

CREATED_TAG = "countersign.created_in_calendar"
WINDOW_TAG = "countersign.training_window"
NEW_INPUTS_TAG = "countersign.new_inputs"
EVALUATION_FILE = "evaluation.json"
HOLDOUT_FOLDER = "data"
_REQUIREMENTS = ["mlflow>=3.17.2,<3.18", "scikit-learn>=1.9,<1.10", "skops>=0.16,<0.17", "pandas>=3.1,<4"]
_PROBES = 30
_SOURCES = {
    "delay_claim_score": "flights.parquet",
    "payout_forecast": "flights.parquet",
    "claims_triage": "visits.parquet",
    "plan_utilisation": "contacts.parquet",
}


class Registrar:
    """One process at a time: MLflow's SQLite store has no answer to two first writers."""

    def __init__(self, mlflow_uri: str, artifacts: Path, calendar: ReplayCalendar) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        import mlflow

        self._calendar = calendar
        self._artifacts = artifacts.resolve()
        self._inputs: dict[str, set[str]] = {}
        # Sources like models:/m-... are resolved through the global addresses, so both are set, not only the client's.
        mlflow.set_tracking_uri(mlflow_uri)
        mlflow.set_registry_uri(mlflow_uri)
        self._client = mlflow.MlflowClient(mlflow_uri, mlflow_uri)

    def has(self, model: str, version: str) -> bool:
        found = self._client.search_model_versions(f"name = '{model}'")
        return version in {str(entry.version) for entry in found}

    def register(self, trained: Trained) -> None:
        import mlflow

        plan = trained.plan
        experiment = self._experiment(plan.model)
        with mlflow.start_run(experiment_id=experiment, run_name=f"{plan.model} {plan.version}") as run:
            mlflow.log_params(parameters_of(plan) | {"training_rows": len(trained.training)})
            self._log_datasets(trained)
            model_id = self._log_model(trained)
            metrics = dict(trained.metrics)
            if trained.model_plan.task is Task.CLASSIFICATION:
                metrics["probe_p95_ms"] = _probe(trained)
            mlflow.log_metrics(metrics)
            report = trained.report | {
                "model": plan.model,
                "version": plan.version,
                "holdout": {
                    "name": f"{plan.model}-holdout",
                    "digest": digest_of(trained.holdout),
                    "n": len(trained.holdout),
                    "window": window_words(trained.holdout, self._calendar),
                },
            }
            mlflow.log_text(json.dumps(report, indent=1, sort_keys=True), EVALUATION_FILE)
            self._log_holdout(trained)
        self._create_version(trained, run.info.run_id, model_id)

    def _experiment(self, model: str) -> str:
        found = self._client.get_experiment_by_name(model)
        if found is not None:
            return str(found.experiment_id)
        folder = self._artifacts / model
        folder.mkdir(parents=True, exist_ok=True)
        return str(self._client.create_experiment(model, artifact_location=folder.as_uri()))

    def _log_datasets(self, trained: Trained) -> None:
        import mlflow
        from mlflow.data.pandas_dataset import from_pandas

        columns = [*trained.plan.inputs, "label"]
        source = f"{data.DATA_FOLDER.name}/{_SOURCES[trained.plan.model]}"
        for context, rows in (("training", trained.training), ("holdout", trained.holdout)):
            with warnings.catch_warnings():
                # A plain path fits two of MLflow's kinds of source; both mean the same file.
                warnings.simplefilter("ignore", UserWarning)
                dataset = from_pandas(
                    rows[columns].head(1000),
                    source=source,
                    targets="label",
                    name=f"{trained.plan.model}-{context}",
                    digest=digest_of(rows),
                )
            mlflow.log_input(dataset, context=context)

    def _log_holdout(self, trained: Trained) -> None:
        """The held-out rows themselves, so that anybody may measure this version again."""
        import mlflow

        rows, described = holdout_of(trained, self._calendar)
        with tempfile.TemporaryDirectory() as folder:
            rows.to_parquet(Path(folder) / "holdout.parquet", compression="zstd", index=False)
            (Path(folder) / "holdout.json").write_text(json.dumps(described, indent=1, sort_keys=True))
            mlflow.log_artifacts(folder, HOLDOUT_FOLDER)

    def _log_model(self, trained: Trained) -> str:
        import mlflow

        inputs = list(trained.plan.inputs)
        rows = trained.holdout[inputs].reset_index(drop=True)
        is_rule = isinstance(trained.plan.method, Rule)
        with tempfile.TemporaryDirectory() as folder:
            files = _write_rule(trained.fitted, Path(folder)) if is_rule else _write(trained.fitted, Path(folder))
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(model_code.RULE_MODEL if is_rule else model_code.PIPELINE_MODEL),
                artifacts=files,
                signature=mlflow.models.infer_signature(_with_gaps(trained), trained.score),
                input_example=rows.dropna().head(3),
                pip_requirements=_REQUIREMENTS,
            )
        return str(info.model_id)

    def _create_version(self, trained: Trained, run_id: str, model_id: str) -> None:
        plan = trained.plan
        known = {str(model.name) for model in self._client.search_registered_models(f"name = '{plan.model}'")}
        if plan.model not in known:
            self._client.create_registered_model(plan.model)
        before = self._inputs.get(plan.model)
        added = [name for name in plan.inputs if before is not None and name not in before]
        self._inputs[plan.model] = set(plan.inputs) | (before or set())
        tags = {
            CREATED_TAG: utc_text(created_at(plan, self._calendar.prepared_at)),
            WINDOW_TAG: window_words(trained.training, self._calendar),
        }
        if added:
            tags[NEW_INPUTS_TAG] = ",".join(added)
        self._client.create_model_version(
            plan.model, source=f"models:/{model_id}", run_id=run_id, tags=tags, description=plan.title
        )


def holdout_of(trained: Trained, calendar: ReplayCalendar) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows with every column any version of the model may use, label, time and groups; and what the columns mean."""
    plan, model_plan, held_out = trained.plan, trained.model_plan, trained.holdout
    columns = list(dict.fromkeys((*plan.inputs, *FEATURES[plan.model])))
    rows = held_out[columns].assign(label=held_out["label"], event_at=timed(held_out, calendar)["event_at"])
    for attribute, group_of in model_plan.slices:
        # A group may be called like the column it is made of.
        name = f"{attribute} (group)" if attribute in columns else attribute
        rows[name] = group_of(held_out).fillna("unknown").astype(str)
    return rows, {
        "attributes": [attribute for attribute, _ in model_plan.slices],
        "time": "event_at",
        "label": "label",
        "late": dict(model_plan.unavailable),
        "task": str(model_plan.task),
        "unit": model_plan.unit,
        "threshold": model_plan.threshold,
        "name": f"{plan.model}-holdout",
        "window": window_words(held_out, calendar),
    }


def _with_gaps(trained: Trained) -> pd.DataFrame:
    """Example rows in which every column that is missing somewhere is missing, so that it is declared as optional."""
    inputs = list(trained.plan.inputs)
    everywhere = cases_of(trained.plan.model).rows[inputs].isna().any()
    rows = trained.holdout[inputs].head(200).reset_index(drop=True)
    for column in everywhere.index[everywhere]:
        rows.loc[0, column] = np.nan
    return rows


def digest_of(rows: pd.DataFrame) -> str:
    """16 hexadecimal characters over every case name and label, in order."""
    found = hashlib.sha256()
    found.update("\n".join(rows["case"]).encode())
    found.update(np.ascontiguousarray(rows["label"].to_numpy(dtype="float64")).tobytes())
    return found.hexdigest()[:16]


def _probe(trained: Trained) -> float:
    """95th percentile of milliseconds for one row in this process, without network: the quietest of three rounds.

    One thread, as in a scoring process; the best round, because preparation shares the machine with other work.
    """
    rows = trained.holdout[list(trained.plan.inputs)]
    rounds = []
    for _ in range(3):
        took = []
        for number in range(_PROBES):
            start = time.perf_counter()
            fitting.predict(trained.fitted, rows.iloc[number : number + 1])
            took.append((time.perf_counter() - start) * 1000)
        rounds.append(float(np.quantile(took, 0.95)))
    return round(min(rounds), 3)


def _write_rule(rule: dict[str, Any], folder: Path) -> dict[str, str]:
    file = folder / "rule.json"
    file.write_text(json.dumps(rule, indent=1))
    return {"rule": str(file)}


def _write(pipeline: Any, folder: Path) -> dict[str, str]:
    """Raises ValueError when the pipeline holds a type that its reader would refuse."""
    import skops.io

    from services.adapters.local.estate.pipeline_model import TRUSTED_TYPES

    file = folder / "pipeline.skops"
    skops.io.dump(pipeline, file, compression=ZIP_DEFLATED)
    foreign = sorted(set(skops.io.get_untrusted_types(file=file)) - set(TRUSTED_TYPES))
    if foreign:
        raise ValueError(f"A pipeline contains types nobody reviewed: {', '.join(foreign)}.")
    return {"pipeline": str(file)}
