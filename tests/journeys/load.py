"""Asking the running workspace what it serves, and sending it requests at a fixed rate."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.journeys.conftest import Running
from tests.journeys.steps import PATIENCE


def routes(running: Running, model: str = "delay_claim_score") -> dict[str, int]:
    return dict(httpx.get(f"{running.endpoint}/endpoints/{model}", timeout=5).json()["routes"])


def until(check: Callable[[], bool], *, seconds: float, what: str) -> float:
    """Seconds it took; fails the test when it did not happen in time."""
    began = time.monotonic()
    if happens(check, seconds=seconds):
        return time.monotonic() - began
    pytest.fail(f"not within {seconds} seconds: {what}")


def happens(check: Callable[[], bool], *, seconds: float) -> bool:
    """Whether it comes true within that time."""
    began = time.monotonic()
    while time.monotonic() - began < seconds * PATIENCE:
        if check():
            return True
        time.sleep(0.2)
    return False


def alias(running: Running, model: str = "delay_claim_score") -> str:
    query = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = 'champion'"
    return str(running.registry(query, model)[0][0])


class Load:
    """Fixed-rate requests on kept-alive connections from a few threads; remembers which version answered when."""

    def __init__(self, running: Running, model: str, *, per_second: int, threads: int = 5) -> None:
        self._url = f"{running.endpoint}/endpoints/{model}/invocations"
        self._body = example(running, model)
        self._pause = threads / per_second
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._answers: list[tuple[float, str]] = []
        self.failed: list[str] = []
        self._sent = 0
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        time.sleep(2)
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=20)

    @property
    def answered(self) -> int:
        return len(self._answers)

    def after(self, moment: float) -> set[str]:
        return {version for sent, version in self._answers if sent > moment}

    def _run(self) -> None:
        with httpx.Client(timeout=20, trust_env=False) as client:
            while not self._stop.is_set():
                sent = time.monotonic()
                self._sent += 1
                # Each call is another caller: the split follows the caller, and errors count once per caller.
                headers = {
                    "Content-Type": "application/json",
                    "X-Countersign-Entity": f"load-{id(client)}-{self._sent}",
                }
                try:
                    answer = client.post(self._url, content=self._body, headers=headers)
                except httpx.HTTPError as fault:
                    with self._lock:
                        self.failed.append(repr(fault))
                    continue
                with self._lock:
                    if answer.status_code == 200:
                        self._answers.append((sent, answer.headers["X-Countersign-Version"]))
                    else:
                        self.failed.append(f"{answer.status_code} {answer.text[:200]}")
                time.sleep(max(0.0, self._pause - (time.monotonic() - sent)))


def example(running: Running, model: str) -> bytes:
    return example_in(running.artifacts, model)


def example_in(artifacts: Path, model: str) -> bytes:
    """The input example logged with the versions that serve: the widest one without the leaking column."""
    files = (artifacts / model).rglob("serving_input_example.json")
    bodies = [json.loads(file.read_text()) for file in files]
    fair = [body for body in bodies if "departure_delay" not in body["dataframe_split"]["columns"]]
    return json.dumps(max(fair, key=lambda body: len(body["dataframe_split"]["columns"]))).encode()
