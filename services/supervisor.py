"""Everything of the embedded workspace under one roof: endpoint, worker and app, started, watched and ended together.

    python -m services.supervisor

The supervisor holds the endpoint's listening socket, so that connections wait instead of being refused while the
endpoint is started again. It opens no database and loads no model: it must live when they do not.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO

import httpx
import psutil
from filelock import FileLock, Timeout

from services.adapters.local.processes import (
    ROOT,
    child_environment,
    family,
    gateway_command,
    listen_on,
    stop_group,
)
from services.kernel.errors import ConflictError, ControlRoomError, ServingUnavailableError
from services.settings import PULSE_FILE, Profile, Settings, read_settings
from services.workspace.marker import RUNNING_LOCK, RUNNING_NOTE, is_prepared, make_home

_HEALTH_SECONDS = 60.0
_FIRST_VISIT_SECONDS = 10.0
_BACK_OFF = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
_STABLE_SECONDS = 60.0
_POLL_SECONDS = 0.2
_SILENT_SECONDS = 45.0
"""A worker without a heartbeat for this long hangs, whatever the operating system says about its process."""
_START_SECONDS = 90.0
"""What a worker may take until its first heartbeat: it brings the database up to date before."""


@dataclass(slots=True)
class Pulse:
    """A file the child touches while it lives. Ages are measured here: no clock of the day is believed."""

    file: Path
    seen: int = 0
    at: float = 0.0
    told: bool = False

    def begin(self) -> None:
        """A process that was just started gets its time; one that only crashes never gets it twice."""
        self.at = time.monotonic() + _START_SECONDS - _SILENT_SECONDS

    def silent_seconds(self) -> float:
        """How long nothing was heard; negative while the child still has time to start."""
        try:
            stamp = self.file.stat().st_mtime_ns
        except OSError:
            stamp = 0
        now = time.monotonic()
        if stamp and stamp != self.seen:
            self.seen, self.at, self.told = stamp, now, False
        return now - self.at


@dataclass(slots=True)
class Child:
    """One process that must run. `restarts` counts crashes since it was last stable."""

    name: str
    command: list[str]
    environment: dict[str, str]
    pass_fds: tuple[int, ...] = ()
    process: subprocess.Popen[str] | None = None
    restarts: int = 0
    started_at: float = 0.0
    due_at: float = 0.0
    pulse: Pulse | None = None

    def start(self, say: Callable[[str, str], None]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own modules
            self.command,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=self.pass_fds,
            start_new_session=True,
        )
        self.started_at = time.monotonic()
        if self.pulse is not None and not self.pulse.at:
            self.pulse.begin()
        threading.Thread(target=self._pump, args=(self.process.stdout, say), daemon=True).start()

    def _pump(self, lines: TextIO | None, say: Callable[[str, str], None]) -> None:
        for line in lines or ():
            say(self.name, line.rstrip())

    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None


@dataclass(slots=True)
class Supervisor:
    settings: Settings
    out: TextIO
    children: list[Child] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> int:
        """Until Ctrl-C or SIGTERM. The exit code: 0 after an asked-for stop, 1 when a start failed."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        listener = self._reserve_ports()
        try:
            self.children = self._children(listener)
            for child in self.children:
                child.start(self.say)
            self._wait_until_healthy()
            self._pay_first_visit()
            if not self.stopping.is_set():
                self.say("", f"Countersign is ready: {self.address}")
                self.say("", "Press Ctrl-C to stop.")
            self._watch()
        finally:
            self._end(listener)
        return 0

    @property
    def address(self) -> str:
        return f"http://localhost:{self.settings.app_port}"

    def say(self, name: str, line: str) -> None:
        with self._writing:
            self.out.write(f"{name:>8} | {line}\n" if name else f"{line}\n")
            self.out.flush()

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping.set()

    def _reserve_ports(self) -> socket.socket | None:
        """The endpoint's socket is opened here; the app's port is only checked, Streamlit opens it itself."""
        app = listen_on(self.settings.app_port, setting="COUNTERSIGN_APP_PORT")
        app.close()
        if self.settings.profile is not Profile.EMBEDDED:
            return None
        listener = listen_on(self.settings.serving_port)
        listener.set_inheritable(True)
        return listener

    def _children(self, listener: socket.socket | None) -> list[Child]:
        # Every child and grandchild carries the mark, so that none can be overlooked at the end.
        shared = child_environment(**self._home())
        if self.settings.has_test_panel:
            shared["COUNTERSIGN_CLOCK_FILE"] = str(self.settings.clock_file.resolve())
        children = []
        if listener is not None:
            command = gateway_command(
                home=self.settings.home.resolve(), tracking_uri=self.settings.registry_uri, fd=listener.fileno()
            )
            children.append(Child(name="endpoint", command=command, environment=shared, pass_fds=(listener.fileno(),)))
        worker = [sys.executable, "-m", "services", "worker"]
        pulse = self.settings.run_folder.resolve() / "worker.pulse"
        beating = {**shared, PULSE_FILE: str(pulse)}
        children.append(Child(name="worker", command=worker, environment=beating, pulse=Pulse(file=pulse)))
        children.append(Child(name="app", command=self._app_command(), environment=shared))
        return children

    def _app_command(self) -> list[str]:
        options = {
            "server.port": str(self.settings.app_port),
            "server.address": "localhost",
            "server.headless": "true",
            "server.fileWatcherType": "none",
            "browser.gatherUsageStats": "false",
        }
        return [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "app.py",
            *(word for name, value in options.items() for word in (f"--{name}", value)),
        ]

    def _wait_until_healthy(self) -> None:
        waiting = {f"{self.address}/_stcore/health": "The app"}
        if self.settings.profile is Profile.EMBEDDED:
            waiting[f"{self.settings.endpoint_url}/health"] = "The local endpoint"
        deadline = time.monotonic() + _HEALTH_SECONDS
        while waiting and not self.stopping.is_set():
            waiting = {url: name for url, name in waiting.items() if not _answers(url)}
            self._restart_crashed()
            if waiting and time.monotonic() > deadline:
                names = " and ".join(waiting.values())
                raise ServingUnavailableError(
                    f"{names} did not answer within {_HEALTH_SECONDS:.0f} seconds.", hint="The lines above say why."
                )
            self.stopping.wait(_POLL_SECONDS)

    def _pay_first_visit(self) -> None:
        """Runs the app once, so that the first person may come by any address; waits ten seconds at most."""
        visit = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "pages.components.first_visit", self.address],
            cwd=ROOT,
            env=child_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + _FIRST_VISIT_SECONDS
        while visit.poll() is None and time.monotonic() < deadline and not self.stopping.is_set():
            self.stopping.wait(_POLL_SECONDS)
        stop_group(visit, seconds=1)

    def _watch(self) -> None:
        while not self.stopping.is_set():
            self._restart_crashed()
            self._end_silent()
            self.stopping.wait(_POLL_SECONDS)

    def _end_silent(self) -> None:
        """A child that lives and does nothing is ended, so that it is started again; the people on call are told."""
        for child in self.children:
            if child.pulse is None or child.pulse.silent_seconds() < _SILENT_SECONDS:
                continue
            if not child.pulse.told:
                child.pulse.told = True
                self.say(child.name, f"gave no sign of life for {_SILENT_SECONDS:g} s; the people on call are told")
                self._alert()
            if child.process is not None and child.process.poll() is None:
                child.pulse.begin()
                with suppress(ProcessLookupError):
                    os.killpg(child.process.pid, signal.SIGKILL)

    def _alert(self) -> None:
        """In a process of its own: this one opens no database and waits for no network."""
        command = [sys.executable, "-m", "services", "worker-check", "--alert", "--within", f"{_SILENT_SECONDS:.0f}"]
        alert = Child(name="alert", command=command, environment=child_environment(**self._home()))
        alert.start(self.say)
        if alert.process is not None:
            threading.Thread(target=alert.process.wait, daemon=True).start()

    def _home(self) -> dict[str, str]:
        return {"COUNTERSIGN_HOME": str(self.settings.home.resolve())}

    def _restart_crashed(self) -> None:
        """A process that ends by itself is started again, later each time it fails; a stable hour forgives."""
        now = time.monotonic()
        for child in self.children:
            if child.process is None or not child.has_ended():
                continue
            if child.due_at < child.started_at:
                if now - child.started_at > _STABLE_SECONDS:
                    child.restarts = 0
                delay = _BACK_OFF[min(child.restarts, len(_BACK_OFF) - 1)]
                child.restarts += 1
                child.due_at = now + delay
                code = child.process.returncode
                self.say(child.name, f"ended with code {code}; starting again in {delay:g} s")
                stop_group(child.process)
            elif now >= child.due_at:
                child.start(self.say)

    def _end(self, listener: socket.socket | None) -> None:
        """The app first, so that nobody clicks into a vanishing world; then the worker, then the endpoint drains."""
        running = [child.process for child in self.children if child.process is not None]
        known = {pid for process in running for pid in family(process.pid)}
        for process in reversed(running):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in reversed(running):
            stop_group(process)
        _finish_off(known)
        if listener is not None:
            listener.close()
        if self.children:
            self.say("", "Stopped.")


