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


def test_another_key_is_another_incident(ward: Ward) -> None:
    assert ward.by_rule() != ward.by_rule("latency/rel-1")


def test_a_breach_after_closing_opens_a_new_one_that_names_the_old(ward: Ward) -> None:
    first = ward.by_rule()
    ward.acknowledge(first)
    ward.mitigate(first)
    ward.close(first)
    ward.later(days=3)
    second = ward.by_rule()

    assert ward.get(first).state is IncidentState.CLOSED
    assert ward.get(second).earlier == first
    assert len(ward.entries("incident-opened")) == 2


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


def test_saying_the_same_again_after_a_crash_is_not_a_second_breach(ward: Ward) -> None:
    action = ward.rolled_back()
    incident_id = ward.by_rule(action_id=action)
    assert ward.get(incident_id).state is IncidentState.MITIGATED

    ward.later(minutes=1)
    ward.by_rule(action_id=action)

    assert ward.get(incident_id).state is IncidentState.MITIGATED
    assert ward.entries("incident-recurred") == []


def test_the_same_change_of_traffic_is_no_new_breach_once_its_incident_is_closed(ward: Ward) -> None:
    action = ward.rolled_back()
    incident_id = ward.by_rule(f"automatic:{action}", action_id=action)
    ward.acknowledge(incident_id)
    ward.close(incident_id)

    assert ward.by_rule(f"automatic:{action}", action_id=action) == incident_id
    assert ward.incidents.find(IncidentQuery()).total == 1


def test_a_rule_that_knows_the_start_completes_an_incident_that_did_not(ward: Ward) -> None:
    incident_id = ward.by_rule(impact_start=None)
    ward.by_rule(impact_start=NOON - timedelta(minutes=2))
    ward.by_rule(impact_start=NOON - timedelta(minutes=9))

    assert ward.view(incident_id).time_to_detect == timedelta(minutes=2)
    assert len(ward.entries("incident-impact")) == 1


def test_an_impact_never_begins_after_it_was_seen(ward: Ward) -> None:
    incident_id = ward.by_rule(impact_start=NOON + timedelta(seconds=4))

    assert ward.view(incident_id).time_to_detect == timedelta(0)


def test_without_a_known_start_the_times_to_detect_and_restore_are_not_known(ward: Ward) -> None:
    incident_id = ward.by_rule(impact_start=None)
    ward.mitigate(incident_id)

    view = ward.view(incident_id)
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


def test_telling_it_twice_that_traffic_is_back_is_one_entry(ward: Ward) -> None:
    incident_id = ward.by_rule(action_id="act-unknown")
    for _ in range(2):
        ward.incidents.mitigated_by_action(
            "act-unknown", at=NOON + timedelta(minutes=1), seq=None, sentence="Traffic was verified on version 1."
        )

    assert len(ward.entries("incident-mitigated")) == 1
    assert ward.get(incident_id).times.mitigated == NOON + timedelta(minutes=1)


def test_the_worker_gives_every_rollback_an_incident_once(ward: Ward) -> None:
    ward.rolled_back()

    assert ward.incidents.catch_up() == 1
    assert ward.incidents.catch_up() == 0
    (found,) = ward.incidents.open()
    assert (found.model, found.version, found.severity, found.state) == (MODEL, "2", 2, IncidentState.MITIGATED)
    assert "Too many errors since noon" not in str(ward.entries("incident-opened"))


def test_a_rehearsal_is_no_incident(ward: Ward) -> None:
    ward.rolled_back(reason="DRILL")

    assert ward.incidents.catch_up() == 0
    assert ward.incidents.open() == ()


def test_a_rollback_belongs_to_the_incident_that_somebody_opened_before(ward: Ward) -> None:
    ward.world.release("1")
    ward.world.release("2")
    incident_id = ward.open()
    ward.acknowledge(incident_id)
    ward.later(minutes=1)
    ward.world.rollout.roll_back(ward.world.a_rollback("1"), actor=ward.world.actor("sam.sre"))

    ward.incidents.catch_up()

    (found,) = ward.incidents.open()
    assert found.incident_id == incident_id
    assert found.state is IncidentState.MITIGATED
    assert Step.LINKED.value in {line.step for line in ward.view(incident_id).timeline}


def test_history_from_before_opens_no_incident_today(ward: Ward) -> None:
    ward.rolled_back()
    ward.later(days=2)

    assert ward.incidents.catch_up() == 0
