"""Evaluation runs are kept alike on SQLite and PostgreSQL: one owner at a time, one open run per version."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from services.adapters.sql.database import Database
from services.adapters.sql.harness import SqlHarness
from services.evaluation.harness.models import HarnessRun, RunState
from services.evaluation.harness.ports import KeptStep
from tests.builders import NOON
from tests.unit.monitoring.facts_on_disk import with_tables

SILENT = NOON - timedelta(seconds=60)


@pytest.fixture
def store(database_url: str) -> Iterator[SqlHarness]:
    database = with_tables(Database(database_url))
    yield SqlHarness(database)
    database.dispose()


def a_run(number: int = 1, *, version: str = "3") -> HarnessRun:
    return HarnessRun(
        id=f"eva-{number}", model="m", version=version, state=RunState.QUEUED, steps=(), started_at=None,
        finished_at=None, error="", by="Dana", queued_at=NOON + timedelta(seconds=number),
    )  # fmt: skip


def test_a_command_that_is_repeated_gives_its_first_run(store: SqlHarness) -> None:
    first = store.add(a_run(1), command="dana:1")
    store.finish(first.id, state=RunState.DONE, at=NOON)
    assert store.add(a_run(2), command="dana:1").id == "eva-1"
    assert store.add(a_run(3), command="dana:2").id == "eva-3"


def test_a_version_has_one_open_run(store: SqlHarness) -> None:
    store.add(a_run(1), command="dana:1")
    assert store.add(a_run(2), command="vera:1").id == "eva-1"
    assert store.add(a_run(3, version="4"), command="vera:2").id == "eva-3"


def test_only_one_owner_works_on_a_run_until_it_falls_silent(store: SqlHarness) -> None:
    store.add(a_run(), command="dana:1")
    assert store.take("eva-1", owner="a", now=NOON, silent_since=SILENT)
    assert not store.take("eva-1", owner="b", now=NOON, silent_since=SILENT)
    assert store.open_runs(silent_since=SILENT) == ()

    later = NOON + timedelta(minutes=2)
    assert [run.id for run in store.open_runs(silent_since=later - timedelta(seconds=60))] == ["eva-1"]
    assert store.take("eva-1", owner="b", now=later, silent_since=later - timedelta(seconds=60))
    assert not store.beat("eva-1", owner="a", now=later)
    assert store.beat("eva-1", owner="b", now=later)
    found = store.run("eva-1")
    assert found is not None
    assert found.started_at == NOON


def test_a_run_that_was_cancelled_can_neither_beat_nor_end_otherwise(store: SqlHarness) -> None:
    store.add(a_run(), command="dana:1")
    store.take("eva-1", owner="a", now=NOON, silent_since=SILENT)
    assert store.finish("eva-1", state=RunState.CANCELLED, at=NOON, error="Cancelled by Dana.")
    assert not store.beat("eva-1", owner="a", now=NOON)
    assert not store.finish("eva-1", state=RunState.DONE, at=NOON)
    found = store.run("eva-1")
    assert found is not None
    assert (found.state, found.error) == (RunState.CANCELLED, "Cancelled by Dana.")


def test_steps_are_read_back_in_order_with_what_they_found(store: SqlHarness) -> None:
    store.add(a_run(), command="dana:1")
    store.put_steps("eva-1", (KeptStep(check="files", state="waiting"), KeptStep(check="data", state="waiting")))
    done = KeptStep(check="files", state="done", sentence="8 files.", seconds=0.125, document='{"a": 1}')
    store.put_step("eva-1", done)
    store.set_basis("eva-1", "ab" * 32)
    assert store.steps("eva-1") == (done, KeptStep(check="data", state="waiting"))
    assert store.basis("eva-1") == "ab" * 32
    found = store.latest("m", "3")
    assert found is not None
    assert found.share == 0.5


def test_the_newest_report_counts_as_ours_from_the_moment_it_is_vouched_for(store: SqlHarness) -> None:
    store.add(a_run(1), command="dana:1")
    assert store.newest_report("m", "3") == ""
    store.vouch("eva-1", "cd" * 32)
    assert store.newest_report("m", "3") == "cd" * 32
    store.finish("eva-1", state=RunState.DONE, at=NOON, entry=9)

    store.add(a_run(0), command="dana:2")  # asked for by a clock that was set back
    store.vouch("eva-0", "ef" * 32)
    assert store.newest_report("m", "3") == "ef" * 32
    store.finish("eva-0", state=RunState.DONE, at=NOON, entry=10)
    assert store.newest_report("m", "3") == "ef" * 32
    assert store.newest_report("m", "4") == ""


def test_a_run_that_failed_or_was_cancelled_vouches_for_nothing(store: SqlHarness) -> None:
    store.add(a_run(1), command="dana:1")
    store.vouch("eva-1", "cd" * 32)
    store.finish("eva-1", state=RunState.FAILED, at=NOON, error="The registry does not answer.")
    assert store.newest_report("m", "3") == ""
