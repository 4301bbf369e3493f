"""A screen as a browser sees it: a real server process, asked over its websocket, and the CPU it took to answer.

Two servers run side by side: Streamlit with one button, and the app on a prepared home with one more page, which is
empty. What the second costs over the first is the frame of every page: who is here, navigation, bell, banners.
CPU is the clock of the whole server process; the browser's own work is not in it.
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from pages.components.session import COOKIE
from services.adapters.local.processes import wait_for
from tests.benchmarks.inventory_rerun import ROOT, Figure

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

HERE = Path(__file__).resolve().parent
EMPTY, BARE = "empty", "bare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Seconds: CPU of the server process, and until the answer was complete."""

    cpu: float
    wall: float


class Visitor:
    """One browser tab of one person: opens a page once and draws it again as often as asked."""

    def __init__(self, server: Server, token: str = "") -> None:
        from websockets.sync.client import connect

        headers = {"Cookie": f"{COOKIE}={token}"} if token else {}
        self._server = server
        self._socket: ClientConnection = connect(
            f"ws://127.0.0.1:{server.port}/_stcore/stream",
            additional_headers=headers,
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        self._socket.close()

    def run(self, page: str, query: dict[str, str], *, most: float = 300.0) -> Spent:
        """Raises AssertionError when the page shows an exception, or is not complete within `most` seconds."""
        from streamlit.proto.BackMsg_pb2 import BackMsg

        asked = BackMsg()
        asked.rerun_script.query_string = urlencode(query)
        asked.rerun_script.page_name = page
        asked.rerun_script.context_info.timezone = "UTC"
        began, cpu = time.monotonic(), self._server.cpu()
        self._socket.send(asked.SerializeToString())
        self._until_finished(most)
        wall = time.monotonic() - began
        time.sleep(0.15)  # what the server tidies up after its answer belongs to it
        return Spent(cpu=self._server.cpu() - cpu, wall=wall)

    def forget(self) -> None:
        """Empties every cache of the server."""
        from streamlit.proto.BackMsg_pb2 import BackMsg

        asked = BackMsg()
        asked.clear_cache = True
        self._socket.send(asked.SerializeToString())
        time.sleep(0.1)

    def _until_finished(self, most: float) -> None:
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        until = time.monotonic() + most
        while True:
            said: Any = self._socket.recv(timeout=max(until - time.monotonic(), 0.01))
            message = ForwardMsg()
            message.ParseFromString(said)
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
                raise AssertionError(message.delta.new_element.exception.message)
            if kind == "delta" and "Sign in to" in message.delta.new_element.heading.body:
                raise AssertionError("nobody is signed in; what is drawn is not the screen that was asked for")
            if kind == "page_not_found":
                raise AssertionError("the server knows no page of this name")
            if kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    process: subprocess.Popen[bytes]
    port: int

    def cpu(self) -> float:
        """Seconds of the whole process, ended threads included: its clock as of `clock_getcpuclockid(3)` on Linux."""
        return time.clock_gettime((~self.process.pid << 3) | 2)


@contextmanager
def started(command: list[str], log: Path, **env: str) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", *command, "--server.port", str(port), "--server.headless", "true"]
    with log.open("w") as written:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **env}, stdout=written, stderr=written
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, seconds=120)
            yield Server(process=process, port=port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


Screen = tuple[str, str, dict[str, str]]
"""Its name in the figures, the page, and the address behind it."""


def compared(
    folder: Path, home: Path, uri: str, token: str, screens: tuple[Screen, ...], *, rounds: int = 9
) -> Iterator[Figure]:
    """Each screen beside the empty page of the app and beside Streamlit with one button, warm and cold.

    Rounds alternate, so that all meet the same machine. Warm: drawn again by the same person. Cold: every cache of the
    process emptied before, as after a change of everything that is shown.
    """
    env = {"COUNTERSIGN_HOME": str(home), "COUNTERSIGN_MLFLOW_URI": uri}
    with ExitStack() as stack:
        bare = stack.enter_context(started(["streamlit", "run", str(HERE / "empty_page.py")], folder / "bare.log"))
        app = stack.enter_context(started(["tests.benchmarks.served_room"], folder / "app.log", **env))
        floor = stack.enter_context(Visitor(bare))
        reader = {name: stack.enter_context(Visitor(app, token)) for name in (EMPTY, *(one[0] for one in screens))}
        asked = {EMPTY: (EMPTY, dict[str, str]()), **{name: (page, query) for name, page, query in screens}}
        reader[EMPTY].run("", {})  # the first run of a process knows the front page only
        for name, (page, query) in asked.items():
            for _ in range(3):
                reader[name].run(page, query)
        floor.run("", {})
        found: dict[tuple[str, str], list[Spent]] = {}
        for _ in range(rounds):
            found.setdefault((BARE, "warm"), []).append(floor.run("", {}))
            for name, (page, query) in asked.items():
                found.setdefault((name, "warm"), []).append(reader[name].run(page, query))
        for _ in range(rounds // 2 + 1):
            for name, (page, query) in asked.items():
                reader[name].forget()
                found.setdefault((name, "cold"), []).append(reader[name].run(page, query))
    yield from _figures(found)


def _figures(found: dict[tuple[str, str], list[Spent]]) -> Iterator[Figure]:
    spent = {key: statistics.median(one.cpu for one in runs) for key, runs in found.items()}
    waited = {key: statistics.median(one.wall for one in runs) for key, runs in found.items()}
    bare, empty = spent[BARE, "warm"], spent[EMPTY, "warm"]
    yield Figure("Streamlit with one button", bare * 1000, "ms CPU")
    yield Figure("empty page of the app", empty * 1000, "ms CPU", f"{empty / bare:.1f} x Streamlit with one button")
    for (name, warmth), value in spent.items():
        if name not in {BARE, EMPTY}:
            note = f"{value * 1000:.0f} ms CPU, {waited[name, warmth] * 1000:.0f} ms until complete; "
            note += f"{value / bare:.1f} x Streamlit with one button"
            yield Figure(f"{name}, {warmth} / empty page of the app (CPU)", value / empty, "x", note)
