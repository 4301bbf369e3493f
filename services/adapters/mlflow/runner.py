"""Models of the registry that score in a process of their own, within a time and a memory that are stated.

The files are copied privately first, so what was measured is what was hashed. The nursery of processes starts with
the first model and ends with this object or with this process; it never gets our secrets as environment.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import psutil

from services.adapters.mlflow import wire
from services.adapters.mlflow.files import refused
from services.adapters.mlflow.scan import artifact_facts
from services.adapters.mlflow.source import ModelSource
from services.evaluation.harness.ports import ArtifactFacts, Latency, LoadedModel, ScoringFailed
from services.evaluation.harness.rows import Columns, Floats, count

_ROOT = Path(__file__).resolve().parents[3]
_MODULE = "services.adapters.mlflow.scoring_process"
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_START_SECONDS = 60.0
_IDLE_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one scoring process may use. Seconds are for one order, memory is beyond the libraries."""

    seconds: float = 120.0
    load_seconds: float = 90.0
    memory: int = 4 * 1024**3


class ScoringModels:
    """Implements evaluation.harness.ports.ModelRunner."""

    def __init__(self, registry: ModelSource, *, limits: Limits | None = None) -> None:
        self._registry = registry
        self._limits = limits or Limits()
        self._meter = _Meter()
        self._nursery = _Nursery(self._meter)

    @contextmanager
    def fetch(self, model: str, version: str) -> Iterator[_Files]:
        with TemporaryDirectory(prefix="countersign-") as scratch:
            folder = self._registry.download(model, version, Path(scratch))
            with refused():
                facts = artifact_facts(folder)
            yield _Files(folder, facts, self._nursery, self._limits, self._meter)

    def cpu_seconds(self) -> float:
        """Processor time of the nursery (loading the libraries) and of every model's process, read from outside.

        The last reading of a process that ended by itself counts: what it used after it is known to nobody.
        """
        self._nursery.measure()
        return self._meter.total()

    def rest(self) -> None:
        """The nursery keeps some hundred megabytes of libraries; after five idle minutes it ends."""
        self._nursery.end_when_idle(_IDLE_SECONDS)

    def close(self) -> None:
        self._nursery.close()


