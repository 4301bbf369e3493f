"""The real outbox drives the real SDK: start, advance and roll back, slow updates, a restart in the middle."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.kernel.clock import FrozenClock
from services.rollout.models import ActionKind, ActionState, Advance
from tests.builders import DOCUMENTS, MODEL, NOON, World, a_world
from tests.fakes.databricks import SCHEMA, Scene, a_scene

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with a_scene(tmp_path, MODEL) as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, scene: Scene) -> Iterator[World]:
    made = a_world(tmp_path, serving=scene.serving)
    yield made
    made.database.dispose()


def work(world: World, *, rounds: int = 30, step: timedelta = timedelta(seconds=30)) -> None:
    """The worker, until nothing is open: each round is one later look at what is due."""
    clock = world.clock
    assert isinstance(clock, FrozenClock)
    for _ in range(rounds):
        world.runner.run_pending()
        if not any(action.finished_at is None for action in world.rollout.actions(MODEL, 50)):
            return
        clock.set(clock.now() + step)


def released(world: World, *versions: str) -> None:
    for version in versions:
        world.approve(version)
        work(world)
        while world.rollout.deployment(MODEL).next_share is not None:
            advance(world)
            work(world)


def advance(world: World) -> None:
    sam = world.actor("sam.sre")
    share = world.rollout.deployment(MODEL).next_share
    assert share is not None
    world.measure(MODEL)
    world.rollout.advance(
        Advance(
            command_id=secrets.token_hex(4),
            model=MODEL,
            share=share,
            challenge=world.rollout.plan_advance(MODEL, actor=sam),
            passphrase=world.secret("sam.sre"),
        ),
        actor=sam,
    )


def newest(world: World) -> ActionState:
    return world.rollout.actions(MODEL)[0].state


def sent(scene: Scene) -> list[dict[str, int]]:
    updates = scene.platform.endpoints.find(MODEL).updates
    return [
        {item["served_model_name"]: item["traffic_percentage"] for item in body["traffic_config"]["routes"]}
        for body in updates
    ]


def test_start_advance_and_rollback_are_one_change_each(world: World, scene: Scene) -> None:
    released(world, "1", "2")
    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor("sam.sre"))
    work(world)

    assert newest(world) is ActionState.APPLIED
    assert sent(scene) == [
        {"v1": 100},
        {"v1": 100, "v2": 0},
        {"v1": 90, "v2": 10},
        {"v1": 0, "v2": 100},
        {"v1": 100, "v2": 0},
    ]
    assert scene.serving.observe(MODEL).routes == (("1", 100),)
    assert scene.serving.observe(MODEL).ready == ("1", "2")
    assert world.registry.alias_target(MODEL, "champion") == "1"
    kinds = [change.kind for change in world.rollout.history(MODEL)]
    assert kinds == [ActionKind.ROLLBACK, ActionKind.ADVANCE, ActionKind.START, ActionKind.START]


def test_a_rollback_while_an_update_runs_waits_and_is_sent_when_the_endpoint_is_free(
    world: World, scene: Scene
) -> None:
    released(world, "1", "2")
    world.approve("3")
    work(world)
    scene.platform.endpoints.slow_polls = 10_000
    advance(world)
    world.runner.run_pending()
    puts = len(sent(scene))
    assert sent(scene)[-1] == {"v1": 0, "v2": 0, "v3": 100}

    world.rollout.roll_back(world.a_rollback("2"), actor=world.actor("sam.sre"))
    work(world, rounds=5)

    assert len(sent(scene)) == puts
    waiting = world.rollout.actions(MODEL)[0]
    assert (waiting.kind, waiting.state) == (ActionKind.ROLLBACK, ActionState.PENDING)
    assert "still carrying out another update" in waiting.detail
    assert world.rollout.actions(MODEL)[1].state is ActionState.SUPERSEDED

    scene.platform.endpoints.slow_polls = 1
    scene.platform.endpoints.find(MODEL).polls_left = 0
    work(world)

    assert newest(world) is ActionState.APPLIED
    assert sent(scene)[-1] == {"v1": 0, "v2": 100, "v3": 0}
    assert scene.serving.observe(MODEL).routes == (("2", 100),)
    assert world.registry.alias_target(MODEL, "champion") == "2"


def test_a_version_that_never_becomes_ready_is_given_up_and_nobody_got_its_answers(world: World, scene: Scene) -> None:
    released(world, "1")
    scene.platform.endpoints.never_ready.add((f"{SCHEMA}.{MODEL}", "2"))
    world.approve("2")
    work(world, rounds=8, step=timedelta(minutes=5))

    assert newest(world) is ActionState.FAILED
    assert all(shares.get("v2", 0) == 0 for shares in sent(scene))
    assert scene.serving.observe(MODEL).routes == (("1", 100),)


def test_a_failed_deployment_ends_the_release_with_the_platforms_reason(world: World, scene: Scene) -> None:
    released(world, "1")
    scene.platform.endpoints.failing.add((f"{SCHEMA}.{MODEL}", "2"))
    world.approve("2")
    work(world)

    ended = world.rollout.actions(MODEL)[0]
    assert ended.state is ActionState.FAILED
    assert "container build failed" in ended.detail
    assert "Traffic was not changed" in ended.detail
    assert scene.serving.observe(MODEL).routes == (("1", 100),)


def test_traffic_moved_by_hand_in_the_workspace_is_a_finding_and_is_not_overwritten(world: World, scene: Scene) -> None:
    released(world, "1")
    world.approve("2")
    work(world)
    scene.platform.endpoints.move_by_hand(MODEL, v1=50, v2=50)
    advance(world)
    work(world)

    assert newest(world) is ActionState.CONFLICT
    assert scene.serving.observe(MODEL).routes == (("1", 50), ("2", 50))

    world.rollout.roll_back(world.a_rollback("1"), actor=world.actor("sam.sre"))
    work(world)
    assert newest(world) is ActionState.APPLIED
    assert scene.serving.observe(MODEL).routes == (("1", 100),)


def test_a_shadow_run_loads_the_version_at_zero_records_the_wish_and_ends_with_an_abort(
    tmp_path: Path, scene: Scene
) -> None:
    world = a_world(tmp_path, serving=scene.serving, policies=DOCUMENTS)
    released(world, "1")
    world.approve("2")
    work(world)
    assert scene.serving.observe(MODEL).ready == ("1",)

    world.take("start-shadow")
    work(world)
    begun = scene.serving.observe(MODEL)
    world.take("abort", reason="Not today.")
    work(world)
    ended = scene.serving.observe(MODEL)

    assert (begun.mirror, begun.routes, begun.ready) == (("2", 100), (("1", 100),), ("1", "2"))
    assert (ended.mirror, ended.routes) == (None, (("1", 100),))
    assert sent(scene) == [{"v1": 100}, {"v1": 100, "v2": 0}]
    world.database.dispose()


SCRIPT = """
import os, signal, sys
from pathlib import Path
from datetime import timedelta
from services.adapters.databricks.client import Connection, Workspace
from services.adapters.databricks.serving import DatabricksServing
from services.adapters.databricks.snapshots import SnapshotFiles
from services.kernel.clock import FrozenClock
from services.kernel.secret import Secret
from tests.builders import MODEL, NOON, a_world
from tests.contract.databricks_server.server import TOKEN
from tests.fakes.databricks import targets

