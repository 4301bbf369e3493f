"""PostgreSQL with the shipped accounts: what runs Countersign signs and works, and cannot touch what was recorded."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import text

from services.adapters.databricks.lakebase import LakebaseToken, Token
from services.adapters.local.processes import stop_group
from services.adapters.sql import migrations
from services.adapters.sql.database import Database
from services.adapters.sql.protection import INSERT_ONLY
from services.adapters.sql.tuning import Tuning
from services.container import ControlRoom, open_control_room
from services.kernel.errors import StorageUnavailableError
from services.kernel.identity import Actor, Role
from services.kernel.ids import new_id
from services.kernel.secret import Secret
from services.settings import Profile, Settings
from tests.contract.production import IDP, PASSPHRASE, ROLES, ROOT, Production, a_production, as_account, free_port

NOON = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def production(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    with a_production(postgres, tmp_path_factory.mktemp("production")) as made:
        yield made


@pytest.fixture(scope="module")
def room(production: Production) -> Iterator[ControlRoom]:
    """The services as the account of the app runs them."""
    settings = Settings(
        home=production.home, profile=Profile.MLFLOW, mlflow_uri="http://127.0.0.1:9",
        database_url=production.url("countersign_app"), database_pool=2, database_pool_overflow=3,
    )  # fmt: skip
    opened = open_control_room(settings)
    yield opened
    opened.database.dispose()


def clara(room: ControlRoom) -> Actor:
    now = room.clock.now()
    return Actor(
        issuer=IDP, subject="clara", name="Clara Whitfield", role=Role.COMPLIANCE,
        session_id=new_id("ses", now), signed_in_at=now,
    )  # fmt: skip


def test_the_account_of_the_app_opens_sessions_and_records_what_a_person_signs(room: ControlRoom) -> None:
    before = room.ledger.head().size
    token = room.people.open_session(clara(room))

    receipt = room.ledger.record_signed_event(
        event="legal-hold-placed", actor=clara(room), passphrase=Secret(PASSPHRASE), detail={"sentence": "Held."}
    )

    assert room.people.resume(token) is not None
    assert receipt.seq >= before
    assert room.audit.verify().intact


@pytest.mark.parametrize("account", ["countersign_app", "countersign_worker", "countersign_auditor"])
@pytest.mark.parametrize("table", INSERT_ONLY)
def test_no_account_that_runs_may_change_or_delete_what_was_recorded(
    production: Production, account: str, table: str
) -> None:
    with psycopg.connect(production.url(account), autocommit=True) as connection:
        for statement in (f"DELETE FROM {table}", f"TRUNCATE {table}", f"ALTER TABLE {table} DISABLE TRIGGER ALL"):
            with pytest.raises(psycopg.errors.Error) as refused:
                connection.execute(statement)
            assert refused.value.sqlstate in {"42501", "25006"}, refused.value


@pytest.mark.parametrize("account", ["countersign_app", "countersign_worker"])
def test_an_update_of_the_ledger_is_refused_before_any_trigger_is_asked(production: Production, account: str) -> None:
    with (
        psycopg.connect(production.url(account), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for table log_entry"),
    ):
        connection.execute("UPDATE log_entry SET envelope = ''")


@pytest.mark.parametrize(
    ("account", "statement"),
    [
        ("countersign_worker", "DELETE FROM person_session"),
        ("countersign_worker", "INSERT INTO signing_challenge DEFAULT VALUES"),
        ("countersign_app", "DELETE FROM worker_lease"),
        ("countersign_app", "UPDATE alembic_version SET version_num = '0001'"),
        ("countersign_app", "CREATE TABLE mine (n int)"),
        ("countersign_app", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
        ("countersign_auditor", "SELECT * FROM signing_key"),
        ("countersign_auditor", "SELECT * FROM person_session"),
        ("countersign_auditor", "DELETE FROM governed_model"),
    ],
)
def test_every_account_has_only_what_its_process_needs(production: Production, account: str, statement: str) -> None:
    with (
        psycopg.connect(production.url(account), autocommit=True) as connection,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)),
    ):
        connection.execute(statement)


def test_an_auditor_reads_the_ledger(production: Production) -> None:
    with psycopg.connect(production.url("countersign_auditor")) as connection:
        found = connection.execute("SELECT count(*) FROM log_entry").fetchone()
    assert found is not None
    assert found[0] > 0


def test_the_shipped_file_names_the_tables_that_the_program_protects() -> None:
    listed = re.search(r"insert_only constant text\[\] := ARRAY\[([^\]]*)\]", ROLES)
    assert listed is not None
    assert tuple(re.findall(r"'(\w+)'", listed.group(1))) == INSERT_ONLY


def test_the_doctor_finds_nothing_to_say_about_the_rights_of_the_app_and_warns_of_the_owner(
    production: Production,
) -> None:
    def rights(account: str) -> dict[str, str]:
        said = json.loads(production.run("doctor", "--json", account=account).stdout)
        (found,) = [item for item in said["results"] if item["name"] == "rights"]
        return dict(found)

    assert rights("countersign_app")["state"] == "ok"
    assert rights("countersign_owner")["state"] == "warning"


def test_the_server_knows_the_limits_and_the_name_of_each_connection(room: ControlRoom) -> None:
    with room.database.read() as connection:
        said = {
            name: connection.execute(text(f"SHOW {name}")).scalar()
            for name in ("statement_timeout", "lock_timeout", "application_name", "timezone")
        }
    assert said["statement_timeout"] == "1min"
    assert said["lock_timeout"] == "10005ms"
    assert str(said["application_name"]).startswith("countersign-")
    assert said["timezone"] == "UTC"


def test_a_statement_that_takes_too_long_is_ended_and_said_in_words(production: Production) -> None:
    database = Database(production.url("countersign_app"), tuning=Tuning(statement_seconds=1))
    with pytest.raises(StorageUnavailableError), database.read() as connection:
        connection.execute(text("SELECT pg_sleep(30)"))
    database.dispose()


def test_a_full_pool_is_said_in_words(production: Production) -> None:
    database = Database(production.url("countersign_app"), tuning=Tuning(pool_size=1, overflow=0, pool_seconds=0.05))
    with database.read(), pytest.raises(StorageUnavailableError, match="locked by another"), database.read():
        pass
    database.dispose()


def test_an_upgrade_is_the_owners_and_an_account_without_the_right_is_told_who_does_it(production: Production) -> None:
    current = migrations.newest_revision()
    assert production.run("migrate", "--check").exit_code == 0
    with psycopg.connect(production.server, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0017'")
    try:
        behind = production.run("migrate", "--check")
        refused = production.run("migrate")
    finally:
        with psycopg.connect(production.server, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = %s", (current,))
    assert (behind.exit_code, "0017" in behind.output) == (1, True)
    assert refused.exit_code == 5
    assert "as the owner of the tables" in refused.output
    assert production.run("migrate", account="countersign_owner").exit_code == 0


# -- principals of a platform, which sign in under names of their own


@pytest.fixture(scope="module")
def principals(production: Production) -> Iterator[dict[str, str]]:
    """Accounts that are given the rights of ours, as the identities of a platform are."""
    given = {"principal_runs": "countersign_app, countersign_worker", "principal_owns": "countersign_owner"}
    with psycopg.connect(production.server, autocommit=True) as connection:
        for name, roles in given.items():
            connection.execute(f"DROP ROLE IF EXISTS {name}")
            connection.execute(f"CREATE ROLE {name} LOGIN")
            connection.execute(f"GRANT {roles} TO {name}")
        yield {name: as_account(production.server, name) for name in given}
        for name in given:
            connection.execute(f"DROP ROLE {name}")


def test_a_principal_with_the_rights_of_app_and_worker_runs_and_switches_nothing_off(
    production: Production, principals: dict[str, str]
) -> None:
    settings = Settings(
        home=production.home, profile=Profile.MLFLOW, mlflow_uri="http://127.0.0.1:9",
        database_url=principals["principal_runs"],
    )  # fmt: skip
    opened = open_control_room(settings)
    try:
        token = opened.people.open_session(clara(opened))
        detail = {"sentence": "Held by a principal."}
        opened.ledger.record_signed_event(
            event="legal-hold-placed", actor=clara(opened), passphrase=Secret(PASSPHRASE), detail=detail
        )
        assert opened.people.resume(token) is not None
        assert opened.audit.verify().intact
    finally:
        opened.database.dispose()
    with psycopg.connect(principals["principal_runs"], autocommit=True) as connection:
        for statement in (
            "UPDATE log_entry SET envelope = ''",
            "DELETE FROM log_entry",
            "ALTER TABLE log_entry DISABLE TRIGGER ALL",
            "DROP TABLE log_entry",
            "CREATE TABLE mine (n int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    said = json.loads(production.run("doctor", "--json", account="principal_runs").stdout)
    assert next(item for item in said["results"] if item["name"] == "rights")["state"] == "ok"


def test_a_principal_with_the_rights_of_the_owner_upgrades(production: Production, principals: dict[str, str]) -> None:
    assert production.run("migrate", account="principal_owns").exit_code == 0


# -- tokens as passwords


@pytest.fixture(scope="module")
def guarded(production: Production) -> Iterator[str]:
    """An account that the server asks for its password."""
    with psycopg.connect(production.server, autocommit=True) as connection:
        row = connection.execute("SHOW hba_file").fetchone()
        assert row is not None
        rules = Path(row[0])
        before = rules.read_text()
        connection.execute("DROP ROLE IF EXISTS lakebase_app")
        connection.execute("CREATE ROLE lakebase_app LOGIN")
        connection.execute(f"GRANT CONNECT ON DATABASE {connection.info.dbname} TO lakebase_app")
        rules.write_text("local all lakebase_app scram-sha-256\nhost all lakebase_app all scram-sha-256\n" + before)
        connection.execute("SELECT pg_reload_conf()")
        yield as_account(production.server, "lakebase_app")
        rules.write_text(before)
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"REVOKE ALL ON DATABASE {connection.info.dbname} FROM lakebase_app")
        connection.execute("DROP ROLE lakebase_app")


class Platform:
    """Gives tokens, and makes the server accept the newest one only."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.given = 0
        self.now = NOON
        self.away = False

    def ask(self, _place: str) -> Token:
        if self.away:
            raise TimeoutError
        self.given += 1
        self.accept(f"token-{self.given}")
        return Token(text=Secret(f"token-{self.given}"), ends_at=self.now + timedelta(hours=1))

    def accept(self, password: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(f"ALTER ROLE lakebase_app PASSWORD '{password}'")

    def database(self, url: str) -> Database:
        token = LakebaseToken("projects/p/branches/b/endpoints/e", ask=self.ask, now=lambda: self.now)
        return Database(url, tuning=Tuning(password=token))


def reads(database: Database) -> int:
    """On a new connection."""
    database.writer_engine.dispose()
    with database.read() as connection:
        return int(connection.execute(text("SELECT 1")).scalar_one())


def test_a_token_is_used_until_shortly_before_it_ends_and_then_a_new_one(production: Production, guarded: str) -> None:
    platform = Platform(production.server)
    database = platform.database(guarded)
    assert (reads(database), platform.given) == (1, 1)
    platform.now += timedelta(minutes=49)
    assert (reads(database), platform.given) == (1, 1)
    platform.now += timedelta(minutes=2)
    assert (reads(database), platform.given) == (1, 2)
    database.dispose()


def test_a_password_that_was_changed_meanwhile_is_asked_for_again_at_once(production: Production, guarded: str) -> None:
    platform = Platform(production.server)
    database = platform.database(guarded)
    assert reads(database) == 1
    platform.accept("changed by somebody else")
    assert (reads(database), platform.given) == (1, 2)
    database.dispose()


def test_while_the_platform_is_away_a_token_that_still_lives_is_used_and_then_it_is_said(
    production: Production, guarded: str
) -> None:
    platform = Platform(production.server)
    database = platform.database(guarded)
    assert reads(database) == 1
    platform.away = True
    platform.now += timedelta(minutes=55)
    assert reads(database) == 1
    platform.now += timedelta(minutes=6)
    with pytest.raises(StorageUnavailableError, match="gave no token") as refused:
        reads(database)
    assert "token-1" not in str(refused.value)
    database.dispose()


# -- a worker and an app that run


class Running:
    def __init__(self, command: list[str], env: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )

    def figures(self, port: int, wanted: str) -> str:
        for _ in range(600):
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            try:
                found = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5, trust_env=False).text
            except httpx.HTTPError:
                found = ""
            if wanted in found:
                return found
            time.sleep(0.5)
        raise AssertionError(self.log.read_text()[-3000:])


