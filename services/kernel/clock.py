"""The only place that reads the time of day. Everything stored is aware UTC; signed text has whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class OffsetClock:
    """The time of day plus an offset that all processes of one demonstration read from a file: for testers only.

    No file, or one that cannot be read, means no offset.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._offset = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset()

    def offset(self) -> timedelta:
        try:
            seen = self._file.stat()
            stamp = (seen.st_mtime_ns, seen.st_ino)
            if stamp != self._stamp:
                seconds = int(self._file.read_text(encoding="ascii"))
                self._stamp, self._offset = stamp, timedelta(seconds=max(seconds, 0))
        except (OSError, ValueError, OverflowError):
            self._stamp, self._offset = None, timedelta()
        return self._offset


class FrozenClock:
    """A clock that moves only when told to: for tests and for replaying history in its own calendar."""

    def __init__(self, at: datetime) -> None:
        self.at = require_utc(at)

    def now(self) -> datetime:
        return self.at

    def set(self, at: datetime) -> None:
        self.at = require_utc(at)


def require_utc(at: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError for a naive time: guessing a zone moves decisions by hours."""
    if at.tzinfo is None:
        msg = "A time without a zone was given; Countersign stores aware UTC times only."
        raise ValueError(msg)
    return at.astimezone(UTC)


def utc_text(at: datetime) -> str:
    """`2030-01-31T09:12:44Z`: the one form in which times are signed."""
    return require_utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_utc_text(text: str) -> datetime:
    """Reads exactly what `utc_text` writes; raises ValueError for any other form."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
