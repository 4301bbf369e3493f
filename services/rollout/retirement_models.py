"""A model that is taken out of service for good: ordered by a complete quorum, closed by what was really observed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

RETENTION_CLASS = "decisions"
"""Records of the model are kept in this class of `audit/retention.yaml`; its period begins with the retirement."""

RETIREMENT_REASONS = {
    "ROI": "It stayed under its return gate",
    "REPLACED": "Another model or process takes its place",
    "RISK": "Its risk is no longer accepted",
    "UNUSED": "Nobody needs it any more",
    "OTHER": "Other, explained in the note",
}


class RetirementState(StrEnum):
    ORDERED = "ordered"
    """All have signed; traffic is being taken to zero."""
    QUIET = "quiet"
    """The platform was read back as switched off; the window in which nobody may be answered runs."""
    RETIRED = "retired"
    """Nobody was answered for the whole window, as counted."""
    STOPPED = "stopped"
    """The approval was taken back, or fell, before traffic was proven zero."""

    @property
    def is_open(self) -> bool:
        return self in {RetirementState.ORDERED, RetirementState.QUIET}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    retirement_id: str
    request_id: str
    model: str
    deployment: str
    kind: str
    version: str
    """The version that answered when it was ordered."""
    state: RetirementState
    reason_code: str
    consumers: tuple[str, ...]
    """Everything downstream as recorded when it was signed; empty says that nobody is known, not that nobody reads."""
    quiet_days: int
    ordered_at: datetime
    ordered_seq: int
    off_since: datetime | None = None
    """First read-back as switched off, or the last time somebody was answered after it."""
    looked_at: datetime | None = None
    counted: int | None = None
    """Requests or scored runs recorded since `off_since`; None while it could not be found out."""
    counted_until: datetime | None = None
    """Up to when the log is known to be complete."""
    detail: str = ""
    retired_at: datetime | None = None
    seq: int | None = None
    """Entry that closed it."""
    revision: int = 0

    @property
    def window(self) -> timedelta:
        return timedelta(days=self.quiet_days)

    @property
    def proven_from(self) -> datetime | None:
        """The earliest moment at which it can close, as things stand."""
        return self.off_since + self.window if self.off_since else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the log says since a moment. `until` None: nothing says up to when it is complete."""

    requests: int
    until: datetime | None
    newest: datetime | None = None
    """When somebody was answered last."""


class TrafficFacts(Protocol):
    def __call__(self, retirement: Retirement, since: datetime, /) -> Counted:
        """Everything answered or scored since. Raises TelemetryUnavailableError."""
        ...


class RetirementStore(Protocol):
    """Inside a unit of work."""

    def of_model(self, model: str) -> Retirement | None:
        """The newest that was not stopped."""
        ...

    def of_request(self, request_id: str) -> Retirement | None: ...

    def open(self) -> tuple[Retirement, ...]:
        """Ordered and not closed, oldest first."""
        ...

    def all(self) -> tuple[Retirement, ...]:
        """Newest first."""
        ...

    def save(self, item: Retirement) -> Retirement:
        """Inserts revision 0, or replaces exactly the revision before. Raises StaleRequestError."""
        ...
