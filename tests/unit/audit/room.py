"""The reports of an auditor over a world that really released, refused and rolled back."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from services.adapters.sql.evaluation_facts import SqlFacts
from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.ledger import SqlLedger
from services.adapters.sql.retention import SqlAccessLog, SqlDisposalUnits
from services.approvals.models import Decision
from services.audit.chronicle import Chronicle
from services.audit.keeping import RetentionService
from services.audit.lookup import PredictionFact
from services.audit.reports import ReportService
from services.audit.samples import SampleService
from services.audit.shelves import Shelves
from services.inventory.models import DeploymentKind, GovernedModel
from services.inventory.service import InventoryService
from services.kernel.clock import FrozenClock
from services.kernel.errors import RefusalError
from tests.builders import MODEL, World, a_model, a_world

DAY = timedelta(days=1)


class Predictions:
    """An inference log of a few lines."""

    def __init__(self) -> None:
        self.facts: list[PredictionFact] = []

    def find(self, prediction_id: str, *, model: str = "") -> tuple[PredictionFact, ...]:
        return tuple(
            fact for fact in self.facts if fact.prediction_id == prediction_id and (not model or fact.model == model)
        )

    def days(self, source: str) -> tuple[int, None]:
        return 0, None


@dataclass(slots=True)
class Room:
    world: World
    reports: ReportService
    predictions: Predictions
    catalog: InventoryService
    clock: FrozenClock

    def later(self, **delta: float) -> datetime:
        self.clock.set(self.clock.now() + timedelta(**delta))
        return self.clock.now()

    def register(self, *models: GovernedModel) -> None:
        self.catalog.register_catalog(models or (a_model(), a_vendor()))

    def refused_self_approval(self, version: str) -> None:
        """Dana asks and tries to approve her own request."""
        self.world.submit(version)
        try:
            self.world.sign_off(
                self.world.request_of(version).request_id, "dana.datascience", Decision.APPROVE, comment="mine"
            )
        except RefusalError:
            return
        raise AssertionError("a self-approval was not refused")

    def roll_back(self, target: str) -> None:
        self.world.rollout.roll_back(self.world.a_rollback(target), actor=self.world.actor("sam.sre"))


def a_vendor() -> GovernedModel:
    return a_model(name="damage_photo_vendor", title="Damage photo", kind=DeploymentKind.VENDOR, vendor="Clearview Ltd")


def a_room(folder: Path, world: World | None = None) -> Room:
    world = world or a_world(folder)
    clock = cast(FrozenClock, world.clock)
    catalog = InventoryService(
        registry=world.registry, store=SqlInventory(world.database), ledger=world.ledger, clock=clock
    )
    chronicle, predictions = Chronicle(world.book), Predictions()
    shelves = Shelves(
        inventory=cast(InventoryService, world.inventory),
        facts=SqlFacts(world.database),
        policy=world.policy,
        reader=world.book,
        steps=lambda action_id: world.runner.view(action_id).steps,
    )
    retention = RetentionService(
        chronicle=chronicle,
        units=SqlDisposalUnits(world.database, lambda connection: SqlLedger(connection, world.desk, clock)),
        predictions=predictions,
        access=SqlAccessLog(world.database),
        people=world.people,
        ledger=world.ledger,
        desk=world.desk,
        clock=clock,
        profiles=frozenset({"hipaa", "colorado"}),
    )

    def note_of(request_id: str) -> str:
        with world.units.read() as unit:
            found = unit.requests.get(request_id)
        return found.note if found else ""

    reports = ReportService(
        chronicle=chronicle,
        samples=SampleService(
            chronicle=chronicle, people=world.people, ledger=world.ledger, clock=clock, shelf=shelves
        ),
        retention=retention,
        predictions=predictions,
        people=world.people,
        ledger=world.ledger,
        clock=clock,
        note_of=note_of,
        exception_words=lambda _id: ("", ""),
    )
    return Room(world, reports, predictions, catalog, clock)


def a_command() -> str:
    return secrets.token_hex(4)


__all__ = ["DAY", "MODEL", "Predictions", "Room", "a_command", "a_room", "a_vendor"]
