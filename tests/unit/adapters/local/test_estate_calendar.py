"""The replay calendar: every recorded day happens once, in order, at its own time of day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.local.estate.calendar import (
    FIRST_RECORDED,
    LIVE_DAYS,
    NEW_YORK,
    RECORDED_DAYS,
    REPLAYED_DAYS,
    ReplayCalendar,
    local_to_utc,
)

moments = st.datetimes(datetime(2024, 1, 1), datetime(2031, 12, 31), timezones=st.just(UTC))


@given(moments)
def test_every_recorded_day_happens_exactly_once_and_in_order(prepared_at: datetime) -> None:
    calendar = ReplayCalendar(prepared_at=prepared_at)

    happened = [day for number in range(REPLAYED_DAYS) for day in calendar.recorded_days(number)]

    assert happened == [FIRST_RECORDED + timedelta(days=number) for number in range(RECORDED_DAYS)]
    assert happened[-1] == date(2013, 12, 21)


def test_a_workspace_day_carries_one_or_two_recorded_days() -> None:
    calendar = ReplayCalendar(prepared_at=datetime(2030, 5, 1, 12, tzinfo=UTC))
    assert {len(calendar.recorded_days(number)) for number in range(REPLAYED_DAYS)} == {1, 2}


@given(st.integers(-31, RECORDED_DAYS + LIVE_DAYS - 1))
def test_a_recorded_day_is_among_the_days_of_its_workspace_day(number: int) -> None:
    calendar = ReplayCalendar(prepared_at=datetime(2030, 5, 1, 12, tzinfo=UTC))
    recorded = FIRST_RECORDED + timedelta(days=number)
    assert recorded in calendar.recorded_days(calendar.day_number_of(recorded))


def test_live_days_start_again_after_the_last_recorded_one() -> None:
    calendar = ReplayCalendar(prepared_at=datetime(2030, 5, 1, 12, tzinfo=UTC))
    assert calendar.recorded_days(REPLAYED_DAYS) == (date(2013, 12, 22),)
    assert calendar.recorded_days(REPLAYED_DAYS + 9) == (date(2013, 12, 31),)
    assert calendar.recorded_days(REPLAYED_DAYS + 10) == (date(2013, 12, 22),)


@given(moments, st.integers(0, 400), st.times().map(lambda at: at.replace(fold=0)))
def test_the_time_of_day_is_new_yorks_on_the_workspace_day(prepared_at: datetime, day: int, at: time) -> None:
    calendar = ReplayCalendar(prepared_at=prepared_at)

    local = calendar.instant(day, at.replace(microsecond=0)).astimezone(NEW_YORK)

    # The hour that does not exist in spring moves on by one; every other time stays what it was.
    assert local.time() == at.replace(microsecond=0) or (at.hour == 2 and local.hour == 3)
    assert calendar.day_number(calendar.instant(day, at)) == day


def test_the_replay_ends_on_the_day_of_preparation() -> None:
    calendar = ReplayCalendar(prepared_at=datetime(2030, 5, 1, 1, 30, tzinfo=UTC))  # still 30 April in New York
    assert calendar.first_day + timedelta(days=REPLAYED_DAYS) == date(2030, 4, 30)


def test_wall_clock_becomes_utc_on_both_sides_of_the_clock_change() -> None:
    wall_clock = pd.Series(pd.to_datetime(["2013-03-09 12:00", "2013-03-11 12:00", "2013-11-03 01:30"]))
    assert list(local_to_utc(wall_clock).dt.strftime("%H:%M")) == ["17:00", "16:00", "06:30"]
