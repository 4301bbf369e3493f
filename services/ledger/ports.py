"""What the ledger needs from the outside: a book that keeps entries, a key for checkpoints, a place for anchors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.attestation.keys import PublicKey
from services.attestation.models import LogHead
from services.attestation.ports import LedgerWriter, SigningDesk
from services.kernel.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """One line of the log as the database holds it; nothing about it is trusted until verified."""

    seq: int
    envelope: bytes
    leaf_hash: str
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow:
    """An entry in the words of the read model; derivable from the entry alone."""

    seq: int
    at: datetime
    kind: str
    event: str
    actor: str
    actor_subject: str
    role: str
    model: str
    subject: str
    sentence: str
    leaf_hash: str


class CheckpointSigner(Protocol):
    @property
    def origin(self) -> str:
        """The name of this deployment's log."""
        ...

    @property
    def log_key(self) -> PublicKey: ...

    @property
    def service_key(self) -> PublicKey: ...

    def sign_checkpoint(self, *, size: int, root: bytes) -> str:
        """A signed note. Local and quick: it is called while the append lock is held."""
        ...


class FoundingDesk(SigningDesk, CheckpointSigner, Protocol):
    def enrol(self, subject: str, name: str, passphrase: Secret) -> PublicKey:
        """Makes a person's key, openable by the passphrase alone."""
        ...


class LedgerReader(Protocol):
    """Every method raises StorageUnavailableError when the database does not answer."""

    def head(self) -> LogHead: ...

    def entry(self, seq: int) -> StoredEntry | None: ...

    def entries(self, *, start: int = 0) -> Iterator[StoredEntry]:
        """In order, in batches: memory does not grow with the log."""
        ...

    def checkpoints(self) -> Iterator[tuple[int, str]]:
        """(size, note) in order of size."""
        ...

    def checkpoint(self) -> str | None:
        """The newest one."""
        ...

    def leaf_hashes(self) -> list[bytes]: ...

    def people_entries(self) -> tuple[StoredEntry, ...]:
        """Genesis and every entry about keys, roles and delegations, in order."""
        ...

    def missing_triggers(self) -> tuple[str, ...]:
        """Names of protections that should be in the database and are not."""
        ...


class LedgerBook(LedgerReader, Protocol):
    def writing(self) -> AbstractContextManager[LedgerWriter]:
        """A unit of work of its own for one or more entries; commits at the end of the block."""
        ...


class AnchorStore(Protocol):
    """Checkpoints kept outside the database, each written once. Raises StorageUnavailableError."""

    def keep(self, size: int, note: str) -> bool:
        """True when newly kept. Raises BrokenChainError when another note of this size is already kept."""
        ...

    def notes(self) -> tuple[tuple[int, str], ...]:
        """(size, note), smallest first."""
        ...
