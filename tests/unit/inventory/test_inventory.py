"""The inventory over a registry that answers, changes, or cannot be reached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.adapters.sql.inventory import SqlInventory
from services.inventory.facts import Partition, by_owner, changed
from services.inventory.models import ModelVersion, RegistrySnapshot, Tier
from services.inventory.service import InventoryService
from services.kernel.clock import FrozenClock
from services.kernel.errors import RegistryUnavailableError, UnknownModelError, UnknownVersionError
from tests.fakes.inventory import Recorded
from tests.unit.monitoring.facts_on_disk import NOON, TODAY, a_database, a_model


class ARegistry:
    """Says what it is told; everything but the sweep stays unused by the inventory."""

    def __init__(self) -> None:
        self.versions: list[ModelVersion] = []
        self.reachable = True

    def snapshot(self) -> RegistrySnapshot:
        if not self.reachable:
            raise RegistryUnavailableError("The registry does not answer.", hint="Is MLflow running?")
        return RegistrySnapshot(versions=tuple(self.versions), aliases=())

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


class Room:
    def __init__(self, folder: Path) -> None:
        self.registry, self.clock = ARegistry(), FrozenClock(NOON)
        self.service = InventoryService(
            registry=self.registry, store=SqlInventory(a_database(folder)), ledger=Recorded(), clock=self.clock
        )


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def a_version(model: str, number: int) -> ModelVersion:
    return ModelVersion(
        model=model, version=str(number), created_at=datetime(2031, 1, number, tzinfo=UTC), run_id="", model_id="",
        source="", status="READY",
    )  # fmt: skip


def test_an_unreachable_registry_is_recorded_and_the_copy_stays(room: Room) -> None:
    room.registry.versions = [a_version("m", 1)]
    assert room.service.sync().error == ""

    room.registry.reachable = False
    room.clock.set(NOON + timedelta(minutes=5))
    state = room.service.sync()

    assert "does not answer" in state.error
    assert (state.last_success, state.last_attempt) == (NOON, NOON + timedelta(minutes=5))
    assert room.service.sync_state() == state
    assert [version.version for version in room.service.versions("m")] == ["1"]


def test_a_model_nobody_classified_has_the_strictest_tier_and_no_owner(room: Room) -> None:
    room.registry.versions = [a_version("wild", 1)]
    room.service.sync()

    found = room.service.model("wild")

    assert (found.tier, found.owners, found.label) == (Tier.ONE, (), "")
    assert [model.name for model in room.service.models()] == ["wild"]


def test_the_catalog_wins_over_the_registry(room: Room) -> None:
    room.registry.versions = [a_version("m", 1)]
    room.service.sync()
    room.service.register_catalog((a_model("m"), a_model("vendor")))

    assert room.service.models() == (a_model("m"), a_model("vendor"))
    assert room.service.versions("vendor") == ()


def test_unknown_names_and_versions_are_refused_in_words(room: Room) -> None:
    room.registry.versions = [a_version("m", 1), a_version("m", 2)]
    room.service.sync()
    room.registry.versions = [a_version("m", 1)]
    room.service.sync()

    with pytest.raises(UnknownModelError):
        room.service.versions("nobody")
    with pytest.raises(UnknownVersionError, match="has no version 7"):
        room.service.version("m", "7")
    with pytest.raises(UnknownVersionError, match="deleted in the registry"):
        room.service.version("m", "2")
    assert room.service.version("m", "1").version == "1"


def test_only_new_and_changed_partitions_are_read_again() -> None:
    old, new = (Partition(source="s", owner="m", day=TODAY, fingerprint=mark) for mark in ("a", "b"))

    assert changed([old], {}) == (old,)
    assert changed([old], {old.key: "a"}) == ()
    assert changed([new], {old.key: "a"}) == (new,)
    assert by_owner([old]) == {"m": (old,)}