@pytest.mark.slow
def test_a_running_worker_serves_its_figures_and_writes_lines_of_json_without_a_secret(
    production: Production, tmp_path: Path
) -> None:
    port = free_port()
    env = production.process_environment(
        "countersign_worker", COUNTERSIGN_METRICS_PORT=str(port), MLFLOW_TRACKING_TOKEN="a-token-of-the-registry"
    )
    worker = Running([sys.executable, "-m", "services", "worker"], env, tmp_path / "worker.log")
    try:
        said = worker.figures(port, 'countersign_sync_failing{source="worker:registry"} 1.0')
        said = worker.figures(port, "countersign_worker_leads 1.0")
    finally:
        stop_group(worker.process, seconds=30)
    for name in (
        "countersign_up 1.0", "countersign_worker_heartbeat_age_seconds", "countersign_worker_lease_left_seconds",
        'countersign_queue_length{queue="actions"} 0.0', 'countersign_queue_length{queue="requests"} 0.0',
        "countersign_ledger_entries", "countersign_ledger_anchored_entries",
        'countersign_task_seconds_count{outcome="done"',
        'countersign_sync_age_seconds{source="worker:outbox"}',
    ):  # fmt: skip
        assert name in said, said
    # Nothing ever came from an endpoint here: its age is left out, not shown as nought.
    assert "countersign_telemetry_age_seconds" not in said
    assert not re.search(r"clara|amir|whitfield|a-token-of", said, re.IGNORECASE)
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    assert any(line.get("task") == "registry" and line.get("correlation") for line in lines)
    assert "a-token-of-the-registry" not in worker.log.read_text()


@pytest.mark.slow
def test_a_running_app_serves_figures_of_its_pages(production: Production, tmp_path: Path) -> None:
    port, web = free_port(), free_port()
    env = production.process_environment("countersign_app", COUNTERSIGN_METRICS_APP_PORT=str(port))
    command = [
        sys.executable, "-m", "streamlit", "run", "app.py", "--server.address=127.0.0.1", f"--server.port={web}",
        "--server.headless=true", "--server.fileWatcherType=none", "--browser.gatherUsageStats=false",
    ]  # fmt: skip
    served = Running(command, env, tmp_path / "app.log")
    try:
        visit = [sys.executable, "-m", "pages.components.first_visit", f"http://127.0.0.1:{web}"]
        for _ in range(60):
            assert served.process.poll() is None, served.log.read_text()[-3000:]
            if subprocess.run(visit, cwd=ROOT, env=env, check=False).returncode == 0:
                break
            time.sleep(1)
        said = served.figures(port, "countersign_up 1.0")
    finally:
        stop_group(served.process, seconds=10)
    assert "countersign_ledger_entries" in said
    assert "countersign_worker_leads" not in said
