"""The started workspace as journeys see it: addresses, folders, and its stores read without the product."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.journeys.steps import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
_WRITERS = 0x434F554E5445
"""The lock at which writers queue on PostgreSQL (`services.adapters.sql.database`), written down again."""


@dataclass(frozen=True)
class Running:
    """One of these for both profiles: what differs is where the stores lie and how a person signs in."""

    home: Path
    app: str
    endpoint: str
    env: dict[str, str]
    registry_file: Path
    """The store behind the registry; the profile mlflow has a server in front of it."""
    artifacts: Path
    commands: str = "services"
    """The module that is the command line."""
    governance: str = ""
    """Address of PostgreSQL as its superuser; empty where decisions lie in the home folder."""

    def cli(self, *words: str, passphrase: str = "") -> subprocess.CompletedProcess[str]:
        env = {**self.env, **({"COUNTERSIGN_PASSPHRASE": passphrase} if passphrase else {})}
        return subprocess.run(
            [sys.executable, "-m", self.commands, *words],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=120 * PATIENCE,
            check=False,
        )

    @property
    def tracking_server(self) -> str:
        """Address of the server in front of the registry; empty where the product opens the store itself."""
        return self.env.get("COUNTERSIGN_MLFLOW_URI", "")

    def point_alias(self, model: str, version: str) -> None:
        """Past Countersign, by MLflow's own interface."""
        wanted = {"name": model, "alias": "champion", "version": version}
        answer = httpx.post(
            f"{self.tracking_server}/api/2.0/mlflow/registered-models/alias", json=wanted, timeout=20, trust_env=False
        )
        answer.raise_for_status()

    def registry(self, sql: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.registry_file}?mode=ro", uri=True)) as store:
            return store.execute(sql, values).fetchall()

    def book(self, sql: str, *values: object) -> list[Any]:
        """Rows of the governance database, by plain SQL that both databases understand; `?` stands for a value."""
        if self.governance:
            with psycopg.connect(self.governance) as connection:
                return connection.execute(sql.replace("%", "%%").replace("?", "%s"), values).fetchall()
        with closing(sqlite3.connect(f"file:{self.home / 'governance.db'}?mode=ro", uri=True, timeout=30)) as store:
            return store.execute(sql, values).fetchall()

    def overwrite(self, seq: int, envelope: bytes) -> None:
        """As an owner of the tables can: the protection is taken away, one entry changed, the protection put back."""
        if self.governance:
            with psycopg.connect(self.governance) as connection:
                connection.execute("ALTER TABLE log_entry DISABLE TRIGGER log_entry_no_change")
                connection.execute("UPDATE log_entry SET envelope = %s WHERE seq = %s", (envelope, seq))
                connection.execute("ALTER TABLE log_entry ENABLE ALWAYS TRIGGER log_entry_no_change")
            return
        with closing(sqlite3.connect(self.home / "governance.db", timeout=30, isolation_level=None)) as store:
            store.execute("BEGIN IMMEDIATE")
            (trigger,) = store.execute("SELECT sql FROM sqlite_master WHERE name = 'log_entry_no_update'").fetchone()
            store.execute("DROP TRIGGER log_entry_no_update")
            store.execute("UPDATE log_entry SET envelope = ? WHERE seq = ?", (envelope, seq))
            store.execute(trigger)
            store.execute("COMMIT")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody else writes and does not come to an end."""
        if self.governance:
            with psycopg.connect(self.governance) as connection:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITERS,))
                yield
                connection.rollback()
            return
        with closing(sqlite3.connect(self.home / "governance.db", timeout=30, isolation_level=None)) as book:
            book.execute("BEGIN IMMEDIATE")
            yield
            book.execute("ROLLBACK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
