"""What alerts need: sources that measure, the facts of a model, a store beside the ledger, and the incident desk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from services.alerts.models import (
    About,
    Alert,
    AlertEvent,
    AlertKind,
    AlertQuery,
    Condition,
    Counts,
    Look,
)
from services.attestation.models import Receipt
from services.attestation.ports import LedgerWriter
from services.incidents.models import Incident, OpenIncident
from services.kernel.identity import Actor
from services.kernel.page import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one source says now. Models in `failed` could not be read, each with the reason."""

    conditions: tuple[Condition, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    asked_at: datetime | None = None
    """When the slice was really asked; None is now."""


class Source(Protocol):
    """Something that judges. Raises UnavailableError when nothing can be said about any model."""

    @property
    def name(self) -> str: ...

    @property
    def kinds(self) -> frozenset[AlertKind]:
        """Kinds that nobody else reports."""
        ...

    def report(self) -> Report: ...


AboutModel = Callable[[Condition], About]
"""Raises UnknownModelError for a model nobody governs any more."""


class AlertStore(Protocol):
    """Raises StorageUnavailableError."""

    def next_id(self) -> str:
        """`alr-` and the next number; inside a writing unit of work, so that no two are alike."""
        ...

    def current(self, since: datetime) -> Mapping[str, Alert]:
        """The newest alert of each key that is not over, or was over after `since`."""
        ...

    def add(self, alert: Alert, event: AlertEvent | None) -> None:
        """Two standing alerts of one key are refused by the database itself."""
        ...

    def save(self, alert: Alert, event: AlertEvent | None) -> None:
        """Replaces exactly the revision before. Raises StaleRequestError."""
        ...

    def drop(self, alert: Alert) -> None:
        """Forgets one that was only watched."""
        ...

    def get(self, alert_id: str) -> Alert | None: ...

    def history(self, alert_id: str) -> tuple[AlertEvent, ...]:
        """Newest first."""
        ...

    def find(self, query: AlertQuery, now: datetime) -> Page[Alert]:
        """The gravest first, then by impact, then the oldest; closed ones after all others, the newest first."""
        ...

    def standing(self, model: str = "") -> tuple[Alert, ...]:
        """Opened and not over, in the order of `find`."""
        ...

    def counts(self, now: datetime) -> Counts: ...

    def looked(self, look: Look) -> None: ...

    def looks(self) -> tuple[Look, ...]:
        """By name of the source."""
        ...


class AlertUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def alerts(self) -> AlertStore: ...


class AlertUnits(Protocol):
    """Opens units of work: `write` commits at the end of the block, `read` never does."""

    def write(self) -> AbstractContextManager[AlertUnit]: ...

    def read(self) -> AbstractContextManager[AlertUnit]: ...


class IncidentDesk(Protocol):
    def report(self, command: OpenIncident, *, actor: Actor) -> tuple[str, Receipt]:
        """The id of the incident with the receipt; repeating the command returns the first."""
        ...

    def open(self, model: str = "") -> tuple[Incident, ...]:
        """Everything that is not closed."""
        ...
