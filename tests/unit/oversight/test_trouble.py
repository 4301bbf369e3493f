"""Open incidents and the people on duty on home pages: theirs first, red while nobody has it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.incidents.models import Incident, Times
from services.incidents.on_call import OnCall
from services.inventory.models import Owner
from services.kernel.health import Health
from services.kernel.identity import Actor, Role
from services.oversight import trouble
from services.people.persons import Account
from tests.builders import MODEL, NOON, a_model
from tests.unit.incidents.test_lessons import an_incident

SAM = Account(issuer="i", subject="sam.sre", name="Sam Lindqvist")


def someone(role: Role, subject: str) -> Actor:
    return Actor(issuer="i", subject=subject, name="N", role=role, session_id="s", signed_in_at=NOON)


ENGINEER, OWNER = someone(Role.SRE, "sam.sre"), someone(Role.BUSINESS_OWNER, "ben.business")


def titles(found: Incident, actor: Actor) -> list[tuple[str, Health]]:
    return [(item.title, item.state) for item in trouble.mine([(found, a_model())], actor, now=NOON)]


def test_an_engineer_is_asked_to_take_up_what_nobody_has() -> None:
    (item,) = trouble.mine([(an_incident(title="Errors"), a_model())], ENGINEER, now=NOON)

    assert (item.title, item.state) == ("Acknowledge inc-4: Errors", Health.BREACH)
    assert item.target == "incidents?incident=inc-4"


def test_what_another_engineer_works_on_stands_among_the_others() -> None:
    taken = an_incident(assignee=replace(SAM, subject="kim.sre", name="Kim"))

    assert titles(taken, ENGINEER) == []
    (item,) = trouble.others([(taken, a_model())], ENGINEER, now=NOON)
    assert "Kim works on it" in item.why


def test_a_mitigated_one_asks_for_its_post_mortem_and_is_no_longer_red() -> None:
    times = Times(impact_start=None, detected=NOON, acknowledged=NOON, mitigated=NOON)

    assert titles(an_incident(times=times, title="T"), ENGINEER) == [
        ("Write the post-mortem of inc-4: T", Health.WATCH)
    ]


def test_owners_see_the_incidents_of_their_models_only() -> None:
    other = a_model(owners=(Owner(role="business_owner", subject="bo.business", name="Bo"),))

    assert titles(an_incident(title="T"), OWNER) == [("Acknowledge inc-4: T", Health.BREACH)]
    assert trouble.mine([(an_incident(), other)], OWNER, now=NOON) == []
    assert trouble.mine([(an_incident(), None)], OWNER, now=NOON) == []


def test_the_line_says_when_somebody_else_was_told() -> None:
    (item,) = trouble.mine([(an_incident(), a_model())], ENGINEER, now=NOON + timedelta(minutes=15))

    assert "somebody else was told" in item.why


@pytest.mark.parametrize(("role", "shown"), [(Role.SRE, 1), (Role.BUSINESS_OWNER, 1), (Role.AUDITOR, 0)])
def test_the_tile_is_for_engineers_and_owners(role: Role, shown: int) -> None:
    actor = someone(role, "ben.business" if role is Role.BUSINESS_OWNER else "sam.sre")

    found = trouble.tile([(an_incident(), a_model())], actor)

    assert len(found) == shown
    if found:
        assert (found[0].value, found[0].detail) == ("1", "1 not mitigated, 1 not acknowledged")


def test_a_model_with_nobody_on_call_comes_first_and_red() -> None:
    sam = OnCall(model="a", name="Sam Lindqvist", subject="sam.sre", sentence="Sam Lindqvist is on call for a.")
    gap = OnCall(model="b", name=None, subject="", sentence="Nobody is on call for b: no engineer owns it. Name one.")

    red, mine = trouble.duty([sam, gap, replace(sam, model="c")], ENGINEER)

    assert (red.title, red.state) == ("Nobody is on call for b", Health.BREACH)
    assert red.target == "model?name=b&show=metadata"
    assert (mine.title, mine.why, mine.state) == ("You are on call", "For a, c.", Health.HEALTHY)
    assert MODEL not in mine.why
