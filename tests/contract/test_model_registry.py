"""What every model registry must do, on a real MLflow store with real small models."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.adapters.local.estate.recipes import VERSION_PLANS
from services.adapters.local.estate.training import created_at, train_all
from services.adapters.mlflow.artifacts import RunFiles
from services.adapters.mlflow.initialise import initialise_store
from services.adapters.mlflow.registry import MlflowRegistry
from services.adapters.mlflow.unity_registry import UnityRegistry
from services.kernel.errors import (
    ArtifactMissingError,
    InputError,
    NewerDatabaseError,
    RegistryUnavailableError,
    UnknownModelError,
    UnknownVersionError,
)
from tests.contract.databricks_server.server import a_workspace
from tests.fakes.databricks import a_catalog

PREPARED = datetime(2030, 6, 15, 14, 0, tzinfo=UTC)
MODEL = "plan_utilisation"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three really trained small versions."""
    home = tmp_path_factory.mktemp("registry")
    initialise_store(uri(home))
    train_all(uri(home), home / "artifacts", PREPARED, only={MODEL}, scale=0.1)
    return home


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A registry, and what it calls the model."""

    registry: MlflowRegistry | UnityRegistry
    model: str


@pytest.fixture(params=["mlflow", "unity catalog"])
def held(request: pytest.FixtureRequest, built: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """The same trained versions, in MLflow's own store and behind the REST interface of a workspace."""
    store = MlflowRegistry(uri(built), built / "artifacts")
    if request.param == "mlflow":
        yield Held(registry=store, model=MODEL)
        for alias in ("champion", "challenger"):
            store.delete_alias(MODEL, alias)
        return
    with a_workspace() as platform:
        platform.models.load(store.client(), {MODEL: f"main.plans.{MODEL}"})
        yield Held(registry=a_catalog(platform, monkeypatch), model=f"main.plans.{MODEL}")


@pytest.fixture
def registry(built: Path) -> MlflowRegistry:
    return MlflowRegistry(uri(built), built / "artifacts")


def uri(home: Path) -> str:
    return f"sqlite:///{home / 'mlflow.db'}"


def model_folder(home: Path, registry: MlflowRegistry, version: str) -> Path:
    model_id = registry.get_version(MODEL, version).model_id
    return next(folder for folder in (home / "artifacts").rglob(model_id) if folder.is_dir())


def test_a_version_carries_everything_its_run_and_files_say(held: Held) -> None:
    found = held.registry.get_version(held.model, "2")

    assert found.version == "2"
    assert found.missing == ""
    assert found.model_id.startswith("m-")
    assert found.metric("holdout_mae") is not None
    assert found.metric("baseline_mae") is not None
    assert dict(found.params)["method"] == "boosted"
    assert {dataset.context for dataset in found.datasets} == {"training", "holdout"}
    assert ("prior_visits", "double") in found.inputs
    assert found.outputs
    assert found.has_input_example
    assert found.size_bytes


def test_the_time_of_creation_is_the_replay_calendars(held: Held) -> None:
    plan = next(plan for plan in VERSION_PLANS if (plan.model, plan.version) == (MODEL, "2"))
    assert held.registry.get_version(held.model, "2").created_at == created_at(plan, PREPARED)


def test_the_snapshot_says_the_same_as_asking_one_by_one(held: Held) -> None:
    held.registry.set_alias(held.model, "champion", "2")

    snapshot = held.registry.snapshot()

    assert [version.version for version in snapshot.versions] == ["1", "2", "3"]
    assert snapshot.aliases == ((held.model, "champion", "2"),)
    assert all(version == held.registry.get_version(held.model, version.version) for version in snapshot.versions)
    assert snapshot.versions[1].aliases == ("champion",)


def test_an_alias_can_be_moved_and_taken_away(held: Held) -> None:
    held.registry.set_alias(held.model, "challenger", "2")
    held.registry.set_alias(held.model, "challenger", "3")
    assert held.registry.alias_target(held.model, "challenger") == "3"

    held.registry.delete_alias(held.model, "challenger")

    assert held.registry.alias_target(held.model, "challenger") is None


def test_an_alias_of_an_unknown_version_is_refused(held: Held) -> None:
    with pytest.raises(UnknownVersionError):
        held.registry.set_alias(held.model, "champion", "99")
    with pytest.raises(UnknownVersionError):
        held.registry.get_version(held.model, "latest")
    with pytest.raises(UnknownModelError):
        held.registry.alias_target("nobody", "champion")


def test_a_version_tag_is_read_back(held: Held) -> None:
    held.registry.set_version_tag(held.model, "1", "countersign.state", "approved")
    assert held.registry.version_tag(held.model, "1", "countersign.state") == "approved"
    assert held.registry.version_tag(held.model, "1", "never.set") is None


def test_the_evaluation_report_is_read_as_text_and_an_absent_one_is_none(held: Held) -> None:
    report = json.loads(held.registry.artifact_text(held.model, "2", "evaluation.json") or "")
    assert report["model"] == MODEL
    assert {"slices", "suspects", "availability", "holdout"} <= set(report)
    assert held.registry.artifact_text(held.model, "2", "absent.json") is None
    assert held.registry.artifact_text(held.model, "2", "absent/deep.json") is None


