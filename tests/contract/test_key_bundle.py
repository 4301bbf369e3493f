"""A deployment whose processes have no lasting disk: keys and pin come from one secret, or nothing starts."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner, Result

from deploy.databricks.release import release
from services.__main__ import app
from services.adapters.signing import files, key_bundle
from services.adapters.signing.desk import KeyDesk
from services.adapters.sql.database import Database
from services.adapters.sql.people import SqlKeyStore
from services.adapters.sql.schema.ops import worker_heartbeat, worker_lease
from services.container import open_control_room
from services.kernel.clock import SystemClock
from services.kernel.errors import KeyServiceError, RefusalError, SettingsError, TrustError
from services.kernel.secret import Secret
from services.settings import read_settings
from tests.contract.databricks_server.server import CLIENT, TOKEN, Platform, a_workspace
from tests.contract.production import ROOT

PLACE, WORDS = "databricks-secret:countersign/key-bundle", "twelve letters and more"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with a_workspace() as made:
        made.scopes["countersign"] = {}
        yield made


@pytest.fixture(scope="module")
def founded(postgres: str, platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of the machine where the deployment was founded."""
    import psycopg

    name = f"bundle_{secrets.token_hex(4)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    home = tmp_path_factory.mktemp("founding") / "home"
    env = {
        "COUNTERSIGN_HOME": str(home),
        "COUNTERSIGN_PROFILE": "databricks",
        "COUNTERSIGN_DATABASE_URL": postgres.replace("/postgres?", f"/{name}?"),
        "COUNTERSIGN_DATABRICKS_SCHEMAS": "main.claims",
        "DATABRICKS_HOST": platform.url,
        "DATABRICKS_TOKEN": TOKEN,
    }
    people = home.parent / "people.yaml"
    people.write_text(
        "deployment: acme-apps\npeople:\n"
        f'  - {{issuer: "{platform.url}", subject: "1", name: Ada Moreau, roles: [admin]}}\n'
        f'  - {{issuer: "{platform.url}", subject: "2", name: Amir Haddad, roles: [admin]}}\n'
    )
    done = run(env, "found", str(people), given=f"{WORDS}\n{WORDS}\n" * 2)
    assert done.exit_code == 0, done.output
    yield env
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def run(env: dict[str, str], *words: str, given: str = "") -> Result:
    return CliRunner().invoke(app, list(words), env=env, input=given)


