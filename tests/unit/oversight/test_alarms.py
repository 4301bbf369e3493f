"""Alerts and owed follow-ups on the home page: who sees them, once, and what is not said twice beside them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.alerts.models import Acknowledgement, AlertKind, Key
from services.incidents.models import OwedFollowUp
from services.kernel.health import Health
from services.kernel.identity import Actor, Role
from services.oversight import alarms, trouble
from tests.fakes.room_alerts import ALL, BLIND, MOVED, WAITS
from tests.fakes.room_sample import NOW


def an_actor(subject: str, role: Role) -> Actor:
    return Actor(issuer="countersign:demo", subject=subject, name=subject, role=role, session_id="s", signed_in_at=NOW)


SAM = an_actor("sam.sre", Role.SRE)
DANA = an_actor("dana.datascience", Role.DATA_SCIENCE_LEAD)


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (SAM, [WAITS.title, MOVED.title]),
        (DANA, [MOVED.title]),
        (an_actor("ben.business", Role.BUSINESS_OWNER), []),
    ],
)
def test_the_owner_sees_what_waits_and_an_engineer_also_the_grave_ones(who: Actor, expected: list[str]) -> None:
    assert [item.title for item in alarms.mine(ALL, who, now=NOW)] == [f"Alert: {title}" for title in expected]


def test_acknowledged_snoozed_and_closed_ones_wait_for_nobody() -> None:
    taken = replace(WAITS, acknowledged=Acknowledgement(at=NOW, by=WAITS.owner))  # type: ignore[arg-type]

    assert alarms.mine((taken, BLIND, replace(WAITS, closed_at=NOW)), SAM, now=NOW) == []
    assert len(alarms.mine((BLIND,), SAM, now=NOW + timedelta(hours=20))) == 1


def test_where_nobody_is_named_everybody_of_the_role_sees_it() -> None:
    orphan = replace(MOVED, owner=None, severity=3)

    assert [item.state for item in alarms.mine((orphan,), DANA, now=NOW)] == [Health.WATCH]
    assert alarms.mine((orphan,), SAM, now=NOW) == []


def test_late_ones_say_that_somebody_else_was_told() -> None:
    (item,) = alarms.mine((WAITS,), SAM, now=NOW)

    assert "somebody else was told" in item.why
    assert item.state is Health.BREACH


def test_what_an_alert_says_is_not_said_beside_it() -> None:
    broken = replace(WAITS, key=Key(model="m", kind=AlertKind.SERVICE_LEVEL, subject="errors"))

    assert alarms.told((MOVED, broken, replace(MOVED, closed_at=NOW))) == {("claims_triage", "drift"), ("m", "sla")}


@pytest.mark.parametrize(
    ("due", "states"),
    [(NOW.date() - timedelta(days=1), [Health.BREACH]), (NOW.date(), [Health.WATCH]), (date(2030, 12, 24), [])],
)
def test_an_owed_follow_up_is_in_the_list_of_its_owner_when_it_is_due(due: date, states: list[Health]) -> None:
    owed = OwedFollowUp(
        incident_id="inc-1",
        model="m",
        number=1,
        text="Alert on missing days.",
        owner_subject="dana.datascience",
        owner_name="Dana Petrov",
        due=due,
    )

    assert [item.state for item in trouble.owed((owed,), DANA, now=NOW)] == states
    assert trouble.owed((owed,), SAM, now=NOW) == []
