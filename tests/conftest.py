"""Shared fixtures: a founded world of the deciding slices in a temporary folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.builders import World, a_world
from tests.unit.pack.agreeing import judge_twice

# How long an example takes says something about the machine, nothing about the code.
settings.register_profile("countersign", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("countersign")


# Once PySpark is installed, MLflow imports its client to recognise data frames; in a process whose main module has no
# file (a worker of pytest-xdist) that import takes the run for a documentation test and ends the process.
_main = sys.modules["__main__"]
if not hasattr(_main, "__file__"):
    _main.__file__ = __file__


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    built = a_world(tmp_path)
    yield built
    judge_twice(built.book)
    built.database.dispose()
