"""What an attacker types or replays on the screens of deciding. Each test names its row of the attack list."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright
from streamlit.testing.v1 import AppTest

from pages.components.format import md
from services.approvals.models import SignOff
from services.kernel.errors import StaleRequestError
from tests.fakes.room import FakeRoom
from tests.fakes.room_sample import HOSTILE
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
ROOT = Path(__file__).resolve().parents[2]
CLARA = "clara signs with care"
SQL = "'; drop table log_entry; --"
SCREENS = (
    ("overview", {}),
    ("approvals", {}),
    ("approvals", {"request": "req-0001", "part": "all"}),
    ("approvals", {"request": "req-0004", "part": "all"}),
    ("model", {"name": "claims_triage"}),
    ("model", {"name": "claims_triage", "show": "gates", "v": "4"}),
    ("model", {"name": "claims_triage", "show": "history"}),
    ("data_health", {}),
    ("data_health", {"table": "claims_features"}),
)


@pytest.mark.parametrize(("screen", "address"), SCREENS)
def test_hostile_text_in_every_name_note_comment_and_reason_is_shown_as_typed(
    visit: Visit, screen: str, address: dict[str, str]
) -> None:
    """Row 55: markdown, HTML and colour words typed by people never become markup."""
    app = visit(
        FakeRoom(hostile=True), screen, "dana.datascience" if screen == "model" else "clara.compliance", **address
    )
    plain = {str(value) for frame in app.dataframe for value in frame.value.to_numpy().ravel()}
    shown = words(app).replace(md(HOSTILE), "") + "".join(link.proto.label for link in app.get("page_link"))

    assert crashed(app) == []
    assert md(HOSTILE) in words(app) or any(HOSTILE in cell for cell in plain)
    for dangerous in ("![x](http", ":red[x]", ":green-badge[PASSED]", "[go](http", "<img"):
        assert dangerous not in shown.replace("\\<", "&lt;")


def test_hostile_text_stays_text_in_the_dialog_and_reaches_the_service_unchanged(visit: Visit) -> None:
    """Rows 54 and 55: what is typed into a reason is stored as typed, never interpreted on the way."""
    room = FakeRoom(hostile=True)
    app = visit(room, "approvals", request="req-0001")
    app.button(key="decide-reject").click().run()
    app.selectbox(key="decision-code").set_value("OTHER")
    app.text_area(key="decision-comment").set_value(f"{SQL} {HOSTILE}")
    app.text_input(key="decision-change").set_value(SQL)
    app.text_input(key="decision-passphrase").set_value(CLARA)
    app.button(key="decision-go").click().run()

    [command] = room.written
    assert command.comment == f"{SQL} {HOSTILE} What must change: {SQL}"
    assert crashed(app) == []
    assert ":red[x]" not in words(app).replace(md(HOSTILE), "")


@pytest.mark.parametrize("name", ["q", "model", "request", "state", "purpose", "part", "step"])
def test_hostile_addresses_are_told_calmly(visit: Visit, name: str) -> None:
    """Rows 54 and 55: an address is input of a stranger."""
    for value in (SQL, HOSTILE, "../../etc/passwd", "\u202e", "1" * 5000):
        app = visit(FakeRoom(), "approvals", **({"request": "req-0001"} | {name: value}))
        assert crashed(app) == []
        assert "![x](http" not in words(app)


def test_a_used_or_expired_review_is_refused_and_a_new_one_has_to_be_opened(visit: Visit) -> None:
    """Row 9: the screen never renews a challenge behind the reader's back."""
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0001")
    app.button(key="decide-approve").click().run()
    room.refuse = StaleRequestError("This form is older than 15 minutes or was used already.", hint="Open it again.")
    app.text_input(key="decision-passphrase").set_value(CLARA)
    app.button(key="decision-go").click().run()

    assert "was used already" in words(app)
    assert len(room.approvals.reviewed) == 1

    room.refuse = None
    app.button(key="dialog-reload").click().run()
    app.button(key="decide-approve").click().run()

    assert len(room.approvals.reviewed) == 2


def test_a_changed_address_does_not_change_what_is_signed(visit: Visit) -> None:
    """Row 16: request and challenge come from the review that was opened, nothing of it from the browser."""
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0001")
    app.button(key="decide-approve").click().run()
    app.query_params["request"] = "req-0005"
    app.run()
    app.text_input(key="decision-passphrase").set_value(CLARA)
    app.button(key="decision-go").click().run()

    commands = [item for item in room.written if isinstance(item, SignOff)]
    assert [(item.request_id, item.challenge) for item in commands] == [("req-0001", "ch-1")]


def test_the_passphrase_is_gone_from_the_session_after_signing(visit: Visit) -> None:
    """Row 25, browser side: nothing keeps what opens a key."""
    app = visit(FakeRoom(), "approvals", request="req-0001")
    app.button(key="decide-approve").click().run()
    app.text_input(key="decision-passphrase").set_value(CLARA)
    app.button(key="decision-go").click().run()
    app.run()

    assert "decision-passphrase" not in app.session_state
    assert "open_dialog" not in app.session_state
    assert CLARA not in str(app.session_state["decision_receipt"])


@pytest.fixture(scope="module")
def hostile_app() -> Iterator[str]:
    if shutil.which("chromium") is None:
        if os.environ.get("COUNTERSIGN_TEST_NO_SKIP"):
            pytest.fail("Chromium is not installed; CI must install it")
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.serve", str(port), "hostile"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    base = f"http://localhost:{port}"
    try:
        _wait(base, process)
        yield base
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_no_request_leaves_the_browser_and_no_script_of_a_stranger_runs(hostile_app: str) -> None:
    """Row 55: with hostile text in every field, a real browser loads nothing from elsewhere and runs nothing."""
    outside: list[str] = []
    alerts: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        ours = (hostile_app, hostile_app.replace("http", "ws"), "data:", "blob:")
        page.on("request", lambda sent: None if sent.url.startswith(ours) else outside.append(sent.url))
        page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
        page.goto(hostile_app)
        page.locator(".st-key-sign-in-clara-compliance button").click()
        for address in ("approvals", "approvals?request=req-0004&part=all", "model?name=claims_triage&show=gates"):
            page.goto(f"{hostile_app}/{address}")
            _settled(page)
            assert page.locator("img[src*='evil'], a[href*='evil'], [onerror]").count() == 0
        browser.close()

    assert outside == []
    assert alerts == []


def _settled(page: Page) -> None:
    page.locator('[data-testid="stHeading"] h1').first.wait_for(timeout=30_000)
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=30_000)


def _wait(base: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the app of the fake room ended early"
        try:
            if httpx.get(f"{base}/_stcore/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.3)
    pytest.fail("the app of the fake room did not start")
