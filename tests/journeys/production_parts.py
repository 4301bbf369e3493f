"""The prepared workspace moved to what is outgrown to: an MLflow server, PostgreSQL, an endpoint of its own.

Nothing is made up on the way. The registry's store gets `mlflow server` in front of it, with every model file handed
out over HTTP; the rows of the governance database go into tables that the product's migrations made; app and worker
run as the shipped accounts with the least rights. The workspace that is moved stays as it is.

Signing in: the people of that ledger are known by the issuer of the demonstration, which no identity provider can be.
So the people service of the same deployment opens a session for them, and the browser gets its cookie; logging in
through a provider is shown in `tests/browser`.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import Connection, select, text

from services.adapters.local.estate.declared import CATALOG_FILE
from services.adapters.local.processes import start_endpoint, stop_group, wait_for
from services.adapters.sql.database import Database
from services.adapters.sql.schema.base import metadata
from services.adapters.sql.setup import create_schema
from services.container import open_control_room
from services.settings import Profile, Settings
from tests.contract.production import ROLES, as_account
from tests.journeys.running import ROOT, Running, free_port
from tests.journeys.signed_in import person

NOT_HERE = {
    "test_shadow_comes_first_and_needs_days_and_records": "days pass by the demonstration's clock, which stays there",
    "test_each_share_follows_the_one_before_and_everything_comes_last": "hours pass by the demonstration's clock",
    "test_address_survives_sign_in_and_reload": "nobody signs in by choosing an account; see tests/browser",
}
"""Journeys that need what only the demonstration has, with the reason that is printed for each."""
_LEFT = ("governance.db*", "mlflow.db*", "artifacts", "prepared.json", "supervisor.*", "*.lock", "logs")
_ROWS_AT_ONCE = 2_000
_LONG = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    home: Path
    registry: Path
    """Folder of the MLflow server: its store, and `kept` with the files it hands out."""
    governance: str
    """Address of the database as the superuser."""
    prepared_at: str


def move(prepared: Path, folder: Path, postgres: str, *, files_at: str = "mlflow-artifacts:") -> Moved:
    """`files_at`: where model files are for whoever reads the registry's store; a folder's `kept` when empty."""
    home, registry = folder / "home", folder / "registry"
    shutil.copytree(prepared, home, ignore=shutil.ignore_patterns(*_LEFT))
    for name in ("logs", "run"):
        (home / name).mkdir(exist_ok=True)
    facts = json.loads((prepared / "prepared.json").read_text())
    (home / "genesis").write_text(f"{facts['genesis']}\n", encoding="ascii")
    _move_registry(prepared, registry, files_at or f"file://{registry / 'kept'}")
    governance = _move_decisions(prepared, postgres)
    return Moved(home=home, registry=registry, governance=governance, prepared_at=facts["prepared_at"])


def _move_registry(prepared: Path, registry: Path, files_at: str) -> None:
    """Files are where the server is; a client that looked for one on its own disk would find nothing."""
    shutil.copytree(prepared / "artifacts", registry / "kept")
    with (
        closing(sqlite3.connect(f"file:{prepared / 'mlflow.db'}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(registry / "mlflow.db")) as new,
    ):
        old.backup(new)
        kept = {
            row[0].rpartition("/")[0]
            for row in new.execute("SELECT artifact_location FROM experiments WHERE artifact_location LIKE 'file:%'")
        }
        (before,) = kept
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
            ("model_versions", "storage_location"),
            ("model_versions", "source"),
        ):
            new.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                (files_at, len(before) + 1, len(before) + 1, f"{before}/"),
            )
        new.commit()


def _move_decisions(prepared: Path, postgres: str) -> str:
    name = f"journeys_{secrets.token_hex(4)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    address = postgres.replace("/postgres?", f"/{name}?")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(ROLES)
    target = Database(as_account(address, "countersign_owner"))
    source = Database(f"sqlite:///{prepared / 'governance.db'}")
    try:
        create_schema(target)
        copy_rows(source, target)
    finally:
        source.dispose()
        target.dispose()
    return address


def copy_rows(source: Database, target: Database) -> None:
    """Every table in the order its references ask for, every log in the order it was written."""
    with source.read() as old, target.writer_engine.begin() as new:
        for table in metadata.sorted_tables:
            rows = [dict(row) for row in old.execute(select(table).order_by(*table.primary_key)).mappings()]
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                new.execute(table.insert(), rows[start : start + _ROWS_AT_ONCE])
        _continue_numbers(new)


def _continue_numbers(connection: Connection) -> None:
    found = connection.execute(
        text(
            "SELECT table_name, column_name, pg_get_serial_sequence(table_name, column_name) "
            "FROM information_schema.columns WHERE table_schema = 'public' "
            "AND pg_get_serial_sequence(table_name, column_name) IS NOT NULL"
        )
    ).all()
    for table, column, sequence in found:
        newest = connection.execute(text(f'SELECT max("{column}") FROM "{table}"')).scalar()
        if newest is not None:
            connection.execute(text("SELECT setval(CAST(:name AS regclass), :at)"), {"name": sequence, "at": newest})


class Kept:
    """A process that is started again when it ends, as the service manager of a server does."""

    def __init__(self, command: Sequence[str], env: dict[str, str], log: Path) -> None:
        self._command, self._env, self._log = [sys.executable, *command], env, log
        self._over = threading.Event()
        self.process = self._start()
        self._watch = threading.Thread(target=self._keep, daemon=True)
        self._watch.start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as written:
            return subprocess.Popen(
                self._command, cwd=ROOT, env=self._env, stdout=written, stderr=written, start_new_session=True
            )

    def _keep(self) -> None:
        while not self._over.wait(0.5):
            if self.process.poll() is not None:
                self.process = self._start()

    def end(self) -> None:
        self._over.set()
        self._watch.join(timeout=10)
        stop_group(self.process)


@contextmanager
def started(prepared: Path, folder: Path, postgres: str, *, logs: Path) -> Iterator[Running]:
    """Server, endpoint, callers, worker and app, each a process of its own; ended in the other order."""
    moved = move(prepared, folder, postgres)
    app_port = free_port()
    with ExitStack() as house:
        registry = house.enter_context(_mlflow_server(moved.registry, logs / "mlflow-server.log"))
        log = house.enter_context((logs / "endpoint.log").open("wb"))
        endpoint = start_endpoint(home=moved.home, tracking_uri=registry, port=0, output=log)
        house.callback(endpoint.stop)
        env = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")} | {
            "COUNTERSIGN_HOME": str(moved.home),
            "COUNTERSIGN_PROFILE": "mlflow",
            "COUNTERSIGN_CATALOG_FILE": str(CATALOG_FILE),
            "COUNTERSIGN_MLFLOW_URI": registry,
            "COUNTERSIGN_SERVING_URL": endpoint.url,
            "COUNTERSIGN_APP_PORT": str(app_port),
            "COUNTERSIGN_DATABASE_URL": as_account(moved.governance, "countersign_app"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        }
        asked = ["-m", "tests.journeys.callers", endpoint.url, str(moved.home), moved.prepared_at]
        house.callback(Kept(asked, env, logs / "callers.log").end)
        as_worker = {**env, "COUNTERSIGN_DATABASE_URL": as_account(moved.governance, "countersign_worker")}
        worker = Kept(["-m", "services", "worker"], as_worker, logs / "worker.log")
        house.callback(worker.end)
        serve = ["-m", "pages.components.serve", "--server.port", str(app_port), "--server.address", "localhost"]
        app = Kept([*serve, "--server.headless", "true", "--server.fileWatcherType", "none"], env, logs / "app.log")
        house.callback(app.end)
        wait_for(f"http://localhost:{app_port}/_stcore/health", app.process, seconds=_LONG)
        yield Running(
            home=moved.home,
            app=f"http://localhost:{app_port}",
            endpoint=endpoint.url,
            env=env,
            registry_file=moved.registry / "mlflow.db",
            artifacts=moved.registry / "kept",
            commands="tests.journeys.signed_in",
            governance=moved.governance,
        )


@contextmanager
def _mlflow_server(folder: Path, log: Path) -> Iterator[str]:
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--serve-artifacts",
        "--artifacts-destination", str(folder / "kept"),
    ]  # fmt: skip
    # Its jobs (scorers of traces and the like) are seven processes more, and no part of a registry.
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log.open("wb") as written:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=written, stderr=written, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, seconds=_LONG)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop_group(process, seconds=5)


@contextmanager
def sessions(running: Running) -> Iterator[Callable[[str], tuple[str, str]]]:
    """Opens a session for somebody of the ledger and gives its cookie, name and text."""
    settings = Settings(
        home=running.home,
        profile=Profile.MLFLOW,
        mlflow_uri=running.env["COUNTERSIGN_MLFLOW_URI"],
        serving_url=running.endpoint,
        database_url=running.env["COUNTERSIGN_DATABASE_URL"],
    )
    room = open_control_room(settings)
    yield lambda subject: ("countersign_session", room.people.open_session(person(room, subject)))
    room.database.dispose()
