"""Incidents opened by rules: one per key, joined while open, mitigated by verified traffic, never silently reopened."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.incidents.models import IncidentQuery, IncidentState, Step
from services.kernel.errors import InputError
from tests.builders import MODEL, NOON
from tests.unit.incidents.conftest import Ward


def test_the_same_key_joins_the_open_incident(ward: Ward) -> None:
    first = ward.by_rule()
    ward.later(minutes=1)
    again = ward.by_rule(measured="0.07")

    assert first == again
    assert ward.incidents.find(IncidentQuery()).total == 1
    assert len(ward.entries("incident-opened")) == 1
    assert ward.get(first).measured == "0.06"


def test_another_key_is_another_incident(quick_ward: Ward) -> None:
    assert quick_ward.by_rule() != quick_ward.by_rule("latency/rel-1")


def test_a_breach_after_closing_opens_a_new_one_that_names_the_old(quick_ward: Ward) -> None:
    first = quick_ward.by_rule()
    quick_ward.acknowledge(first)
    quick_ward.mitigate(first)
    quick_ward.close(first)
    quick_ward.later(days=3)
    second = quick_ward.by_rule()

    assert quick_ward.get(first).state is IncidentState.CLOSED
    assert quick_ward.get(second).earlier == first
    assert len(quick_ward.entries("incident-opened")) == 2


def test_a_breach_after_the_mitigation_is_said_and_the_clock_runs_again(ward: Ward) -> None:
    incident_id = ward.by_rule()
    ward.acknowledge(incident_id)
    ward.later(minutes=5)
    ward.mitigate(incident_id)
    ward.later(minutes=10)
    ward.by_rule(measured="0.09")

    view = ward.view(incident_id)
    assert view.incident.state is IncidentState.ACKNOWLEDGED
    assert view.clock_since == NOON - timedelta(minutes=3)
    assert ward.entries("incident-recurred")[0]["detail"]["measured"] == "0.09"
    ward.later(minutes=5)
    ward.mitigate(incident_id)
    assert ward.view(incident_id).time_to_restore == timedelta(minutes=23)


def test_saying_the_same_again_after_a_crash_is_not_a_second_breach(quick_ward: Ward) -> None:
    action = quick_ward.rolled_back()
    incident_id = quick_ward.by_rule(action_id=action)
    assert quick_ward.get(incident_id).state is IncidentState.MITIGATED

    quick_ward.later(minutes=1)
    quick_ward.by_rule(action_id=action)

    assert quick_ward.get(incident_id).state is IncidentState.MITIGATED
    assert quick_ward.entries("incident-recurred") == []


def test_the_same_change_of_traffic_is_no_new_breach_once_its_incident_is_closed(quick_ward: Ward) -> None:
    action = quick_ward.rolled_back()
    incident_id = quick_ward.by_rule(f"automatic:{action}", action_id=action)
    quick_ward.acknowledge(incident_id)
    quick_ward.close(incident_id)

    assert quick_ward.by_rule(f"automatic:{action}", action_id=action) == incident_id
    assert quick_ward.incidents.find(IncidentQuery()).total == 1


def test_a_rule_that_knows_the_start_completes_an_incident_that_did_not(quick_ward: Ward) -> None:
    incident_id = quick_ward.by_rule(impact_start=None)
    quick_ward.by_rule(impact_start=NOON - timedelta(minutes=2))
    quick_ward.by_rule(impact_start=NOON - timedelta(minutes=9))

    assert quick_ward.view(incident_id).time_to_detect == timedelta(minutes=2)
    assert len(quick_ward.entries("incident-impact")) == 1


def test_an_impact_never_begins_after_it_was_seen(quick_ward: Ward) -> None:
    incident_id = quick_ward.by_rule(impact_start=NOON + timedelta(seconds=4))

    assert quick_ward.view(incident_id).time_to_detect == timedelta(0)


def test_without_a_known_start_the_times_to_detect_and_restore_are_not_known(quick_ward: Ward) -> None:
    incident_id = quick_ward.by_rule(impact_start=None)
    quick_ward.mitigate(incident_id)

    view = quick_ward.view(incident_id)
    assert (view.time_to_detect, view.time_to_restore) == (None, None)
    assert "when the impact began" in view.missing


def test_a_rule_names_a_severity_that_exists(quick_ward: Ward) -> None:
    with pytest.raises(InputError):
        quick_ward.by_rule(severity=0)


def test_verified_traffic_mitigates_with_the_time_it_was_read_back(ward: Ward) -> None:
    action = ward.rolled_back()
    ward.later(minutes=2)
    incident_id = ward.open()
    ward.link(incident_id, action)

    view = ward.view(incident_id)
    (change,) = view.changes
    assert view.incident.times.mitigated == change.verified_at
    assert view.incident.mitigated_seq == change.seq_outcome
    words = [line.title for line in view.timeline]
    assert words.index("Rollback to version 1 asked for") < words.index("Rollback applied") < words.index("Opened")


def test_telling_it_twice_that_traffic_is_back_is_one_entry(quick_ward: Ward) -> None:
    incident_id = quick_ward.by_rule(action_id="act-unknown")
    for _ in range(2):
        quick_ward.incidents.mitigated_by_action(
            "act-unknown", at=NOON + timedelta(minutes=1), seq=None, sentence="Traffic was verified on version 1."
        )

    assert len(quick_ward.entries("incident-mitigated")) == 1
    assert quick_ward.get(incident_id).times.mitigated == NOON + timedelta(minutes=1)


def test_the_worker_gives_every_rollback_an_incident_once(ward: Ward) -> None:
    ward.rolled_back()

    assert ward.incidents.catch_up() == 1
    assert ward.incidents.catch_up() == 0
    (found,) = ward.incidents.open()
    assert (found.model, found.version, found.severity, found.state) == (MODEL, "2", 2, IncidentState.MITIGATED)
    assert "Too many errors since noon" not in str(ward.entries("incident-opened"))


def test_a_rehearsal_is_no_incident(quick_ward: Ward) -> None:
    quick_ward.rolled_back(reason="DRILL")

    assert quick_ward.incidents.catch_up() == 0
    assert quick_ward.incidents.open() == ()


def test_a_rollback_belongs_to_the_incident_that_somebody_opened_before(quick_ward: Ward) -> None:
    quick_ward.world.release("1")
    quick_ward.world.release("2")
    incident_id = quick_ward.open()
    quick_ward.acknowledge(incident_id)
    quick_ward.later(minutes=1)
    quick_ward.world.rollout.roll_back(quick_ward.world.a_rollback("1"), actor=quick_ward.world.actor("sam.sre"))

    quick_ward.incidents.catch_up()

    (found,) = quick_ward.incidents.open()
    assert found.incident_id == incident_id
    assert found.state is IncidentState.MITIGATED
    assert Step.LINKED.value in {line.step for line in quick_ward.view(incident_id).timeline}


def test_history_from_before_opens_no_incident_today(quick_ward: Ward) -> None:
    quick_ward.rolled_back()
    quick_ward.later(days=2)

    assert quick_ward.incidents.catch_up() == 0
