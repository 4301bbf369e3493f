"""Reminder, escalation and quiet-hour arithmetic: properties that hold for every moment and zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notices.models import QuietHours, Severity
from services.notices.quiet import earliest, is_quiet
from services.notices.reminders import ending_step, overdue_since, remind

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
SPANS = st.timedeltas(timedelta(minutes=1), timedelta(days=40))
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
MINUTES = st.integers(0, 24 * 60 - 1)


@given(MOMENTS, SPANS, st.none() | SPANS, st.timedeltas(timedelta(days=-60), timedelta(days=60)))
def test_nothing_is_overdue_or_escalated_before_it_is_due(
    opened: datetime, given_time: timedelta, escalate: timedelta | None, off: timedelta
) -> None:
    due = opened + given_time
    found = remind(due + off, opened_at=opened, due_at=due, escalate_at=escalate and opened + escalate)

    if off < timedelta():
        assert found.overdue_day is None
        assert not found.escalated
    else:
        assert not found.due_soon
        assert found.overdue_day is not None
    if escalate is None:
        assert not found.escalated


@given(MOMENTS, SPANS, st.integers(0, 30 * 24 * 60), st.integers(0, 24 * 60 - 1))
def test_a_step_is_reminded_at_most_once_in_24_hours(
    opened: datetime, given_time: timedelta, first: int, later: int
) -> None:
    due = opened + given_time

    def day_at(minutes: int) -> int:
        day = remind(due + timedelta(minutes=minutes), opened_at=opened, due_at=due, escalate_at=None).overdue_day
        assert day is not None
        return day

    a, b = day_at(first), day_at(first + later)
    assert 0 <= b - a <= 1
    assert overdue_since(due, a) <= due + timedelta(minutes=first)
    assert overdue_since(due, b + 1) > due + timedelta(minutes=first + later)


@given(MOMENTS, SPANS, SPANS, st.timedeltas(timedelta(days=-60), timedelta(days=60)), st.integers(-14, 14))
def test_the_zone_in_which_a_moment_is_written_changes_nothing(
    opened: datetime, given_time: timedelta, escalate: timedelta, off: timedelta, hours: int
) -> None:
    zone = timezone(timedelta(hours=hours))
    due, late = opened + given_time, opened + escalate
    here = remind(due + off, opened_at=opened, due_at=due, escalate_at=late)
    there = remind(
        (due + off).astimezone(zone),
        opened_at=opened.astimezone(zone),
        due_at=due.astimezone(zone),
        escalate_at=late.astimezone(zone),
    )
    assert here == there


@given(MOMENTS, SPANS, SPANS)
def test_once_escalated_it_stays_escalated(opened: datetime, given_time: timedelta, more: timedelta) -> None:
    due = opened + given_time
    late = due + timedelta(days=1)
    assert remind(late, opened_at=opened, due_at=due, escalate_at=late).escalated
    assert remind(late + more, opened_at=opened, due_at=due, escalate_at=late).escalated


@given(MOMENTS, st.integers(0, 90 * 24), st.integers(0, 90 * 24))
def test_warnings_before_an_end_only_get_tighter(until: datetime, first: int, second: int) -> None:
    within = (timedelta(days=14), timedelta(days=3))

    def rank(hours_left: int) -> int:
        step = ending_step(until - timedelta(hours=hours_left), until, within=within)
        return -1 if step is None else step

    if min(first, second) > 0:
        assert rank(max(first, second)) <= rank(min(first, second))
    assert ending_step(until, until, within=within) is None


@given(MOMENTS, ZONES, MINUTES, MINUTES, st.sampled_from(Severity))
def test_quiet_hours_delay_to_their_end_and_never_hold_red_back(
    at: datetime, zone: str, start: int, end: int, severity: Severity
) -> None:
    hours = QuietHours(zone=zone, start_minute=start, end_minute=end)
    sent = earliest(at, severity, hours)

    assert sent >= at
    if severity is Severity.RED or not is_quiet(at, hours):
        assert sent == at
    else:
        assert not is_quiet(sent, hours)
        assert sent - at <= timedelta(hours=26)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        # The night on which the clocks of Berlin go forward: quiet from 22:00 to 02:30, which does not exist.
        (datetime(2030, 3, 31, 0, 30, tzinfo=UTC), datetime(2030, 3, 31, 1, 0, tzinfo=UTC)),
        # And back: 02:30 comes twice; the first one ends the quiet.
        (datetime(2030, 10, 26, 23, 0, tzinfo=UTC), datetime(2030, 10, 27, 0, 30, tzinfo=UTC)),
    ],
)
def test_quiet_hours_hold_on_the_nights_the_clocks_change(at: datetime, expected: datetime) -> None:
    hours = QuietHours(zone="Europe/Berlin", start_minute=22 * 60, end_minute=2 * 60 + 30)

    assert earliest(at, Severity.AMBER, hours) == expected
    assert ZoneInfo("Europe/Berlin").key == hours.zone