def test_a_report_lies_beside_the_run_and_the_one_before_is_kept(held: Held, built: Path) -> None:
    files = RunFiles(held.registry, built / "artifacts")

    files.log(held.model, "3", json=b'{"report": 1}', html="<p>first</p>")
    files.log(held.model, "3", json=b'{"report": 2}', html="<p>second</p>")

    assert files.newest(held.model, "3") == b'{"report": 2}'
    first = hashlib.sha256(b'{"report": 1}').hexdigest()
    earlier = f"countersign/earlier/{first}.json"
    assert held.registry.artifact_text(held.model, "3", earlier) == '{"report": 1}'


def test_an_artifact_path_cannot_leave_the_run(held: Held) -> None:
    with pytest.raises(InputError):
        held.registry.artifact_text(held.model, "2", "../../mlflow.db")


def test_a_downloaded_model_is_a_private_copy(held: Held, built: Path, tmp_path: Path) -> None:
    copied = held.registry.download(held.model, "2", tmp_path)
    (copied / "MLmodel").write_text("changed")
    kept = model_folder(built, MlflowRegistry(uri(built), built / "artifacts"), "2")
    assert (kept / "artifacts" / "MLmodel").read_text() != "changed"


def test_a_logged_model_loads_with_unpickling_forbidden_and_gives_one_score_per_row(
    held: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        model = mlflow.pyfunc.load_model(str(held.registry.download(held.model, version, tmp_path / version)))
        example = model.input_example
        assert model.predict(example).shape == (len(example),)


def test_lost_model_files_are_said_in_words(built: Path, tmp_path: Path) -> None:
    home = tmp_path / "copy"
    shutil.copytree(built, home)
    registry = MlflowRegistry(uri(home), built / "artifacts")
    folder = model_folder(built, registry, "3")
    folder.rename(folder.with_name("moved-away"))
    try:
        assert "not in the artifact store" in registry.get_version(MODEL, "3").missing
        assert "not in the artifact store" in registry.snapshot().versions[2].missing
        with pytest.raises(ArtifactMissingError):
            registry.download(MODEL, "3", tmp_path)
    finally:
        folder.with_name("moved-away").rename(folder)


def test_files_outside_the_artifact_folder_are_not_opened(built: Path, tmp_path: Path) -> None:
    strict = MlflowRegistry(uri(built), tmp_path)
    assert "outside the workspace" in strict.get_version(MODEL, "2").missing
    with pytest.raises(ArtifactMissingError, match="outside"):
        strict.download(MODEL, "2", tmp_path)


def test_a_sweep_reads_at_most_so_many_new_model_files(built: Path) -> None:
    slow = MlflowRegistry(uri(built), built / "artifacts", new_files_per_sweep=2)
    unread = [[version.version for version in slow.snapshot().versions if version.missing] for _ in range(2)]
    assert unread == [["1"], []]


def test_training_again_registers_nothing_twice(built: Path, registry: MlflowRegistry) -> None:
    train_all(uri(built), built / "artifacts", PREPARED, only={MODEL}, scale=0.1)
    assert [version.version for version in registry.snapshot().versions] == ["1", "2", "3"]


def test_an_absent_store_is_unavailable_and_stays_absent(tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailableError):
        MlflowRegistry(uri(tmp_path)).snapshot()
    assert not (tmp_path / "mlflow.db").exists()


def test_an_unreachable_server_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryUnavailableError, match="did not answer"):
        MlflowRegistry("http://127.0.0.1:9").snapshot()


def test_a_store_of_a_newer_mlflow_is_refused_and_left_as_it_is(built: Path, tmp_path: Path) -> None:
    shutil.copy(built / "mlflow.db", tmp_path / "mlflow.db")
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    connection.close()

    with pytest.raises(NewerDatabaseError):
        MlflowRegistry(uri(tmp_path)).snapshot()
    with pytest.raises(NewerDatabaseError):
        initialise_store(uri(tmp_path))


def test_a_half_made_store_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("CREATE TABLE experiments (id INTEGER)")
    connection.close()
    with pytest.raises(RegistryUnavailableError, match="no release"):
        initialise_store(uri(tmp_path))


def test_initialising_twice_keeps_the_store_and_switches_it_to_wal(built: Path) -> None:
    initialise_store(uri(built))
    with sqlite3.connect(built / "mlflow.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_one_version_that_lost_its_model_record_does_not_hide_the_others(built: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(built, home)
    with sqlite3.connect(home / "mlflow.db") as store:
        store.execute(
            "UPDATE model_versions SET storage_location = 'models:/m-' || hex(randomblob(16)) WHERE version=2"
        )

    found = MlflowRegistry(uri(home), home / "artifacts").snapshot()

    lost = next(item for item in found.versions if item.version == "2")
    assert len(found.versions) == 3
    assert "does not know" in lost.missing
