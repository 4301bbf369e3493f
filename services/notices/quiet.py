"""Quiet hours: the moment from which a message may go out. Given as local times of day of a named zone."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.notices.models import QuietHours, Severity

_MINUTES = 24 * 60


def is_quiet(at: datetime, hours: QuietHours) -> bool:
    local = at.astimezone(ZoneInfo(hours.zone))
    minute = local.hour * 60 + local.minute
    if hours.start_minute <= hours.end_minute:
        return hours.start_minute <= minute < hours.end_minute
    return minute >= hours.start_minute or minute < hours.end_minute


def earliest(at: datetime, severity: Severity, hours: QuietHours | None) -> datetime:
    """`at` itself, or the end of the quiet hours it falls into. Red never waits."""
    if hours is None or severity is Severity.RED or not is_quiet(at, hours):
        return at
    return _end(at.replace(second=0, microsecond=0), hours) or at


@lru_cache(maxsize=256)
def _end(moment: datetime, hours: QuietHours) -> datetime | None:
    """Kept: whatever was told in one round of the worker is asked about at every look at a list."""
    # Minute by minute in UTC: a local hour that is skipped or repeated needs no special case.
    for _ in range(_MINUTES + 120):
        moment += timedelta(minutes=1)
        if not is_quiet(moment, hours):
            return moment
    return None
