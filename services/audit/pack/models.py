"""What an audit pack covers, what is known about a finished one, and one file of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class PackScope:
    """Readable pages cover `model` (empty: every model) between `since` and `until` (None: unlimited).

    The log itself is always whole: a quorum cannot be judged without the entries that gave people their roles.
    """

    model: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def covers(self, model: str, at: datetime) -> bool:
        return (
            (not self.model or model == self.model)
            and (self.since is None or at >= self.since)
            and (self.until is None or at <= self.until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PackInfo:
    """A finished pack as the ledger recorded it."""

    pack_id: str
    scope: PackScope
    sha256: str
    bytes: int
    files: int
    entries: int
    """Size of the log inside."""
    decisions: int
    verdict: str
    """What the verifier inside the pack said when it was built: `OK`, or what is open or broken."""
    missing: tuple[str, ...]
    """Sentences about what could not be put in; inside the pack too."""
    built_at: datetime
    built_by: str
    seconds: float
    seq: int
    """The ledger entry that records the pack."""
    leaf_hash: str
    available: bool
    """False when the file is no longer in the workspace, or no longer the one that was recorded."""

    @property
    def file_name(self) -> str:
        about = self.scope.model or "deployment"
        return f"countersign-{about}-{self.built_at:%Y%m%d-%H%M%S}.zip"


class PackState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackJob:
    """A pack that is being built, or was built since the app started."""

    job_id: str
    scope: PackScope
    state: PackState
    step: str
    """What is being done, in words; the reason in words when it failed."""
    share: float
    """Between 0 and 1."""
    started_at: datetime
    info: PackInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFile:
    """One file of a pack. `title` says what it is, for the manifest."""

    path: str
    data: bytes
    title: str
