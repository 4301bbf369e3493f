"""Attacks on the running app over the wire: who somebody is comes from a session, never from a header."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from services.adapters.signing.anchors import Anchors
from services.adapters.signing.desk import EMBEDDED, KeyDesk
from services.adapters.sql.database import Database
from services.adapters.sql.ledger import SqlLedgerBook
from services.adapters.sql.people import SqlKeyStore, SqlPeople
from services.kernel.clock import SystemClock
from services.ledger.service import LedgerService
from services.people.accounts import DEMO_ACCOUNTS
from services.people.service import PeopleService
from services.settings import Settings, read_settings
from services.workspace import marker
from services.workspace.founding import found
from services.workspace.marker import PreparedFacts

ROOT = Path(__file__).resolve().parents[2]
FORGED = {
    "X-Forwarded-Email": "clara.compliance",
    "X-Forwarded-User": "clara.compliance",
    "X-Forwarded-Preferred-Username": "clara.compliance",
    "X-Forwarded-Access-Token": "anything",
    "Remote-User": "clara.compliance",
    "Authorization": "Bearer clara.compliance",
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = read_settings(home=tmp_path_factory.mktemp("wire") / "home")
    now = datetime.now(UTC).replace(microsecond=0)
    genesis = found(made, at=now, replay_from=None, replay_to=None)
    marker.write_facts(made, PreparedFacts(prepared_at=now, replay_from=now, genesis=genesis, seconds=0.0))
    return made


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
        cwd=ROOT,
        env={**os.environ, "COUNTERSIGN_HOME": str(settings.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(240):
            assert process.poll() is None
            try:
                if httpx.get(f"http://localhost:{port}/_stcore/health", timeout=2).text == "ok":
                    break
            except httpx.HTTPError:
                time.sleep(0.25)
        yield f"localhost:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _page(address: str, headers: dict[str, str]) -> str:
    """Everything the app sends for a first visit, as text."""
    hello = BackMsg()
    hello.rerun_script.query_string = ""
    parts = []
    with connect(
        f"ws://{address}/_stcore/stream",
        additional_headers=headers,
        origin=f"http://{address}",  # type: ignore[arg-type]
        subprotocols=["streamlit"],  # type: ignore[list-item]
        max_size=None,
    ) as line:
        line.send(hello.SerializeToString())
        while True:
            message = ForwardMsg()
            message.ParseFromString(line.recv(timeout=60))  # type: ignore[arg-type]
            parts.append(str(message))
            if message.WhichOneof("type") == "script_finished":
                return "\n".join(parts)


def test_identity_headers_are_nobody(address: str) -> None:
    """Row 18: straight to the port, with every header a proxy might set."""
    shown = _page(address, FORGED)

    assert "Sign in to Countersign" in shown
    assert "Sign out" not in shown


def test_invented_session_cookie_is_nobody(address: str) -> None:
    """Row 18: a cookie of the right shape that names no session."""
    shown = _page(address, {"Cookie": "countersign_session=abcdefghijklmnopqrstuvwxyz0123456789"})

    assert "Sign in to Countersign" in shown


def test_headers_do_not_change_who_a_real_session_is(address: str, settings: Settings) -> None:
    """Row 18: an auditor with a session of his own claims to be somebody else; also the control of the other two."""
    database, clock = Database(settings.governance_url), SystemClock()
    desk = KeyDesk(SqlKeyStore(database), settings.keys_folder, clock, cost=EMBEDDED)
    ledger = LedgerService(
        book=SqlLedgerBook(database, desk, clock),
        desk=desk,
        keys=desk,
        clock=clock,
        anchors=Anchors(settings.anchors_folder),
    )
    people = PeopleService(store=SqlPeople(database), ledger=ledger, clock=clock, demo=DEMO_ACCOUNTS)
    token = people.open_session(people.sign_in_demo("otto.auditor"))
    database.dispose()

    shown = _page(address, {**FORGED, "Cookie": f"countersign_session={token}"})

    assert "Sign out" in shown
    assert "Otto Brandt" in shown
    assert "Your views are recorded." in shown
    assert "Clara Whitfield" not in shown
