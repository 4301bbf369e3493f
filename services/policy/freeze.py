"""Freeze windows: days on which nothing new of some models is released. Pure.

A window is a span of whole days in its own zone. It holds up steps forward; it never holds up a rollback, a stop or
a revocation.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from services.policy.schema import FreezeLine, MonthEnd, PolicyDocument


class Freezable(Protocol):
    @property
    def name(self) -> str: ...


def active_freeze(policy: PolicyDocument, model: Freezable, at: datetime) -> FreezeLine | None:
    """The window the model is in at this moment, the one that ends last; None outside of all.

    Tags are those of the model where it has any (`tags`, words); a window without models and tags is for every model.
    """
    tags = set(getattr(model, "tags", ()))
    found = [
        (span[1], number)
        for number, line in enumerate(policy.freeze)
        if (span := window_at(line, at)) is not None
        and (model.name in line.models or tags & set(line.tags) or not (line.models or line.tags))
    ]
    return policy.freeze[max(found)[1]] if found else None


def window_at(line: FreezeLine, at: datetime) -> tuple[datetime, datetime] | None:
    """(begin, end) in UTC of the window that contains the moment, the end exclusive; None outside."""
    zone = ZoneInfo(line.zone)
    day = at.astimezone(zone).date()
    days = _month_end(line.month_end, day) if line.month_end else _once(line, day)
    if days is None:
        return None
    begin, end = (datetime.combine(edge, time(), tzinfo=zone) for edge in (days[0], days[1] + timedelta(days=1)))
    return begin.astimezone(UTC), end.astimezone(UTC)


def until_words(line: FreezeLine, at: datetime) -> str:
    """`Month-end closing, until 02 Dec 2026 00:00 (America/New_York)`; the name alone outside of the window."""
    span = window_at(line, at)
    if span is None:
        return line.name
    return f"{line.name}, until {span[1].astimezone(ZoneInfo(line.zone)):%d %b %Y %H:%M} ({line.zone})"


def _once(line: FreezeLine, day: date) -> tuple[date, date] | None:
    if line.since is None or line.until is None or not line.since <= day <= line.until:
        return None
    return line.since, line.until


def _month_end(rule: MonthEnd, day: date) -> tuple[date, date] | None:
    """First and last day of the month end the day lies in."""
    last = date(day.year, day.month, monthrange(day.year, day.month)[1])
    if day.day > last.day - rule.last_days:
        return last - timedelta(days=rule.last_days - 1), last + timedelta(days=rule.first_days)
    if day.day <= rule.first_days:
        before = day.replace(day=1) - timedelta(days=1)
        return before - timedelta(days=rule.last_days - 1), before + timedelta(days=rule.first_days)
    return None
