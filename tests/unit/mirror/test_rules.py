"""Which days are read next and how a copy stands, from days alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.health import Health
from services.mirror import rules
from services.mirror.models import Gap, MirrorState, Source
from services.mirror.sources import SOURCES, chosen

NOW = datetime(2031, 3, 31, 12, tzinfo=UTC)
TODAY = NOW.date()
SOURCE = Source(name="audit", table="access.audit", groups=("audit",), kept_days=90, overlap_days=3, step_days=7)


def copied(back: int, *, hours: float = 1, error: str = "") -> MirrorState:
    at = NOW - timedelta(hours=hours)
    return MirrorState(
        source="audit", since=TODAY - timedelta(days=90), through=TODAY - timedelta(days=back),
        newest=at - timedelta(hours=2), copied_at=at, attempted_at=at, error=error,
    )  # fmt: skip


@given(back=st.none() | st.integers(-3, 400), kept=st.none() | st.integers(5, 400), step=st.integers(1, 30))
def test_every_day_that_can_still_grow_is_read_once_in_order_and_no_day_between_is_left_out(
    back: int | None, kept: int | None, step: int
) -> None:
    source = Source(name="s", table="t", groups=(), kept_days=kept, step_days=step)
    state = None if back is None else copied(back)

    plan = rules.plan(source, state, scope="", now=NOW)

    days = [
        piece.first + timedelta(days=n) for piece in plan.pieces for n in range((piece.last - piece.first).days + 1)
    ]
    assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
    assert days[-1] == TODAY
    assert all((piece.last - piece.first).days < step for piece in plan.pieces)
    if kept or state is None:
        assert days[0] >= TODAY - timedelta(days=kept or rules.FIRST_DAYS)
    if state is not None and state.through is not None:
        # What was read, what is lost and what is read now leave no day between them.
        reached = plan.gap.last if plan.gap else min(state.through, TODAY)
        assert days[0] <= reached + timedelta(days=1)
        assert plan.gap is None or plan.gap.first == state.through + timedelta(days=1)


def test_days_that_the_platform_deleted_before_they_were_copied_are_a_gap() -> None:
    plan = rules.plan(SOURCE, copied(100), scope="", now=NOW)

    assert plan.gap is not None
    assert (plan.gap.first, plan.gap.last) == (date(2030, 12, 22), date(2030, 12, 30))
    assert plan.pieces[0].first == date(2030, 12, 31)


def test_other_rows_wanted_means_that_everything_that_still_exists_is_read_again() -> None:
    plan = rules.plan(SOURCE, copied(0), scope="more products", now=NOW)

    assert plan.pieces[0].first == TODAY - timedelta(days=90)
    assert plan.gap is None


GAP = Gap(source="audit", first=date(2031, 1, 1), last=date(2031, 1, 3), found_at=NOW)


@pytest.mark.parametrize(
    ("state", "gaps", "health", "words"),
    [
        (None, (), Health.UNKNOWN, "was never copied"),
        (MirrorState(source="audit", error="No right."), (), Health.UNKNOWN, "The last attempt failed: No right."),
        (copied(0), (), Health.HEALTHY, "rows up to 31 Mar 2031 09:00 UTC, copied 31 Mar 2031 11:00 UTC"),
        (copied(0), (), Health.HEALTHY, "keeps rows for 90 days; without another copy the first are lost in 90"),
        (copied(2, hours=48), (), Health.WATCH, "copy is 48 hours old; it should be no older than 36 hours"),
        (copied(9), (), Health.WATCH, "still catching up"),
        (copied(84, hours=2016), (), Health.BREACH, "deleted in 6 days"),
        (copied(100, hours=2400), (), Health.BREACH, "deleted in 0 days"),
        (copied(0), (GAP,), Health.BREACH, "3 days were deleted by the platform before they were copied"),
        (copied(0, error="Away."), (), Health.HEALTHY, "The last attempt failed: Away."),
    ],
)
def test_a_copy_says_how_it_stands(
    state: MirrorState | None, gaps: tuple[Gap, ...], health: Health, words: str
) -> None:
    found = rules.standing(SOURCE, state, gaps, now=NOW)

    assert found.state is health
    assert words in found.sentence


def test_words_switch_on_what_belongs_together() -> None:
    assert [source.name for source in chosen(["serving"])] == ["served_entity", "endpoint_usage"]
    assert {source.name for source in chosen(["billing"])} == {"usage", "price", "served_entity"}
    assert chosen(["billing", "serving", "lineage", "tags", "audit"]) == SOURCES
    assert chosen([]) == ()


def test_days_that_may_have_got_late_rows_are_read_once_a_week_and_before_the_others() -> None:
    deep = replace(SOURCE, deep_days=30)
    last_week = copied(3, hours=72)  # NOW is a Monday

    plan = rules.plan(deep, last_week, scope="", now=NOW)

    assert plan.deep[0].first == TODAY - timedelta(days=33)
    assert plan.deep[-1].last == plan.pieces[0].first - timedelta(days=1)
    assert all((piece.last - piece.first).days < deep.step_days for piece in plan.deep)
    assert rules.plan(deep, copied(0), scope="", now=NOW).deep == ()
    assert rules.plan(SOURCE, last_week, scope="", now=NOW).deep == ()
    assert rules.plan(deep, None, scope="", now=NOW).deep == ()


def test_a_weekly_reading_asks_for_no_day_the_platform_has_deleted() -> None:
    short = replace(SOURCE, kept_days=10, deep_days=30)
    plan = rules.plan(short, copied(3, hours=72), scope="", now=NOW)
    assert plan.deep[0].first == TODAY - timedelta(days=10)
