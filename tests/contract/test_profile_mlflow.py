"""The profile `mlflow` as a whole: a real tracking server over HTTP, PostgreSQL, a ceremony, the room, the doctor."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner, Result

from services import container
from services.__main__ import app
from services.adapters.local.gateway.pool import Pool, Scorer
from services.adapters.local.gateway.scorer import fetched
from services.adapters.local.processes import ROOT, stop_group
from services.adapters.mlflow import probing
from services.adapters.mlflow.registry import MlflowRegistry
from services.container import ControlRoom, open_control_room
from services.kernel.errors import ServingUnavailableError
from services.kernel.identity import Actor, Role
from services.kernel.ids import new_id
from services.settings import Profile, Settings

MODEL = "remote_claims"
IDP = "https://idp.example.com"
PEOPLE = f"""
deployment: acme-prod
people:
  - {{issuer: "{IDP}", subject: ada, name: Ada Moreau, roles: [admin]}}
  - {{issuer: "{IDP}", subject: amir, name: Amir Haddad, roles: [admin]}}
  - {{issuer: "{IDP}", subject: clara, name: Clara Whitfield, roles: [compliance_officer]}}
"""
WORDS = "twelve letters and more"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`mlflow server` with artifacts served over HTTP, one model with two versions in it."""
    folder = tmp_path_factory.mktemp("mlflow-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder / "kept"),
    ]  # fmt: skip
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True)
    uri = f"http://127.0.0.1:{port}"
    try:
        _wait(uri, process, folder / "server.log")
        _register(uri)
        yield uri
    finally:
        stop_group(process, seconds=5)


def _wait(uri: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(f"{uri}/health", timeout=1).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-2000:])


def _experiment(client: Any) -> str:
    """A slow answer is asked for again by MLflow's client, and is then there already."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment("remote"))
    except MlflowException:
        found = client.get_experiment_by_name("remote")
        assert found is not None
        return str(found.experiment_id)


def _register(uri: str) -> None:
    import mlflow

    client = mlflow.MlflowClient(uri, uri)
    run = client.create_run(_experiment(client))
    client.log_metric(run.info.run_id, "auc", 0.9)
    client.log_text(run.info.run_id, "flavors: {}\nmodel_size_bytes: 7\n", "model/MLmodel")
    client.create_registered_model(MODEL)
    for _ in range(2):
        client.create_model_version(MODEL, f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
    client.set_registered_model_alias(MODEL, "champion", "1")


@pytest.fixture(scope="module")
def environment(postgres: str, server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A deployment founded by the command, with people who typed their passphrases."""
    import psycopg

    name = f"profile_{secrets.token_hex(4)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    home = tmp_path_factory.mktemp("profile-mlflow") / "home"
    env = {
        "COUNTERSIGN_HOME": str(home),
        "COUNTERSIGN_PROFILE": "mlflow",
        "COUNTERSIGN_MLFLOW_URI": server,
        "COUNTERSIGN_DATABASE_URL": postgres.replace("/postgres?", f"/{name}?"),
    }
    people = home.parent / "people.yaml"
    people.write_text(PEOPLE)
    done = run(env, "found", str(people), given=f"{WORDS}\n{WORDS}\n" * 3)
    assert done.exit_code == 0, done.output
    env["SAID"] = done.output
    yield env
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def run(env: dict[str, str], *words: str, given: str = "") -> Result:
    return CliRunner().invoke(app, list(words), env={**env, "SAID": ""}, input=given)


@pytest.fixture(scope="module")
def room(environment: dict[str, str]) -> Iterator[ControlRoom]:
    settings = Settings(
        home=environment["COUNTERSIGN_HOME"],
        profile=Profile.MLFLOW,
        mlflow_uri=environment["COUNTERSIGN_MLFLOW_URI"],
        database_url=environment["COUNTERSIGN_DATABASE_URL"],
    )
    opened = open_control_room(settings)
    opened.inventory.sync()
    yield opened
    opened.database.dispose()


