"""The replay calendar: which days of the recorded data happen on which day of the workspace.

324 recorded days (1 February to 21 December 2013) fill the 180 workspace days before preparation, so a workspace day
carries one or two of them. The ten recorded days after that feed the live replay, one a day, again and again.
The time of day is New York's wall clock on both sides; it becomes UTC here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from services.kernel.clock import require_utc

NEW_YORK = ZoneInfo("America/New_York")
REPLAYED_DAYS = 180
FIRST_RECORDED = date(2013, 2, 1)
RECORDED_DAYS = 324
LIVE_DAYS = 10
"""22 to 31 December: replayed after preparation, in a circle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCalendar:
    """Workspace day 0 is 180 New York days before the day of `prepared_at`; earlier days have negative numbers."""

    prepared_at: datetime

    @property
    def first_day(self) -> date:
        return require_utc(self.prepared_at).astimezone(NEW_YORK).date() - timedelta(days=REPLAYED_DAYS)

    @property
    def start(self) -> datetime:
        """The first replayed instant, in UTC."""
        return self.instant(0, time())

    def instant(self, day_number: int, at: time) -> datetime:
        """New York wall clock `at` on a workspace day, in UTC."""
        local = datetime.combine(self.first_day + timedelta(days=day_number), at, tzinfo=NEW_YORK)
        return require_utc(local)

    def day_number(self, at: datetime) -> int:
        """The workspace day an instant belongs to."""
        return (require_utc(at).astimezone(NEW_YORK).date() - self.first_day).days

    def recorded_days(self, day_number: int) -> tuple[date, ...]:
        """The recorded days that happen on a workspace day, in order."""
        if day_number >= REPLAYED_DAYS:
            live = RECORDED_DAYS + (day_number - REPLAYED_DAYS) % LIVE_DAYS
            return (FIRST_RECORDED + timedelta(days=live),)
        numbers = range(_first_recorded(day_number), _first_recorded(day_number + 1))
        return tuple(FIRST_RECORDED + timedelta(days=number) for number in numbers)

    def day_number_of(self, recorded: date) -> int:
        """The workspace day on which a recorded day happens (for the live days: the first time)."""
        number = (recorded - FIRST_RECORDED).days
        if number >= RECORDED_DAYS:
            return REPLAYED_DAYS + number - RECORDED_DAYS
        return number * REPLAYED_DAYS // RECORDED_DAYS


def local_to_utc(wall_clock: pd.Series) -> pd.Series:
    """New York wall clock as UTC. The hour that occurs twice in autumn is read as its second, standard-time one."""
    doubled = pd.Series(False, index=wall_clock.index).to_numpy()
    zoned = wall_clock.dt.tz_localize(NEW_YORK, ambiguous=doubled, nonexistent="shift_forward")
    utc: pd.Series = zoned.dt.tz_convert("UTC")
    return utc


def _first_recorded(day_number: int) -> int:
    """Number of the first recorded day on a workspace day: the smallest i with i * 180 // 324 == day_number."""
    return -(-day_number * RECORDED_DAYS // REPLAYED_DAYS)
