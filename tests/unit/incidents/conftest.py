"""A world with an incident desk, on SQLite and on PostgreSQL, and commands with sensible defaults."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from services.attestation import envelope, statement
from services.attestation.models import Receipt
from services.incidents.models import (
    CloseIncident,
    FollowUp,
    Incident,
    IncidentView,
    LinkChange,
    OpenIncident,
    PostMortem,
    StateImpact,
    Step,
    TakeStep,
)
from services.incidents.service import IncidentService
from services.kernel.clock import FrozenClock
from tests.builders import MODEL, World, a_world
from tests.contract.conftest import database_url, postgres

__all__ = ["database_url", "postgres"]

SAM, BEN, OTTO = "sam.sre", "ben.business", "otto.auditor"
LEARNED = PostMortem(
    impact="Six in a hundred claims were scored without weather for two days.",
    cause="The provider of the weather feed changed the format of its dates.",
    went_well="The rollback took one click and nobody had to be woken.",
    went_wrong="Nobody noticed the gap in the feed before the scores moved.",
    follow_ups=(
        FollowUp(
            text="Alert on missing days in the weather feed.",
            owner_subject="dana.datascience",
            owner_name="Dana Petrov",
            due=date(2030, 3, 1),
        ),
    ),
)


@dataclass(slots=True, kw_only=True)
class Ward:
    world: World
    incidents: IncidentService

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    def later(self, **delta: float) -> None:
        cast(FrozenClock, self.world.clock).set(self.now + timedelta(**delta))

    def open(self, who: str = BEN, **changes: Any) -> str:
        values: dict[str, Any] = {
            "command_id": secrets.token_hex(4),
            "model": MODEL,
            "severity": 2,
            "title": "Claims are paid that should not be",
            "text": "The claims team sees twice the usual number of approvals.",
            "impact_start": self.now - timedelta(minutes=20),
        }
        return self.incidents.report(OpenIncident(**(values | changes)), actor=self.world.actor(who))[0]

    def by_rule(self, key: str = "errors/rel-1", **changes: Any) -> str:
        values: dict[str, Any] = {
            "key": key,
            "model": MODEL,
            "severity": 2,
            "title": "Errors above the limit",
            "sentence": "Version 2 failed 6 % of its requests; 1 % is allowed.",
            "version": "2",
            "rule": "error-rate",
            "measured": "0.06",
            "impact_start": self.now - timedelta(minutes=3),
        }
        return self.incidents.open_by_rule(**(values | changes))

    def take(self, incident_id: str, step: Step, who: str = SAM, text: str = "", command: str = "") -> Receipt:
        return self.incidents.take(
            TakeStep(command_id=command or secrets.token_hex(4), incident_id=incident_id, step=step, text=text),
            actor=self.world.actor(who),
        )

    def acknowledge(self, incident_id: str) -> Receipt:
        return self.take(incident_id, Step.ACKNOWLEDGED)

    def mitigate(self, incident_id: str) -> Receipt:
        return self.take(incident_id, Step.MITIGATED, text="The feed is complete again; ten scores checked by hand.")

    def state_impact(self, incident_id: str, start: datetime) -> Receipt:
        return self.incidents.state_impact(
            StateImpact(
                command_id=secrets.token_hex(4),
                incident_id=incident_id,
                impact_start=start,
                reason="First gap in the feed, read from its log.",
            ),
            actor=self.world.actor(SAM),
        )

    def link(self, incident_id: str, action_id: str) -> Receipt:
        return self.incidents.link(
            LinkChange(command_id=secrets.token_hex(4), incident_id=incident_id, action_id=action_id),
            actor=self.world.actor(SAM),
        )

    def close(self, incident_id: str, post_mortem: PostMortem = LEARNED, **changes: Any) -> Receipt:
        values: dict[str, Any] = {
            "command_id": secrets.token_hex(4),
            "incident_id": incident_id,
            "post_mortem": post_mortem,
            "passphrase": self.world.secret(SAM),
        }
        return self.incidents.close(CloseIncident(**(values | changes)), actor=self.world.actor(SAM))

    def get(self, incident_id: str) -> Incident:
        return self.view(incident_id).incident

    def view(self, incident_id: str, who: str = SAM) -> IncidentView:
        return self.incidents.view(incident_id, actor=self.world.actor(who))

    def rolled_back(self, *, reason: str = "ERRORS") -> str:
        """Two releases and a verified rollback to the first; the action."""
        self.world.release("1")
        self.world.release("2")
        self.world.rollout.roll_back(self.world.a_rollback("1", reason_code=reason), actor=self.world.actor(SAM))
        return self.world.rollout.actions(MODEL)[0].action_id

    def entries(self, event: str) -> list[dict[str, Any]]:
        """Predicates of the events of one kind, read from the log itself, oldest first."""
        found = []
        for entry in self.world.book.entries(start=0):
            said = statement.read(envelope.read(entry.envelope).payload).predicate
            if said.get("event") == event:
                found.append({**said, "seq": entry.seq})
        return found


@pytest.fixture
def ward(database_url: str, tmp_path: Path) -> Iterator[Ward]:
    """On each kind of database."""
    yield from _ward(a_world(tmp_path, url=database_url))


@pytest.fixture
def quick_ward(tmp_path: Path) -> Iterator[Ward]:
    """On SQLite alone, for what no database decides."""
    yield from _ward(a_world(tmp_path))


def _ward(world: World) -> Iterator[Ward]:
    yield Ward(world=world, incidents=world.incidents)
    world.database.dispose()