def run(settings: Settings, out: TextIO | None = None) -> int:
    """Prepares the workspace if needed, then runs it. Refusals are sentences on the output and exit code 1."""
    out = out or sys.stdout
    try:
        make_home(settings)
        with _only_one(settings):
            if settings.profile is Profile.EMBEDDED and not _prepare(settings, out):
                return 1
            return Supervisor(settings=settings, out=out).run()
    except ControlRoomError as refused:
        out.write(f"{refused}\n")
        return 1
    except KeyboardInterrupt:
        out.write("Stopped.\n")
        return 130


class _only_one:  # noqa: N801 - reads as a word in a `with` statement
    """The lock of a running workspace; the operating system releases it with the process, however it ends."""

    def __init__(self, settings: Settings) -> None:
        self._lock = FileLock(settings.home / RUNNING_LOCK, timeout=0)
        self._settings = settings
        self._note = settings.home / RUNNING_NOTE

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except Timeout as running:
            pid = self._note.read_text().strip() if self._note.exists() else "unknown"
            raise ConflictError(
                f"Countersign already runs on this workspace (process {pid}): "
                f"http://localhost:{self._settings.app_port}.",
                hint=f"Stop it first (Ctrl-C there), or use another workspace: COUNTERSIGN_HOME=other make run. "
                f"Folder: {self._settings.home}.",
            ) from running
        self._note.write_text(str(os.getpid()))

    def __exit__(self, *_: object) -> None:
        self._note.unlink(missing_ok=True)
        self._lock.release()


