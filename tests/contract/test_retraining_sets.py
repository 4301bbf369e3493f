"""A retraining set in a real MLflow store: one run, the same bytes, a dataset that carries the digest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.adapters.mlflow.initialise import initialise_store
from services.adapters.mlflow.registry import MlflowRegistry
from services.adapters.mlflow.training_sets import MlflowTrainingSets
from services.attestation.canonical import sha256_hex
from services.feedback.training_sets import Origin, TrainingSet
from services.kernel.errors import RegistryUnavailableError

DATA = b"prediction_id,label\np-1,1.0\n"
ITEM = TrainingSet(
    model="it's triage", number=2, sha256=sha256_hex(DATA), rows=1, salt="s", reason="Codes of the new catalogue",
    lineage=(Origin(source="batch cor-1", rows=1, sha256="ab" * 32),), at=datetime(2031, 1, 1, tzinfo=UTC),
    by_issuer="i", by_subject="dana.datascience", by_name="Dana Petrov", seq=7, leaf_hash="cd" * 32,
)  # fmt: skip


def test_a_set_is_one_finished_run_however_often_it_is_logged(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    initialise_store(uri)
    registry = MlflowRegistry(uri, tmp_path / "artifacts")
    sets = MlflowTrainingSets(registry, tmp_path / "artifacts")

    first, again = sets.log(ITEM, DATA), sets.log(ITEM, DATA)

    assert first == again
    run = registry.client().get_run(first)
    (given,) = run.inputs.dataset_inputs
    assert run.info.status == "FINISHED"
    assert run.data.tags["countersign.entry"] == "7"
    assert (given.dataset.name, given.dataset.digest) == ("it's triage corrections 2", ITEM.sha256[:36])
    assert json.loads(given.dataset.source)["sha256"] == ITEM.sha256
    folder = next((tmp_path / "artifacts").rglob("corrections.csv")).parent
    assert (folder / "corrections.csv").read_bytes() == DATA
    assert json.loads((folder / "lineage.json").read_text()) == [
        {"source": "batch cor-1", "rows": 1, "sha256": "ab" * 32}
    ]


def test_a_registry_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    sets = MlflowTrainingSets(MlflowRegistry(f"sqlite:///{tmp_path / 'none.db'}"), tmp_path)

    with pytest.raises(RegistryUnavailableError):
        sets.log(ITEM, DATA)
