"""The files that deploy the app to a workspace name things that exist, and what they start has its settings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks.sdk.service.apps import App, AppResource
from databricks.sdk.service.jobs import JobSettings

from deploy.databricks.release import release
from deploy.databricks.worker import environment, own_folder, root_of
from services.adapters.sql.stepping_back import FLOOR
from services.on_databricks import connection
from services.profile_rules import contradictions
from services.settings import PREFIX, Settings, read_settings

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "databricks"
APP: dict[str, Any] = yaml.safe_load((FOLDER / "app.yaml").read_text())
BUNDLE: dict[str, Any] = yaml.safe_load((FOLDER / "databricks.yml").read_text())
TEMPLATE: dict[str, Any] = yaml.safe_load((FOLDER / "deployment_job" / "databricks.yml").read_text())
ROOM = BUNDLE["resources"]["apps"]["control_room"]
WORKER = BUNDLE["resources"]["jobs"]["worker"]
IN_SCOPE = {
    "database-url": "postgresql://app@db.example.com:5432/governance?sslmode=require",
    "lakebase-endpoint": "projects/p/branches/b/endpoints/e",
}
PAIR = {"client-id": "11111111-2222-3333-4444-555555555555", "client-secret": "dose-of-a-test"}
HOST = "https://dbc-1234.cloud.databricks.com"


def resolved(part: Any) -> Any:
    """The bundle with its variables filled in, as the command line of Databricks does before it asks the platform."""
    if isinstance(part, dict):
        return {key: resolved(value) for key, value in part.items()}
    if isinstance(part, list):
        return [resolved(value) for value in part]
    if not isinstance(part, str):
        return part
    values = {name: variable.get("default", "given") for name, variable in BUNDLE["variables"].items()}
    part = part.replace("${resources.apps.control_room.url}", "https://countersign-1234.databricksapps.com")
    return re.sub(r"\$\{var\.(\w+)\}", lambda found: values[found.group(1)], part)


@pytest.fixture
def nothing_of_databricks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a job, where the platform sets none of an app's variables."""
    for name in [name for name in os.environ if name.startswith(("DATABRICKS_", PREFIX))]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("released") / "countersign"
    release(folder)
    return folder


def given_to_the_worker(secrets: dict[str, str], platform: dict[str, str] | None = None) -> dict[str, str]:
    parameters = resolved(WORKER["tasks"][0]["spark_python_task"]["parameters"])
    return environment(
        APP, secrets.get, host=HOST, resources=dict(word.split("=", 1) for word in parameters), platform=platform or {}
    )


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
    assert App.from_dict(ROOM).as_dict() == ROOM


def test_people_can_be_asked_for_by_the_token_that_the_proxy_forwards() -> None:
    assert ROOM["user_api_scopes"] == ["iam.current-user:read"]


def test_every_switch_of_the_platform_is_stated() -> None:
    named = {item["name"] for item in APP["env"]}
    assert {f"{PREFIX}DATABRICKS_DEPLOYMENT_JOBS", f"{PREFIX}DATABRICKS_MIRROR"} <= named


@pytest.mark.usefixtures("nothing_of_databricks")
def test_the_settings_of_the_app_go_together(monkeypatch: pytest.MonkeyPatch, released: Path) -> None:
    secrets = {**IN_SCOPE, "sql-warehouse": "abc123"}
    monkeypatch.chdir(released)
    for item in APP["env"]:
        monkeypatch.setenv(item["name"], item["value"] if "value" in item else secrets[item["valueFrom"]])
    for name in ("HOST", "CLIENT_ID", "CLIENT_SECRET", "APP_NAME", "APP_PORT"):
        monkeypatch.setenv(f"DATABRICKS_{name}", "x")
    monkeypatch.setenv("DATABRICKS_APP_URL", "https://countersign-1234.databricksapps.com")
    found = read_settings()
    assert found.catalog_schemas == ("main.claims",)
    assert found.databricks_serving["main.claims.claims_triage"].endpoint == "claims-triage"
    assert found.databricks_deployment_jobs
    assert found.mirrored == {"billing", "serving", "lineage", "tags", "audit"}
    assert found.origin == "https://countersign-1234.databricksapps.com"


def test_the_same_settings_outside_an_app_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from services.profile_rules import Profile, Stated

    stated = Stated(
        profile=Profile.DATABRICKS,
        database_url="postgresql://db.example.com/g",
        databricks=frozenset({"DATABRICKS_HOST", "DATABRICKS_TOKEN"}),
        only_databricks=("databricks_identity",),
    )
    assert [name for name, _ in contradictions(stated)] == ["databricks_identity"]


