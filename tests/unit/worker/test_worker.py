"""The loop: one failing task never stops the others, failures are recorded, SIGTERM ends it in order."""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from services.adapters.sql.database import Database
from services.adapters.sql.ops import SqlOps
from services.adapters.sql.schema.ops import sync_state
from services.kernel.clock import FrozenClock
from services.kernel.errors import BrokenChainError, RegistryUnavailableError
from services.kernel.logs import JsonLines
from services.worker import Firm, Lane, Task, Worker
from tests.builders import NOON, create_tables


def an_ops(tmp_path: Path) -> tuple[SqlOps, Database]:
    database = Database(f"sqlite:///{tmp_path / 'governance.db'}")
    create_tables(database)
    return SqlOps(database), database


def failing() -> None:
    raise RegistryUnavailableError("The registry does not answer.")


def broken() -> None:
    raise ZeroDivisionError


def results(database: Database) -> dict[str, str]:
    with database.read() as connection:
        return {row.source: row.error for row in connection.execute(select(sync_state))}


def test_every_task_runs_and_failures_are_recorded_with_their_reason(tmp_path: Path) -> None:
    ops, database = an_ops(tmp_path)
    done: list[str] = []
    tasks = (
        Task(name="registry", every=timedelta(seconds=5), run=failing),
        Task(name="odd", every=timedelta(seconds=5), run=broken),
        Task(name="outbox", every=timedelta(seconds=1), run=lambda: done.append("outbox")),
    )
    worker = Worker(tasks=tasks, ops=ops, clock=FrozenClock(NOON))
    assert worker.run_once() == 2
    assert done == ["outbox"]
    assert results(database) == {
        "worker:registry": "The registry does not answer.",
        "worker:odd": "Unexpected fault (ZeroDivisionError); details are in the worker's log.",
        "worker:outbox": "",
    }
    assert ops.last_beat() == NOON


def test_a_failing_task_waits_longer_each_time_and_recovers(tmp_path: Path) -> None:
    task = Task(name="x", every=timedelta(seconds=5), run=failing)
    waits = []
    for _ in range(12):
        task.schedule(0.0, failed=True)
        waits.append(task.due)
    assert waits[0] < waits[2] < waits[4]
    assert max(waits) <= 331
    task.schedule(0.0, failed=False)
    assert task.due == 5.0


@pytest.mark.parametrize("lane", Lane)
def test_a_task_of_any_lane_is_due_again(lane: Lane) -> None:
    task = Task(name="x", every=timedelta(seconds=5), run=failing, lane=lane)
    for failed in (False, True):
        task.schedule(0.0, failed=failed)
        assert 0 < task.due < 12


def test_one_worker_leads_and_the_other_takes_over_when_it_is_gone(tmp_path: Path) -> None:
    ops, _ = an_ops(tmp_path)
    clock = FrozenClock(NOON)
    assert ops.take_lease("worker", "a", now=clock.now(), lasting=timedelta(seconds=30))
    assert not ops.take_lease("worker", "b", now=clock.now(), lasting=timedelta(seconds=30))
    clock.set(NOON + timedelta(seconds=31))
    assert ops.take_lease("worker", "b", now=clock.now(), lasting=timedelta(seconds=30))
    ops.release_lease("worker", "b", now=clock.now())
    clock.set(NOON + timedelta(seconds=32))
    assert ops.take_lease("worker", "a", now=clock.now(), lasting=timedelta(seconds=30))


def test_the_loop_ends_when_asked_and_gives_the_lease_back(tmp_path: Path) -> None:
    ops, _ = an_ops(tmp_path)
    ran = threading.Event()
    tasks = (Task(name="outbox", every=timedelta(seconds=1), run=ran.set),)
    worker = Worker(tasks=tasks, ops=ops, clock=FrozenClock(NOON))
    thread = threading.Thread(target=worker.run_forever)
    thread.start()
    assert ran.wait(timeout=10)
    worker.stop()
    began = time.monotonic()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert time.monotonic() - began < 5
    assert ops.take_lease("worker", "next", now=NOON + timedelta(seconds=1), lasting=timedelta(seconds=30))