@pytest.fixture
def elsewhere(founded: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An app or a worker on a disk that knows nothing, after the bundle was put into the scope."""
    assert run(founded, "keys", "put", PLACE).exit_code == 0
    env = {**founded, "COUNTERSIGN_HOME": str(tmp_path / "home"), "COUNTERSIGN_KEY_BUNDLE": PLACE}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return env


def changed(platform: Platform, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(platform.scopes["countersign"]["key-bundle"])
    change(document)
    platform.scopes["countersign"]["key-bundle"] = json.dumps(document)


@pytest.mark.usefixtures("elsewhere")
def test_a_process_with_an_empty_disk_signs_and_verifies_with_keys_and_pin_of_the_bundle(
    founded: dict[str, str], tmp_path: Path
) -> None:
    opened = open_control_room(read_settings())
    opened.ledger.record_event(event="backup-made", actor=None, detail={"sentence": "By an app."}, idem="by-an-app")
    result = opened.audit.verify()
    opened.database.dispose()

    assert (result.intact, result.findings) == (True, ())
    home = Path(founded["COUNTERSIGN_HOME"])
    assert (tmp_path / "home" / "genesis").read_text() == (home / "genesis").read_text()
    keys = tmp_path / "home" / "keys"
    assert {file.name for file in keys.iterdir()} >= {"service.pem", "log.pem", "machine.pem", "pepper", "origin"}
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (*keys.iterdir(), tmp_path / "home" / "genesis")} == {0o600}
    assert [path.name for path in (tmp_path / "home").iterdir() if path.name.startswith(".keys")] == []


def test_the_worker_brings_the_keys_in_before_it_looks_for_them(
    elsewhere: dict[str, str], founded: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services", "worker", "--once"], cwd=ROOT, capture_output=True, text=True, timeout=200,
        env={**os.environ, **elsewhere}, check=False,
    )  # fmt: skip
    assert "tasks done" in done.stdout, done.stderr
    for name in ("machine.pem", "service.pem"):
        brought = tmp_path / "home" / "keys" / name
        assert brought.read_bytes() == (Path(founded["COUNTERSIGN_HOME"]) / "keys" / name).read_bytes()


@pytest.fixture
def released(founded: dict[str, str], platform: Platform, tmp_path: Path) -> Path:
    """What is deployed, with the secrets it asks for in the scope, and without a token: the server is no Lakebase."""
    folder = tmp_path / "release"
    release(folder)
    assert run(founded, "keys", "put", PLACE).exit_code == 0
    platform.scopes["countersign"]["database-url"] = founded["COUNTERSIGN_DATABASE_URL"]
    document = yaml.safe_load((folder / "app.yaml").read_text())
    kept = [item for item in document["env"] if item["name"] != "COUNTERSIGN_DATABASE_TOKEN"]
    for item in kept:
        if item["name"] == "COUNTERSIGN_HOME":
            item["value"] = str(tmp_path / "disk")
    (folder / "app.yaml").write_text(yaml.safe_dump(document | {"env": kept}))
    return folder


def bare(**given: str) -> dict[str, str]:
    """A machine of the platform: none of our variables, and of the platform's only those given."""
    ours = ("COUNTERSIGN_", "DATABRICKS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | given


def test_the_job_of_a_release_becomes_a_worker_that_leads(
    founded: dict[str, str], released: Path, platform: Platform
) -> None:
    """Host and token stand for what the runtime of a job gives to the SDK; the pair is what the worker then uses."""
    platform.scopes["countersign"] |= {"client-id": CLIENT[0], "client-secret": CLIENT[1]}
    database = Database(founded["COUNTERSIGN_DATABASE_URL"])
    words = [sys.executable, "worker.py", "secret-scope=countersign", "sql-warehouse=abc123"]
    with subprocess.Popen(
        words, cwd=released, env=bare(DATABRICKS_HOST=platform.url, DATABRICKS_TOKEN=TOKEN), stderr=subprocess.PIPE
    ) as job:
        try:
            leads = within(60, lambda: leading(database) or job.poll() is not None) and job.poll() is None
        finally:
            job.send_signal(signal.SIGTERM)
            _, said = job.communicate(timeout=60)
    database.dispose()
    assert leads, said.decode()[-2000:]
    assert b"Traceback" not in said


def test_the_app_of_a_release_opens_the_ledger_with_what_app_yaml_and_the_platform_give(
    released: Path, platform: Platform
) -> None:
    secrets_ = platform.scopes["countersign"] | {"sql-warehouse": "abc123"}
    named = yaml.safe_load((released / "app.yaml").read_text())["env"]
    given = {item["name"]: item["value"] if "value" in item else secrets_[item["valueFrom"]] for item in named}
    given |= {
        "DATABRICKS_HOST": platform.url,
        "DATABRICKS_CLIENT_ID": CLIENT[0],
        "DATABRICKS_CLIENT_SECRET": CLIENT[1],
        "DATABRICKS_APP_NAME": "countersign",
        "DATABRICKS_APP_PORT": "8000",
        "DATABRICKS_APP_URL": "https://countersign-1.databricksapps.com",
    }
    script = (
        "from services.container import open_control_room; from services.settings import read_settings;"
        "room = open_control_room(read_settings());"
        "print(room.audit.verify().intact, room.settings.origin)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=released, env=bare(**given), capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["True", "https://countersign-1.databricksapps.com"], done.stderr[-2000:]


def leading(database: Database) -> bool:
    """Somebody holds the lease now, and gives signs of life."""
    held = sa.select(worker_lease.c.name).where(worker_lease.c.until > SystemClock().now())
    with database.read() as connection:
        lives = connection.execute(sa.select(worker_heartbeat.c.worker_id)).first() is not None
        return lives and connection.execute(held).first() is not None


def within(seconds: float, come: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if come():
            return True
        time.sleep(0.2)
    return False


@pytest.mark.parametrize("name", ["service.pem", "log.pem", "machine.pem", "pepper", "origin"])
@pytest.mark.usefixtures("elsewhere")
def test_an_incomplete_bundle_starts_nothing_and_leaves_nothing(platform: Platform, tmp_path: Path, name: str) -> None:
    changed(platform, lambda document: document["files"].pop(name))
    with pytest.raises(TrustError, match=rf"incomplete: {name}") as refused:
        open_control_room(read_settings())
    assert "PRIVATE" not in str(refused.value)
    assert not (tmp_path / "home" / "keys").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "no key bundle"),
        ("{", "no key bundle"),
        ('{"format": "other", "genesis": "", "files": {}}', "no key bundle"),
    ],
)
@pytest.mark.usefixtures("elsewhere")
def test_what_is_no_bundle_is_refused_without_being_repeated(platform: Platform, given: str, said: str) -> None:
    platform.scopes["countersign"]["key-bundle"] = given
    with pytest.raises(TrustError, match=said):
        open_control_room(read_settings())


@pytest.mark.usefixtures("elsewhere")
def test_a_bundle_without_a_pin_or_with_a_key_that_is_none_is_refused(platform: Platform, tmp_path: Path) -> None:
    changed(platform, lambda document: document.update(genesis=""))
    with pytest.raises(TrustError, match="genesis"):
        open_control_room(read_settings())
    odd = base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nleft out").decode()
    changed(platform, lambda document: document.update(genesis="0" * 64, files=document["files"] | {"log.pem": odd}))
    with pytest.raises(TrustError) as refused:
        open_control_room(read_settings())
    assert "left out" not in str(refused.value)
    assert not (tmp_path / "home" / "keys").exists()


def test_a_secret_that_cannot_be_read_is_named_by_its_scheme_alone(
    elsewhere: dict[str, str], platform: Platform
) -> None:
    platform.scopes["countersign"].clear()
    with pytest.raises(KeyServiceError, match="databricks-secret: cannot be read"):
        open_control_room(read_settings())
    assert run(elsewhere, "keys", "put", "databricks-secret:nowhere/key-bundle").exit_code != 0


def test_on_databricks_nothing_starts_without_a_pin(
    founded: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "home" / "keys"
    keys.mkdir(mode=0o700, parents=True)
    for file in (Path(founded["COUNTERSIGN_HOME"]) / "keys").iterdir():
        (keys / file.name).write_bytes(file.read_bytes())
        (keys / file.name).chmod(0o600)
    for name, value in (founded | {"COUNTERSIGN_HOME": str(tmp_path / "home")}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrustError, match="no fingerprint of the first entry"):
        open_control_room(read_settings())


def test_the_bundle_of_another_log_does_not_replace_the_one_that_stands(
    elsewhere: dict[str, str], platform: Platform, tmp_path: Path
) -> None:
    open_control_room(read_settings()).database.dispose()
    changed(platform, lambda document: document.update(genesis="0" * 64))
    with pytest.raises(TrustError, match="another log: genesis"):
        open_control_room(read_settings())
    said = json.loads(run(elsewhere, "doctor", "--json").stdout)
    (found,) = [item for item in said["results"] if item["name"] == "key bundle"]
    assert found["state"] == "fault"
    assert (tmp_path / "home" / "genesis").read_text().strip() != "0" * 64


@pytest.mark.usefixtures("elsewhere")
def test_no_key_is_made_on_a_disk_that_does_not_last_and_a_waiting_one_comes_with_the_bundle(
    founded: dict[str, str],
) -> None:
    opened = open_control_room(read_settings())
    settings = opened.settings
    desk = KeyDesk(SqlKeyStore(opened.database), settings.keys_folder, SystemClock(), bundled=True)
    with pytest.raises(RefusalError, match="lost with the disk"):
        desk.prepare_deployment_key("service")

    made = run(founded, "keys", "next", "service")
    assert run(founded, "keys", "put", PLACE).exit_code == 0
    open_control_room(settings).database.dispose()
    assert desk.prepare_deployment_key("service").key_id in made.output
    opened.database.dispose()
    (Path(founded["COUNTERSIGN_HOME"]) / "keys" / "service.next.pem").unlink()


def test_the_commands_say_what_went_along_and_never_what_it_is(
    founded: dict[str, str], platform: Platform, tmp_path: Path
) -> None:
    put, export = run(founded, "keys", "put", PLACE), run(founded, "keys", "export", str(tmp_path / "bundle"))
    assert "service.pem, log.pem, machine.pem, pepper, origin" in put.output
    document = json.loads(platform.scopes["countersign"]["key-bundle"])
    for text in (put.output, export.output):
        assert [name for name, data in document["files"].items() if data in text] == []
        assert "PRIVATE KEY" not in text
    assert json.loads((tmp_path / "bundle").read_text()) == document
    assert stat.S_IMODE((tmp_path / "bundle").stat().st_mode) == 0o600
    assert run(founded, "keys", "export", str(tmp_path / "bundle")).exit_code == 4
    assert "PRIVATE" not in repr(key_bundle.read(Secret(json.dumps(document))))


def test_a_renewed_key_takes_the_place_of_the_old_one_which_is_kept_by_its_key_id(tmp_path: Path) -> None:
    files.create_key_files(tmp_path / "one" / "keys", deployment="acme")
    (tmp_path / "one" / "genesis").write_text("a" * 64)
    first = key_bundle.collected(tmp_path / "one" / "keys", tmp_path / "one" / "genesis")
    key_bundle.put_in_place(first, tmp_path / "two" / "keys", tmp_path / "two" / "genesis")
    old = files.read_key_files(tmp_path / "two" / "keys").service_key.public.key_id

    (tmp_path / "one" / "keys" / "service.pem").unlink()
    files.write_new_key(tmp_path / "one" / "keys" / "service.pem")
    renewed = key_bundle.collected(tmp_path / "one" / "keys", tmp_path / "one" / "genesis")
    key_bundle.put_in_place(renewed, tmp_path / "two" / "keys", tmp_path / "two" / "genesis")

    assert files.read_key_files(tmp_path / "two" / "keys").service_key.public.key_id != old
    kept = tmp_path / "two" / "keys" / f"service.{old[:16]}.old.pem"
    assert kept.read_bytes() == first.files["service.pem"]


def test_a_bundle_from_before_a_renewal_brings_the_waiting_key_along_and_it_is_taken_into_use_again(
    tmp_path: Path,
) -> None:
    keys, pin = tmp_path / "home" / "keys", tmp_path / "home" / "genesis"
    files.create_key_files(keys, deployment="acme")
    pin.write_text("a" * 64)
    old = files.read_key_files(keys).service_key.public.key_id
    new = files.waiting_key(keys, "service").public.key_id
    before = key_bundle.collected(keys, pin)
    for _start in range(3):
        key_bundle.put_in_place(before, keys, pin)
        assert files.waiting_uses(keys) == ("service",)
        files.put_into_use(keys, "service", replaced=old)
        assert files.read_key_files(keys).service_key.public.key_id == new
    assert files.waiting_uses(keys) == ()


@pytest.mark.parametrize("place", ["scope/key", "databricks-secret:scope", "envvar:KEYS", "s3:bucket/key"])
def test_a_place_that_is_none_is_a_fault_of_the_settings(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("COUNTERSIGN_KEY_BUNDLE", place)
    with pytest.raises(SettingsError, match="COUNTERSIGN_KEY_BUNDLE"):
        read_settings()
