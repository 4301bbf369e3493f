"""The supervisor with real children: starts, restarts, refuses a second one, and leaves nothing behind."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest

from services import supervisor
from services.adapters.local.processes import ROOT, family
from services.adapters.mlflow.initialise import initialise_store
from services.settings import Settings, read_settings
from services.workspace import marker
from services.workspace.founding import found
from tests.fakes.endpoint import wait_until


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    settings: Settings
    log: Path

    def children(self) -> dict[str, int]:
        """Endpoint, worker and app by a word of their command line."""
        words = {"gateway": "endpoint", "worker": "worker", "streamlit": "app"}
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
                line = " ".join(child.cmdline())
                found |= {name: child.pid for word, name in words.items() if word in line}
        return found

    def endpoint_answers(self) -> bool:
        try:
            return httpx.get(f"{self.settings.endpoint_url}/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


def a_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def a_workspace(home: Path) -> Settings:
    """Founded and marked as prepared, without models or history."""
    settings = read_settings(home=home, app_port=a_port(), serving_port=a_port())
    now = datetime.now(UTC).replace(microsecond=0)
    genesis = found(settings, at=now, replay_from=None, replay_to=None)
    initialise_store(settings.registry_uri)
    marker.write_facts(settings, marker.PreparedFacts(prepared_at=now, replay_from=now, genesis=genesis, seconds=0.0))
    return settings


@contextmanager
def a_start(folder: Path) -> Iterator[Running]:
    settings = a_workspace(folder / "home")
    env = {
        **os.environ,
        "COUNTERSIGN_HOME": str(settings.home),
        "COUNTERSIGN_APP_PORT": str(settings.app_port),
        "COUNTERSIGN_SERVING_PORT": str(settings.serving_port),
    }
    log = folder / "out.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.supervisor"], cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: "Countersign is ready" in log.read_text() or process.poll() is not None, seconds=90)
        assert process.poll() is None, log.read_text()
        yield Running(process=process, settings=settings, log=log)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=40)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with a_start(tmp_path_factory.mktemp("supervised")) as started:
        yield started


@pytest.mark.slow
def test_it_says_where_the_app_is_and_names_the_source_of_each_line(running: Running) -> None:
    text = running.log.read_text()

    assert f"Countersign is ready: http://localhost:{running.settings.app_port}" in text
    assert " app | " in text
    wait_until(lambda: set(running.children()) == {"endpoint", "worker", "app"})


@pytest.mark.slow
def test_a_second_start_is_refused_with_the_address_of_the_first(running: Running) -> None:
    out = io.StringIO()

    assert supervisor.run(running.settings, out) == 1
    assert f"already runs on this workspace (process {running.process.pid})" in out.getvalue()


@pytest.mark.slow
def test_a_crashed_endpoint_comes_back_and_connections_wait_instead_of_being_refused(running: Running) -> None:
    wait_until(lambda: "endpoint" in running.children())
    before = running.children()["endpoint"]
    os.kill(before, signal.SIGKILL)

    answer = httpx.get(f"{running.settings.endpoint_url}/health", timeout=30)

    assert answer.status_code == 200
    assert answer.json()["pid"] != before


@pytest.mark.slow
def test_a_crashed_worker_comes_back(running: Running) -> None:
    wait_until(lambda: "worker" in running.children())
    before = running.children()["worker"]
    os.kill(before, signal.SIGKILL)

    wait_until(lambda: running.children().get("worker", before) != before)


@pytest.mark.slow
def test_after_sigterm_no_process_and_no_port_is_left(tmp_path: Path) -> None:
    with a_start(tmp_path) as running:
        pids = set(family(running.process.pid))
        assert len(pids) >= 5

        running.process.terminate()

        assert running.process.wait(timeout=40) == 0
    wait_until(lambda: not [pid for pid in pids if psutil.pid_exists(pid)], seconds=5)
    for port in (running.settings.app_port, running.settings.serving_port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    assert running.log.read_text().rstrip().endswith("Stopped.")


def test_a_taken_port_stops_the_start_before_anything_is_prepared(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        settings = read_settings(home=tmp_path / "home", app_port=port, serving_port=a_port())
        out = io.StringIO()

        assert supervisor.run(settings, out) == 1

    assert f"Port {port} is taken by" in out.getvalue()
    assert f"(process {os.getpid()})" in out.getvalue()
    assert "COUNTERSIGN_APP_PORT=" in out.getvalue()
    assert not (tmp_path / "home" / "governance.db").exists()


def test_restarts_wait_longer_each_time() -> None:
    settings = read_settings()
    watch = supervisor.Supervisor(settings=settings, out=io.StringIO())
    child = supervisor.Child(name="worker", command=[sys.executable, "-c", "raise SystemExit(3)"], environment={})
    watch.children = [child]
    child.start(watch.say)
    delays = []
    for _ in range(2):
        wait_until(child.has_ended)
        now = time.monotonic()
        watch._restart_crashed()
        delays.append(round(child.due_at - now, 1))
        wait_until(lambda now=now: time.monotonic() >= child.due_at)
        watch._restart_crashed()
    wait_until(child.has_ended)

    assert delays == [0.5, 1.0]
    assert "ended with code 3; starting again in 0.5 s" in watch.out.getvalue()