folder, url, word = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

workspace = Workspace(Connection(host=url, token=Secret(TOKEN)))
api = workspace.client.api_client
do = api.do

def dying(method, path=None, **given):
    answer = do(method, path, **given)
    if f"after {method}" == word:
        die()
    return answer

api.do = dying
serving = DatabricksServing(
    workspace, targets(MODEL), snapshots=SnapshotFiles(folder / "snapshots"), now=lambda: NOON
)
clock = FrozenClock(NOON)
world = a_world(folder, clock=clock, serving=serving, after_step=lambda step: die() if step == word else None)
for _ in range(20):
    world.runner.run_pending()
    clock.set(clock.now() + timedelta(seconds=30))
"""


@pytest.mark.parametrize("word", ["after PATCH", "after PUT", "switched"])
def test_killed_in_the_middle_a_release_is_completed_with_each_change_sent_once(
    tmp_path: Path, scene: Scene, word: str
) -> None:
    world = a_world(tmp_path, serving=scene.serving)
    released(world, "1")
    world.approve("2")
    world.database.dispose()

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), scene.platform.url, word],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr

    again = a_world(tmp_path, clock=FrozenClock(NOON + timedelta(minutes=20)), serving=scene.serving)
    work(again)
    assert newest(again) is ActionState.APPLIED
    assert sent(scene) == [{"v1": 100}, {"v1": 100, "v2": 0}, {"v1": 90, "v2": 10}]
    assert scene.serving.observe(MODEL).routes == (("1", 90), ("2", 10))
    again.database.dispose()
