"""Row 19 on both databases and a really running endpoint: traffic goes back while nobody can write, and is entered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.adapters.files.offline import OfflineJournal, OfflineTargetsFile
from services.adapters.signing.machine_seal import MachineSeal
from services.adapters.sql.answering import why_away
from services.kernel.errors import RefusalError
from services.rollout.offline import OfflineRollback, Person
from services.rollout.offline_entry import Offline
from services.rollout.offline_models import LineState
from tests.builders import MODEL, World, a_world
from tests.fakes.endpoint import TestEndpoint, an_endpoint
from tests.fakes.tiny_models import register_versions

SAM = Person(account="sam@host", name="Sam Lindqvist")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestEndpoint]:
    folder = tmp_path_factory.mktemp("offline")
    with an_endpoint(folder / "home", register_versions(folder, MODEL, (0.0, 100.0, 200.0))) as running:
        yield running


@pytest.fixture
def world(endpoint: TestEndpoint, database_url: str, tmp_path: Path) -> Iterator[World]:
    """Version 1 served, version 2 serves."""
    endpoint.serving.register(MODEL, "realtime")
    endpoint.load(MODEL, "1", "2")
    made = a_world(tmp_path, url=database_url, serving=endpoint.serving)
    made.release("1")
    made.release("2")
    yield made
    made.database.dispose()


def test_traffic_goes_back_while_nobody_can_write_and_stands_as_unsigned_afterwards(
    world: World, endpoint: TestEndpoint, database_url: str, tmp_path: Path
) -> None:
    shelf, journal = (
        OfflineTargetsFile(tmp_path / "run", MachineSeal(tmp_path / "keys")),
        OfflineJournal(tmp_path / "run"),
    )
    keeping = Offline(
        units=world.units,
        desk=world.desk,
        keeper=shelf,
        journal=journal,
        deployments=world.rollout.deployments,
        targets_of=world.rollout.targets,
        on_call=lambda _model: "Sam Lindqvist",
        clock=world.clock,
    )
    assert keeping.keep_targets() == 1
    desk = OfflineRollback(
        shelf=shelf,
        journal=journal,
        serving=endpoint.serving,
        why_away=lambda: why_away(database_url, lock_seconds=0.3),
        clock=world.clock,
    )
    with pytest.raises(RefusalError):
        desk.plan(MODEL, "1")
    assert endpoint.ask(MODEL).headers["X-Countersign-Version"] == "2"

    with world.database.write():
        line = desk.carry_out(desk.plan(MODEL, "1"), person=SAM, reason="Errors since noon.")
        answered = {endpoint.ask(MODEL).headers["X-Countersign-Version"] for _ in range(10)}

    assert (line.state, line.before, line.after) == (LineState.DONE, (("2", 100),), (("1", 100),))
    assert answered == {"1"}
    assert keeping.enter() == 2
    assert keeping.enter() == 0
    assert world.entries("event:offline-rollback") == 1
    world.runner.run_pending()
    world.rollout.reconcile()
    view = world.rollout.deployments()[0]
    assert (view.desired, view.finding_kind, view.adoptable_version) == ((("2", 100),), "traffic", "1")
    assert endpoint.serving.observe(MODEL).routes == (("1", 100),)
