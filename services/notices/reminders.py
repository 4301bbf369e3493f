"""When somebody is reminded: pure arithmetic on instants. Time running out reminds and escalates; it never approves.

An overdue step is announced once per 24 hours after its due moment, so no zone and no change of clocks can make it
twice a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SOON = timedelta(hours=24)
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """`due_soon` and `overdue_day` exclude each other; `overdue_day` counts from 0."""

    due_soon: bool
    overdue_day: int | None
    escalated: bool


def remind(
    now: datetime, *, opened_at: datetime, due_at: datetime, escalate_at: datetime | None, soon: timedelta = SOON
) -> Reminder:
    """What holds at `now`. A step that is opened with little time left is not also called due soon at once.

    An escalation never comes before the due moment, whatever the policy says.
    """
    late = now - due_at
    overdue = late >= timedelta()
    # Half of the time given must be used up: a stage of one day is not "due soon" from its first minute.
    warned_from = max(due_at - soon, opened_at + (due_at - opened_at) / 2)
    return Reminder(
        due_soon=not overdue and now >= warned_from,
        overdue_day=late // DAY if overdue else None,
        escalated=escalate_at is not None and now >= max(escalate_at, due_at),
    )


def overdue_since(due_at: datetime, day: int) -> datetime:
    """The moment from which the reminder of this day holds."""
    return due_at + day * DAY


def ending_step(now: datetime, until: datetime, *, within: tuple[timedelta, ...]) -> int | None:
    """The tightest of the warning distances (longest first) that `now` is inside of; None before the first and after
    `until`.
    """
    if now >= until:
        return None
    inside = [index for index, distance in enumerate(within) if now >= until - distance]
    return inside[-1] if inside else None
