"""A world with alerts: one source whose conditions a test sets, on SQLite, and on PostgreSQL where storage matters."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from services.alerts.answering import Answering
from services.alerts.models import (
    Acknowledge,
    Alert,
    AlertKind,
    AlertQuery,
    AlertView,
    CloseAlert,
    Condition,
    RaiseIncident,
    SnoozeAlert,
    WakeAlert,
)
from services.alerts.ports import Report
from services.alerts.service import AlertService, Quiet
from services.attestation import envelope, statement
from services.attestation.models import Receipt
from services.kernel.clock import FrozenClock
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Health
from tests.builders import World, a_world
from tests.contract.conftest import database_url, postgres
from tests.unit.alerts.conditions import a_condition

__all__ = ["database_url", "postgres"]

SAM, DANA, OTTO, VERA = "sam.sre", "dana.datascience", "otto.auditor", "vera.validator"


@dataclass(slots=True, kw_only=True)
class Told:
    """Implements alerts.ports.Source; says what a test put into it."""

    name: str = "drift"
    kinds: frozenset[AlertKind] = frozenset({AlertKind.DRIFT})
    conditions: tuple[Condition, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)
    away: str = ""

    def report(self) -> Report:
        if self.away:
            raise TelemetryUnavailableError(self.away)
        return Report(conditions=self.conditions, failed=self.failed)


@dataclass(slots=True, kw_only=True)
class Watch:
    world: World
    source: Told
    alerts: AlertService
    window: int = 0

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    def later(self, **delta: float) -> None:
        cast(FrozenClock, self.world.clock).set(self.now + timedelta(**delta))

    def look(self, *states: Health, **changes: Any) -> Watch:
        """Six hours and one window for each state."""
        for state in states:
            self.window += 1
            self.source.conditions = (a_condition(state, str(self.window), **changes),)
            self.alerts.refresh()
            self.later(hours=6)
        return self

    def all(self, **query: Any) -> tuple[Alert, ...]:
        return self.alerts.find(AlertQuery(**({"states": ()} | query))).items

    @property
    def one(self) -> Alert:
        (found,) = self.all()
        return found

    def view(self, who: str = SAM) -> AlertView:
        return self.alerts.view(self.one.alert_id, actor=self.world.actor(who))

    def happened(self) -> list[str]:
        return [event.happening.value for event in reversed(self.view().history)]

    def acknowledge(self, who: str = SAM, note: str = "", command: str = "") -> Receipt:
        return self.alerts.acknowledge(
            Acknowledge(command_id=command or secrets.token_hex(4), alert_id=self.one.alert_id, note=note),
            actor=self.world.actor(who),
        )

    def snooze(self, who: str = SAM, reason: str = "A storm week, known to all.", **hours: float) -> Receipt:
        return self.alerts.snooze(
            SnoozeAlert(
                command_id=secrets.token_hex(4),
                alert_id=self.one.alert_id,
                until=self.now + timedelta(**(hours or {"hours": 20})),
                reason=reason,
            ),
            actor=self.world.actor(who),
        )

    def wake(self) -> Receipt:
        return self.alerts.wake(
            WakeAlert(command_id=secrets.token_hex(4), alert_id=self.one.alert_id), actor=self.world.actor(SAM)
        )

    def close(self, reason: str = "The model was retired last week.") -> Receipt:
        return self.alerts.close(
            CloseAlert(command_id=secrets.token_hex(4), alert_id=self.one.alert_id, reason=reason),
            actor=self.world.actor(SAM),
        )

    def raise_incident(self, who: str = SAM, command: str = "") -> str:
        return self.alerts.raise_incident(
            RaiseIncident(command_id=command or secrets.token_hex(4), alert_id=self.one.alert_id),
            actor=self.world.actor(who),
        )[0]

    def entries(self, event: str) -> list[dict[str, Any]]:
        found = []
        for entry in self.world.book.entries(start=0):
            said = statement.read(envelope.read(entry.envelope).payload).predicate
            if said.get("event") == event:
                found.append({**said, "seq": entry.seq})
        return found


def a_watch(world: World, quiet: Quiet | None = None) -> Watch:
    source = Told()
    return Watch(
        world=world,
        source=source,
        alerts=AlertService(
            units=world.units,
            people=world.people,
            ledger=world.ledger,
            desk=world.desk,
            sources=(source,),
            about=Answering(models=world.inventory.models, people=world.people.people, duties=world.incidents.duties),
            incidents=world.incidents,
            clock=world.clock,
            quiet=quiet,
        ),
    )


@pytest.fixture
def watch(database_url: str, tmp_path: Path) -> Iterator[Watch]:
    """On each kind of database."""
    made = a_watch(a_world(tmp_path, url=database_url))
    yield made
    made.world.database.dispose()


@pytest.fixture
def quick_watch(tmp_path: Path) -> Iterator[Watch]:
    """On SQLite alone, for what no database decides."""
    made = a_watch(a_world(tmp_path))
    yield made
    made.world.database.dispose()