class _Meter:
    """Processor time of many processes; each adds what it used since it was last read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        with self._lock:
            self._seconds += seconds

    def total(self) -> float:
        with self._lock:
            return self._seconds


class _Gauge:
    """One process, read from outside: what runs in it may say about itself what it likes."""

    def __init__(self, pid: int, meter: _Meter) -> None:
        self._meter = meter
        self._read = 0.0
        self._process: psutil.Process | None = None
        with suppress(psutil.Error):
            self._process = psutil.Process(pid)

    def read(self) -> None:
        """Nothing for a process that is gone, also where another one has its number by now."""
        if self._process is None:
            return
        with suppress(psutil.Error):
            if self._process.is_running():
                used = self._process.cpu_times()
                now = used.user + used.system + used.children_user + used.children_system
                self._meter.add(max(0.0, now - self._read))
                self._read = max(self._read, now)


class _Files:
    def __init__(self, folder: Path, facts: ArtifactFacts, nursery: _Nursery, limits: Limits, meter: _Meter) -> None:
        self._folder = folder
        self._facts = facts
        self._nursery = nursery
        self._limits = limits
        self._meter = meter

    @property
    def facts(self) -> ArtifactFacts:
        return self._facts

    @contextmanager
    def load(self) -> Iterator[LoadedModel]:
        process = _Process(self._nursery.connect(), self._limits, self._meter)
        try:
            process.order(
                {"do": "load", "folder": str(self._folder), "memory": self._limits.memory},
                seconds=self._limits.load_seconds,
            )
            yield process
        finally:
            process.end()


class _Process:
    """One model. After a fault of the connection the process is ended and every later order fails."""

    def __init__(self, connection: socket.socket, limits: Limits, meter: _Meter) -> None:
        self._connection = connection
        self._limits = limits
        connection.settimeout(_START_SECONDS)
        try:
            self._pid = int(wire.receive(connection)[0]["pid"])
        except (OSError, EOFError, ValueError, KeyError) as gone:
            connection.close()
            raise ScoringFailed("The scoring process did not start.") from gone
        self._gauge = _Gauge(self._pid, meter)

    def score(self, rows: Columns) -> Floats:
        _, body = self.order({"do": "score"}, wire.packed(rows))
        scores = wire.floats(body)
        if len(scores) != count(rows):
            raise ScoringFailed(f"The model answered {len(scores)} scores for {count(rows)} rows.")
        return scores

    def example(self) -> int:
        answer, _ = self.order({"do": "example"})
        return int(answer.get("rows", 0))

    def latency(self, rows: Columns, requests: int, enough_ms: float | None) -> Latency:
        order = {"do": "latency", "requests": requests, "enough_ms": enough_ms}
        answer, body = self.order(order, wire.packed(rows))
        return Latency(
            milliseconds=wire.floats(body),
            asked=int(answer.get("asked", 0)),
            failed=int(answer.get("failed_requests", 0)),
            how=str(answer.get("how", "")),
        )

    def order(self, header: dict[str, Any], body: bytes = b"", *, seconds: float = 0.0) -> tuple[dict[str, Any], bytes]:
        """Raises ScoringFailed."""
        allowed = seconds or self._limits.seconds
        try:
            self._connection.settimeout(allowed)
            wire.send(self._connection, header, body)
            answer, found = wire.receive(self._connection)
        except TimeoutError as slow:
            self.end()
            raise ScoringFailed(f"The model took longer than {allowed:.0f} seconds and was stopped.") from slow
        except (OSError, EOFError) as gone:
            self.end()
            raise ScoringFailed("The scoring process ended by itself; it may have run out of memory.") from gone
        except ValueError as odd:
            self.end()
            raise ScoringFailed("The scoring process answered something that is no answer.") from odd
        self._gauge.read()
        if "failed" in answer:
            raise ScoringFailed(f"The model did not do it: {str(answer['failed'])[:300]}.")
        return answer, found

    def end(self) -> None:
        # Before the connection is closed: that ends the process too.
        self._gauge.read()
        self._connection.close()
        with suppress(ProcessLookupError, PermissionError):
            os.kill(self._pid, signal.SIGKILL)


class _Nursery:
    def __init__(self, meter: _Meter) -> None:
        self._meter = meter
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._gauge: _Gauge | None = None
        self._place = ""
        self._used = time.monotonic()

    def connect(self) -> socket.socket:
        """Raises ScoringFailed."""
        with self._lock:
            self._used = time.monotonic()
            if self._process is None or self._process.poll() is not None:
                self._start()
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(self._place)
            except OSError as gone:
                connection.close()
                raise ScoringFailed("The scoring process did not start.") from gone
            return connection

    def _start(self) -> None:
        self._end()
        folder = mkdtemp(prefix="countersign-")
        self._place = f"{folder}/scoring.sock"
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", _MODULE, self._place],
            cwd=_ROOT,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        speaks = self._process.stdout
        self._gauge = _Gauge(self._process.pid, self._meter)
        # It says one short line, so what is readable is the whole of it.
        if speaks is None or not select.select([speaks], [], [], _START_SECONDS)[0] or speaks.readline() != b"ready\n":
            self._end()
            raise ScoringFailed("The scoring process did not start.")

    def measure(self) -> None:
        with self._lock:
            self._read()

    def _read(self) -> None:
        if self._gauge is not None:
            self._gauge.read()

    def end_when_idle(self, seconds: float) -> None:
        with self._lock:
            if time.monotonic() - self._used >= seconds:
                self._end()

    def close(self) -> None:
        with self._lock:
            self._end()

    def _end(self) -> None:
        self._read()
        self._gauge = None
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        if process.poll() is None:
            process.kill()
            process.wait()
        place = Path(self._place)
        place.unlink(missing_ok=True)
        with suppress(OSError):
            place.parent.rmdir()


def _environment() -> dict[str, str]:
    """Model code sees no address and no secret of ours."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": "file:///nonexistent",
        # One thread, as one scoring worker of an endpoint has: more would only compete with what else runs here.
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
