"""A deployment as an operator makes it: PostgreSQL with the shipped accounts, founded by its owner, run by others."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from typer.testing import CliRunner, Result

from services.__main__ import app

ROOT = Path(__file__).resolve().parents[2]
ROLES = (ROOT / "deploy" / "postgres-roles.sql").read_text()
IDP = "https://idp.example.com"
PASSPHRASE = "twelve letters and more"
PEOPLE = f"""
deployment: acme-prod
people:
  - {{issuer: "{IDP}", subject: ada, name: Ada Moreau, roles: [admin]}}
  - {{issuer: "{IDP}", subject: amir, name: Amir Haddad, roles: [admin]}}
  - {{issuer: "{IDP}", subject: clara, name: Clara Whitfield, roles: [compliance_officer]}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Production:
    home: Path
    server: str
    """Address of the database as the superuser."""

    def url(self, account: str) -> str:
        return as_account(self.server, account)

    def environment(self, account: str = "countersign_app") -> dict[str, str]:
        """Nothing answers at the registry's address: what is tested here must not need it."""
        return {
            "COUNTERSIGN_HOME": str(self.home),
            "COUNTERSIGN_PROFILE": "mlflow",
            "COUNTERSIGN_MLFLOW_URI": "http://127.0.0.1:9",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "COUNTERSIGN_DATABASE_URL": self.url(account),
        }

    def run(self, *words: str, account: str = "countersign_app", given: str = "", **more: str) -> Result:
        return CliRunner().invoke(app, list(words), env={**self.environment(account), **more}, input=given)

    def process_environment(self, account: str, **more: str) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), **self.environment(account), **more}


def as_account(url: str, account: str) -> str:
    """The same database signed in as somebody else; the test server asks nobody for a password."""
    head, _, tail = url.partition("://")
    return f"{head}://{account}@{tail.partition('@')[2]}"


@contextmanager
def a_production(postgres: str, folder: Path) -> Iterator[Production]:
    name = f"production_{secrets.token_hex(4)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    server = postgres.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(ROLES)
    made = Production(home=folder / "home", server=server)
    people = folder / "people.yaml"
    people.write_text(PEOPLE)
    done = made.run("found", str(people), account="countersign_owner", given=f"{PASSPHRASE}\n{PASSPHRASE}\n" * 3)
    assert done.exit_code == 0, done.output
    yield made
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
