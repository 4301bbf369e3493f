"""`python -m services.adapters.local.gateway --home .countersign --port 8502 --tracking-uri sqlite:///...`"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import socket
import sys
from pathlib import Path

import uvicorn

from services.adapters.local.gateway.app import Gateway, build_app
from services.adapters.local.gateway.journal import Journal
from services.adapters.local.gateway.pool import Pool
from services.adapters.local.gateway.routing import Router
from services.adapters.local.gateway.stored import StoredScores
from services.adapters.local.gateway.table import RefusedError, TableFile
from services.adapters.local.processes import listen_on
from services.kernel.clock import Clock, OffsetClock, SystemClock
from services.kernel.errors import ControlRoomError

logger = logging.getLogger("countersign.endpoint")


def main(words: list[str] | None = None) -> int:
    asked = _arguments(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        listener = _listener(asked)
        token = ensure_token(asked.home / "keys" / "gateway.token")
        table = TableFile(asked.home / "serving" / "state.json")
    except ControlRoomError as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    except RefusedError as refused:
        sys.stderr.write(f"{refused.sentence}\n")
        return 1
    journal = Journal(asked.home / "serving" / "journal")
    pool = Pool(tracking_uri=asked.tracking_uri, logs=asked.home / "logs", note=asked.home / "serving" / "sockets.txt")
    stored = StoredScores(asked.home / "serving" / "scores")
    router = Router(table=table, pool=pool, journal=journal, stored=stored, clock=_clock())
    app = build_app(Gateway(router=router, pool=pool, token=token, parent=asked.parent))
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_keep_alive=75, timeout_graceful_shutdown=15, backlog=1024
    )
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _clock() -> Clock:
    """The supervisor names a file when testers may move the demonstration's clock."""
    moved = os.environ.get("COUNTERSIGN_CLOCK_FILE", "")
    return OffsetClock(Path(moved)) if moved else SystemClock()


def ensure_token(file: Path) -> str:
    """The admin token, made at the first start; readable by its owner only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    token = secrets.token_urlsafe(32)
    with os.fdopen(fd, "w") as out:
        out.write(token)
    return token


def _listener(asked: argparse.Namespace) -> socket.socket:
    listener = listen_on(asked.port) if asked.fd is None else socket.socket(fileno=asked.fd)
    # Accepted connections inherit it. Without it every keep-alive answer waits about 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.adapters.local.gateway", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--tracking-uri", required=True)
    parser.add_argument("--port", type=int, default=8502)
    parser.add_argument("--fd", type=int, help="a listening socket held by the supervisor")
    parser.add_argument("--parent", type=int, help="end when this process is gone")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
