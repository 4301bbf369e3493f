"""What an alert becomes, look after look: one thread, honest about what is not known, over only when it is healthy."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts import rules
from services.alerts.models import About, Acknowledgement, AlertKind, AlertState, Happening, Impact, Key, Snooze
from services.kernel.errors import AlreadyDecidedError, IllegalTransitionError, InputError, MissingReasonError
from services.kernel.health import Health
from tests.unit.alerts.conditions import ABOUT, KEY, MODEL, NOON, SAM, Course, a_condition

H, W, B, U = Health.HEALTHY, Health.WATCH, Health.BREACH, Health.UNKNOWN
STATES = st.lists(st.sampled_from([H, W, B, U]), min_size=1, max_size=40)


def test_a_breach_opens_at_once_and_names_its_owner() -> None:
    course = Course().look(B)

    assert course.happened() == ["opened"]
    assert (course.alert.state(course.now), course.alert.owner, course.alert.severity) == (AlertState.OPEN, SAM, 2)


def test_one_window_at_the_warning_level_tells_nobody_and_two_in_a_row_do() -> None:
    assert Course().look(W, H, W, H, W, H).happened() == []
    assert Course().look(W, W).happened() == ["opened"]


def test_the_same_window_seen_again_is_one_observation() -> None:
    course = Course().look(B)
    course.look(B, B, B, same_window=True)

    assert course.alert.repeats == 1
    assert len(course.changes) == 1


def test_repeats_and_times_of_first_and_last_sight_are_counted() -> None:
    course = Course().look(B, B, B)

    assert course.alert.repeats == 3
    assert (course.alert.first_seen, course.alert.last_seen) == (NOON, NOON + timedelta(hours=12))


def test_it_closes_by_itself_after_two_healthy_windows_in_a_row() -> None:
    course = Course().look(B, H)
    assert course.alert.stands

    course.look(H)

    assert course.happened() == ["opened", "closed"]


def test_a_healthy_window_before_a_bad_one_does_not_count() -> None:
    assert Course().look(B, H, B, H).alert.stands


def test_a_window_that_was_bad_and_looks_better_later_is_no_healthy_one() -> None:
    course = Course().look(B)
    course.look(H, H, H, same_window=True)

    assert course.alert.stands
    assert course.alert.healthy == 0


def test_missing_data_keeps_it_open_and_says_so() -> None:
    course = Course().look(B, U, U, U)

    assert course.alert.stands
    assert course.alert.unknown_since == NOON + timedelta(hours=6)
    assert "stays open" in course.changes[-1].sentence
    assert course.happened() == ["opened", "unknown"]


def test_healthy_windows_before_the_data_went_missing_do_not_help_to_close_it() -> None:
    assert Course().look(B, H, U, H).alert.stands
    assert not Course().look(B, H, U, H, H).alert.stands


def test_a_source_that_reports_nothing_keeps_it_open() -> None:
    course = Course().look(B).silence().silence()

    assert course.happened() == ["opened", "unknown"]
    assert "folder cannot be read" in course.changes[-1].sentence


def test_measured_again_in_the_same_window_is_said() -> None:
    course = Course().look(B).silence()
    course.look(H, same_window=True)

    assert course.happened() == ["opened", "unknown", "known"]
    assert course.alert.unknown_since is None


def test_back_within_a_day_is_the_same_alert() -> None:
    course = Course().look(B, H, H, B)

    assert course.happened() == ["opened", "closed", "reopened"]
    assert len(course.alerts) == 1
    assert (course.alert.reopened, course.alert.closed_at) == (1, None)


def test_back_after_more_than_a_day_is_a_new_one() -> None:
    course = Course().look(B, H, H)
    course.now += timedelta(days=1)
    course.look(B)

    assert len(course.alerts) == 2
    assert course.alerts[0].closed_at is not None


def test_who_acknowledged_it_still_knows_when_it_comes_back() -> None:
    course = Course().look(B)
    course.put(replace(course.alert, acknowledged=Acknowledgement(at=course.now, by=SAM)))

    course.look(H, H, B)

    assert course.alert.state(course.now) is AlertState.ACKNOWLEDGED


def test_what_is_not_measured_for_a_day_is_an_alert_only_where_a_whole_measurement_says_so() -> None:
    assert Course().look(*[U] * 9).happened() == []

    course = Course(alarms_unknown=True).look(*[U] * 4)
    assert course.happened() == []
    course.look(U)

    assert course.happened() == ["opened"]
    assert course.alert.state_seen is U


def test_a_short_gap_in_a_measurement_leaves_nothing_behind() -> None:
    assert Course(alarms_unknown=True).look(U, U, H).alerts == []


def test_a_measurement_that_stops_soon_after_an_alert_was_over_is_seen() -> None:
    course = Course(alarms_unknown=True).look(B, H, H)
    course.look(*[U] * 5)

    assert course.happened() == ["opened", "closed", "opened"]


def test_becoming_graver_breaks_a_snooze_and_asks_again() -> None:
    course = Course().look(W, W)
    course.put(
        replace(
            course.alert,
            snooze=Snooze(until=course.now + timedelta(days=1), by=SAM),
            acknowledged=Acknowledgement(at=course.now, by=SAM),
        )
    )
    course.look(W)
    assert course.alert.state(course.now) is AlertState.SNOOZED

    course.look(B)

    assert course.alert.state(course.now) is AlertState.OPEN
    assert "snooze ended" in course.changes[-1].sentence
    assert course.happened() == ["opened", "worsened"]


def test_a_value_that_swings_around_the_limit_worsens_it_once() -> None:
    assert Course().look(W, W, B, W, B, W, B).happened() == ["opened", "worsened"]


def test_a_snooze_ends_by_itself() -> None:
    course = Course().look(B)
    quiet = replace(course.alert, snooze=Snooze(until=course.now + timedelta(hours=1), by=SAM))

    assert quiet.state(course.now) is AlertState.SNOOZED
    assert quiet.state(course.now + timedelta(hours=1)) is AlertState.OPEN


@pytest.mark.parametrize(
    ("state", "impact", "urgent", "expected"),
    [
        (B, Impact.HIGH, False, 2),
        (B, Impact.MEDIUM, False, 2),
        (B, Impact.LOW, False, 3),
        (W, Impact.HIGH, False, 3),
        (W, Impact.LOW, False, 4),
        (U, Impact.HIGH, False, 3),
        (U, Impact.LOW, False, 4),
        (B, Impact.HIGH, True, 1),
        (U, Impact.HIGH, True, 3),
        (H, Impact.HIGH, True, 4),
    ],
)
def test_severity_follows_state_and_business_impact(state: Health, impact: Impact, urgent: bool, expected: int) -> None:
    assert rules.severity(state, impact, urgent=urgent) == expected


def test_a_distribution_that_moved_waits_for_the_morning_and_a_broken_promise_does_not() -> None:
    drift = Course().look(B).alert
    promise = replace(drift, key=Key(model=MODEL, kind=AlertKind.SERVICE_LEVEL, subject="errors"))

    assert not rules.wakes(drift)
    assert rules.wakes(promise)


@given(STATES)
def test_a_flapping_signal_is_one_alert_and_never_a_storm(states: list[Health]) -> None:
    course = Course().look(*states, hours=1)

    told = [word for word in course.happened() if word in {"opened", "reopened", "worsened"}]
    assert len(course.alerts) <= 1 + len(states) // 24
    # Every further telling needs two healthy windows first, or a severity it never had.
    assert len(told) <= 2 + len(states) // 3


@given(STATES)
def test_unknown_never_closes(states: list[Health]) -> None:
    course = Course()
    for state in states:
        before = len([word for word in course.happened() if word == "closed"])
        course.look(state, hours=1)
        if state is U:
            assert len([word for word in course.happened() if word == "closed"]) == before


@given(STATES)
def test_what_stands_was_bad_since_two_healthy_windows(states: list[Health]) -> None:
    course = Course().look(*states, hours=1)

    last_two = states[-2:]
    if last_two == [H, H]:
        assert not any(alert.stands for alert in course.alerts)
    if states[-1] is B:
        assert course.alert.stands


@given(STATES)
def test_severity_never_falls_while_it_stands(states: list[Health]) -> None:
    course, gravest = Course(), 9
    for state in states:
        course.look(state, hours=1)
        standing = course.alerts and course.alert.stands
        gravest = min(gravest, course.alert.severity) if standing else 9
        assert not standing or course.alert.severity == gravest


def test_looking_twice_at_the_same_window_changes_nothing() -> None:
    alert = Course().look(B).alert

    assert rules.look(alert, a_condition(B, "1"), ABOUT, now=NOON + timedelta(minutes=5)) is None


def test_nobody_has_to_acknowledge_what_is_snoozed_or_belongs_to_an_incident() -> None:
    alert, now = Course().look(B).alert, NOON

    assert rules.late_at(alert, now=now) == NOON + timedelta(hours=1)
    assert rules.late_at(replace(alert, incident_id="inc-1"), now=now) is None
    assert rules.late_at(replace(alert, incident_key="burn:m:page"), now=now) is None
    assert rules.late_at(replace(alert, acknowledged=Acknowledgement(at=now, by=SAM)), now=now) is None
    quiet = replace(alert, snooze=Snooze(until=now + timedelta(hours=5), by=SAM))
    assert rules.late_at(quiet, now=now) is None
    assert rules.late_at(quiet, now=now + timedelta(hours=5)) == now + timedelta(hours=6)


@pytest.mark.parametrize(("tier", "days"), [(1, 1), (2, 3), (3, 7)])
def test_a_snooze_is_as_long_as_the_tier_allows(tier: int, days: int) -> None:
    alert = Course(replace(ABOUT, tier=tier)).look(B).alert

    rules.require_snooze(alert, NOON + timedelta(days=days), now=NOON)
    with pytest.raises(InputError, match=f"tier {tier} is snoozed for at most"):
        rules.require_snooze(alert, NOON + timedelta(days=days, minutes=1), now=NOON)
    with pytest.raises(InputError, match="five minutes"):
        rules.require_snooze(alert, NOON, now=NOON)


def test_what_is_measured_is_closed_by_nobody_but_its_condition() -> None:
    alert = Course().look(B).alert

    with pytest.raises(IllegalTransitionError, match="closes by itself"):
        rules.require_possible(alert, Happening.CLOSED, now=NOON)
    rules.require_possible(replace(alert, unknown_since=NOON), Happening.CLOSED, now=NOON)


def test_nothing_is_done_twice_and_nothing_about_what_is_over() -> None:
    alert = Course().look(B).alert

    with pytest.raises(AlreadyDecidedError, match="not snoozed"):
        rules.require_possible(alert, Happening.UNSNOOZED, now=NOON)
    with pytest.raises(AlreadyDecidedError, match="inc-3"):
        rules.require_possible(replace(alert, incident_id="inc-3"), Happening.INCIDENT, now=NOON)
    with pytest.raises(IllegalTransitionError, match="is over"):
        rules.require_possible(replace(alert, closed_at=NOON), Happening.ACKNOWLEDGED, now=NOON)
    with pytest.raises(MissingReasonError):
        rules.require_reason("later", "Why")


def test_a_long_name_of_a_subject_is_one_key_also_where_it_is_cut() -> None:
    long = Key(model=MODEL, kind=AlertKind.DRIFT, subject="x" * 400)

    assert long.text == replace(long, subject="x" * 300).text != KEY.text


def test_whoever_owns_the_model_now_is_named_in_the_next_window() -> None:
    course = Course().look(B)
    course.about = About(tier=2, impact=Impact.LOW, owner=None, owner_role="data_science_lead")

    course.look(B)

    assert (course.alert.owner, course.alert.owner_role) == (None, "data_science_lead")
