"""Shared fixtures: a founded world of the deciding slices in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import World, a_world
from tests.unit.pack.agreeing import judge_twice


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    built = a_world(tmp_path)
    yield built
    judge_twice(built.book)
    built.database.dispose()