def _prepare(settings: Settings, out: TextIO) -> bool:
    """In a process of its own: its libraries stay out of this one, and Ctrl-C ends it with everything it started."""
    if is_prepared(settings):
        return True
    for port, setting in (
        (settings.app_port, "COUNTERSIGN_APP_PORT"),
        (settings.serving_port, "COUNTERSIGN_SERVING_PORT"),
    ):
        listen_on(port, setting=setting).close()  # better refused now than after the preparation
    process = subprocess.Popen(
        [sys.executable, "-m", "services", "prepare"],
        cwd=ROOT,
        env=child_environment(COUNTERSIGN_HOME=str(settings.home.resolve())),
        stdout=None if out is sys.stdout else subprocess.PIPE,
        stderr=None if out is sys.stdout else subprocess.STDOUT,
        start_new_session=out is not sys.stdout,
    )
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number in handlers:
        signal.signal(number, _interrupt)
    known: set[int] = set()
    try:
        while process.poll() is None:
            known |= set(family(process.pid))
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        known |= set(family(process.pid))
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        _finish_off(known)
        raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return process.returncode == 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _answers(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(url, timeout=1, trust_env=False).status_code == 200
    return False


def _finish_off(pids: set[int]) -> None:
    """Ends what is left of our own processes, by id."""
    left = []
    for pid in pids - {os.getpid()}:
        with suppress(psutil.NoSuchProcess):
            left.append(psutil.Process(pid))
    _, alive = psutil.wait_procs(left, timeout=5)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5)


def main() -> int:
    try:
        settings = read_settings()
    except ControlRoomError as refused:
        sys.stdout.write(f"{refused}\n")
        return 1
    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
