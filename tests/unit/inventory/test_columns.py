"""A tag names who, when and why; it is in the ledger before it is in the inventory."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.schema import inventory, ops  # noqa: F401 - tables
from services.inventory.columns import ColumnService, untagged
from services.inventory.models import TagColumn
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
