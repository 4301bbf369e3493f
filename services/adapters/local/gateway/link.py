"""The gateway's line to the parent of the scoring processes, which it started or took over from a killed gateway."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

logger = logging.getLogger(__name__)

_DOOR = "nursery.sock"
_END_SECONDS = 5.0
_ROSTER_SECONDS = 2.0
_LINE_BYTES = 2**20
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")


@dataclass(slots=True)
class Link:
    """`roster` holds the versions that were loaded before; empty after a fresh start."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    pid: int
    child: asyncio.subprocess.Process | None = None
    """None when another gateway started it."""
    roster: list[Mapping[str, Any]] = field(default_factory=list)

    def send(self, order: Mapping[str, Any]) -> None:
        if not self.writer.is_closing():
            self.writer.write(json.dumps(order).encode() + b"\n")

    async def news(self) -> AsyncIterator[Mapping[str, Any]]:
        """Until the other side is gone."""
        with suppress(OSError):
            async for line in self.reader:
                yield json.loads(line)
        if self.child is not None:
            await self.child.wait()

    async def end(self) -> None:
        """Asks it to end with everything it loaded, and ends it when it does not."""
        self.send({"end": True})
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(self.writer.drain(), _END_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._gone(), _END_SECONDS)
            return
        with suppress(psutil.Error):
            psutil.Process(self.pid).kill()

    async def _gone(self) -> None:
        if self.child is not None:
            await self.child.wait()
        while self.child is None and psutil.pid_exists(self.pid):  # noqa: ASYNC110 - not our child: nobody tells us
            await asyncio.sleep(0.05)


async def start_nursery(folder: Path, *, tracking_uri: str) -> Link:
    """In a session of its own: whoever ends the gateway's group must not end what the next gateway takes over."""
    with _listener(folder) as listener:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.adapters.local.gateway.nursery",
            tracking_uri,
            str(listener.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            # Libraries may print.
            stdout=sys.stderr,
            env=scoring_environment(),
            pass_fds=(listener.fileno(),),
            start_new_session=True,
        )
    reader, writer = await asyncio.open_unix_connection(str(folder / _DOOR), limit=_LINE_BYTES)
    return Link(reader=reader, writer=writer, pid=child.pid, child=child)


def _listener(folder: Path) -> socket.socket:
    folder.mkdir(mode=0o700, exist_ok=True)
    door = folder / _DOOR
    door.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(door))
    listener.listen(1)
    return listener


async def take_over(folder: Path, *, tracking_uri: str) -> Link | None:
    """None when nobody is behind the door, or somebody else's models are."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(folder / _DOOR), limit=_LINE_BYTES)
    except OSError:
        return None
    try:
        line = await asyncio.wait_for(reader.readline(), _ROSTER_SECONDS)
        found = json.loads(line)
        roster, pid, theirs = found["roster"], int(found["pid"]), found["tracking"]
    except (TimeoutError, OSError, ValueError, KeyError):
        writer.close()
        return None
    link = Link(reader=reader, writer=writer, pid=pid, roster=roster)
    if theirs != tracking_uri:
        await link.end()
        return None
    logger.info("%d loaded versions were taken over from the endpoint that ended.", len(roster))
    return link


def scoring_environment() -> dict[str, str]:
    """What model code may see: where Python is, nothing that opens a door."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    root = str(Path(__file__).resolve().parents[4])
    return {
        **passed,
        "PYTHONPATH": root,
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
