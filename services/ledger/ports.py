"""What the ledger needs from the outside: a book that keeps entries, a key for checkpoints, a place for anchors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
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
    def enrol(self, subject: str, name: str, passphrase: Secret, *, issuer: str) -> PublicKey:
        """Makes a person's key, openable by the passphrase alone."""
        ...


class LedgerReader(Protocol):
    """Every method raises StorageUnavailableError when the database does not answer."""

    def head(self) -> LogHead: ...

    def entry(self, seq: int) -> StoredEntry | None: ...

    def entries_at(self, seqs: Collection[int]) -> Mapping[int, StoredEntry]:
        """By sequence number, asked in few statements; those that are not there are left out."""
        ...

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


class AnchorReader(Protocol):
    """Checkpoints kept somewhere else again, which another service writes. Raises StorageUnavailableError."""

    def notes(self) -> tuple[tuple[int, str], ...]:
        """(size, note) of those the log key signed, smallest first; all others are left out."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TagPlace:
    """Where a registry tag hangs: on a registered model, or on one of its versions."""

    model: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.model} version {self.version}" if self.version else self.model


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTag:
    """What the registry said about one place; nothing about it is trusted until verified."""

    place: TagPlace
    text: str | None
    """None where an anchor was written and no tag is there now."""
    gone: bool = False
    """The registry no longer knows the model or version itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagCopy:
    """The tags as the worker last read them, with their age. `problem` says why the newest attempt failed."""

    tags: tuple[ReadTag, ...] = ()
    read_at: datetime | None = None
    tried_at: datetime | None = None
    problem: str = ""


class RegistryTags(Protocol):
    """The registry, as a place for short lines. Slow, sometimes absent: only the worker and the CLI call it."""

    def tags(self, key: str) -> tuple[tuple[str, str, str], ...]:
        """(model, version or empty, text) wherever the tag hangs. Raises RegistryUnavailableError."""
        ...

    def model_tag(self, model: str, key: str) -> str | None:
        """Raises UnknownVersionError, RegistryUnavailableError."""
        ...

    def version_tag(self, model: str, version: str, key: str) -> str | None:
        """Raises UnknownVersionError, RegistryUnavailableError."""
        ...

    def set_model_tag(self, model: str, key: str, value: str) -> None:
        """Raises UnknownVersionError, RegistryUnavailableError."""
        ...

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None:
        """Raises UnknownVersionError, RegistryUnavailableError."""
        ...


class RegistryAnchorStore(Protocol):
    """What was anchored in the registry, for good, and a copy of what was read. Raises StorageUnavailableError."""

    def add(self, *, size: int, places: tuple[TagPlace, ...], note: str, at: datetime) -> None:
        """Insert-only; a second record of the same size changes nothing."""
        ...

    def anchored(self) -> Mapping[TagPlace, int]:
        """The largest size that was written, by place."""
        ...

    def newest_outcome(self) -> int | None:
        """The newest entry that says how a change of traffic ended."""
        ...

    def keep_copy(self, tags: tuple[ReadTag, ...], *, at: datetime) -> None: ...

    def keep_problem(self, problem: str, *, at: datetime) -> None:
        """The copy stays as it was."""
        ...

    def copy(self) -> TagCopy: ...
