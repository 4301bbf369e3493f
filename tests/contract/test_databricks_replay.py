"""Shadow by replay: logged requests reach a version that answers nobody, once, bounded, and never the callers' way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.adapters.databricks.replay import METHOD, ShadowReplayer
from services.kernel.errors import TelemetryUnavailableError
from services.rollout.serving_ports import LoggedRequest, ReplayedAnswer
from tests.fakes.databricks import NOON, Scene, a_scene

NAME = "score"


@dataclass
class MemoryLog:
    """Requests as they were logged, and the answers of versions that were asked again."""

    logged: list[LoggedRequest]
    kept: dict[tuple[str, str], dict[str, ReplayedAnswer]] = field(default_factory=dict)
    positions: dict[tuple[str, str], str] = field(default_factory=dict)
    die_before_keeping: bool = False

    def after(self, deployment: str, position: str, limit: int) -> tuple[LoggedRequest, ...]:
        return tuple(item for item in self.logged if item.position > position)[:limit]

    def position(self, deployment: str, version: str) -> str:
        return self.positions.get((deployment, version), "")

    def add(self, deployment: str, version: str, answers: tuple[ReplayedAnswer, ...], *, position: str) -> None:
        if self.die_before_keeping:
            raise TelemetryUnavailableError("The table cannot be written.")
        mine = self.kept.setdefault((deployment, version), {})
        mine.update({item.request_id: item for item in answers})
        self.positions[deployment, version] = position


def requests(count: int) -> list[LoggedRequest]:
    return [
        LoggedRequest(
            position=f"{number:06d}",
            request_id=f"request-{number}",
            at=NOON,
            body={"dataframe_records": [{"dep_delay": float(number)}]},
        )
        for number in range(count)
    ]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with a_scene(tmp_path, NAME) as made:
        made.platform.endpoints.slow_polls = 0
        made.ready(NAME, "1", "2")
        yield made


def shadow(scene: Scene, version: str | None = "2", percent: int = 100) -> None:
    generation = scene.serving.observe(NAME).generation
    scene.serving.set_mirror(NAME, version, percent, expect_generation=generation, op=f"shadow-{generation}")


def a_replayer(scene: Scene, log: MemoryLog, **changes: Any) -> ShadowReplayer:
    return ShadowReplayer(serving=scene.serving, requests=log, answers=log, now=lambda: NOON, **changes)


def asked(scene: Scene) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Invocations that replay; probes are left out as telemetry leaves them out."""
    return [
        item
        for item in scene.platform.endpoints.find(NAME).invoked
        if not str(item[2].get("client_request_id")).startswith("countersign-probe-")
    ]


def test_without_a_wish_nothing_is_sent(scene: Scene) -> None:
    done = a_replayer(scene, MemoryLog(requests(5))).replay(NAME, limit=10, seconds=60)

    assert (done.sent, done.stopped) == (0, "No shadow is wished for.")
    assert asked(scene) == []


def test_logged_requests_go_straight_to_the_version_and_are_labelled(scene: Scene) -> None:
    shadow(scene)
    log = MemoryLog(requests(45))

    done = a_replayer(scene, log).replay(NAME, limit=100, seconds=60)

    assert (done.version, done.sent, done.answered, done.stopped) == ("2", 45, 45, "Every logged request was sent.")
    assert {(entity, how) for entity, how, _ in asked(scene)} == {("v2", "direct")}
    assert asked(scene)[7][2] == {
        "dataframe_records": [{"dep_delay": 7.0}],
        "client_request_id": "countersign-replay-request-7",
    }
    assert {item.method for item in log.kept[NAME, "2"].values()} == {METHOD} == {"replayed requests"}
    assert scene.serving.observe(NAME).routes == (("1", 100),)


def test_a_run_is_bounded_and_the_next_one_goes_on_from_there(scene: Scene) -> None:
    shadow(scene)
    log = MemoryLog(requests(70))
    replayer = a_replayer(scene, log)

    runs = [replayer.replay(NAME, limit=30, seconds=60).sent for _ in range(4)]

    assert runs == [30, 30, 10, 0]
    assert sorted(log.kept[NAME, "2"]) == sorted(item.request_id for item in log.logged)
    assert len(asked(scene)) == 70


