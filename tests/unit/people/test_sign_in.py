"""Signing in through an identity provider: whose login opens what, and every attack on it that must fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.attestation import authentication
from services.kernel.clock import FrozenClock
from services.kernel.errors import LoginRefusedError, NotSignedInError
from services.kernel.identity import Login, Permission, Role
from services.people.accounts import DEMO_ISSUER
from services.people.ceremonies import CeremonyKind, ProposeChange
from services.people.claims import Binding, LoginRules
from services.people.service import PeopleService
from services.people.sign_in import OidcSignIn
from tests.builders import NOON, World

CLIENT = "countersign-app"
VERA = "vera.validator"


def rules(**changes: Any) -> LoginRules:
    # The world's people are known under this issuer; a real one is an address.
    return LoginRules(**({"issuer": DEMO_ISSUER, "client_id": CLIENT} | changes))


def a_login(world: World, sub: str = VERA, **changes: Any) -> dict[str, Any]:
    now = int(world.clock.now().timestamp())
    said = {"iss": DEMO_ISSUER, "sub": sub, "aud": CLIENT, "iat": now, "exp": now + 3600, "auth_time": now - 30}
    return said | {"nonce": f"n-{sub}-{now}", "is_logged_in": True, "origin": "http://localhost"} | changes


def the_door(world: World, *, life: timedelta = timedelta(hours=12), **changes: Any) -> OidcSignIn:
    store = world.people._store
    people = PeopleService(store=store, ledger=world.ledger, clock=world.clock, life=life)
    return OidcSignIn(
        people=people,
        store=store,  # type: ignore[arg-type]  # one class fills both ports
        ledger=world.ledger,
        clock=world.clock,
        rules=rules(longest=life, **changes),
    )


def later(world: World, **delta: float) -> None:
    assert isinstance(world.clock, FrozenClock)
    world.clock.set(world.clock.now() + timedelta(**delta))


@pytest.fixture
def door(world: World) -> OidcSignIn:
    return the_door(world)


def test_login_opens_a_session_that_says_how_it_began(world: World, door: OidcSignIn) -> None:
    token = door.open(a_login(world, acr="mfa"), role=Role.VALIDATOR, id_token="e.y.j")

    actor = door._people.resume(token)

    assert actor is not None
    assert (actor.subject, actor.role, actor.method) == (VERA, Role.VALIDATOR, "oidc")
    said = authentication.document(actor, at=world.clock.now())
    assert said["component1"]["kind"] == "oidc"
    assert said["component1"]["authTime"] == "2030-01-31T11:59:30Z"
    assert said["component1"]["acr"] == "mfa"
    assert len(said["component1"]["idToken"]["sha256"]) == 64
    assert said["component2"]["sinceLogin"] == "30"
    assert world.entries("event:sign-in") == 1


def test_provider_that_does_not_say_when_somebody_logged_in_leaves_no_such_time(world: World, door: OidcSignIn) -> None:
    login = a_login(world)
    del login["auth_time"]

    actor = door._people.resume(door.open(login, role=Role.VALIDATOR))

    assert actor is not None
    component = authentication.document(actor, at=world.clock.now())["component1"]
    assert "authTime" not in component
    assert component["tokenTime"] == "2030-01-31T12:00:00Z"


FORGED = {
    "another provider": ({"iss": "https://evil.example"}, "another identity provider"),
    "another application": ({"aud": ["somebody-else"]}, "another application"),
    "run out": ({"exp": 1_000_000_000}, "run out"),
    "an old token kept in a cookie": ({"iat": int(NOON.timestamp()) - 3600}, "run out"),
    "the future": ({"iat": int(NOON.timestamp()) + 600}, "future"),
    "a login in the future": ({"auth_time": int(NOON.timestamp()) + 600}, "future"),
    "a login of yesterday": ({"auth_time": int(NOON.timestamp()) - 86_400}, "as long as a session lasts"),
    "nobody's subject": ({"sub": ""}, "sub"),
    "a subject that is no text": ({"sub": ["vera.validator"]}, "sub"),
    "a time that is no number": ({"iat": "now"}, "iat"),
    "a time that is true": ({"iat": True}, "iat"),
    "no end": ({"exp": None}, "exp"),
    "an unknown person": ({"sub": "mallory"}, "Nobody is known"),
}


@pytest.mark.parametrize("case", FORGED)
def test_login_that_cannot_be_believed_opens_nothing(world: World, door: OidcSignIn, case: str) -> None:
    changes, reason = FORGED[case]

    with pytest.raises(LoginRefusedError, match=reason):
        door.open(a_login(world, **changes), role=Role.VALIDATOR)

    assert world.entries("event:sign-in") == 0


def test_one_login_opens_one_session(world: World, door: OidcSignIn) -> None:
    login = a_login(world)
    assert not door.was_used(login)
    door.open(login, role=Role.VALIDATOR)

    with pytest.raises(LoginRefusedError, match="used before"):
        door.open(login, role=Role.VALIDATOR)

    assert door.was_used(login)
    assert world.entries("event:sign-in") == 1


def test_refusal_is_recorded_once_however_often_the_page_is_drawn(world: World, door: OidcSignIn) -> None:
    login = a_login(world, sub="mallory")

    for _ in range(3):
        with pytest.raises(LoginRefusedError):
            door.look(login)

    assert world.entries("event:sign-in-refused") == 1


def test_role_the_ledger_does_not_give_is_not_opened(world: World, door: OidcSignIn) -> None:
    with pytest.raises(LoginRefusedError, match="may not act as administrator"):
        door.open(a_login(world), role=Role.ADMIN)


def test_group_limits_a_role_and_never_gives_one(world: World) -> None:
    door = the_door(world, group_roles=(("validators", Role.VALIDATOR), ("admins", Role.ADMIN)))

    allowed = door.look(a_login(world, groups=["validators", "admins"]))

    assert allowed.roles == (Role.VALIDATOR,)
    with pytest.raises(LoginRefusedError, match="none of the groups") as refused:
        door.look(a_login(world, groups=["admins"], nonce="2"))
    assert "validators" in refused.value.hint


def test_group_taken_away_takes_the_role_at_the_next_sign_in(world: World) -> None:
    door = the_door(world, group_roles=(("validators", Role.VALIDATOR),))
    token = door.open(a_login(world, groups=["validators"]), role=Role.VALIDATOR)

    with pytest.raises(LoginRefusedError):
        door.open(a_login(world, groups=[], nonce="2"), role=Role.VALIDATOR)

    assert door._people.resume(token) is not None


def test_disabled_person_is_told_so_and_the_open_session_is_over(world: World, door: OidcSignIn) -> None:
    token = door.open(a_login(world), role=Role.VALIDATOR)
    actor = door._people.resume(token)
    world.keys.propose(
        ProposeChange(
            command_id="off",
            kind=CeremonyKind.DISABLE,
            subject=VERA,
            reason="Left the company.",
            passphrase=world.secret("ada.admin"),
        ),
        actor=world.actor("ada.admin"),
    )

    with pytest.raises(LoginRefusedError, match="taken away") as refused:
        door.look(a_login(world, nonce="2"))

    assert "Left the company." in refused.value.hint
    assert door._people.resume(token) is None
    with pytest.raises(NotSignedInError):
        door._people.require(actor, Permission.VALIDATE)


def test_session_ends_by_the_age_of_the_login_also_for_whoever_is_busy(world: World) -> None:
    door = the_door(world, life=timedelta(hours=2))
    token = door.open(a_login(world, auth_time=int(NOON.timestamp()) - 3600), role=Role.VALIDATOR)
    actor = door._people.resume(token)
    for _ in range(2):
        later(world, minutes=25)
        assert door._people.resume(token, active=True) is not None

    later(world, minutes=15)

    assert door._people.resume(token, active=True) is None
    assert "2 hours" in door._people.why_ended(token)
    with pytest.raises(NotSignedInError, match="older than 2 hours"):
        door._people.require(actor, Permission.VALIDATE)


def test_fresh_login_of_the_same_person_renews_the_session(world: World, door: OidcSignIn) -> None:
    token = door.open(a_login(world), role=Role.VALIDATOR)
    later(world, minutes=20)

    door.renew(a_login(world), token=token)

    actor = door._people.resume(token)
    assert actor is not None
    assert authentication.since_login_seconds(actor, at=world.clock.now()) == 30
    assert world.entries("event:sign-in") == 2


def test_somebody_elses_login_renews_nothing(world: World, door: OidcSignIn) -> None:
    token = door.open(a_login(world), role=Role.VALIDATOR)
    later(world, minutes=20)

    with pytest.raises(LoginRefusedError, match="Somebody else"):
        door.renew(a_login(world, sub="clara.compliance"), token=token)

    actor = door._people.resume(token)
    assert actor is not None
    assert authentication.since_login_seconds(actor, at=world.clock.now()) == 1230
    assert world.entries("event:sign-in-refused") == 1


def test_address_is_bound_to_the_first_account_that_proves_it(world: World) -> None:
    door = the_door(world, binding=Binding.EMAIL)
    mail = {"email": VERA.upper(), "email_verified": True}

    token = door.open(a_login(world, sub="00u1", **mail), role=Role.VALIDATOR)

    actor = door._people.resume(token)
    assert actor is not None
    assert actor.subject == VERA
    assert world.entries("event:account-bound") == 1
    later(world, minutes=1)
    assert door.look(a_login(world, sub="00u1", email="new@example.com")).person.subject == VERA
    with pytest.raises(LoginRefusedError, match="another account"):
        door.look(a_login(world, sub="00u2", **mail))


def test_address_nobody_verified_is_nobody(world: World) -> None:
    door = the_door(world, binding=Binding.EMAIL)

    for said in ({"email": VERA}, {"email": VERA, "email_verified": False}, {"email": VERA, "email_verified": "no"}):
        with pytest.raises(LoginRefusedError, match="did not vouch"):
            door.look(a_login(world, sub="00u9", **said))


LOGIN = Login(issued_at=NOON, auth_time=NOON - timedelta(minutes=40))
LATER = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("after", "before", "newer"),
    [
        (replace(LOGIN, auth_time=NOON), LOGIN, True),
        (replace(LOGIN, auth_time=NOON), replace(LOGIN, auth_time=None), True),
        (replace(LOGIN, auth_time=NOON), None, True),
        (replace(LOGIN, issued_at=NOON + LATER), LOGIN, False),
        (replace(LOGIN, issued_at=NOON + LATER, auth_time=None), LOGIN, False),
        (replace(LOGIN, issued_at=NOON + LATER, auth_time=None), None, False),
    ],
)
def test_login_is_newer_by_the_word_of_the_provider_and_never_by_its_tokens_time(
    after: Login, before: Login | None, newer: bool
) -> None:
    assert after.is_newer_than(before) is newer
