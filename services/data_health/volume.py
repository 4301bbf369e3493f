"""How many rows a day should have: the median of the same weekday, and how far days usually are from it. Pure.

    expected = median of rows per hour on the same weekday in the eight weeks before x hours of this day
    deviation = 1.4826 x median absolute deviation, at least sqrt(expected) and five percent of it
    band      = expected -/+ k x deviation, and as far as a tenth of all days of these weeks went, in rows / expected

The median and its absolute deviation (Hampel 1974; 1.4826 makes it the standard deviation of normal days) are not
moved by one bad day, nor by a holiday. The tenth keeps what happens every week or two, on whatever weekday, from being
an alarm each time. Rows per hour, because a day on which the clocks change has 23 or 25 of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import sqrt
from statistics import median
from zoneinfo import ZoneInfo

WEEKS = 8
LEAST_SAME_WEEKDAYS = 4
_NORMAL = 1.4826
_LEAST_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    rows: float
    deviation: float
    days: int
    """Days of the same weekday it was learned from."""
    usual_low: float = 1.0
    usual_high: float = 1.0
    """Share of the expected rows that a tenth of all days had at most, and at least."""

    def band(self, deviations: float) -> tuple[float, float]:
        low, high = self.usual_low * self.rows, self.usual_high * self.rows
        return (
            max(0.0, min(self.rows - deviations * self.deviation, low - deviations * sqrt(low))),
            max(self.rows + deviations * self.deviation, high + deviations * sqrt(high)),
        )


def start_of(day: date, zone: str) -> datetime:
    """Midnight of the table's zone, in UTC."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def hours_of(day: date, zone: str) -> float:
    """24, but 23 or 25 on the days on which the clocks change."""
    return (start_of(day + timedelta(days=1), zone) - start_of(day, zone)).total_seconds() / 3600


def expectation(day: date, rows: Mapping[date, int], zone: str) -> Expectation | None:
    """From the days before `day`; None while fewer than four of the same weekday are known.

    A weekday without rows counts as zero once the table exists: a table that rests on Sundays is not broken then.
    """
    first = min(rows, default=day)
    same = [day - timedelta(weeks=week) for week in range(1, WEEKS + 1)]
    known = [(rows.get(item, 0), hours_of(item, zone)) for item in same if item >= first]
    if len(known) < LEAST_SAME_WEEKDAYS:
        return None
    per_hour = [n / hours for n, hours in known]
    hours = hours_of(day, zone)
    middle = median(per_hour) * hours
    low, high = _tenths(day, rows, first)
    spread = _NORMAL * median(abs(value * hours - middle) for value in per_hour)
    return Expectation(
        rows=middle,
        deviation=max(spread, sqrt(middle), _LEAST_SHARE * middle),
        days=len(known),
        usual_low=low,
        usual_high=high,
    )


def _tenths(day: date, rows: Mapping[date, int], first: date) -> tuple[float, float]:
    """Rows over the median of their weekday, for all days of the eight weeks before: the tenth below and above."""
    weekdays: dict[int, list[int]] = defaultdict(list)
    for back in range(1, 7 * WEEKS + 1):
        at = day - timedelta(days=back)
        if at >= first:
            weekdays[at.weekday()].append(rows.get(at, 0))
    ratios = sorted(n / median(group) for group in weekdays.values() if median(group) > 0 for n in group)
    if len(ratios) < 7 * LEAST_SAME_WEEKDAYS:
        return 1.0, 1.0
    tenth = len(ratios) // 10
    return min(1.0, ratios[tenth]), max(1.0, ratios[-tenth - 1])
