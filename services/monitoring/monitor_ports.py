"""What keeping monitors needs: versions beside the ledger, the catalog, and who guards what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import date
from typing import Any, Protocol

from services.attestation.ports import LedgerWriter
from services.inventory.access import AccessRuleSource as AccessRuleSource  # noqa: PLC0414 - part of what is needed
from services.inventory.models import GovernedModel, ModelVersion
from services.kernel.identity import Actor, Permission
from services.monitoring.monitors import MonitorVersion, Proposal
from services.monitoring.proposing import Worth

Guarding = Callable[[str], str]
"""Model -> the release or live version its monitor guards, in a sentence; empty when it guards none."""
WorthOf = Callable[[str], Worth]


class MonitorCatalog(Protocol):
    def model(self, name: str) -> GovernedModel:
        """Raises UnknownModelError."""
        ...

    def models(self) -> tuple[GovernedModel, ...]: ...

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Newest first. Raises UnknownModelError."""
        ...


class StoredMonitors(Protocol):
    """Versions of monitors. Raises StorageUnavailableError."""

    def newest(self, model: str) -> MonitorVersion | None: ...

    def history(self, model: str) -> tuple[MonitorVersion, ...]:
        """Newest first."""
        ...

    def in_force(self) -> tuple[MonitorVersion, ...]:
        """The newest version of every model that has one, by model."""
        ...

    def proposals(self) -> Mapping[str, Proposal]: ...


class MonitorStore(StoredMonitors, Protocol):
    """The same inside a unit of work, where one more may be added; nothing is ever changed."""

    def add(self, item: MonitorVersion) -> None: ...

    def put_proposal(self, item: Proposal) -> None:
        """Replaces the one of the model."""
        ...


class MonitorUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def monitors(self) -> MonitorStore: ...


class MonitorUnits(Protocol):
    def write(self) -> AbstractContextManager[MonitorUnit]: ...

    def read(self) -> AbstractContextManager[MonitorUnit]: ...


class Sketches(Protocol):
    """What was sketched so far. Raises StorageUnavailableError."""

    def sketched_days(self, model: str) -> tuple[date, date] | None:
        """First and last day; None when nothing was sketched."""
        ...

    def has_reference(self, model: str) -> bool: ...


class SignedEntries(Protocol):
    def require_valid(self, seq: int, leaf_hash: str) -> Mapping[str, Any]:
        """The predicate of entry `seq`. Raises a TrustError when it is not that entry."""
        ...


class Authority(Protocol):
    def require(self, actor: Actor, permission: Permission) -> object:
        """Raises RoleMissingError; the refused attempt is recorded."""
        ...
