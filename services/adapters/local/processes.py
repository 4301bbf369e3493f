"""Processes and ports of the embedded world: who holds a port, listening sockets, starting the local endpoint."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import psutil

from services.kernel.errors import ServingUnavailableError

ROOT = Path(__file__).resolve().parents[3]
_START_SECONDS = 40.0


def holder_of(port: int) -> str:
    """Who listens on a port, in words ("python (process 4711)"); "another process" when we may not know."""
    with suppress(psutil.AccessDenied):
        for connection in psutil.net_connections("inet"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
                with suppress(psutil.Error):
                    process = psutil.Process(connection.pid)
                    return f"{process.name()} (process {connection.pid})"
    return "another process"


def listen_on(port: int, *, setting: str = "COUNTERSIGN_SERVING_PORT") -> socket.socket:
    """A listening socket on the loopback address. Raises ServingUnavailableError naming who has the port."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
    except OSError as taken:
        listener.close()
        raise ServingUnavailableError(
            f"Port {port} is taken by {holder_of(port)}.",
            hint=f"Stop it, or choose another port: {setting}={port + 100} make run.",
        ) from taken
    return listener


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEndpoint:
    """A gateway process started for a while: preparation and tests use it; `make run` has the supervisor."""

    process: subprocess.Popen[bytes]
    listener: socket.socket
    url: str
    token_file: Path

    def stop(self) -> None:
        """Drains and ends the gateway with its scoring processes."""
        stop_group(self.process)
        self.listener.close()


def gateway_command(*, home: Path, tracking_uri: str, fd: int) -> list[str]:
    """The gateway ends by itself when the calling process is gone, however that ended."""
    options = {"--home": str(home), "--tracking-uri": tracking_uri, "--fd": str(fd), "--parent": str(os.getpid())}
    words = [word for option in options.items() for word in option]
    return [sys.executable, "-m", "services.adapters.local.gateway", *words]


def start_endpoint(*, home: Path, tracking_uri: str, port: int, output: IO[Any] | int | None = None) -> LocalEndpoint:
    """Starts the gateway and waits until it answers. `port` 0 takes a free one."""
    listener = listen_on(port)
    listener.set_inheritable(True)
    process = subprocess.Popen(  # noqa: S603 - our own module
        gateway_command(home=home, tracking_uri=tracking_uri, fd=listener.fileno()),
        cwd=ROOT,
        env=child_environment(),
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        pass_fds=(listener.fileno(),),
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    endpoint = LocalEndpoint(process=process, listener=listener, url=url, token_file=home / "keys" / "gateway.token")
    try:
        wait_for(f"{url}/health", process, seconds=_START_SECONDS)
    except ServingUnavailableError:
        endpoint.stop()
        raise
    return endpoint


def wait_for(url: str, process: subprocess.Popen[bytes], *, seconds: float) -> None:
    """Raises ServingUnavailableError when the process ends or does not answer in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServingUnavailableError(f"The process behind {url} ended with code {process.returncode}.")
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    raise ServingUnavailableError(f"{url} did not answer within {seconds:.0f} seconds.")


def child_environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def stop_group(process: subprocess.Popen[Any], *, seconds: float = 20.0) -> None:
    """Ends a process that leads its own group: asks first, then ends the whole group."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def family(pid: int) -> Mapping[int, str]:
    """A process and everything below it, by id and name."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        members = [parent, *parent.children(recursive=True)]
        return {member.pid: member.name() for member in members}
    return {}
