"""A breach injected through the traffic path of a really running endpoint: measured from its own log, rolled back by
the watcher, with nobody touching anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from services.adapters.warehouse.telemetry import DuckDbTelemetry
from services.kernel.clock import SystemClock
from services.rollout.release_models import ReleaseState
from tests.builders import MODEL, a_world
from tests.fakes.endpoint import TestEndpoint, an_endpoint, wait_until
from tests.fakes.platform import FilePlatform
from tests.fakes.tiny_models import register_versions
from tests.unit.rollout.watched import Watched, with_watcher

LOOK_SECONDS = 5.0


@dataclass
class Live:
    endpoint: TestEndpoint
    watched: Watched
    stopping: threading.Event
    answered: list[int]

    def ask_for_ever(self) -> None:
        number = 0
        while not self.stopping.is_set():
            number += 1
            self.answered.append(self.endpoint.ask(MODEL, **{"X-Countersign-Entity": f"caller-{number}"}).status_code)
            self.stopping.wait(0.02)

    def look_for_ever(self) -> None:
        while not self.stopping.wait(LOOK_SECONDS):
            self.watched.watcher.run()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    uri = register_versions(tmp_path, MODEL, (0.0, 0.5))
    (tmp_path / "world").mkdir()
    with an_endpoint(tmp_path / "home", uri, MODEL) as endpoint:
        world = a_world(
            tmp_path / "world",
            clock=SystemClock(),
            serving=cast(FilePlatform, endpoint.serving),
            versions=("1", "2"),
        )
        world.approve("1")
        wait_until(lambda: world.runner.run_pending() == 1, seconds=120)
        world.approve("2")
        wait_until(lambda: world.runner.run_pending() == 1, seconds=120)
        watched = with_watcher(
            world,
            DuckDbTelemetry(tmp_path / "home" / "inference", clock=world.clock, journal=endpoint.journal),
            monotonic=time.monotonic,
        )
        made = Live(endpoint=endpoint, watched=watched, stopping=threading.Event(), answered=[])
        threads = [threading.Thread(target=made.ask_for_ever), threading.Thread(target=made.look_for_ever)]
        for thread in threads:
            thread.start()
        yield made
        made.stopping.set()
        for thread in threads:
            thread.join(timeout=60)
        world.database.dispose()


@pytest.mark.slow
def test_a_breach_in_the_traffic_path_is_rolled_back_by_itself_from_the_logs_own_numbers(live: Live) -> None:
    serving = live.endpoint.serving
    assert dict(serving.observe(MODEL).routes) == {"1": 90, "2": 10}
    time.sleep(70)  # the first minute of a canary is left out
    serving.inject_fault(MODEL, "2", label="breach for a test", error_rate=0.9)
    injected = time.monotonic()
    wait_until(lambda: dict(serving.observe(MODEL).routes) == {"1": 100}, seconds=120)
    took = time.monotonic() - injected
    wait_until(lambda: live.watched.open_incidents() != (), seconds=30)
    # Traffic goes first; that it arrived is read back and recorded after it.
    wait_until(lambda: live.watched.release.state is ReleaseState.ROLLED_BACK, seconds=30)
    [incident] = live.watched.open_incidents()
    times = incident.times
    print(f"rolled back {took:.1f} s after the fault began: {incident.text}")
    assert times.impact_start is not None
    assert times.mitigated is not None
    assert times.impact_start <= times.detected <= times.mitigated
    wait_until(lambda: set(live.answered[-20:]) == {200}, seconds=60)
