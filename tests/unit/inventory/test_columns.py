"""A tag names who, when and why; it is in the ledger before it is in the inventory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.schema import inventory, ops  # noqa: F401 - tables
from services.inventory.columns import ColumnService, untagged
from services.inventory.models import GovernedModel, SensitiveColumn, TagColumn
from services.inventory.service import InventoryService
from services.kernel.clock import FrozenClock
from services.kernel.errors import InputError, RoleMissingError
from tests.builders import MODEL, NOON, World, a_model, a_world
from tests.fakes.handling import AccessMemory
from tests.fakes.registry import FileRegistry


@pytest.fixture
def world(tmp_path: Path) -> World:
    return a_world(tmp_path)


@pytest.fixture
def service(world: World, tmp_path: Path) -> tuple[ColumnService, InventoryService]:
    store = SqlInventory(world.database)
    registry = FileRegistry(tmp_path / "empty.json")
    catalog = InventoryService(registry=registry, store=store, ledger=world.ledger, clock=FrozenClock(NOON))
    catalog.register_catalog((a_model(),))
    columns = ColumnService(
        inventory=catalog,
        store=store,
        people=world.people,
        ledger=world.ledger,
        clock=FrozenClock(NOON),
        access=AccessMemory(),
    )
    return columns, catalog


def a_tag(**changes: object) -> TagColumn:
    values: dict[str, object] = {
        "command_id": "c1",
        "model": MODEL,
        "column": "member_age",
        "category": "quasi-identifier",
        "basis": "Age singles out members in small groups.",
    }
    return TagColumn(**(values | changes))  # type: ignore[arg-type]


def test_tag_names_who_and_when_and_replaces_the_earlier_one(
    world: World, service: tuple[ColumnService, InventoryService]
) -> None:
    columns, catalog = service
    receipt = columns.tag(a_tag(), actor=world.actor("dana.datascience"))
    again = columns.tag(a_tag(), actor=world.actor("dana.datascience"))
    (tag,) = catalog.model(MODEL).sensitive
    assert (tag.category, tag.tagged_by, tag.tagged_at) == ("quasi-identifier", "Dana Petrov", NOON)
    assert again.seq == receipt.seq
    assert world.entries("event:column-tagged") == 1


def test_only_the_data_science_lead_tags(world: World, service: tuple[ColumnService, InventoryService]) -> None:
    columns, catalog = service
    before = catalog.model(MODEL).sensitive
    for subject in ("clara.compliance", "otto.auditor", "sam.sre"):
        with pytest.raises(RoleMissingError):
            columns.tag(a_tag(), actor=world.actor(subject))
    assert catalog.model(MODEL).sensitive == before


@pytest.mark.parametrize("wrong", [{"column": "no_such"}, {"category": "harmless"}, {"basis": "because"}])
def test_tag_without_sense_is_refused_and_leaves_no_entry(
    wrong: dict[str, str], world: World, service: tuple[ColumnService, InventoryService]
) -> None:
    columns, _ = service
    with pytest.raises(InputError):
        columns.tag(a_tag(**wrong), actor=world.actor("dana.datascience"))
    assert world.entries("event:column-tagged") == 0


def test_untagged_inputs_keep_their_order() -> None:
    assert untagged(a_model(), ("zeta", "member_age", "alpha")) == ("zeta", "alpha")


class PlatformTags:
    """Tags as a data platform keeps them."""

    def __init__(self, *tags: SensitiveColumn) -> None:
        self.held = tags

    def tags(self, model: GovernedModel) -> tuple[SensitiveColumn, ...]:
        return self.held if model.name == MODEL else ()


def a_platform_tag(**changes: str) -> SensitiveColumn:
    values = {"name": "member_age", "category": "PII", "basis": "Tag pii of t.age", "tagged_by": "Unity Catalog"}
    return SensitiveColumn(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def platform() -> PlatformTags:
    return PlatformTags(a_platform_tag(), a_platform_tag(name="not_an_input"))


@pytest.fixture
def following(
    world: World, service: tuple[ColumnService, InventoryService], platform: PlatformTags
) -> tuple[ColumnService, InventoryService]:
    _, catalog = service
    store = SqlInventory(world.database)
    store.put_catalog((replace(a_model(), sensitive=(a_platform_tag(category="PHI"),)),))
    columns = ColumnService(
        inventory=catalog,
        store=store,
        people=world.people,
        ledger=world.ledger,
        clock=FrozenClock(NOON),
        access=AccessMemory(),
        platform=platform,
    )
    return columns, catalog


def test_a_tag_of_the_platform_is_taken_over_with_an_entry_and_followed_when_it_changes(
    world: World, following: tuple[ColumnService, InventoryService], platform: PlatformTags
) -> None:
    columns, catalog = following
    assert columns.take_over() == 1
    assert columns.take_over() == 0
    (tag,) = catalog.model(MODEL).sensitive
    assert (tag.category, tag.tagged_by, tag.tagged_at) == ("PII", "Unity Catalog", NOON)
    platform.held = (a_platform_tag(category="quasi-identifier"),)
    assert columns.take_over() == 1
    assert [item.category for item in catalog.model(MODEL).sensitive] == ["quasi-identifier"]
    assert world.entries("event:column-tagged") == 2


def test_what_a_person_said_here_is_not_replaced_by_the_platform(
    world: World, following: tuple[ColumnService, InventoryService]
) -> None:
    columns, catalog = following
    columns.tag(a_tag(), actor=world.actor("dana.datascience"))
    assert columns.take_over() == 0
    assert [item.tagged_by for item in catalog.model(MODEL).sensitive] == ["Dana Petrov"]
