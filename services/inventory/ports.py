"""What the inventory needs: a registry to read, and somewhere to keep the copy screens are served from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from services.attestation.models import Receipt
from services.attestation.ports import LedgerWriter
from services.inventory.governance import UseCase
from services.inventory.models import (
    GovernedModel,
    InventoryCounts,
    InventoryQuery,
    InventoryRow,
    ModelVersion,
    RegistrySnapshot,
    SyncState,
)
from services.inventory.proposals import Proposal, Step
from services.kernel.identity import Actor
from services.kernel.page import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What the ledger last recorded about a model: the entry and the document in it."""

    seq: int
    document: str


class EventRecorder(Protocol):
    def record_event(
        self, *, event: str, actor: Actor | None, model: str = "", detail: Mapping[str, str], idem: str | None = None
    ) -> Receipt: ...


class ModelRegistry(Protocol):
    """The registry (MLflow, Unity Catalog). Slow and sometimes absent: only the worker and the CLI call it."""

    def snapshot(self) -> RegistrySnapshot:
        """All versions and aliases. Raises RegistryUnavailableError."""
        ...

    def get_version(self, model: str, version: str) -> ModelVersion:
        """Raises UnknownVersionError, RegistryUnavailableError."""
        ...

    def alias_target(self, model: str, alias: str) -> str | None:
        """The version an alias points at, or None when unset. Raises RegistryUnavailableError."""
        ...

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Moves the alias. There is no compare-and-set: read before and after. Raises RegistryUnavailableError."""
        ...

    def delete_alias(self, model: str, alias: str) -> None: ...

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None: ...

    def version_tag(self, model: str, version: str, key: str) -> str | None: ...

    def manifest(self, model: str, version: str) -> bytes:
        """Canonical bytes of the file manifest of the version's artifacts (see attestation.manifest).

        Raises ArtifactMissingError, RegistryUnavailableError.
        """
        ...

    def artifact_text(self, model: str, version: str, path: str) -> str | None:
        """A small text artifact of the version's run (`evaluation.json`), or None when absent."""
        ...


class Catalog(Protocol):
    """The part of the inventory that says which models and versions there are."""

    def model(self, name: str) -> GovernedModel:
        """Raises UnknownModelError."""
        ...

    def models(self) -> tuple[GovernedModel, ...]: ...

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Newest first. Raises UnknownModelError."""
        ...


class InventoryStore(Protocol):
    """The copy that screens read: catalog facts, projected versions and aliases, one summary line per model.

    Every method raises StorageUnavailableError when the governance database does not answer.
    """

    def put_catalog(self, models: tuple[GovernedModel, ...]) -> None:
        """Adds or replaces the governance facts of these models; others stay."""
        ...

    def catalog(self) -> tuple[GovernedModel, ...]: ...

    def registrations(self) -> Mapping[str, Registration]:
        """By model, what the ledger last recorded, read from its entries; models never recorded are left out."""
        ...

    def governed(self, name: str) -> GovernedModel | None: ...

    def use_cases(self) -> tuple[UseCase, ...]:
        """By title."""
        ...

    def put_use_cases(self, use_cases: tuple[UseCase, ...]) -> None:
        """Adds or replaces these."""
        ...

    def first_version_at(self, name: str) -> datetime | None:
        """When the registry first knew this name, or None when it never did."""
        ...

    def registry_names(self) -> tuple[tuple[str, datetime], ...]:
        """Every name with a version that still exists, and when its first version was made."""
        ...

    def apply(self, snapshot: RegistrySnapshot, at: datetime) -> int:
        """Writes what differs from the copy, marks versions that are gone; returns the number of changed rows."""
        ...

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Newest first, without deleted ones."""
        ...

    def version(self, name: str, version: str) -> ModelVersion | None: ...

    def deleted_at(self, name: str, version: str) -> datetime | None: ...

    def search(self, query: InventoryQuery, today: date) -> Page[InventoryRow]: ...

    def counts(self, today: date) -> InventoryCounts: ...

    def sync_state(self, source: str) -> SyncState: ...

    def record_sync(self, source: str, *, at: datetime, error: str) -> SyncState:
        """Remembers an attempt; an empty error makes it a success."""
        ...


class StewardshipStore(Protocol):
    """What people decide about models, inside a unit of work."""

    def governed(self, name: str) -> GovernedModel | None: ...

    def save(self, model: GovernedModel) -> None: ...

    def recorded(self, model: str) -> Registration | None:
        """What the ledger last recorded about the model."""
        ...

    def use_cases(self) -> tuple[UseCase, ...]: ...

    def save_use_case(self, item: UseCase) -> None: ...

    def versions(self, model: str) -> tuple[ModelVersion, ...]:
        """Newest first, without deleted ones."""
        ...

    def add_version(self, version: ModelVersion, *, at: datetime) -> None:
        """A version that no registry knows: a release of a supplier."""
        ...

    def models_of(self, use_case_id: str) -> tuple[GovernedModel, ...]: ...

    def proposal(self, proposal_id: str) -> Proposal | None: ...

    def proposals(self, model: str = "", *, open_only: bool = False) -> tuple[Proposal, ...]:
        """Newest first; of every model when `model` is empty."""
        ...

    def add_proposal(self, item: Proposal) -> None: ...

    def decide_proposal(self, proposal_id: str, step: Step, *, confirmed: bool) -> bool:
        """False when somebody decided meanwhile."""
        ...


class StewardshipUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def stewardship(self) -> StewardshipStore: ...


class StewardshipUnits(Protocol):
    """Opens units of work: `write` commits at the end of the block, `read` never does."""

    def write(self) -> AbstractContextManager[StewardshipUnit]: ...

    def read(self) -> AbstractContextManager[StewardshipUnit]: ...