def test_the_ceremony_prints_the_fingerprint_and_no_passphrase_and_cannot_be_repeated(
    environment: dict[str, str], room: ControlRoom, tmp_path: Path
) -> None:
    genesis = room.settings.genesis_file.read_text().strip()
    assert genesis in environment["SAID"]
    assert WORDS not in environment["SAID"]
    assert room.audit.verify().intact
    assert room.audit.verify().genesis == genesis

    again = tmp_path / "people.yaml"
    again.write_text(PEOPLE)
    done = run(environment, "found", str(again))
    assert done.exit_code == 4
    assert "founded already" in done.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PEOPLE.replace("roles: [admin]", "roles: [auditor]", 1), "names 1 administrators"),
        (PEOPLE.replace("subject: amir", "subject: ada"), "names one person twice"),
        (PEOPLE.replace("acme-prod", "Acme Prod"), "deployment"),
        (PEOPLE.replace("[compliance_officer]", "[king]"), "people.2.roles.0"),
        ("people: [", "cannot be read"),
    ],
)
def test_a_list_of_first_people_that_cannot_found_anything_is_refused(
    environment: dict[str, str], tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "people.yaml"
    file.write_text(text)
    done = run(environment, "found", str(file))
    assert done.exit_code == 2
    assert words in done.output


def test_the_inventory_is_copied_from_the_server_over_http(room: ControlRoom) -> None:
    assert [version.version for version in room.inventory.versions(MODEL)] == ["2", "1"]
    newest = room.inventory.versions(MODEL)[0]
    assert newest.metric("auc") == 0.9
    assert newest.missing == ""
    assert newest.size_bytes == 7
    assert "champion" in room.inventory.versions(MODEL)[1].aliases


def test_files_come_over_http_and_hash_alike_twice(room: ControlRoom, server: str) -> None:
    registry = MlflowRegistry(server, room.settings.artifacts_folder)
    assert registry.manifest(MODEL, "1") == registry.manifest(MODEL, "2")


def test_files_of_a_served_version_lie_where_the_endpoint_removes_them(server: str, tmp_path: Path) -> None:
    """One version after the other is loaded for a batch run: copies that nobody removes would fill the disk."""
    import mlflow

    mlflow.set_tracking_uri(server)
    place = mlflow.MlflowClient(server, server).get_model_version_download_uri(MODEL, "1")
    kept = tmp_path / "kept" / "MLmodel"
    kept.parent.mkdir()
    kept.write_text("flavors: {}")

    folder = fetched(place, tmp_path / "0-1.files")

    assert (folder / "MLmodel").is_file()
    assert folder.is_relative_to(tmp_path / "0-1.files")
    assert fetched(kept.parent.as_uri(), tmp_path / "0-2.files") == kept.parent, "as it lies"
    assert not (tmp_path / "0-2.files").exists()


def test_files_of_a_version_go_with_its_process(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    scorer = Scorer(deployment=MODEL, version="1", socket=tmp_path / "0-1.sock", example=tmp_path / "0-1.json")
    scorer.pid = ended.pid
    files = tmp_path / "0-1.files" / "model"
    files.mkdir(parents=True)

    asyncio.run(Pool(tracking_uri="", logs=tmp_path, note=tmp_path / "note")._drain(scorer))

    assert not files.parent.exists()


def test_the_control_room_opens_without_demonstration_accounts(room: ControlRoom) -> None:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    page.session_state["control_room"] = room
    page.run()
    assert not page.exception
    assert any("No account to choose from" in str(item.value) for item in (*page.markdown, *page.info, *page.title))
    assert room.people.demo_accounts() == ()


def test_a_signed_in_person_sees_the_models_of_the_server(room: ControlRoom) -> None:
    now = room.clock.now()
    clara = Actor(
        issuer=IDP, subject="clara", name="Clara Whitfield", role=Role.COMPLIANCE,
        session_id=new_id("ses", now), signed_in_at=now,
    )  # fmt: skip
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    page.session_state["control_room"] = room
    page.session_state["token"] = room.people.open_session(clara)
    page.run()
    for screen in ("inventory", "rollouts", "audit", "settings"):
        page.switch_page(f"pages/screens/{screen}.py")
        page.run()
        assert not page.exception, screen
        assert not [item.value for item in page.error if "Incident" in str(item.value)], screen


def test_traffic_that_is_not_ours_is_unknown_and_says_how_to_connect_it(room: ControlRoom) -> None:
    serving = container._serving(room.settings)
    assert serving.deployments() == ()
    with pytest.raises(ServingUnavailableError, match="COUNTERSIGN_SERVING_URL"):
        serving.observe(MODEL)


def rows(env: dict[str, str], **more: str) -> dict[str, Any]:
    done = run({**env, **more}, "doctor", "--json")
    assert "Traceback" not in done.output
    return {row["name"]: row for row in json.loads(done.stdout)["results"]}


def test_the_doctor_finds_server_and_right_to_move_aliases_without_moving_one(
    environment: dict[str, str], server: str
) -> None:
    import mlflow

    before = mlflow.MlflowClient(server, server).get_registered_model(MODEL)
    found = rows(environment)
    after = mlflow.MlflowClient(server, server).get_registered_model(MODEL)

    assert dict(after.aliases) == dict(before.aliases) == {"champion": "1"}
    assert after.last_updated_timestamp == before.last_updated_timestamp
    for name in ("settings", "database", "schema", "ledger", "registry", "registry version", "aliases", "clock"):
        assert found[name]["state"] == "ok", found[name]
    assert found["registry version"]["found"].startswith(f"The server is MLflow {mlflow.__version__}")
    assert found["registry clock"]["state"] == "ok"
    assert found["endpoint"]["state"] == "not used"
    assert found["worker"]["state"] == "fault"


def test_the_doctor_reads_a_store_in_a_file_as_well(environment: dict[str, str], room: ControlRoom) -> None:
    file = next(Path(item) for item in _stores(environment))
    found = rows(environment, COUNTERSIGN_PROFILE="embedded", COUNTERSIGN_MLFLOW_URI=f"sqlite:///{file}")
    assert (found["registry"]["state"], found["aliases"]["state"]) == ("ok", "ok")


def _stores(environment: dict[str, str]) -> list[Path]:
    base = Path(environment["COUNTERSIGN_HOME"]).parents[1]
    return sorted(base.glob("mlflow-server*/mlflow.db"))


class Refusing:
    """A registry's client that answers a move of an alias with one error code, or not at all."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.deleted: list[str] = []

    def client(self) -> Refusing:
        return self

    def set_registered_model_alias(self, _model: str, _alias: str, _version: str) -> None:
        from mlflow.exceptions import MlflowException
        from mlflow.protos import databricks_pb2

        if self.code:
            raise MlflowException("no", error_code=databricks_pb2.ErrorCode.Value(self.code))

    def delete_registered_model_alias(self, _model: str, alias: str) -> None:
        self.deleted.append(alias)


@pytest.mark.parametrize(
    ("code", "right"),
    [
        ("PERMISSION_DENIED", probing.Right.REFUSED),
        ("RESOURCE_DOES_NOT_EXIST", probing.Right.HELD),
        ("INTERNAL_ERROR", probing.Right.UNKNOWN),
        ("", probing.Right.UNKNOWN),
    ],
)
def test_the_answer_to_an_impossible_move_says_whether_aliases_may_be_moved(code: str, right: probing.Right) -> None:
    registry = Refusing(code)
    assert probing.may_move_aliases(registry, MODEL) is right  # type: ignore[arg-type]
    assert registry.deleted == ([] if code else ["countersign-doctor"])


def test_a_server_that_went_away_is_a_fault_with_the_setting_to_check(environment: dict[str, str]) -> None:
    found = rows(environment, COUNTERSIGN_MLFLOW_URI="http://127.0.0.1:1")
    assert found["registry"]["state"] == "fault"
    assert "COUNTERSIGN_MLFLOW_URI" in found["registry"]["fix"]
    assert found["aliases"]["state"] == "unknown"
