"""Sessions end by time, by quiet and by lost access, and say so; auditors are watched and leave on their day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.attestation.authentication import since_login_seconds
from services.kernel.clock import FrozenClock
from services.kernel.errors import AccessEndedError, RoleMissingError, StorageUnavailableError
from services.kernel.identity import Permission, Role
from services.people.accounts import DEMO_ISSUER
from services.people.ceremonies import CeremonyKind, ProposeChange
from services.people.service import IDLE_LIMIT
from tests.builders import NOON, World


def moved(world: World, **delta: float) -> None:
    assert isinstance(world.clock, FrozenClock)
    world.clock.set(world.clock.now() + timedelta(**delta))


def test_quiet_session_ends_and_says_why(world: World) -> None:
    token = world.people.open_session(world.actor("vera.validator"))
    moved(world, minutes=29)
    assert world.people.resume(token, active=True) is not None
    moved(world, minutes=29)
    assert world.people.resume(token) is not None

    moved(world, minutes=2)

    assert world.people.resume(token, active=True) is None
    assert "30 minutes without activity" in world.people.why_ended(token)
    assert timedelta(minutes=30) == IDLE_LIMIT


def test_looking_on_does_not_keep_a_session_alive(world: World) -> None:
    token = world.people.open_session(world.actor("vera.validator"))
    for _ in range(4):
        moved(world, minutes=10)
        last = world.people.resume(token)

    assert last is None


def test_session_of_twelve_hours_ends_although_somebody_is_busy(world: World) -> None:
    token = world.people.open_session(world.actor("vera.validator"))
    for _ in range(30):
        moved(world, minutes=25)
        world.people.resume(token, active=True)

    assert world.people.resume(token, active=True) is None
    assert "12 hours" in world.people.why_ended(token)


def test_since_login_is_counted_from_the_sign_in(world: World) -> None:
    token = world.people.open_session(world.actor("vera.validator"))
    moved(world, minutes=5)

    actor = world.people.resume(token)

    assert actor is not None
    assert since_login_seconds(actor, at=world.clock.now()) == 300


def an_auditor_until(world: World, days: int) -> None:
    world.keys.propose(
        ProposeChange(
            command_id=f"until-{days}",
            kind=CeremonyKind.GRANT,
            subject="otto.auditor",
            name="Otto Brandt",
            role=Role.AUDITOR,
            until=NOON + timedelta(days=days),
            passphrase=world.secret("ada.admin"),
        ),
        actor=world.actor("ada.admin"),
    )


def test_access_of_an_auditor_ends_on_its_day_with_words(world: World) -> None:
    an_auditor_until(world, 30)
    otto = world.actor("otto.auditor")
    token = world.people.open_session(otto)
    person = world.people.standing(DEMO_ISSUER, "otto.auditor")
    assert person is not None
    assert person.access_until == NOON + timedelta(days=30)

    moved(world, days=30)

    with pytest.raises(AccessEndedError, match=r"ended on 2030-03-02 at 12:00 UTC"):
        world.people.require(otto, Permission.VIEW)
    with pytest.raises(AccessEndedError):
        world.actor("otto.auditor")
    assert not world.people.may(otto, Permission.VIEW)
    assert world.people.resume(token) is None
    assert world.entries("event:permission-refused") == 1


def test_words_about_ended_access_reach_the_open_tab(world: World) -> None:
    an_auditor_until(world, 1)
    moved(world, hours=23, minutes=55)
    token = world.people.open_session(world.actor("otto.auditor"))
    moved(world, minutes=10)

    assert world.people.resume(token) is None
    assert "ended on 2030-02-01" in world.people.why_ended(token)


def test_every_view_of_an_auditor_is_kept_and_nobody_elses(world: World) -> None:
    otto, vera = world.actor("otto.auditor"), world.actor("vera.validator")

    world.people.record_view(otto, screen="approvals", about="request=req-1")
    world.people.record_view(otto, screen="audit", about="x" * 1000)
    world.people.record_view(vera, screen="approvals", about="")

    seen = world.people.views(actor=world.actor("clara.compliance"))
    assert [(view.name, view.screen, len(view.about)) for view in seen.items] == [
        ("Otto Brandt", "audit", 300),
        ("Otto Brandt", "approvals", 13),
    ]
    assert world.people.views(actor=otto, subject="somebody.else").total == 2
    with pytest.raises(RoleMissingError):
        world.people.views(actor=vera)


def test_what_an_auditor_looked_at_cannot_be_changed_or_removed(world: World) -> None:
    world.people.record_view(world.actor("otto.auditor"), screen="audit", about="")

    for statement in ("UPDATE access_view SET screen = 'other'", "DELETE FROM access_view"):
        with pytest.raises(StorageUnavailableError), world.database.write() as connection:
            connection.exec_driver_sql(statement)
    assert world.people.views(actor=world.actor("clara.compliance")).items[0].screen == "audit"
