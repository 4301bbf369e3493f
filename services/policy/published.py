"""Published policies: the text of one tier, its digest, and the signed entry by which it came into force."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.attestation.ports import LedgerWriter
from services.kernel.identity import Actor, Permission
from services.kernel.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPolicy:
    """One version, immutable. Without a person it is what the deployment began with, signed by the service."""

    tier: int
    name: str
    version: str
    sha256: str
    text: str
    at: datetime
    seq: int
    leaf_hash: str
    by_issuer: str = ""
    by_subject: str = ""
    by_name: str = ""
    note: str = ""

    @property
    def file(self) -> str:
        return f"tier-{self.tier}.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPolicy:
    """Command of a compliance officer. `seen_sha256` is the digest of the text that was rehearsed and shown."""

    command_id: str
    text: str
    seen_sha256: str
    passphrase: Secret
    note: str = ""
    """Why, in a sentence: shown in the history of versions."""


class PublishedPolicies(Protocol):
    """What is published. Raises StorageUnavailableError."""

    def newest(self, tier: int) -> PublishedPolicy | None: ...

    def by_digest(self, sha256: str) -> PublishedPolicy | None: ...

    def history(self, tier: int) -> tuple[PublishedPolicy, ...]:
        """Newest first."""
        ...


class PolicyStore(PublishedPolicies, Protocol):
    """The same inside a unit of work, where one more may be added; nothing is ever changed."""

    def add(self, item: PublishedPolicy) -> None: ...


class PolicyUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def policies(self) -> PolicyStore: ...


class PolicyUnits(Protocol):
    """Opens units of work: `write` commits at the end of the block, `read` never does."""

    def write(self) -> AbstractContextManager[PolicyUnit]: ...

    def read(self) -> AbstractContextManager[PolicyUnit]: ...


class SignedEntries(Protocol):
    def require_valid(self, seq: int, leaf_hash: str) -> Mapping[str, Any]:
        """The predicate of entry `seq`. Raises a TrustError when it is not that entry."""
        ...


class Authority(Protocol):
    def require(self, actor: Actor, permission: Permission) -> object:
        """Raises RoleMissingError; the refused attempt is recorded."""
        ...


class PolicyDocuments(Protocol):
    """Policy files as they lie on disk, where they have no effect. Raises StorageUnavailableError."""

    def texts(self) -> Mapping[str, bytes]:
        """Bytes by file name."""
        ...


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
