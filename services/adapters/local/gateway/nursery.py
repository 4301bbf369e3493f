"""Parent of the scoring processes: loads the libraries once, then forks one process per model version.

Speaks JSON lines with the gateway over a private socket: `{"start": key, "uri": ..., "socket": ..., "example": ...,
"log": ...}` and `{"end": true}` come in; `{"roster": [...]}`, `{"forked" | "ready" | "failed" | "exited": key,
"pid": ...}` go out. Forking after the import makes a version ready in a fraction of the time and lets the processes
share the libraries' memory. No thread runs before a fork.

A gateway that is killed leaves loaded versions behind, and the next one takes them over by the roster: importing and
loading them again would be most of the outage. Without a next one in time this process ends, and its end closes the
pipe that every child listens to: nothing stays behind.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

ADOPTION_SECONDS = 15.0
"""How long loaded versions wait for the next gateway."""


class Nursery:
    def __init__(self, tracking_uri: str, listener: socket.socket) -> None:
        self._tracking_uri = tracking_uri
        self._listener = listener
        self._gateway: socket.socket | None = None
        self._pending = {"order": b"", "news": b""}
        self._children: dict[int, str] = {}
        self._ready: dict[int, Mapping[str, Any]] = {}
        self._life_read, self._life_write = os.pipe()
        self._wake_read, self._wake_write = os.pipe()
        self._news_read, self._news_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def run(self) -> None:
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the gateway decides
        wanted = True
        while wanted:
            face = self._gateway or self._listener
            waits = None if self._gateway else ADOPTION_SECONDS
            readable, _, _ = select.select([face, self._wake_read, self._news_read], [], [], waits)
            if self._news_read in readable:
                self._pass_on()
            if self._wake_read in readable:
                os.read(self._wake_read, 4096)
                self._reap()
            if face in readable:
                wanted = self._hear() if self._gateway else self._greet()
            elif not readable:
                wanted = False
        self._end()

    def _greet(self) -> bool:
        self._gateway, _ = self._listener.accept()
        self._pending["order"] = b""
        roster = [{**item, "pid": pid} for pid, item in self._ready.items()]
        self._report({"roster": roster, "pid": os.getpid(), "tracking": self._tracking_uri})
        return True

    def _hear(self) -> bool:
        """False when the gateway asks for the end. One that is gone without a word may have a successor."""
        assert self._gateway is not None  # noqa: S101 - the caller has looked
        try:
            data = self._gateway.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._gateway.close()
            self._gateway = None
            return True
        orders = [json.loads(line) for line in self._lines("order", data)]
        for order in orders:
            if "start" in order:
                self._obey(order)
        return not any("end" in order for order in orders)

    def _pass_on(self) -> None:
        for line in self._lines("news", os.read(self._news_read, 65536)):
            news = json.loads(line)
            if "ready" in news and news["pid"] in self._children:
                self._ready[news["pid"]] = news
            self._report(news)

    def _lines(self, channel: str, data: bytes) -> list[bytes]:
        *lines, self._pending[channel] = (self._pending[channel] + data).split(b"\n")
        return lines

    def _obey(self, order: Mapping[str, Any]) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_scorer(order)
        self._children[pid] = order["start"]
        self._report({"forked": order["start"], "pid": pid})

    def _become_scorer(self, order: Mapping[str, Any]) -> None:
        """Never returns."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for fd in (self._life_write, self._wake_read, self._wake_write, self._news_read):
                os.close(fd)
            # A copy held here would hide the end of the gateway from the parent, and ours from the gateway.
            self._listener.close()
            if self._gateway is not None:
                self._gateway.close()
            log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.dup2(log, 1)
            os.dup2(log, 2)
            from services.adapters.local.gateway import scorer

            code = scorer.serve(
                uri=order["uri"],
                socket_path=order["socket"],
                example_path=order["example"],
                tracking_uri=self._tracking_uri,
                life_fd=self._life_read,
                report=lambda word, **facts: self._tell({word: order["start"], **_places(order), **facts}),
            )
        finally:
            os._exit(code)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            key = self._children.pop(pid, None)
            self._ready.pop(pid, None)
            if key is not None:
                self._report({"exited": key, "pid": pid, "code": os.waitstatus_to_exitcode(status)})

    def _end(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)
        os.close(self._life_write)

    def _report(self, document: Mapping[str, Any]) -> None:
        """To the gateway; what happens while there is none is in the next roster."""
        if self._gateway is not None:
            with suppress(OSError):
                self._gateway.sendall(json.dumps(document).encode() + b"\n")

    def _tell(self, document: Mapping[str, Any]) -> None:
        """A child to its parent. Short lines on a pipe are written as a whole, also when several report at once."""
        try:
            os.write(self._news_write, json.dumps(document).encode() + b"\n")
        except BrokenPipeError:
            os._exit(1)


def _places(order: Mapping[str, Any]) -> dict[str, str]:
    return {"socket": order["socket"], "example": order["example"]}


PRELOADED = (
    "mlflow.pyfunc.scoring_server",
    "mlflow.sklearn",
    "mlflow.store.tracking.sqlalchemy_store",
    "uvicorn",
    "fastapi",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "skops.io",
)
"""The whole point of this process: every version forked later has these already."""


def main() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    _prepare_requirements_check()
    Nursery(sys.argv[1], socket.socket(fileno=int(sys.argv[2]))).run()


def _prepare_requirements_check() -> None:
    """MLflow compares a model's requirements with everything installed; the list of that is made once, not per fork.

    Not a documented function: without it a version takes 0.4 seconds longer to load, and nothing else changes.
    """
    from mlflow.utils import requirements_utils

    prepare = getattr(requirements_utils, "_init_modules_to_packages_map", None)
    if prepare is not None:
        prepare()


if __name__ == "__main__":
    main()
