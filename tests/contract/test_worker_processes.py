"""Workers as real processes on a real database: one leads, the next takes over, a frozen one does no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from services.adapters.sql.database import Database
from services.adapters.sql.ops import SqlOps
from services.adapters.sql.schema.ops import worker_heartbeat, worker_lease
from services.oversight.worker_health import worker_problems
from tests.builders import create_tables

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
from datetime import timedelta
from services.adapters.sql.database import Database
from services.adapters.sql.ops import SqlOps
from services.kernel.clock import SystemClock
from services.worker import Lane, Task, Worker, install_signals

url, name, done = sys.argv[1:4]

def mark(kind):
    def run():
        with open(done, "a") as out:
            out.write(f"{name} {kind}\\n")
    return run

worker = Worker(
    tasks=(
        Task(name="outbox", every=timedelta(milliseconds=100), run=mark("outbox"), lane=Lane.ACT),
        Task(name="watch", every=timedelta(milliseconds=100), run=mark("watch"), lane=Lane.WATCH),
    ),
    ops=SqlOps(Database(url)),
    clock=SystemClock(),
    lease_lasting=timedelta(seconds=12),
    beat_every=timedelta(seconds=1),
    took_over=lambda lost, at: open(done, "a").write(f"{name} took-over {lost.worker_id}\\n"),
    worker_id=name,
)
install_signals(worker)
worker.run_forever()
"""


class Workers:
    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.done = folder / "done"
        self.done.write_text("")
        self.database = Database(url)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, self.url, name, str(self.done)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def tell(self, name: str, number: signal.Signals) -> None:
        self.processes[name].send_signal(number)

    def leader(self) -> str:
        with self.database.read() as connection:
            row = connection.execute(select(worker_lease)).first()
        return row.owner if row is not None and row.until > datetime.now(UTC) else ""

    def lines(self) -> list[str]:
        return self.done.read_text().splitlines()

    def worked_last(self) -> str:
        works = [line for line in self.lines() if "took-over" not in line]
        return works[-1].split()[0] if works else ""

    def end(self) -> None:
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self.database.dispose()


@pytest.fixture
def workers(database_url: str, tmp_path: Path) -> Iterator[Workers]:
    database = Database(database_url)
    create_tables(database)
    database.dispose()
    made = Workers(database_url, tmp_path)
    yield made
    made.end()


def until(condition: Callable[[], bool], *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


@contextmanager
def two(workers: Workers) -> Iterator[None]:
    workers.start("first")
    until(lambda: workers.leader() == "first" and workers.worked_last() == "first")
    workers.start("second")
    until(lambda: _beats(workers, "second"))
    yield


def _beats(workers: Workers, name: str) -> bool:
    with workers.database.read() as connection:
        return (
            connection.execute(select(worker_heartbeat).where(worker_heartbeat.c.worker_id == name)).first() is not None
        )


def test_of_two_workers_one_leads_and_the_other_does_nothing(workers: Workers) -> None:
    with two(workers):
        before = len(workers.lines())
        until(lambda: len(workers.lines()) > before + 20)
        assert {line.split()[0] for line in workers.lines()} == {"first"}


def test_a_killed_leader_is_followed_within_its_lease_and_the_gap_is_told(workers: Workers) -> None:
    """Row 12 with `kill -9`: the lease runs out, nothing else is needed."""
    with two(workers):
        workers.tell("first", signal.SIGKILL)
        until(lambda: workers.leader() == "second" and workers.worked_last() == "second")
        until(lambda: "second took-over first" in workers.lines())


def test_a_frozen_leader_loses_its_turn_and_waits_when_it_wakes_up(workers: Workers) -> None:
    """Row 12 with SIGSTOP and SIGCONT."""
    with two(workers):
        workers.tell("first", signal.SIGSTOP)
        until(lambda: workers.leader() == "second" and workers.worked_last() == "second")
        workers.tell("first", signal.SIGCONT)
        woke = datetime.now(UTC)
        until(lambda: _beat_of(workers, "first") > woke + timedelta(seconds=1))
        assert workers.leader() == "second"
        settled = len(workers.lines())
        until(lambda: len(workers.lines()) > settled + 10)
        assert {line.split()[0] for line in workers.lines()[settled:]} == {"second"}


def test_a_leader_that_says_goodbye_is_followed_at_once_and_nobody_is_alarmed(workers: Workers) -> None:
    with two(workers):
        workers.tell("first", signal.SIGTERM)
        assert workers.processes["first"].wait(timeout=30) == 0
        until(lambda: workers.worked_last() == "second")
        assert [line for line in workers.lines() if "took-over" in line] == []


def test_a_dead_worker_is_visible_within_a_minute_by_its_heartbeat(workers: Workers) -> None:
    workers.start("only")
    until(lambda: workers.leader() == "only" and workers.worked_last() == "only")
    workers.tell("only", signal.SIGKILL)
    workers.processes["only"].wait()
    seen = SqlOps(workers.database).last_beat()
    assert seen is not None
    stale = timedelta(seconds=60)
    assert worker_problems(seen, (), now=seen + timedelta(seconds=61), stale=stale)[0].startswith("No worker answered")


def _beat_of(workers: Workers, name: str) -> datetime:
    with workers.database.read() as connection:
        found: datetime = connection.execute(
            select(worker_heartbeat.c.at).where(worker_heartbeat.c.worker_id == name)
        ).scalar_one()
    return found


def test_a_lease_written_by_a_clock_that_was_a_day_ahead_holds_nobody_up(database_url: str) -> None:
    """Row 27: the clock goes back, and the worker of tomorrow is gone."""
    database = Database(database_url)
    create_tables(database)
    ops, now, lasting = SqlOps(database), datetime.now(UTC), timedelta(seconds=30)
    assert ops.take_lease("worker", "tomorrow", now=now + timedelta(days=1), lasting=lasting)
    assert ops.take_lease("worker", "today", now=now, lasting=lasting)
    assert not ops.take_lease("worker", "other", now=now + timedelta(seconds=29), lasting=lasting)
    database.dispose()
