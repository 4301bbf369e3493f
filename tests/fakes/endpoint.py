"""A really running local endpoint for tests: temporary home, tiny models, everything ended afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from services.adapters.local.processes import LocalEndpoint, family, start_endpoint
from services.adapters.local.serving import LocalServing

BODY = {"dataframe_split": {"columns": ["x", "city"], "data": [[1.0, "EWR"], [2.0, "JFK"]]}}


@dataclass
class TestEndpoint:
    __test__ = False

    home: Path
    endpoint: LocalEndpoint
    serving: LocalServing
    http: httpx.Client

    @property
    def token(self) -> str:
        return self.endpoint.token_file.read_text()

    @property
    def admin(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def journal(self) -> Path:
        return self.home / "serving" / "journal"

    def ask(self, deployment: str, body: Any = BODY, **headers: str) -> httpx.Response:
        return self.http.post(f"/endpoints/{deployment}/invocations", json=body, headers=headers)

    def load(self, deployment: str, *versions: str) -> None:
        for version in versions:
            wait_until(lambda version=version: self.serving.ensure_ready(deployment, version, op="load"))

    def route(self, deployment: str, *routes: tuple[str, int], op: str = "") -> None:
        state = self.serving.observe(deployment)
        self.serving.set_routes(
            deployment, routes, expect_generation=state.generation, op=op or f"op-{state.generation}"
        )

    def logged(self) -> list[dict[str, Any]]:
        """Every line of the log so far, closed and open segments."""
        files = sorted(self.journal.glob("*-*.jsonl"), key=lambda file: file.name.partition("-")[2])
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@contextmanager
def an_endpoint(home: Path, tracking_uri: str, *deployments: str) -> Iterator[TestEndpoint]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / "endpoint.log").open("ab") as output:
        endpoint = start_endpoint(home=home, tracking_uri=tracking_uri, port=0, output=output)
        pids = set(family(endpoint.process.pid))
        serving = LocalServing(endpoint.url, token_file=endpoint.token_file)
        http = httpx.Client(base_url=endpoint.url, timeout=30, trust_env=False)
        try:
            for name in deployments:
                serving.register(name, "batch" if name.endswith("_batch") else "realtime")
            yield TestEndpoint(home=home, endpoint=endpoint, serving=serving, http=http)
        finally:
            pids |= set(family(endpoint.process.pid))
            http.close()
            serving.close()
            endpoint.stop()
            wait_until(lambda: not _alive(pids), seconds=5)


def wait_until(condition: Any, *, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def _alive(pids: set[int]) -> set[int]:
    import psutil

    return {pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE}
