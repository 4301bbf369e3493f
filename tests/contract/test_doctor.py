"""`python -m services doctor` on real parts: SQLite and PostgreSQL, keys, anchors; nothing it does changes them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from services.__main__ import app
from services.adapters.sql.database import Database
from services.adapters.sql.ops import SqlOps
from services.settings import Settings
from services.workspace.founding import found
from tests.contract.deployment import founded

SECRETS = {
    "COUNTERSIGN_DATABASE_URL": "postgresql://cs:zzhushdatabase@127.0.0.1:1/x?sslpassword=zzhushquery",
    "COUNTERSIGN_NOTIFY_URLS": '{"sre": "slack://zzhushtokenA/zzhushtokenB/zzhushtokenC"}',
    "COUNTERSIGN_MONITOR_CONNECTIONS": '{"lake": "postgresql://cs:zzhushmonitor@127.0.0.1:1/y"}',
    "COUNTERSIGN_PASSPHRASE": "zzhush passphrase",
    "MLFLOW_TRACKING_USERNAME": "reader",
    "MLFLOW_TRACKING_PASSWORD": "zzhushmlflow",
    "DATABRICKS_HOST": "http://127.0.0.1:1",
    "DATABRICKS_TOKEN": "dapizzhushdatabricks",
    "DATABRICKS_CLIENT_SECRET": "zzhushclient",
    "COUNTERSIGN_SERVING_PORT": "1",
}


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("doctor") / "home"
    settings = Settings(home=home)
    found(settings, at=datetime.now(UTC).replace(microsecond=0), replay_from=None, replay_to=None)
    return home


@pytest.fixture
def home(made_once: Path, tmp_path: Path) -> Path:
    shutil.copytree(made_once, tmp_path / "home", ignore=shutil.ignore_patterns("*.lock"))
    return tmp_path / "home"


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    opened = Database(Settings(home=home).governance_url)
    yield opened
    opened.dispose()


def doctor(home: Path, *words: str, **env: str) -> Result:
    return CliRunner().invoke(
        app, ["doctor", *words], env={"COUNTERSIGN_HOME": str(home), "COUNTERSIGN_SERVING_PORT": "1", **env}
    )


def states(home: Path, **env: str) -> dict[str, tuple[str, str]]:
    done = doctor(home, "--json", **env)
    return {row["name"]: (row["state"], row["found"]) for row in json.loads(done.stdout)["results"]}


def live_worker(database: Database) -> None:
    now = datetime.now(UTC)
    ops = SqlOps(database)
    ops.beat("host:1:ab", at=now, started_at=now, host="host", pid=1)
    for lane in ("worker:outbox", "worker:watch"):
        ops.record(lane, at=now, error="")


def fingerprints(home: Path) -> dict[str, str]:
    with_content = [*home.glob("keys/*"), *home.glob("anchors/*")]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in with_content}


def test_a_founded_deployment_is_looked_at_part_by_part_and_left_as_it_was(home: Path, database: Database) -> None:
    live_worker(database)
    before = fingerprints(home)

    found = states(home)

    assert fingerprints(home) == before
    healthy = ("settings", "python", "libraries", "key files", "database", "schema", "rights", "protections", "ledger")
    assert {name: found[name][0] for name in (*healthy, "clock", "worker")} == dict.fromkeys(
        (*healthy, "clock", "worker"), "ok"
    )
    assert (found["registry"][0], found["aliases"][0]) == ("fault", "unknown")
    assert found["anchors"][0] == "warning"
    assert found["warehouse"][0] == found["channels"][0] == "not used"
    assert found["endpoint"] == ("fault", "The local endpoint at http://127.0.0.1:1 is not reachable.")


def test_the_table_shows_the_way_out_of_each_red_line_and_ends_with_one(home: Path) -> None:
    done = doctor(home)
    assert done.exit_code == 1
    shown = done.stdout.splitlines()
    red = [number for number, line in enumerate(shown) if line.startswith(("FAULT", "UNKNOWN"))]
    assert len(red) >= 2
    assert all("fix: " in shown[number + 1] for number in red)
    assert shown[-1].startswith("NOT IN ORDER: ")


def test_no_secret_is_printed_whatever_fails(home: Path) -> None:
    for words in ((), ("--json",)):
        for profile, uri in (("embedded", ""), ("mlflow", "http://127.0.0.1:1"), ("mlflow", ""), ("databricks", "")):
            given = {**SECRETS, "COUNTERSIGN_PROFILE": profile, "COUNTERSIGN_MLFLOW_URI": uri}
            given["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"  # nobody answers there, however often it is tried
            done = doctor(home, *words, **given)
            said = done.output + str(done.exception or "")
            assert done.exit_code == 1
            assert "zzhush" not in said, (profile, words)
            assert "Traceback" not in said


def test_an_invalid_configuration_is_reported_whole_and_nothing_else_is_called_healthy(home: Path) -> None:
    done = doctor(home, "--json", COUNTERSIGN_PROFILE="mlflow", COUNTERSIGN_CURRENCY="dollars")
    rows = json.loads(done.stdout)["results"]
    assert done.exit_code == 1
    assert [row["state"] for row in rows] == ["fault"] * 3 + ["unknown"]
    assert [row["found"].partition(":")[0] for row in rows[:3]] == [
        "COUNTERSIGN_CURRENCY",
        "COUNTERSIGN_DATABASE_URL",
        "COUNTERSIGN_MLFLOW_URI",
    ]


def test_a_misspelt_variable_is_told_with_the_name_that_was_meant(home: Path) -> None:
    done = doctor(home, COUNTERSIGN_PROFIL="mlflow")
    assert "COUNTERSIGN_PROFIL is no setting" in done.stdout
    assert "Did you mean COUNTERSIGN_PROFILE?" in done.stdout


def test_a_database_that_is_not_there_is_not_made_and_what_hangs_on_it_is_unknown(tmp_path: Path) -> None:
    found = states(tmp_path)
    assert found["database"][0] == "fault"
    assert {found[name][0] for name in ("schema", "ledger", "anchors", "worker")} == {"unknown"}
    assert not (tmp_path / "governance.db").exists()
    assert not (tmp_path / "mlflow.db").exists()


def test_keys_that_others_can_read_are_a_fault(home: Path) -> None:
    (home / "keys" / "pepper").chmod(0o644)
    (home / "notify.yaml").write_text("{}")
    (home / "notify.yaml").chmod(0o644)
    found = states(home)
    assert found["key files"][0] == "fault"
    assert found["private files"] == ("fault", "Other accounts of this machine can read notify.yaml.")


def test_a_missing_trigger_is_a_fault(home: Path, database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("DROP TRIGGER log_entry_no_delete"))
    assert states(home)["protections"] == ("fault", "Missing or changed: log_entry_no_delete.")


def test_entries_cut_off_the_end_are_a_fault(home: Path, database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("DROP TRIGGER log_entry_no_delete"))
        connection.execute(text("DELETE FROM log_entry WHERE seq = (SELECT MAX(seq) FROM log_entry)"))
    state, sentence = states(home)["ledger"]
    assert state == "fault"
    assert "newer ones are missing" in sentence


def test_a_ledger_older_than_its_anchor_is_a_fault(tmp_path: Path) -> None:
    made = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    shutil.copy(tmp_path / "governance.db", tmp_path / "older.db")
    made.event()
    made.ledger.anchor()
    made.database.dispose()
    for rest in tmp_path.glob("governance.db*"):
        rest.unlink()
    (tmp_path / "older.db").rename(tmp_path / "governance.db")
    state, sentence = states(tmp_path)["anchors"]
    assert state == "fault"
    assert "were anchored: newer ones are missing" in sentence


def test_a_database_of_an_earlier_and_of_a_newer_release_are_told_apart(home: Path, database: Database) -> None:
    for revision, words in (("0003", "this release needs"), ("9999", "of a newer release")):
        with database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": _full(revision)})
        state, sentence = states(home)["schema"]
        assert state == "fault"
        assert words in sentence


def _full(short: str) -> str:
    from services.adapters.sql.migrations import known_revisions

    return next((name for name in known_revisions() if name.startswith(short)), short)


def test_a_silent_worker_and_a_failing_task_are_told(home: Path, database: Database) -> None:
    now = datetime.now(UTC)
    SqlOps(database).beat("host:1:ab", at=now - timedelta(hours=1), started_at=now, host="host", pid=1)
    SqlOps(database).record("worker:registry", at=now, error="The registry is away.")
    found = states(home)
    assert found["worker"][0] == "fault"
    assert found["tasks"] == ("warning", "Failed when they last ran: registry: The registry is away.")


def test_a_named_connection_that_does_not_open_is_a_fault_of_its_own(home: Path, tmp_path: Path) -> None:
    good = f"sqlite:///{home / 'governance.db'}"
    given = json.dumps({"good": good, "gone": f"sqlite:///{tmp_path / 'gone.db'}"})
    found = states(home, COUNTERSIGN_MONITOR_CONNECTIONS=given)
    assert found["connection good"][0] == "ok"
    assert found["connection gone"][0] == "fault"


def test_on_postgresql_the_rights_of_the_account_are_judged(postgres: str, tmp_path: Path) -> None:
    import psycopg

    name = "doctor_rights"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    url = postgres.replace("/postgres?", f"/{name}?")
    made = founded(url, tmp_path)
    made.database.dispose()
    try:
        owner = states(tmp_path, COUNTERSIGN_DATABASE_URL=url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP ROLE IF EXISTS countersign_app")
            connection.execute("CREATE ROLE countersign_app LOGIN")
            connection.execute("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO countersign_app")
        plain = f"{url}&user=countersign_app"
        narrow = states(tmp_path, COUNTERSIGN_DATABASE_URL=plain)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("REVOKE INSERT ON log_entry FROM countersign_app")
        lacking = states(tmp_path, COUNTERSIGN_DATABASE_URL=plain)
    finally:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            connection.execute("DROP ROLE IF EXISTS countersign_app")

    assert owner["database"][1].startswith("PostgreSQL ")
    assert owner["rights"][0] == "warning"
    assert "is a superuser" in owner["rights"][1]
    assert narrow["rights"] == ("ok", "The account countersign_app may read and add, no more.")
    assert lacking["rights"] == ("fault", "The account countersign_app lacks INSERT log_entry.")
    assert owner["protections"][0] == owner["ledger"][0] == "ok"
    # The log of this deployment was founded in 2030.
    assert owner["clock"][0] == "fault"
    assert "the newest entry of the ledger 2030-01-31" in owner["clock"][1]


def test_copies_of_system_tables_are_looked_at_with_what_they_need(home: Path, tmp_path: Path) -> None:
    usage = "copy of billing.usage"
    assert states(home)["system tables"][0] == "not used"

    alone = states(home, COUNTERSIGN_DATABRICKS_MIRROR="billing")
    assert alone["system tables"][0] == "fault"
    assert usage not in alone

    named = {"COUNTERSIGN_DATABRICKS_MIRROR": "billing", "COUNTERSIGN_DATABRICKS_WAREHOUSE": "abc"}
    never = states(home, **named)
    assert never["owners of cost"][0] == "warning"
    assert never[usage][0] == "unknown", "never copied is not healthy"

    file = tmp_path / "billing.yaml"
    file.write_text("format: something else")
    broken = states(home, **named, COUNTERSIGN_DATABRICKS_BILLING_FILE=str(file))
    assert broken["owners of cost"][0] == "fault"
    assert "format must be" in broken["owners of cost"][1]
