"""Retraining sets in MLflow: a run of its own with the file, its lineage and a dataset that carries the digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from services.adapters.mlflow.source import ModelSource
from services.adapters.mlflow.translate import translated
from services.feedback.training_sets import COLUMNS, TrainingSet

EXPERIMENT = "countersign retraining sets"
_SET, _FILE, _LINEAGE = "countersign.retraining_set", "corrections.csv", "lineage.json"


class MlflowTrainingSets:
    """Implements feedback.training_set_service.DatasetRegistry."""

    def __init__(self, registry: ModelSource, artifacts: Path | None) -> None:
        """`artifacts` is where the embedded store keeps files; None leaves that to MLflow's server."""
        self._registry = registry
        self._artifacts = artifacts

    def log(self, item: TrainingSet, content: bytes) -> str:
        client = self._registry.client()
        # A digest, because names are text that a filter of MLflow cannot quote.
        key = hashlib.sha256(f"{item.model}\x1f{item.number}\x1f{item.sha256}".encode()).hexdigest()
        with translated(f"the retraining sets of {item.model}"):
            experiment = self._experiment(client)
            known = client.search_runs(
                [experiment], filter_string=f"tags.`{_SET}` = '{key}' and attributes.status = 'FINISHED'",
                max_results=1,
            )  # fmt: skip
            # A crash after logging and before remembering: the run that holds the set is found again.
            if known:
                return str(known[0].info.run_id)
            return self._new_run(client, experiment, item, content, key)

    def _new_run(self, client: Any, experiment: str, item: TrainingSet, content: bytes, key: str) -> str:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        tags = {
            _SET: key, "countersign.model": item.model, "countersign.entry": str(item.seq),
            "countersign.leaf": item.leaf_hash,
        }  # fmt: skip
        run_id = str(client.create_run(experiment, run_name=item.name, tags=tags).info.run_id)
        lineage = json.dumps([asdict(origin) for origin in item.lineage], indent=2)
        with TemporaryDirectory(prefix="countersign-") as scratch:
            for name, data in ((_FILE, content), (_LINEAGE, lineage.encode())):
                file = Path(scratch) / name
                file.write_bytes(data)
                client.log_artifact(run_id, str(file))
        place = str(client.get_run(run_id).info.artifact_uri).rstrip("/")
        dataset = Dataset(
            name=item.name,
            digest=item.sha256[:36],  # the longest MLflow takes; the whole one is in the source
            source_type="local",
            source=json.dumps({"uri": f"{place}/{_FILE}", "sha256": item.sha256, "ledger_entry": item.seq}),
            schema=json.dumps({"columns": list(COLUMNS)}),
            profile=json.dumps({"num_rows": item.rows}),
        )
        given = DatasetInput(dataset=dataset, tags=[InputTag(key="mlflow.data.context", value="retraining")])
        client.log_inputs(run_id, datasets=[given])
        client.log_metric(run_id, "rows", item.rows)
        client.set_terminated(run_id, status="FINISHED")
        return run_id

    def _experiment(self, client: Any) -> str:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        if self._artifacts is None:
            return str(client.create_experiment(EXPERIMENT))
        folder = self._artifacts / "retraining-sets"
        folder.mkdir(parents=True, exist_ok=True)
        return str(client.create_experiment(EXPERIMENT, artifact_location=folder.resolve().as_uri()))