def test_a_run_ends_when_its_time_is_over(scene: Scene) -> None:
    shadow(scene)
    ticks = iter(range(1_000))

    done = a_replayer(scene, MemoryLog(requests(200)), elapsed=lambda: float(next(ticks))).replay(
        NAME, limit=200, seconds=30
    )

    assert done.sent == 20
    assert "time of this run is over" in done.stopped


def test_killed_before_the_answers_were_kept_they_are_asked_for_again_and_counted_once(scene: Scene) -> None:
    shadow(scene)
    log = MemoryLog(requests(10), die_before_keeping=True)
    replayer = a_replayer(scene, log)
    with pytest.raises(TelemetryUnavailableError):
        replayer.replay(NAME, limit=10, seconds=60)
    log.die_before_keeping = False

    replayer.replay(NAME, limit=10, seconds=60)

    assert len(log.kept[NAME, "2"]) == 10


def test_a_percentage_of_the_requests_is_sent_and_it_is_always_the_same_one(scene: Scene) -> None:
    shadow(scene, percent=30)
    first, second = MemoryLog(requests(200)), MemoryLog(requests(200))

    done = a_replayer(scene, first).replay(NAME, limit=200, seconds=60)
    a_replayer(scene, second).replay(NAME, limit=200, seconds=60)

    assert 30 <= done.sent <= 90
    assert done.sent + done.skipped == 200
    assert set(first.kept[NAME, "2"]) == set(second.kept[NAME, "2"])


def test_errors_of_the_version_are_answers_and_do_not_stop_it(scene: Scene) -> None:
    shadow(scene)
    scene.platform.endpoints.broken.add("v2")
    log = MemoryLog(requests(3))

    done = a_replayer(scene, log).replay(NAME, limit=10, seconds=60)

    assert (done.sent, done.answered) == (3, 0)
    # The code alone: the model's own words may repeat what was asked.
    assert {item.error for item in log.kept[NAME, "2"].values()} == {"BAD_REQUEST"}


def test_a_throttled_run_keeps_what_it_has_and_stops(scene: Scene) -> None:
    shadow(scene)
    log = MemoryLog(requests(10))

    def throttled_later(method: str, path: str) -> None:
        if method == "POST" and len(asked(scene)) == 4:
            scene.platform.before = lambda _method, _path: None
            scene.platform.throttle = 1

    scene.platform.before = throttled_later
    replayer = a_replayer(scene, log)
    done = replayer.replay(NAME, limit=10, seconds=60)

    assert done.sent == len(log.kept[NAME, "2"]) == 4
    assert "throttling" in done.stopped
    assert replayer.replay(NAME, limit=10, seconds=60).sent == 6
    assert len(asked(scene)) == 10


@pytest.mark.parametrize("how", ["ended", "routed"])
def test_a_shadow_that_ended_or_became_a_canary_gets_nothing_more(scene: Scene, how: str) -> None:
    shadow(scene)
    log = MemoryLog(requests(60))
    replayer = a_replayer(scene, log)
    replayer.replay(NAME, limit=20, seconds=60)

    if how == "ended":
        shadow(scene, None, 0)
    else:
        scene.route(NAME, ("1", 90), ("2", 10), op="start")
    done = replayer.replay(NAME, limit=20, seconds=60)

    assert (done.sent, done.stopped) == (0, "No shadow is wished for.")
    assert len(asked(scene)) == 20


def test_requests_logged_without_their_body_are_skipped_and_counted(scene: Scene) -> None:
    shadow(scene)
    bare = LoggedRequest(position="999999", request_id="bare", at=NOON, body={})

    done = a_replayer(scene, MemoryLog([*requests(2), bare])).replay(NAME, limit=10, seconds=60)

    assert (done.sent, done.skipped) == (2, 1)
