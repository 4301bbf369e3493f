"""Mean times to detect and to restore: recomputed from the ledger, never negative, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.incidents import times
from services.incidents.models import IncidentEvent, Spread, Step
from services.kernel.clock import FrozenClock, utc_text
from tests.builders import MODEL, NOON
from tests.unit.incidents.conftest import Ward

START = datetime(2030, 1, 1, tzinfo=UTC)
moments = st.integers(min_value=0, max_value=10**6).map(lambda seconds: START + timedelta(seconds=seconds))


def an_event(step: Step, seq: int, at: datetime, **facts: str) -> IncidentEvent:
    return IncidentEvent(step=step, at=at, by=None, sentence="", facts=tuple(sorted(facts.items())), seq=seq)


def test_the_figures_of_the_screen_are_those_of_the_entries(ward: Ward) -> None:
    """Recomputed here from the bytes of the log alone, in whole seconds."""
    for number, minutes in enumerate((7, 31, 4), start=1):
        incident_id = ward.by_rule(f"rule/{number}", impact_start=ward.now - timedelta(seconds=97 * number))
        ward.later(minutes=minutes, seconds=number)
        ward.mitigate(incident_id)
        ward.later(hours=5)
    ward.state_impact("inc-2", NOON - timedelta(minutes=1))
    ward.by_rule("rule/still-open")

    began: dict[str, str] = {}
    seen: dict[str, str] = {}
    over: dict[str, str] = {}
    for name in ("incident-opened", "incident-impact", "incident-mitigated"):
        for entry in ward.entries(name):
            said = entry["detail"]
            seen |= {said["incident"]: said["detected"]} if "detected" in said else {}
            began |= {said["incident"]: said["impactStart"]} if "impactStart" in said else {}
            over |= {said["incident"]: said["mitigated"]} if "mitigated" in said else {}

    def seconds(starts: dict[str, str], ends: dict[str, str]) -> list[int]:
        moment = datetime.fromisoformat
        return [round((moment(ends[key]) - moment(starts[key])).total_seconds()) for key in ends]

    figures = ward.incidents.summary(MODEL).all
    assert (figures.count, figures.open) == (4, 4)
    for spread, found in ((figures.detect, seconds(began, seen)), (figures.restore, seconds(began, over))):
        assert spread.n == len(found)
        assert spread.low == timedelta(seconds=min(found))
        assert spread.high == timedelta(seconds=max(found))
        assert spread.mean is not None
        assert abs(Fraction(sum(found), len(found)) - Fraction(spread.mean / timedelta(seconds=1))) < Fraction(1, 10**5)
    assert ward.incidents.summary("another_model").all.count == 0


def test_this_month_is_compared_with_the_month_before(quick_ward: Ward) -> None:
    quick_ward.by_rule("old")
    quick_ward.later(days=40)
    quick_ward.by_rule("new")

    summary = quick_ward.incidents.summary()
    assert (summary.all.count, summary.recent.count, summary.before.count) == (2, 1, 1)


def test_a_clock_set_back_makes_no_negative_time_and_is_counted(quick_ward: Ward) -> None:
    incident_id = quick_ward.by_rule()
    clock = quick_ward.world.clock
    assert isinstance(clock, FrozenClock)
    clock.set(NOON - timedelta(minutes=10))  # within what signing tolerates
    quick_ward.mitigate(incident_id)

    view, restore = quick_ward.view(incident_id), quick_ward.incidents.summary(MODEL).all.restore
    assert view.time_to_restore is None
    assert (restore.n, restore.clock_moved, restore.mean) == (0, 1, None)
    assert [line.step for line in view.timeline] == ["start", "opened", "mitigated"]


def test_steps_count_in_the_order_of_the_ledger_whatever_their_times_say() -> None:
    opened = an_event(Step.OPENED, 5, START, detected=utc_text(START), impactStart="")
    over = an_event(Step.MITIGATED, 7, START, mitigated=utc_text(START + timedelta(hours=3)))
    back = an_event(Step.RECURRED, 9, START - timedelta(days=1))
    again = an_event(Step.MITIGATED, 11, START, mitigated=utc_text(START + timedelta(hours=1)))

    assert times.of_events((back, over, opened)).mitigated is None
    assert times.of_events((again, back, over, opened)).mitigated == START + timedelta(hours=1)


def test_steps_without_an_opening_are_no_incident() -> None:
    with pytest.raises(ValueError, match="opening"):
        times.of_events((an_event(Step.NOTE, 1, START),))


@given(st.lists(st.tuples(st.none() | moments, moments)))
def test_no_mean_is_negative_and_every_pair_is_accounted_for(pairs: list[tuple[datetime | None, datetime]]) -> None:
    found: Spread = times.spread(pairs)

    assert found.n + found.no_start + found.clock_moved == len(pairs)
    assert (found.mean is None) == (found.n == 0)
    if found.mean is not None and found.low is not None and found.high is not None:
        assert timedelta(0) <= found.low <= found.mean <= found.high
