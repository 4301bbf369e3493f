"""A really prepared workspace, really started: app, worker and local endpoint under the supervisor, and a browser.

Preparing takes minutes, so one workspace serves all journeys of a run; they build on each other in file order.
While writing a journey, `COUNTERSIGN_JOURNEY_HOME` may name an already prepared workspace; it is used up by that.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.journeys.steps import Desk

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / ".artifacts" / "journeys"


@dataclass(frozen=True)
class Running:
    """Addresses and folders of the started workspace."""

    home: Path
    app: str
    endpoint: str
    env: dict[str, str]

    def cli(self, *words: str, passphrase: str = "") -> subprocess.CompletedProcess[str]:
        env = {**self.env, **({"COUNTERSIGN_PASSPHRASE": passphrase} if passphrase else {})}
        return subprocess.run(
            [sys.executable, "-m", "services", *words],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("COUNTERSIGN_JOURNEY_HOME")
    return Path(given) if given else tmp_path_factory.mktemp("journey") / "home"


@pytest.fixture(scope="session")
def running(home: Path) -> Iterator[Running]:
    app_port, serving_port = free_port(), free_port()
    env = {
        **os.environ,
        "COUNTERSIGN_HOME": str(home),
        "COUNTERSIGN_APP_PORT": str(app_port),
        "COUNTERSIGN_SERVING_PORT": str(serving_port),
        "COUNTERSIGN_TEST_PANEL": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    SHOTS.mkdir(parents=True, exist_ok=True)
    log = (SHOTS / "supervisor.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "services.supervisor"], cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT
    )
    started = Running(
        home=home, app=f"http://localhost:{app_port}", endpoint=f"http://127.0.0.1:{serving_port}", env=env
    )
    try:
        _wait(process, f"{started.app}/_stcore/health", seconds=900)
        _wait(process, f"{started.endpoint}/health", seconds=60)
        yield started
    finally:
        family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=40)
        log.close()
        time.sleep(0.5)
        left = [pid for pid in family if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
        assert left == [], f"processes left behind: {left}"


def _wait(process: subprocess.Popen[bytes], url: str, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the supervisor ended early; see {SHOTS / 'supervisor.log'}"
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    pytest.fail(f"{url} did not answer within {seconds} seconds")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@contextmanager
def chromium() -> Iterator[Browser]:
    """The installed Chromium. While it is open, its event loop runs in this thread: nobody else can start one."""
    path = next(
        (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), None
    )
    if path is None:
        if os.environ.get("COUNTERSIGN_TEST_NO_SKIP"):
            pytest.fail("Chromium is not installed; CI must install it")
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, locale="en-GB", timezone_id="Europe/Berlin")
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(scope="session")
def sitting() -> list[Desk]:
    return []


@pytest.fixture(scope="session")
def desk(browser: Browser, running: Running, sitting: list[Desk]) -> Callable[[str], Desk]:
    """A fresh browser profile per person, so that nobody inherits somebody's cookie."""

    def sit_down(subject: str) -> Desk:
        context = browser.new_context(
            viewport={"width": 1440, "height": 1000}, locale="en-GB", timezone_id="Europe/Berlin"
        )
        context.set_default_timeout(30_000)
        person = Desk(page=context.new_page(), app=running.app, subject=subject, shots=SHOTS)
        sitting.append(person)
        return person.sign_in()

    return sit_down


@pytest.fixture(scope="module", autouse=True)
def everybody_leaves(sitting: list[Desk]) -> Iterator[None]:
    """A page that is left open goes on reading every half a minute, for nobody."""
    yield
    while sitting:
        sitting.pop().leave()
