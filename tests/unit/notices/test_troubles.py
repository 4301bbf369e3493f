"""Who hears of an incident: engineers at once, the graver ones more people, somebody else when nobody takes it up."""

from __future__ import annotations

from typing import Any

import pytest

from services.incidents.models import Step
from services.kernel.identity import Role
from services.notices import troubles
from services.notices.facts import OpenIncident
from services.notices.models import Announcement, NoticeKind, Severity
from services.notices.others import OtherFacts
from services.notices.wording import DONE_WHEN, HEADLINES, KIND_WORDS
from tests.builders import NOON
from tests.unit.incidents.conftest import Ward, quick_ward
from tests.unit.notices.test_news import Others, hearing, kinds

__all__ = ["quick_ward"]


def an_incident(**changes: Any) -> OpenIncident:
    values: dict[str, Any] = {
        "incident_id": "inc-7",
        "model": "m",
        "version": "4",
        "severity": 3,
        "detected_at": NOON,
        "late_at": None,
        "on_call": None,
        "seq": 41,
    }
    return OpenIncident(**(values | changes))


def told(**changes: Any) -> list[Announcement]:
    return list(troubles.announced(an_incident(**changes)))


def test_an_ordinary_one_concerns_engineers_and_a_stand_in_by_name() -> None:
    by_role, by_name = told(on_call=("i", "ada.admin"))

    assert (by_role.audience.role, by_role.severity) == ("sre", Severity.AMBER)
    assert (by_name.audience.role, by_name.audience.subject) == ("", "ada.admin")
    assert by_role.target == "incidents?incident=inc-7"


@pytest.mark.parametrize("severity", [1, 2])
def test_a_grave_one_is_red_and_concerns_owners_and_compliance_too(severity: int) -> None:
    found = told(severity=severity)

    assert {item.audience.role for item in found} == {"sre", "business_owner", "compliance_officer"}
    assert {item.severity for item in found} == {Severity.RED}


def test_while_nobody_takes_it_up_administrators_hear_too() -> None:
    late = [item for item in told(late_at=NOON) if item.kind is NoticeKind.INCIDENT_UNATTENDED]

    assert {item.audience.role for item in late} == {role.value for role in (Role.SRE, Role.BUSINESS_OWNER, Role.ADMIN)}
    assert {item.stands_while for item in late} == {"incident/inc-7/unattended"}


@pytest.mark.parametrize("kind", [NoticeKind.INCIDENT, NoticeKind.INCIDENT_UNATTENDED])
def test_the_words_exist_everywhere(kind: NoticeKind) -> None:
    assert HEADLINES[kind]
    assert KIND_WORDS[kind]
    assert DONE_WHEN[kind]


def test_the_notice_stands_until_it_is_closed_and_the_escalation_is_an_entry(quick_ward: Ward) -> None:
    world, others = quick_ward.world, Others()
    facts = OtherFacts(
        people=world.people,
        exceptions=world.exceptions,
        emergency=world.emergency,
        incidents=quick_ward.incidents,
        clock=world.clock,
    )
    notices = hearing(world, others=others)
    notices.refresh()
    incident_id = quick_ward.open()

    def look() -> list[NoticeKind]:
        others.troubles = facts.incidents()
        notices.refresh()
        return [kind for kind in kinds(notices, world, "sam.sre") if kind.value.startswith("incident")]

    assert look() == [NoticeKind.INCIDENT]
    quick_ward.later(minutes=15)
    assert sorted(look()) == [NoticeKind.INCIDENT, NoticeKind.INCIDENT_UNATTENDED]
    assert quick_ward.entries("incident-escalated")[0]["detail"]["incident"] == incident_id
    quick_ward.acknowledge(incident_id)
    assert look() == [NoticeKind.INCIDENT]
    quick_ward.take(incident_id, Step.MITIGATED, text="Looked at with the claims team.")
    quick_ward.close(incident_id)
    assert look() == []


def test_a_severity_that_was_raised_is_told_to_those_it_now_concerns() -> None:
    before, after = {item.key for item in told()}, {item.key for item in told(severity=1)}

    assert not before & after
