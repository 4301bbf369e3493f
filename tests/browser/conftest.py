"""A browser and processes for tests that need the running app, but no prepared workspace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.journeys.conftest import chromium, free_port

ROOT = Path(__file__).resolve().parents[2]

__all__ = ["first_visit", "free_port", "started"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed with its file: the tests after it in the same process may run an event loop of their own."""
    with chromium() as browser:
        yield browser


@contextmanager
def started(command: list[str], port: int, *, log: Path, says: str = "", **env: str) -> Iterator[str]:
    """The app behind `command` once it answers, and `says` so; its address. Ended when the block is left."""
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env={**os.environ, **env}, stdout=written, stderr=subprocess.STDOUT
        )
        try:
            _answers(process, f"http://localhost:{port}/_stcore/health", log, says)
            yield f"http://localhost:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def first_visit(browser: Browser, app: str) -> None:
    """Somebody opens the front page. Streamlit takes the first run of a process for one of a folder of pages, and
    would lay "Page not found" over any other address that is the very first one asked for."""
    page = browser.new_page()
    page.goto(app)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=120_000)
    page.close()


def _answers(process: subprocess.Popen[bytes], url: str, log: Path, says: str) -> None:
    for _ in range(480):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(url, timeout=2).text == "ok" and says in log.read_text():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.25)
    raise AssertionError(log.read_text()[-2000:])
