"""`worker-check`, and the supervisor that asks it: real processes; exit code 0 only while work is done."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from services import supervisor
from services.__main__ import app
from services.adapters.local.processes import ROOT, stop_group
from services.adapters.sql.database import Database
from services.adapters.sql.ops import SqlOps
from services.settings import Settings
from services.workspace.founding import found
from tests.fakes.endpoint import wait_until

LANES = ("worker:outbox", "worker:watch")
HANGS = """
import pathlib, sys, time
pulse = pathlib.Path(sys.argv[1])
if not pulse.exists():
    pulse.write_text("alive")
time.sleep(600)
"""
BEATS = """
import pathlib, sys, time
while True:
    pathlib.Path(sys.argv[1]).write_text(str(time.time_ns()))
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def founded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("founded") / "home"
    found(Settings(home=home), at=datetime.now(UTC).replace(microsecond=0), replay_from=None, replay_to=None)
    return home


@pytest.fixture
def settings(founded_once: Path, tmp_path: Path) -> Settings:
    shutil.copytree(founded_once, tmp_path / "home")
    return Settings(home=tmp_path / "home")


@pytest.fixture
def ops(settings: Settings) -> Iterator[SqlOps]:
    database = Database(settings.governance_url)
    yield SqlOps(database)
    database.dispose()


def check(settings: Settings, *words: str) -> Result:
    env = {"COUNTERSIGN_HOME": str(settings.home), "COUNTERSIGN_SERVING_PORT": "1"}
    return CliRunner().invoke(app, ["worker-check", *words], env=env)


def beat(ops: SqlOps, *, ago: timedelta = timedelta(0), lanes: dict[str, timedelta] | None = None) -> None:
    now = datetime.now(UTC)
    ops.beat("host:1:ab", at=now - ago, started_at=now - ago, host="host", pid=1)
    for lane, lane_ago in (lanes or dict.fromkeys(LANES, ago)).items():
        ops.record(lane, at=now - lane_ago, error="")


@pytest.mark.slow
def test_a_worker_that_did_its_tasks_turns_the_exit_code_from_one_to_zero(settings: Settings) -> None:
    before = check(settings, "--json")
    assert (before.exit_code, json.loads(before.stdout)) == (1, {"alive": False, "problems": ["No worker ever ran."]})

    env = {**os.environ, "COUNTERSIGN_HOME": str(settings.home), "COUNTERSIGN_SERVING_PORT": "1"}
    once = [sys.executable, "-m", "services", "worker", "--once"]
    done = subprocess.run(once, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert "tasks done" in done.stdout

    after = check(settings, "--within", "3600")
    assert (after.exit_code, after.stdout) == (0, "A worker runs, and none of its lanes hangs.\n")


def test_an_old_heartbeat_is_exit_code_one_however_lively_the_tasks_were(settings: Settings, ops: SqlOps) -> None:
    beat(ops, ago=timedelta(minutes=5))
    done = check(settings)
    assert done.exit_code == 1
    assert done.stdout.startswith("No worker answered since")
    assert check(settings, "--within", "3600").exit_code == 0


def test_a_worker_that_lives_while_one_of_its_lanes_hangs_is_exit_code_one(settings: Settings, ops: SqlOps) -> None:
    beat(ops, lanes={"worker:outbox": timedelta(hours=2), "worker:watch": timedelta(0)})
    done = check(settings, "--within", "3600")
    assert done.exit_code == 1
    assert "Signed actions were last looked at" in done.stdout
    assert "a task hangs" in done.stdout
    assert "releases" not in done.stdout


def test_an_alert_is_a_notice_and_the_same_silence_is_told_once(settings: Settings, ops: SqlOps) -> None:
    beat(ops, ago=timedelta(minutes=5))
    assert notices(settings) == []
    assert check(settings, "--alert").exit_code == 1
    told = notices(settings)
    assert told
    assert all(why.startswith("No worker answered since") for why in told)
    check(settings, "--alert")
    assert notices(settings) == told


def notices(settings: Settings) -> list[str]:
    return _of_notices(settings, "why")


def recipients(settings: Settings) -> list[str]:
    return _of_notices(settings, "role")


def _of_notices(settings: Settings, column: str) -> list[str]:
    database = Database(settings.governance_url)
    with database.read() as connection:
        rows = connection.execute(text("SELECT * FROM notice WHERE kind = 'worker-away' ORDER BY key")).mappings()
        found = [str(row[column]) for row in rows]
    database.dispose()
    return found


class Watching:
    """The supervisor's watch over one child, without app and endpoint."""

    def __init__(self, settings: Settings, script: str) -> None:
        pulse = settings.run_folder / "worker.pulse"
        self.out = io.StringIO()
        self.watch = supervisor.Supervisor(settings=settings, out=self.out)
        command = [sys.executable, "-c", script, str(pulse)]
        self.child = supervisor.Child(
            name="worker", command=command, environment=dict(os.environ), pulse=supervisor.Pulse(file=pulse)
        )
        self.watch.children = [self.child]
        self.child.start(self.watch.say)

    @property
    def pid(self) -> int:
        assert self.child.process is not None
        return self.child.process.pid

    def end(self) -> None:
        self.watch.stopping.set()
        if self.child.process is not None:
            stop_group(self.child.process, seconds=1)


@pytest.mark.slow
def test_a_worker_without_a_sign_of_life_is_ended_started_again_and_told_once(
    settings: Settings, ops: SqlOps, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat(ops, ago=timedelta(minutes=5))
    monkeypatch.setattr(supervisor, "_SILENT_SECONDS", 1.0)
    monkeypatch.setattr(supervisor, "_START_SECONDS", 3.0)
    watching = Watching(settings, HANGS)
    pids = {watching.pid}
    thread = threading.Thread(target=watching.watch._watch)
    thread.start()
    try:
        wait_until(lambda: len(pids.add(watching.pid) or pids) >= 3, seconds=120)
        wait_until(lambda: "messages sent" in watching.out.getvalue(), seconds=120)
    finally:
        watching.end()
        thread.join(timeout=60)
    said = watching.out.getvalue()
    assert said.count("gave no sign of life for 1 s; the people on call are told") == 1
    assert "alert | No worker answered since" in said
    assert "worker | ended with code -9; starting again in 0.5 s" in said
    assert len(notices(settings)) == len(set(recipients(settings))) > 0


def test_a_worker_that_beats_is_left_alone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_START_SECONDS", supervisor._SILENT_SECONDS)
    watching = Watching(settings, BEATS)
    pulse = watching.child.pulse
    assert pulse is not None
    try:
        wait_until(pulse.file.exists, seconds=60)
        assert pulse.silent_seconds() < supervisor._SILENT_SECONDS
        watching.watch._end_silent()
        assert not watching.child.has_ended()
        assert watching.out.getvalue() == ""
    finally:
        watching.end()
