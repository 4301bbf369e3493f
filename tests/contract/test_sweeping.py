"""Copying a large registry model by model: against the workspace on localhost, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from services.adapters.sql.database import Database
from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.sweeping import SqlSweep
from services.inventory.copying import CopyState, ModelCopy
from services.inventory.models import SyncState
from services.inventory.service import InventoryService
from services.inventory.sweeping import Sweep
from services.kernel.clock import FrozenClock
from services.rollout.job_evidence import Connection
from tests.contract.databricks_server.server import Platform, a_workspace
from tests.fakes.databricks import a_catalog
from tests.unit.monitoring.facts_on_disk import a_model, with_tables

NOON = datetime(2031, 3, 31, 12, tzinfo=UTC)
MLMODEL = {"MLmodel": b"flavors: {}\nmodel_size_bytes: 7\n"}


class Silent:
    def record_event(self, **_: object) -> None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    platform: Platform
    database: Database
    clock: FrozenClock
    sweep: Sweep
    inventory: InventoryService

    def later(self, **time: float) -> SyncState:
        self.clock.set(self.clock.now() + timedelta(**time))
        return self.inventory.sync()

    def versions(self, model: str) -> list[str]:
        return [item.version for item in SqlInventory(self.database).versions(model)]

    def requests(self) -> int:
        """Since the last time this was asked."""
        count = len(self.platform.calls)
        self.platform.calls.clear()
        return count


def copying(platform: Platform, database: Database, **changes: object) -> Copying:
    clock = changes.pop("clock", None) or FrozenClock(NOON)
    assert isinstance(clock, FrozenClock)
    sweep = Sweep(registry=a_catalog(platform, schemas=("main.claims",)), store=SqlSweep(database), clock=clock)
    sweep = replace(sweep, **changes)  # type: ignore[arg-type]
    inventory = InventoryService(
        registry=a_catalog(platform), store=SqlInventory(database), ledger=Silent(), clock=clock, sweep=sweep,  # type: ignore[arg-type]
    )  # fmt: skip
    return Copying(platform=platform, database=database, clock=clock, sweep=sweep, inventory=inventory)


@pytest.fixture
def platform() -> Iterator[Platform]:
    with a_workspace() as made:
        for letter in "abcde":
            made.models.add(f"main.claims.{letter}", 1, 2, 3, files=MLMODEL)
        made.models.add("other.schema.x", 1, files=MLMODEL)
        yield made


@pytest.fixture
def copy(platform: Platform, database_url: str) -> Iterator[Copying]:
    database = with_tables(Database(database_url))
    yield copying(platform, database)
    database.dispose()


@pytest.fixture
def small(platform: Platform, tmp_path: object) -> Iterator[Copying]:
    """On SQLite alone, for what does not depend on the database."""
    database = with_tables(Database(f"sqlite:///{tmp_path}/governance.db"))
    yield copying(platform, database)
    database.dispose()


def test_the_first_sweep_copies_every_model_of_the_schema_once_although_pages_overlap_and_may_be_empty(
    copy: Copying,
) -> None:
    state = copy.inventory.sync()

    assert (state.error, state.last_success) == ("", NOON)
    assert [name for name, _ in SqlInventory(copy.database).registry_names()] == [
        f"main.claims.{letter}" for letter in "abcde"
    ]
    assert copy.versions("main.claims.c") == ["3", "2", "1"]
    found = copy.inventory.coverage()
    assert found is not None
    assert (found.models, found.read, found.failing, found.oldest_reading) == (5, 5, 0, NOON)
    assert (found.never_read, found.due, found.named) == (0, 0, ())
    assert copy.inventory.copied("main.claims.a") == ModelCopy(state=CopyState.READ, read_at=NOON)
    assert copy.inventory.copied("main.claims.unknown").state is CopyState.ABSENT


def test_the_next_sweep_reads_only_what_changed_and_takes_run_and_files_from_the_copy(copy: Copying) -> None:
    copy.inventory.sync()
    copy.requests()
    copy.later(minutes=1)
    idle = copy.requests()
    copy.platform.models.add("main.claims.b", 4, files=MLMODEL)

    copy.later(minutes=1)

    listing = idle
    assert idle <= 5, "an unchanged registry costs the pages of its list"
    assert copy.versions("main.claims.b") == ["4", "3", "2", "1"]
    assert copy.platform.sent("GET", "/api/2.0/fs/files") == 1
    assert copy.platform.sent("GET", "model-versions/get") == 4
    assert len(copy.platform.calls) <= listing + 1 + 4 + 1 + 4


def test_what_the_platform_does_not_call_a_change_is_found_when_everything_is_read_again(copy: Copying) -> None:
    copy.inventory.sync()
    copy.platform.models.all["main.claims.d"].aliases["champion"] = "2"
    copy.later(minutes=1)
    before = SqlInventory(copy.database).version("main.claims.d", "2")

    copy.later(hours=6)

    after = SqlInventory(copy.database).version("main.claims.d", "2")
    assert (before.aliases, after.aliases) == ((), ("champion",))  # type: ignore[union-attr]


def governed(copy: Copying, *names: str) -> None:
    """Somebody governs these, and they were read once."""
    SqlInventory(copy.database).put_catalog(tuple(a_model(name) for name in names))
    copy.inventory.sync()
    copy.requests()


def test_a_governed_model_that_is_as_before_costs_one_request_a_sweep(copy: Copying) -> None:
    governed(copy, "main.claims.d")
    copy.later(minutes=1)
    assert copy.platform.sent("GET", "registered-models/get") == 1
    assert copy.platform.sent("GET", "model-versions") == 0
    assert copy.inventory.copied("main.claims.d").read_at == NOON, "a look at the head reads no version"


def test_a_tag_set_outside_on_a_version_of_a_governed_model_is_found_after_ten_minutes_at_the_latest(
    copy: Copying,
) -> None:
    governed(copy, "main.claims.d")
    copy.platform.models.version("main.claims.d", "2").tags["Approval_Check"] = "Approved"
    store = SqlSweep(copy.database)
    copy.later(minutes=9)
    assert store.approval_tags() == ()

    copy.later(minutes=1)

    assert [tag.version for tag in store.approval_tags()] == ["2"]
    assert copy.platform.sent("GET", "model-versions/get") == 3


def test_another_deployment_job_of_a_governed_model_is_found_by_the_next_sweep(copy: Copying) -> None:
    governed(copy, "main.claims.d")
    copy.platform.models.all["main.claims.d"].deployment_job = "55"
    copy.later(minutes=1)
    assert SqlSweep(copy.database).jobs() == ("55",)


def test_governed_models_whose_head_cannot_be_read_stop_the_sweep_and_are_read_whole_by_the_next(copy: Copying) -> None:
    governed(copy, "main.claims.a", "main.claims.b", "main.claims.c")
    copy.platform.forbidden.add(("GET", "registered-models/get"))

    state = copy.later(minutes=1)

    assert "main.claims" in state.error
    assert copy.inventory.copied("main.claims.a").state is CopyState.FAILED
    copy.platform.forbidden.clear()
    copy.requests()
    assert copy.later(minutes=1).error == ""
    assert copy.platform.sent("GET", "model-versions/get") == 9
    assert copy.inventory.copied("main.claims.a").state is CopyState.READ


def test_an_alias_of_a_governed_model_that_was_moved_outside_is_found_by_the_next_sweep(small: Copying) -> None:
    governed(small, "main.claims.d")
    small.platform.models.all["main.claims.d"].aliases["champion"] = "2"

    small.later(minutes=1)

    found = SqlInventory(small.database).version("main.claims.d", "2")
    assert found is not None
    assert found.aliases == ("champion",)


def test_a_deleted_model_and_a_deleted_version_are_noticed_and_one_made_again_is_new(copy: Copying) -> None:
    copy.inventory.sync()
    del copy.platform.models.all["main.claims.a"]
    del copy.platform.models.all["main.claims.b"].versions[2]
    copy.platform.models.touch("main.claims.b")

    copy.later(minutes=1)

    assert copy.versions("main.claims.a") == []
    assert SqlInventory(copy.database).deleted_at("main.claims.a", "1") == NOON + timedelta(minutes=1)
    assert copy.versions("main.claims.b") == ["3", "1"]

    copy.platform.models.add("main.claims.a", 1, files=MLMODEL)
    copy.later(minutes=1)
    again = SqlInventory(copy.database).version("main.claims.a", "1")
    assert copy.versions("main.claims.a") == ["1"]
    assert again is not None


def test_a_sweep_killed_in_the_middle_goes_on_and_reads_nothing_twice(
    platform: Platform, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    monkeypatch.setattr("services.inventory.sweeping._BATCH", 2)
    database = with_tables(Database(database_url))
    with pytest.raises(Killed):
        copying(platform, database, after_batch=die).inventory.sync()
    half = copying(platform, database)
    assert half.inventory.sync_state().last_success is None, "half a copy is no copy"
    assert half.inventory.coverage().read == 2  # type: ignore[union-attr]
    assert half.inventory.coverage().never_read == 3  # type: ignore[union-attr]
    assert half.inventory.copied("main.claims.e").state is CopyState.NEVER
    platform.calls.clear()

    state = half.inventory.sync()

    assert (state.error, state.last_success) == ("", NOON)
    assert platform.sent("GET", "registered-models/get") == 3
    assert [len(half.versions(f"main.claims.{letter}")) for letter in "abcde"] == [3] * 5
    database.dispose()


def test_a_sweep_that_runs_out_of_time_is_neither_success_nor_failure(
    small: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.inventory.sweeping._BATCH", 2)

    def two_minutes() -> None:
        small.clock.set(small.clock.now() + timedelta(minutes=2))

    slow = copying(
        small.platform, small.database, clock=small.clock, limit=timedelta(minutes=1), after_batch=two_minutes
    )

    states = [slow.inventory.sync().last_success for _ in range(3)]

    assert states[0] is None
    assert states[1] is None
    assert states[2] is not None


def test_a_platform_that_fails_leaves_the_copy_and_its_age(small: Copying) -> None:
    small.inventory.sync()
    small.platform.broken.add(("GET", "unity-catalog/models"))

    state = small.later(minutes=7)

    assert state.last_success == NOON
    assert "Unity Catalog did not answer" in state.error
    assert small.versions("main.claims.a") == ["3", "2", "1"]


def test_a_short_throttling_is_waited_for_and_a_long_one_is_said(small: Copying) -> None:
    small.platform.throttle, small.platform.retry_after = 2, "1"
    assert small.inventory.sync().error == ""

    small.platform.throttle, small.platform.retry_after = 50, "120"
    state = small.later(minutes=1)

    assert "throttling us and asks for 120 s" in state.error
    assert state.last_success == NOON


def test_an_empty_list_is_not_believed(small: Copying) -> None:
    small.inventory.sync()
    small.platform.models.all.clear()

    state = small.later(minutes=1)

    assert "not believed" in state.error
    assert small.versions("main.claims.a") == ["3", "2", "1"]


def test_a_model_that_may_not_be_read_any_more_is_named_and_not_called_deleted(small: Copying) -> None:
    small.inventory.sync()
    small.platform.models.touch("main.claims.b")
    small.platform.forbidden.add(("GET", "registered-models/get"))

    state = small.later(minutes=1)

    assert "1 models could not be read (main.claims.b" in state.error
    assert small.versions("main.claims.b") == ["3", "2", "1"]
    assert small.inventory.coverage().named == ("main.claims.b",)  # type: ignore[union-attr]
    assert small.inventory.coverage().failing == 1  # type: ignore[union-attr]
    failed = small.inventory.copied("main.claims.b")
    assert (failed.state, failed.read_at) == (CopyState.FAILED, NOON)
    assert "main.claims.b" in failed.error
    assert small.inventory.copied("main.claims.a").state is CopyState.READ
    small.platform.forbidden.clear()
    assert small.later(minutes=1).error == ""


def test_a_governed_model_that_was_not_read_for_half_an_hour_is_late_and_others_after_two_rounds(
    small: Copying,
) -> None:
    SqlInventory(small.database).put_catalog((a_model("main.claims.a"),))
    small.inventory.sync()
    small.clock.set(NOON + timedelta(minutes=31))
    assert small.inventory.copied("main.claims.a").state is CopyState.LATE
    assert small.inventory.copied("main.claims.b").state is CopyState.READ
    small.clock.set(NOON + timedelta(hours=13))
    assert small.inventory.copied("main.claims.b").state is CopyState.LATE
    assert small.inventory.coverage().due == 5  # type: ignore[union-attr]


def test_the_job_of_a_model_and_the_jobs_of_governed_models_are_read_from_the_copy(copy: Copying) -> None:
    copy.platform.models.all["main.claims.a"].deployment_job = "55"
    copy.platform.models.all["main.claims.b"].deployment_job = "56"
    SqlInventory(copy.database).put_catalog((a_model("main.claims.a"), a_model("main.claims.c")))
    copy.inventory.sync()
    store = SqlSweep(copy.database)
    assert store.jobs() == ("55",)
    assert store.connection("main.claims.b") == Connection(job="56", read_at=NOON)
    assert store.connection("main.claims.c") == Connection(job="", read_at=NOON)
    assert store.connection("main.claims.unknown") is None


def test_approval_tags_of_governed_models_are_read_from_the_copy(copy: Copying) -> None:
    copy.platform.models.version("main.claims.a", "1").tags.update({"Approval_Check": "approved", "owner": "Approved"})
    copy.platform.models.version("main.claims.a", "2").tags["Approval_Check"] = "Rejected"
    copy.platform.models.version("main.claims.a", "3").tags["approval risk"] = "Approved"
    copy.platform.models.version("main.claims.b", "1").tags["Approval_Check"] = "Approved"
    SqlInventory(copy.database).put_catalog((a_model("main.claims.a"),))
    copy.inventory.sync()

    found = SqlSweep(copy.database).approval_tags()

    assert [(tag.model, tag.version, tag.task) for tag in found] == [
        ("main.claims.a", "1", "Approval_Check"),
        ("main.claims.a", "3", "approval risk"),
    ]
    assert {tag.read_at for tag in found} == {NOON}


def test_a_name_that_is_not_listed_and_cannot_be_asked_for_is_kept(small: Copying) -> None:
    small.inventory.sync()
    small.platform.models.all["hidden"] = small.platform.models.all.pop("main.claims.e")
    small.platform.models.all.pop("hidden")
    small.platform.forbidden.add(("GET", "registered-models/get"))

    state = small.later(minutes=1)

    assert "not clear whether it exists" in state.error
    assert small.versions("main.claims.e") == ["3", "2", "1"]


def test_tags_travel_under_keys_that_the_catalog_takes(small: Copying) -> None:
    registry = a_catalog(small.platform)
    registry.set_version_tag("main.claims.a", "1", "countersign.action", "act-1")

    found = registry.get_version("main.claims.a", "1")

    assert small.platform.models.all["main.claims.a"].versions[1].tags == {"countersign_action": "act-1"}
    assert dict(found.tags) == {"countersign.action": "act-1"}


def test_a_name_too_long_for_the_copy_is_said_and_hides_nobody(small: Copying) -> None:
    small.platform.models.add("main.claims." + "n" * 250, 1)
    state = small.inventory.sync()
    assert "more than 200 characters" in state.error
    assert small.versions("main.claims.a") == ["3", "2", "1"]