@pytest.mark.usefixtures("nothing_of_databricks")
def test_the_worker_has_its_settings_where_the_platform_gives_a_job_nothing(
    monkeypatch: pytest.MonkeyPatch, released: Path
) -> None:
    monkeypatch.chdir(released)
    for name, value in given_to_the_worker(IN_SCOPE | PAIR).items():
        monkeypatch.setenv(name, value)
    found, signs_in = read_settings(), connection()
    assert found.database_url == IN_SCOPE["database-url"]
    assert found.database_token == IN_SCOPE["lakebase-endpoint"]
    assert found.databricks_warehouse == "given"
    assert found.notify_base_url == found.origin == "https://countersign-1234.databricksapps.com"
    assert found.databricks_identity == ""
    assert (signs_in.host, signs_in.client_id) == (HOST, PAIR["client-id"])
    assert signs_in.client_secret is not None


@pytest.mark.usefixtures("nothing_of_databricks")
def test_without_a_pair_in_the_scope_the_worker_signs_in_as_whom_the_job_runs_as(
    monkeypatch: pytest.MonkeyPatch, released: Path
) -> None:
    platform = {"DATABRICKS_RUNTIME_VERSION": "client.2.5"}
    monkeypatch.chdir(released)
    for name, value in (given_to_the_worker(IN_SCOPE, platform) | platform).items():
        monkeypatch.setenv(name, value)
    assert read_settings().database_url == IN_SCOPE["database-url"]
    assert connection().in_runtime


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        (IN_SCOPE, "put client-id and client-secret"),
        (IN_SCOPE | {"client-id": "x"}, "only one of client-id and client-secret"),
        ({**PAIR, "database-url": IN_SCOPE["database-url"]}, "lakebase-endpoint"),
    ],
)
def test_a_worker_without_what_it_needs_says_what_is_missing(secrets: dict[str, str], said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        given_to_the_worker(secrets)


def test_the_worker_finds_itself_where_its_file_has_no_name(released: Path) -> None:
    assert own_folder(None, str(released / "worker.py")) == released.resolve()
    assert root_of(released) == released
    assert root_of(FOLDER) == ROOT


def test_the_worker_is_one_process_that_the_platform_starts_again_as_the_principal_of_the_app() -> None:
    assert WORKER["max_concurrent_runs"] == 1
    assert WORKER["continuous"]["task_retry_mode"] == "ON_FAILURE"
    assert all("max_retries" not in task for task in WORKER["tasks"])
    assert WORKER["run_as"]["service_principal_name"].endswith("control_room.service_principal_client_id}")


@pytest.mark.parametrize("job", [resolved(WORKER), TEMPLATE["resources"]["jobs"]["deploy_model"]])
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


def test_a_release_holds_every_file_that_is_started_named_or_installed(released: Path) -> None:
    said = (FOLDER / "databricks.yml").read_text() + (FOLDER / "app.yaml").read_text()
    named = set(re.findall(r"\b[\w./-]+\.(?:py|json|txt|yaml|toml)\b", said)) - {"release.py", "docs/databricks.md"}
    named |= {APP["command"][2], "app.yaml", "alembic.ini", ".streamlit/config.toml", "services/__main__.py"}
    assert sorted(name for name in named if not (released / name).is_file()) == []
    deployed = [path for path in released.rglob("*") if path.is_file() and synced(path.relative_to(released))]
    assert len(deployed) == len([path for path in released.rglob("*") if path.is_file()])
    tracked = subprocess.run(
        ["git", "ls-files", "services", "pages", "static"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    assert sorted(name for name in tracked if ".gitkeep" not in name and not (released / name).is_file()) == []


def synced(file: Path) -> bool:
    """Under a path of `sync` and under no pattern that leaves it out."""
    rules = BUNDLE["sync"]
    inside = any(path == "." or file.is_relative_to(path) for path in rules["paths"])
    return inside and not any(fnmatch(str(file), pattern) for pattern in rules.get("exclude", []))


def test_a_release_is_installed_by_digest(released: Path) -> None:
    assert (released / "requirements.txt").read_bytes() == (ROOT / "requirements.lock").read_bytes()
    assert WORKER["environments"][0]["spec"]["dependencies"] == ["-r ./requirements.txt"]


def test_a_release_starts_from_its_own_folder(released: Path) -> None:
    script = "import services.worker, worker; print(services.worker.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=released, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "MLFLOW_DISABLE_TELEMETRY": "true"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(released))


@pytest.mark.parametrize("folder", [lambda path: path, lambda _path: ROOT / "made-by-a-test"])
def test_a_release_is_neither_mixed_with_an_older_one_nor_held_back_by_a_gitignore(
    tmp_path: Path, folder: Callable[[Path], Path]
) -> None:
    (tmp_path / "older.py").touch()
    with pytest.raises(SystemExit):
        release(folder(tmp_path))
    assert not (ROOT / "made-by-a-test").exists()


def test_upgrade_and_way_back_are_told_in_one_place() -> None:
    readme = (FOLDER / "README.md").read_text()
    manual = (ROOT / "docs" / "operations.md").read_text()
    assert "../../docs/operations.md#install-upgrade-roll-back" in readme
    assert "## Install, upgrade, roll back" in manual
    assert "alembic downgrade" not in readme + manual
    assert f"The first released schema is `{FLOOR}`" in manual
