"""A workspace that answers later than anybody waits: it is said, and nothing else stands still because of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services.adapters.databricks.client import Workspace
from services.adapters.databricks.people import WorkspacePeople
from services.adapters.local.processes import ROOT
from services.adapters.mlflow.unity_catalog import Catalog
from services.adapters.mlflow.unity_files import CatalogFiles
from services.adapters.mlflow.unity_registry import UnityRegistry
from services.adapters.sql.database import Database
from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.sweeping import SqlSweep
from services.container import open_control_room
from services.inventory.copying import CopyState
from services.inventory.models import InventoryQuery
from services.inventory.service import InventoryService
from services.inventory.sweeping import Sweep
from services.kernel.clock import FrozenClock
from services.kernel.errors import ServingUnavailableError
from services.kernel.identity import Role
from services.people.platform_headers import EMAIL, TOKEN, USER, Headers
from services.people.platform_sign_in import PlatformSignIn
from services.settings import Settings
from services.workspace.founding import found
from tests.builders import MODEL as RELEASED
from tests.builders import a_world
from tests.contract.databricks_server.server import Platform, a_workspace
from tests.contract.test_databricks_rollout import newest, released, work
from tests.contract.test_sweeping import Silent
from tests.fakes.databricks import a_scene
from tests.unit.monitoring.facts_on_disk import with_tables
from tests.unit.people.test_platform_sign_in import Book, People

NOON = datetime(2031, 3, 31, 12, tzinfo=UTC)
MODEL = "main.claims.a"
WAITS = 0.5
"""Seconds the client waits for one answer here; 8 in the product."""
SLOW = 2.0
PATIENT = 30.0
"""Longer than a test may take: what waits for the platform at all does not come back in time."""


def a_slow_catalog(platform: Platform, *, waits: float = WAITS) -> UnityRegistry:
    workspace = Workspace(platform.connection(timeout_seconds=waits))
    return UnityRegistry(Catalog(workspace, workspace), CatalogFiles(workspace), schemas=("main.claims",))


@pytest.fixture
def platform() -> Iterator[Platform]:
    with a_workspace() as made:
        for letter in "abc":
            made.models.add(f"main.claims.{letter}", 1, 2, files={"MLmodel": b"flavors: {}\n"})
        yield made


@pytest.fixture
def inventory(platform: Platform, tmp_path: Path) -> Iterator[InventoryService]:
    """Copied once, from a workspace that was quick then."""
    database = with_tables(Database(f"sqlite:///{tmp_path}/governance.db"))
    clock = FrozenClock(NOON)
    sweep = Sweep(registry=a_slow_catalog(platform), store=SqlSweep(database), clock=clock)
    made = InventoryService(
        registry=sweep.registry, store=SqlInventory(database), ledger=Silent(), clock=clock, sweep=sweep,  # type: ignore[arg-type]
    )  # fmt: skip
    assert made.sync().error == ""
    clock.set(NOON + timedelta(minutes=7))
    yield made
    database.dispose()


@contextmanager
def meanwhile(call: Callable[[], object]) -> Iterator[threading.Thread]:
    """Runs in another thread; it is waited for at the end."""
    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


def seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def test_a_sweep_of_a_slow_workspace_ends_with_a_sentence_and_the_copy_keeps_its_age(
    inventory: InventoryService, platform: Platform
) -> None:
    platform.slow_seconds = SLOW

    state = inventory.sync()

    assert "did not answer" in state.error
    assert (state.last_success, state.last_attempt) == (NOON, NOON + timedelta(minutes=7))
    assert [item.version for item in inventory.versions(MODEL)] == ["2", "1"]
    assert inventory.copied(MODEL).read_at == NOON


def test_slow_models_behind_a_quick_list_are_named_and_keep_what_was_read(
    inventory: InventoryService, platform: Platform
) -> None:
    for letter in "abc":
        platform.models.touch(f"main.claims.{letter}")
    platform.slow_seconds, platform.slow_paths = SLOW, "registered-models/get"

    state = inventory.sync()

    assert "did not answer" in state.error
    assert state.last_success == NOON
    assert inventory.copied(MODEL).state is CopyState.FAILED
    assert [item.version for item in inventory.versions(MODEL)] == ["2", "1"]

    platform.slow_seconds = 0.0
    assert inventory.sync().error == ""


def test_reads_come_back_while_a_sweep_still_waits_for_the_workspace(
    inventory: InventoryService, platform: Platform
) -> None:
    waiting = threading.Event()
    platform.before_waiting = lambda _method, _path: waiting.set()
    platform.slow_seconds = SLOW
    slow = replace(inventory._sweep, registry=a_slow_catalog(platform, waits=PATIENT))  # type: ignore[type-var]

    with meanwhile(slow.run) as sweep:
        assert waiting.wait(10)
        assert [item.version for item in inventory.versions(MODEL)] == ["2", "1"]
        assert inventory.copied(MODEL).read_at == NOON
        assert inventory.sync_state().last_success == NOON
        assert inventory.search(InventoryQuery()).total == 0
        assert sweep.is_alive(), "the reads waited for the sweep"


def test_inventory_traffic_and_requests_are_shown_without_asking_a_slow_workspace(
    platform: Platform, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home")
    settings.home.mkdir()
    found(settings, at=datetime.now(UTC) - timedelta(days=1), replay_from=None, replay_to=None)
    room = open_control_room(settings, registry=a_slow_catalog(platform, waits=PATIENT))
    try:
        assert room.inventory.sync().error == ""
        asked = list[str]()
        platform.before_waiting = lambda _method, path: asked.append(path)
        platform.slow_seconds = PATIENT

        screen = AppTest.from_file(str(ROOT / "app.py"), default_timeout=PATIENT)
        screen.session_state["control_room"] = room
        screen.session_state["token"] = room.people.open_session(room.people.sign_in_demo("clara.compliance"))
        screen.run()
        for name in ("inventory", "rollouts", "approvals"):
            screen.switch_page(f"pages/screens/{name}.py").run()
            assert not screen.exception

        assert asked == []
    finally:
        platform.slow_seconds = 0.0
        room.database.dispose()


def test_a_rollback_is_carried_out_while_a_sweep_waits_for_the_registry(tmp_path: Path) -> None:
    with a_scene(tmp_path, RELEASED) as scene:
        world = a_world(tmp_path, serving=scene.serving)
        scene.platform.models.add("main.claims.a", 1)
        released(world, "1", "2")
        waiting = threading.Event()
        scene.platform.before_waiting = lambda _method, _path: waiting.set()
        scene.platform.slow_seconds, scene.platform.slow_paths = PATIENT, "unity-catalog"
        sweep = Sweep(
            registry=a_slow_catalog(scene.platform, waits=10.0), store=SqlSweep(world.database), clock=world.clock
        )

        with meanwhile(sweep.run) as copying:
            assert waiting.wait(10)
            world.rollout.roll_back(world.a_rollback("1"), actor=world.actor("sam.sre"))
            work(world)
            assert copying.is_alive(), "the rollback waited for the sweep"

        assert newest(world).value == "applied"
        assert scene.serving.observe(RELEASED).routes == (("1", 100),)
        world.database.dispose()


def test_an_endpoint_that_is_slow_to_answer_holds_up_no_change_of_another(tmp_path: Path) -> None:
    with a_scene(tmp_path, "slow", "quick") as scene:
        for name in ("slow", "quick"):
            scene.ready(name, "1", "2")
            scene.route(name, ("2", 100), op=f"first-{name}")
        waiting, said = threading.Event(), list[str]()
        scene.platform.before_waiting = lambda _method, _path: waiting.set()
        scene.platform.slow_seconds, scene.platform.slow_paths = PATIENT, "serving-endpoints/slow"

        def look() -> None:
            with pytest.raises(ServingUnavailableError) as away:
                scene.serving.observe("slow")
            said.append(str(away.value))

        with meanwhile(look) as looking:
            assert waiting.wait(10)
            scene.route("quick", ("1", 100), op="back")
            assert scene.serving.observe("quick").routes == (("1", 100),)
            assert looking.is_alive(), "the change waited for the other endpoint"
        assert "slow" in said[0]


HEADERS: Headers = {TOKEN: ("token-of-clara",), EMAIL: ("clara@acme.example",), USER: ("4711@99",)}


@pytest.fixture
def door(platform: Platform) -> PlatformSignIn:
    platform.people["token-of-clara"] = {
        "id": "4711",
        "userName": "clara@acme.example",
        "displayName": "Clara Whitfield",
        "active": True,
        "emails": [{"value": "clara@acme.example", "primary": True}],
    }

    class Known(People):
        def standing(self, issuer: str, subject: str):  # type: ignore[no-untyped-def]
            return super().standing("https://dbc.example.com", subject) if issuer == platform.url else None

    return PlatformSignIn(
        people=Known(),  # type: ignore[arg-type]
        directory=WorkspacePeople(platform.url, timeout_seconds=WAITS),
        ledger=Book(),
        clock=FrozenClock(NOON),
    )


def test_a_sign_in_that_the_workspace_is_too_slow_to_confirm_is_refused_in_words(
    door: PlatformSignIn, platform: Platform
) -> None:
    platform.slow_seconds = PATIENT

    def refused() -> None:
        with pytest.raises(ServingUnavailableError, match="did not say whose token this is"):
            door.open(HEADERS, role=Role.COMPLIANCE)

    assert seconds(refused) < PATIENT / 2


def test_whom_the_workspace_confirmed_minutes_ago_signs_in_without_asking_it_again(
    door: PlatformSignIn, platform: Platform
) -> None:
    assert door.open(HEADERS, role=Role.COMPLIANCE) == "opened"
    platform.slow_seconds = PATIENT
    assert seconds(lambda: door.open(HEADERS, role=Role.COMPLIANCE)) < PATIENT / 2
