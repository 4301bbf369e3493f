"""Registrations and their changes are ledger entries: any day's inventory can be rebuilt from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.adapters.sql.inventory import SqlInventory
from services.audit.models import LedgerQuery
from services.inventory.models import Owner
from services.inventory.service import InventoryService
from tests.builders import a_model
from tests.contract.deployment import Deployment, founded
from tests.unit.inventory.test_inventory import ARegistry

TODAY = date(2030, 1, 31)
TWO = (
    Owner(role="business_owner", subject="ben.business", name="Ben Okafor"),
    Owner(role="sre", subject="sam.sre", name="Sam Lindqvist"),
)


@dataclass(slots=True)
class Room:
    log: Deployment
    inventory: InventoryService

    def told(self) -> list[str]:
        rows = self.log.audit.entries(LedgerQuery(text="event:model-", limit=100)).items
        return [row.sentence for row in reversed(rows)]

    def document(self, position: int) -> dict[str, Any]:
        rows = self.log.audit.entries(LedgerQuery(text="event:model-", limit=100)).items
        seq = list(reversed(rows))[position].seq
        said = json.loads(self.log.audit.entry(seq).statement)["predicate"]["detail"]
        return dict(json.loads(said["document"]))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    log = founded(f"sqlite:///{tmp_path / 'governance.db'}", tmp_path)
    inventory = InventoryService(
        registry=ARegistry(), store=SqlInventory(log.database), ledger=log.ledger, clock=log.clock
    )
    yield Room(log, inventory)
    log.database.dispose()


def test_a_registration_is_recorded_once_per_content(room: Room) -> None:
    room.inventory.register_catalog((a_model(owners=TWO),))
    room.inventory.register_catalog((a_model(owners=TWO),))

    assert room.told() == [
        (
            "delay_claim_score was registered: risk tier 1, realtime, owned by Ben Okafor (business owner), "
            "Sam Lindqvist (site reliability engineer), reviewed every 90 days."
        )
    ]
    assert room.document(0)["lineage"] == [["flights", "delay_claim_score"], ["delay_claim_score", "claims-portal"]]


def test_a_change_of_owner_team_or_cadence_says_what_changed(room: Room) -> None:
    room.inventory.register_catalog((a_model(owners=TWO),))
    owners = (Owner(role="business_owner", subject="x", name="Xenia Roth"),)
    room.inventory.register_catalog((a_model(team="Payments", review_every_days=180, owners=owners),))

    assert room.told()[1] == (
        "The registration of delay_claim_score changed: owners Ben Okafor, Sam Lindqvist to Xenia Roth; "
        "review cadence 90 to 180; team."
    )


def test_a_change_back_is_a_change_of_its_own(room: Room) -> None:
    for team in ("Claims", "Payments", "Claims", "Payments", "Payments"):
        room.inventory.register_catalog((a_model(team=team),))

    assert len(room.told()) == 4


def test_a_review_that_had_not_happened_is_not_stated(room: Room) -> None:
    room.inventory.register_catalog((a_model(last_review=date(2030, 6, 1)),))
    assert room.document(0)["lastReview"] is None

    room.log.clock.set(room.log.clock.now().replace(month=7))
    room.inventory.record_registrations()

    assert room.document(1)["lastReview"] == "2030-06-01"
    assert "last review 2030-06-01" in room.told()[1]


def test_a_catalog_taken_over_before_this_release_is_recorded_later(room: Room) -> None:
    SqlInventory(room.log.database).put_catalog((a_model(), replace(a_model(), name="other")))

    assert room.inventory.record_registrations() == 2
    assert room.inventory.record_registrations() == 0
