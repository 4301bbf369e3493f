"""The files that deploy the app to a workspace name things that exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks.sdk.service.apps import AppResource, ComputeSize
from databricks.sdk.service.jobs import JobSettings

from deploy.databricks.worker import environment
from services.profile_rules import contradictions
from services.settings import PREFIX, Settings, read_settings

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "databricks"
APP: dict[str, Any] = yaml.safe_load((FOLDER / "app.yaml").read_text())
BUNDLE: dict[str, Any] = yaml.safe_load((FOLDER / "databricks.yml").read_text())
TEMPLATE: dict[str, Any] = yaml.safe_load((FOLDER / "deployment_job" / "databricks.yml").read_text())
ROOM = BUNDLE["resources"]["apps"]["control_room"]


def test_every_variable_of_the_app_is_a_setting() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert {item["name"] for item in APP["env"]} <= known


def test_the_app_starts_what_exists_and_leaves_port_and_address_to_the_platform() -> None:
    assert APP["command"][:2] == ["streamlit", "run"]
    assert (ROOT / APP["command"][2]).is_file()
    assert "--server" not in " ".join(APP["command"])


def test_every_resource_the_app_asks_for_is_in_the_bundle_as_the_sdk_knows_it() -> None:
    asked = {item["valueFrom"] for item in APP["env"] if "valueFrom" in item}
    given = {item["name"] for item in ROOM["resources"]}
    assert asked <= given
    for item in ROOM["resources"]:
        assert AppResource.from_dict(item).as_dict() == item
    assert ROOM["compute_size"] in {size.value for size in ComputeSize}


def test_the_settings_of_the_app_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "database-url": "postgresql://app@db.example.com:5432/governance?sslmode=require",
        "lakebase-endpoint": "projects/p/branches/b/endpoints/e",
        "sql-warehouse": "abc123",
    }
    monkeypatch.chdir(ROOT)
    for item in APP["env"]:
        monkeypatch.setenv(item["name"], item["value"] if "value" in item else secrets[item["valueFrom"]])
    for name in ("HOST", "CLIENT_ID", "CLIENT_SECRET", "APP_NAME", "APP_PORT"):
        monkeypatch.setenv(f"DATABRICKS_{name}", "x")
    found = read_settings()
    assert found.catalog_schemas == ("main.claims",)
    assert found.databricks_serving["main.claims.claims_triage"].endpoint == "claims-triage"


def test_the_same_settings_outside_an_app_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from services.profile_rules import Profile, Stated

    stated = Stated(
        profile=Profile.DATABRICKS,
        database_url="postgresql://db.example.com/g",
        databricks=frozenset({"DATABRICKS_HOST", "DATABRICKS_TOKEN"}),
        only_databricks=("databricks_identity",),
    )
    assert [name for name, _ in contradictions(stated)] == ["databricks_identity"]


def test_the_worker_runs_the_same_code_with_the_settings_of_the_app_but_believes_no_headers() -> None:
    job = BUNDLE["resources"]["jobs"]["worker"]
    assert (FOLDER / job["tasks"][0]["spark_python_task"]["python_file"]).is_file()
    assert job["max_concurrent_runs"] == 1
    found = environment(APP, lambda key: f"secret {key}")
    assert found["COUNTERSIGN_DATABASE_URL"] == "secret database-url"
    assert "COUNTERSIGN_DATABRICKS_IDENTITY" not in found


@pytest.mark.parametrize("job", [BUNDLE["resources"]["jobs"]["worker"], TEMPLATE["resources"]["jobs"]["deploy_model"]])
def test_jobs_say_nothing_the_sdk_does_not_know(job: dict[str, Any]) -> None:
    assert json.loads(json.dumps(JobSettings.from_dict(job).as_dict())) == job


def test_the_template_waits_for_an_approval_and_its_notebooks_exist() -> None:
    job = TEMPLATE["resources"]["jobs"]["deploy_model"]
    assert [item["name"] for item in job["parameters"]] == ["model_name", "model_version"]
    tasks = {task["task_key"]: task for task in job["tasks"]}
    waits = tasks["Approval_Check"]
    assert waits["task_key"].casefold().startswith("approval")
    assert (waits["max_retries"], waits["disable_auto_optimization"]) == (0, True)
    for task in tasks.values():
        assert (FOLDER / "deployment_job" / task["notebook_task"]["notebook_path"]).is_file()
    assert tasks["Deployment"]["depends_on"] == [{"task_key": "Approval_Check"}]