def test_a_slow_task_does_not_hold_up_heartbeat_and_outbox(tmp_path: Path) -> None:
    ops, _ = an_ops(tmp_path)
    release, runs = threading.Event(), []
    tasks = (
        Task(name="monitoring", every=timedelta(seconds=60), run=lambda: release.wait(timeout=20)),
        Task(name="outbox", every=timedelta(milliseconds=100), run=lambda: runs.append(1), lane=Lane.ACT),
    )
    worker = Worker(tasks=tasks, ops=ops, clock=FrozenClock(NOON))
    thread = threading.Thread(target=worker.run_forever)
    thread.start()
    deadline = time.monotonic() + 10
    while len(runs) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    release.set()
    worker.stop()
    thread.join(timeout=25)
    assert len(runs) >= 3


def test_a_log_line_is_one_json_object_with_what_the_call_added() -> None:
    record = logging.makeLogRecord({"msg": "task failed", "levelname": "WARNING", "task": "registry"})
    line = json.loads(JsonLines().format(record))
    assert (line["message"], line["level"], line["task"]) == ("task failed", "warning", "registry")


class Short:
    """A ledger that nothing may be added to."""

    def __init__(self) -> None:
        self.begun = 0

    def begin(self) -> None:
        self.begun += 1

    def require(self) -> None:
        raise BrokenChainError("Newer entries are missing.")


def test_on_a_ledger_that_nothing_may_be_added_to_only_what_always_runs_is_run(tmp_path: Path) -> None:
    ops, database = an_ops(tmp_path)
    done: list[str] = []
    tasks = (
        Task(name="outbox", every=timedelta(seconds=1), run=lambda: done.append("outbox"), always=True),
        Task(name="releases", every=timedelta(seconds=1), run=lambda: done.append("releases")),
    )
    assert Worker(tasks=tasks, ops=ops, clock=FrozenClock(NOON), ground=Short()).run_once() == 1
    assert done == ["outbox"]
    assert results(database) == {"worker:outbox": "", "worker:releases": "Newer entries are missing."}


def test_the_silence_of_the_worker_before_is_not_added_to_such_a_ledger_and_told_once_it_may_be(tmp_path: Path) -> None:
    ops, _ = an_ops(tmp_path)
    gone = NOON - timedelta(hours=1)
    ops.beat("gone", at=gone, started_at=gone, host="host", pid=1)
    ops.take_lease("worker", "gone", now=gone, lasting=timedelta(seconds=30))
    told: list[str] = []
    ground = Short()
    worker = Worker(
        tasks=(), ops=ops, clock=FrozenClock(NOON), ground=ground, took_over=lambda lost, _: told.append(lost.worker_id)
    )
    worker.run_once()
    assert (told, ground.begun) == ([], 1)
    worker.ground = Firm()
    worker.run_once()
    assert told == ["gone"]


def test_a_round_by_itself_says_goodbye_and_is_never_reported_as_silent(tmp_path: Path) -> None:
    ops, _ = an_ops(tmp_path)
    clock, told = FrozenClock(NOON), list[str]()
    for _ in range(3):
        worker = Worker(tasks=(), ops=ops, clock=clock, took_over=lambda lost, _: told.append(lost.worker_id))
        worker.run_once()
        clock.set(clock.now() + timedelta(hours=1))
    assert told == []


def test_whoever_begins_to_lead_again_asks_at_once_what_the_ledger_is_held_to(tmp_path: Path) -> None:
    """An order that moves forward waits for the answer: after a lapse it must not wait for the rhythm of the task."""
    ops, _ = an_ops(tmp_path)
    tasks = (
        Task(name="registry-anchors", every=timedelta(minutes=5), run=lambda: None, always=True, due=1e9),
        Task(name="figures", every=timedelta(minutes=5), run=lambda: None, due=1e9),
    )
    worker = Worker(tasks=tasks, ops=ops, clock=FrozenClock(NOON), ground=Short())
    worker.run_once()
    assert [task.due for task in tasks] == [0.0, 1e9]
