"""What keeping value statements and benefit records needs: rows beside the ledger, and who is live."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from services.attestation.ports import LedgerWriter
from services.inventory.models import GovernedModel
from services.kernel.identity import Actor, Permission
from services.value.periods import PeriodRecord
from services.value.statements import StatementVersion

LiveVersion = Callable[[str], str]
"""Model -> the version that serves; empty before go-live."""


class StatementStore(Protocol):
    """Inside a unit of work. Rows are only ever added. Raises StorageUnavailableError."""

    def newest(self, model: str) -> StatementVersion | None: ...

    def history(self, model: str) -> tuple[StatementVersion, ...]:
        """Newest first."""
        ...

    def in_force(self) -> tuple[StatementVersion, ...]:
        """The newest version of every model that has one, by model."""
        ...

    def add(self, item: StatementVersion) -> None: ...

    def periods(self, model: str = "") -> tuple[PeriodRecord, ...]:
        """Of one model, or of all; by model, month and number."""
        ...

    def add_period(self, record: PeriodRecord) -> None: ...


class StatementUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def statements(self) -> StatementStore: ...


class StatementUnits(Protocol):
    def write(self) -> AbstractContextManager[StatementUnit]: ...

    def read(self) -> AbstractContextManager[StatementUnit]: ...


class EntryCheck(Protocol):
    def require_valid(self, seq: int, leaf_hash: str) -> Mapping[str, Any]:
        """The predicate of entry `seq`. Raises a TrustError when it is not that entry."""
        ...


class SignedEntries(EntryCheck, Protocol):
    def ahead(self, seqs: Collection[int]) -> EntryCheck:
        """The same check of these entries, which are read in one go."""
        ...


class Authority(Protocol):
    def require(self, actor: Actor, permission: Permission) -> object:
        """Raises RoleMissingError; the refused attempt is recorded."""
        ...


class StatementCatalog(Protocol):
    def model(self, name: str) -> GovernedModel:
        """Raises UnknownModelError."""
        ...
