"""Copies of tables that a platform keeps for a while only: what is copied, how far, and what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from services.kernel.health import Health


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One table of the platform and how it is followed."""

    name: str
    table: str
    """As the platform calls it."""
    groups: tuple[str, ...]
    """Words that switch it on."""
    kept_days: int | None = None
    """How long the platform keeps a row; None where it keeps it for ever, or never a past state."""
    whole: bool = False
    """Small, and without an order of arrival: read as a whole each time; what is missing then is noted as gone."""
    overlap_days: int = 3
    """Days that are read again each time, because rows arrive late."""
    deep_days: int = 0
    """Days that are read again once a week, because some rows arrive later still; 0 where none is."""
    step_days: int = 7
    """Days of one statement."""
    stale_hours: int = 36
    """A copy older than this is a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A row of the platform: the identity it has there, when it happened, and its columns by our names."""

    key: str
    at: datetime | None
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Days that the platform had deleted before they were copied. Nothing brings them back."""

    source: str
    first: date
    last: date
    found_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one statement answered, and how far the copy reaches with it."""

    source: str
    records: tuple[Record, ...]
    first: date
    through: date
    whole: bool
    scope: str
    at: datetime
    gap: Gap | None = None
    deep: bool = False
    """Days that were read before: what is found now arrived late, and the copy reaches no further with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """Rows that arrived after their days were read for the last time in passing."""

    rows: int
    found_at: datetime
    """When the newest of them were found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorState:
    source: str
    scope: str = ""
    since: date | None = None
    """The first day that was ever asked for."""
    through: date | None = None
    """The last day that was read; it is read again, with the days before it that may still grow."""
    newest: datetime | None = None
    """When the newest copied row happened: what the platform knew."""
    copied_at: datetime | None = None
    attempted_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one copy stands, in words. `expires_in` counts days until rows would be lost, were nothing copied again."""

    source: Source
    state: Health
    sentence: str
    copied: MirrorState
    expires_in: int | None
    gaps: tuple[Gap, ...] = ()
    rows: int = 0
    late: Late | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Days of one statement, both ends included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`deep` is read first: a copy that is killed in it has not moved, and does all of it again."""

    pieces: tuple[Piece, ...]
    deep: tuple[Piece, ...] = ()
    gap: Gap | None = None
