"""The ledger as people read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    seq: int
    at: datetime
    kind: str
    event: str
    """Stable tag such as `decision:approve`, `outcome:applied`, `event:sign-off-refused`."""
    actor: str
    role: str
    subject: str
    sentence: str
    leaf_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerQuery:
    text: str = ""
    kinds: tuple[str, ...] = ()
    model: str = ""
    until: datetime | None = None
    """Only entries dated up to this moment."""
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    row: LedgerRow
    statement: str
    """Pretty JSON of the signed statement."""
    signatures: tuple[tuple[str, str, bool], ...]
    """(key id, owner, verifies)."""
    receipt: str
    """tlog-proof text: index, inclusion path, checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    seq: int | None
    severity: str
    """`integrity`, `void` or `finding`."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """`intact` is about tree, checkpoint, anchors and genesis; void entries are listed but do not break it."""

    intact: bool
    entries: int
    root: str
    origin: str
    genesis: str
    findings: tuple[Finding, ...]
    seconds: float
    anchors_checked: int
    checked_at: datetime
    checkpoint_size: int = 0
    """Entries the newest signed checkpoint vouches for."""
    broken_at: int | None = None
    """First entry that was changed; it and all later ones are untrusted. None where no entry can be named."""
    broken_field: str = ""
    """Which field of that entry differs, as far as it can be told."""
    anchors_in_files: int = 0
    anchors_in_registry: int = 0
    """Registry tags the log key signed; `anchors_checked` counts them too."""
    registry_read_at: datetime | None = None
    """When the worker last read those tags; None before the first time."""
    not_compared: tuple[str, ...] = ()
    """What could not be compared, why, and since when."""
