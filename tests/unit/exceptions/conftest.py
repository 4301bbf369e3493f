"""A world on SQLite and on PostgreSQL, and the commands of exceptional ways with sensible defaults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import World, a_world
from tests.contract.conftest import database_url, postgres

__all__ = ["database_url", "postgres"]


@pytest.fixture
def stored(database_url: str, tmp_path: Path) -> Iterator[World]:
    """The same world on each kind of database."""
    built = a_world(tmp_path, url=database_url)
    yield built
    built.database.dispose()
