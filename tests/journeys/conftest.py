"""A really prepared workspace, really started: app, worker and local endpoint under the supervisor, and a browser.

Preparing takes minutes, so one workspace serves all journeys of a run; they build on each other in file order.
While writing a journey, `COUNTERSIGN_JOURNEY_HOME` may name an already prepared workspace; it is used up by that.

`COUNTERSIGN_JOURNEY_PROFILE=mlflow` moves the prepared workspace to an MLflow server, PostgreSQL and an endpoint of its
own (`production_parts`) and runs the same journeys there; a workspace that was named is then copied, not used up.
`databricks` moves it behind the contract server instead (`databricks_parts`).
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.journeys.running import ROOT, Running, free_port
from tests.journeys.steps import PATIENCE, Desk

__all__ = ["ROOT", "Running", "chromium", "free_port"]

PROFILE = os.environ.get("COUNTERSIGN_JOURNEY_PROFILE", "embedded")
_MOVED = {"mlflow": "tests.journeys.production_parts", "databricks": "tests.journeys.databricks_parts"}
SHOTS = ROOT / ".artifacts" / ("journeys" if PROFILE == "embedded" else f"journeys-{PROFILE}")


def _parts() -> ModuleType:
    return importlib.import_module(_MOVED[PROFILE])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What cannot be on this profile is named with its reason, one by one; nothing else is left out."""
    if PROFILE == "embedded":
        return
    for item in items:
        reason = _parts().NOT_HERE.get(item.name)
        if reason:
            item.add_marker(pytest.mark.skip(reason=f"not on the profile {PROFILE}: {reason}"))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("COUNTERSIGN_JOURNEY_HOME")
    return Path(given) if given else tmp_path_factory.mktemp("journey") / "home"


@pytest.fixture(scope="session")
def running(home: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    SHOTS.mkdir(parents=True, exist_ok=True)
    if PROFILE == "embedded":
        with _embedded(home) as started:
            yield started
        return
    from tests.contract.conftest import postgres_server

    server = postgres_server(request.config)
    _prepare(home)
    with _parts().started(home, tmp_path_factory.mktemp("production"), server, logs=SHOTS) as moved:
        yield moved


def _prepare(home: Path) -> None:
    """As the embedded workspace prepares itself; one that is prepared already is left as it is."""
    if (home / "prepared.json").exists():
        return
    env = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
    command = [sys.executable, "-m", "services", "prepare"]
    subprocess.run(command, cwd=ROOT, env={**env, "COUNTERSIGN_HOME": str(home)}, check=True, timeout=1800)


@contextmanager
def _embedded(home: Path) -> Iterator[Running]:
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
    log = (SHOTS / "supervisor.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "services.supervisor"], cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT
    )
    started = Running(
        home=home,
        app=f"http://localhost:{app_port}",
        endpoint=f"http://127.0.0.1:{serving_port}",
        env=env,
        registry_file=home / "mlflow.db",
        artifacts=home / "artifacts",
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
        expect.set_options(timeout=5_000 * PATIENCE)
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
    context.set_default_timeout(20_000 * PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(scope="session")
def sitting() -> list[Desk]:
    return []


@pytest.fixture(scope="session")
def opener(running: Running) -> Iterator[Callable[[str], tuple[str, str] | None]]:
    """The cookie by which somebody is known; none where people choose who they are."""
    if PROFILE == "embedded":
        yield lambda _subject: None
        return
    with _parts().sessions(running) as opened:
        yield opened


@pytest.fixture(scope="session")
def desk(
    browser: Browser,
    running: Running,
    sitting: list[Desk],
    opener: Callable[[str], tuple[str, str] | None],
) -> Callable[[str], Desk]:
    """A fresh browser profile per person, so that nobody inherits somebody's cookie."""

    def sit_down(subject: str) -> Desk:
        context = browser.new_context(
            viewport={"width": 1440, "height": 1000}, locale="en-GB", timezone_id="Europe/Berlin"
        )
        context.set_default_timeout(30_000 * PATIENCE)
        person = Desk(page=context.new_page(), app=running.app, subject=subject, shots=SHOTS)
        sitting.append(person)
        return person.sign_in(cookie=opener(subject))

    return sit_down


@pytest.fixture(scope="module", autouse=True)
def everybody_leaves(sitting: list[Desk]) -> Iterator[None]:
    """A page that is left open goes on reading every half a minute, for nobody."""
    yield
    while sitting:
        sitting.pop().leave()
