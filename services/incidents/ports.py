"""What incidents need: their store beside ledger and traffic in one unit of work, the model, the people on duty."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from services.attestation.ports import LedgerWriter
from services.incidents.models import Incident, IncidentEvent, IncidentQuery, OwedFollowUp
from services.inventory.models import GovernedModel
from services.kernel.page import Page
from services.rollout.ports import RolloutStore


class IncidentStore(Protocol):
    """Raises StorageUnavailableError."""

    def next_id(self) -> str:
        """`inc-` and the next number; inside a writing unit of work, so that no two are alike."""
        ...

    def add(self, incident: Incident, event: IncidentEvent) -> None: ...

    def save(self, incident: Incident, event: IncidentEvent) -> None:
        """Replaces exactly the revision before and adds the step. Raises StaleRequestError."""
        ...

    def get(self, incident_id: str) -> Incident | None: ...

    def opened_in(self, seq: int) -> str:
        """The incident whose first step is this entry."""
        ...

    def events(self, incident_id: str) -> tuple[IncidentEvent, ...]:
        """In the order of the ledger."""
        ...

    def of_key(self, key: str) -> Incident | None:
        """The newest incident with this key."""
        ...

    def naming(self, action_id: str) -> tuple[Incident, ...]:
        """Incidents that a traffic change belongs to."""
        ...

    def find(self, query: IncidentQuery) -> Page[Incident]:
        """Filtered and counted in the database: those that are not closed first, then the newest."""
        ...

    def open(self, model: str = "") -> tuple[Incident, ...]:
        """Everything that is not closed, the gravest and then the oldest first."""
        ...

    def all(self, model: str = "") -> tuple[Incident, ...]:
        """In the order of opening; of every model when `model` is empty."""
        ...

    def owed(self, subject: str = "") -> tuple[OwedFollowUp, ...]:
        """Follow-ups of closed incidents that are not done, those due first; of everybody when `subject` is empty."""
        ...


class IncidentUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def incidents(self) -> IncidentStore: ...
    @property
    def rollouts(self) -> RolloutStore: ...


class IncidentUnits(Protocol):
    """Opens units of work: `write` commits at the end of the block, `read` never does."""

    def write(self) -> AbstractContextManager[IncidentUnit]: ...

    def read(self) -> AbstractContextManager[IncidentUnit]: ...


class Catalog(Protocol):
    def model(self, name: str) -> GovernedModel:
        """Raises UnknownModelError."""
        ...
