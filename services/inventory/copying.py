"""How old the copy of one model's registry facts is, and whether it may be relied on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

GOVERNED_LATE = timedelta(minutes=30)
"""A governed model is read whole every ten minutes, a sweep stops after ten, and the platform may be away a while."""


class CopyState(StrEnum):
    READ = "read"
    LATE = "late"
    """Read, and longer ago than it should have been read again."""
    FAILED = "failed"
    """The last try failed; what is shown is from the reading before."""
    NEVER = "never"
    """Listed, and never read."""
    ABSENT = "absent"
    """The copy does not hold it."""
    SUPPLIED = "supplied"
    """It runs at its supplier and is in no registry of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCopy:
    state: CopyState
    read_at: datetime | None = None
    error: str = ""


def judged(read_at: datetime | None, error: str, *, now: datetime, late_after: timedelta) -> ModelCopy:
    """Of a model the registry lists: never read before failed, failed before late."""
    state = CopyState.READ
    if read_at is None:
        state = CopyState.NEVER
    elif error:
        state = CopyState.FAILED
    elif now - read_at > late_after:
        state = CopyState.LATE
    return ModelCopy(state=state, read_at=read_at, error=error)
