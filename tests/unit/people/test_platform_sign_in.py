"""Who the platform's proxy names: believed once, whole, and confirmed; anything else opens nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.kernel.clock import FrozenClock
from services.kernel.errors import NotSignedInError, ServingUnavailableError
from services.kernel.identity import Actor, Role
from services.kernel.secret import Secret
from services.people.models import Person
from services.people.platform_headers import EMAIL, TOKEN, USER, Headers, PlatformPerson
from services.people.platform_sign_in import PlatformSignIn

NOON = datetime(2031, 3, 31, 12, tzinfo=UTC)
HOST = "https://dbc.example.com"
CLARA = PlatformPerson(
    id="4711", user_name="clara@acme.example", name="Clara Whitfield", emails=("clara@acme.example",), active=True
)
GOOD: Headers = {TOKEN: ("token-of-clara",), EMAIL: ("Clara@acme.example",), USER: ("4711@99",)}


@dataclass
class Platform:
    owners: dict[str, PlatformPerson] = field(default_factory=lambda: {"token-of-clara": CLARA})
    away: bool = False
    asked: int = 0
    issuer: str = HOST

    def owner_of(self, token: Secret) -> PlatformPerson:
        self.asked += 1
        if self.away:
            raise ServingUnavailableError("The workspace did not answer.")
        if token.reveal() not in self.owners:
            raise NotSignedInError("The workspace does not take the token.")
        return self.owners[token.reveal()]


@dataclass
class People:
    """Knows Clara under her id in the workspace."""

    roles: tuple[Role, ...] = (Role.COMPLIANCE,)
    opened: list[Actor] = field(default_factory=list)

    def standing(self, issuer: str, subject: str) -> Person | None:
        if (issuer, subject) != (HOST, "4711"):
            return None
        return Person(
            issuer=issuer, subject=subject, name="Clara Whitfield", roles=self.roles, active=True, key_id=None
        )

    def open_session(self, actor: Actor) -> str:
        self.opened.append(actor)
        return "opened"


@dataclass
class Book:
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def record_event(self, *, idem: str, **entry: Any) -> Any:
        self.entries.setdefault(idem, entry)


@dataclass
class Scene:
    platform: Platform = field(default_factory=Platform)
    people: People = field(default_factory=People)
    book: Book = field(default_factory=Book)
    clock: FrozenClock = field(default_factory=lambda: FrozenClock(NOON))

    @property
    def sign_in(self) -> PlatformSignIn:
        if not hasattr(self, "_made"):
            self._made = PlatformSignIn(
                people=self.people, directory=self.platform, ledger=self.book, clock=self.clock  # type: ignore[arg-type]
            )  # fmt: skip
        return self._made


def but(**changes: tuple[str, ...] | None) -> Headers:
    """The good headers with changes; None takes one away."""
    names = {"token": TOKEN, "email": EMAIL, "user": USER}
    changed = {**GOOD, **{names.get(key, key): value for key, value in changes.items()}}
    return {key: value for key, value in changed.items() if value is not None}


def test_a_confirmed_person_chooses_a_role_and_gets_a_session_of_the_platform() -> None:
    scene = Scene()
    assert scene.sign_in.look(GOOD).roles == (Role.COMPLIANCE,)
    assert scene.sign_in.open(GOOD, role=Role.COMPLIANCE) == "opened"
    opened = scene.people.opened[0]
    assert (opened.issuer, opened.subject, opened.method) == (HOST, "4711", "platform-proxy")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        but(token=None),
        but(email=None),
        but(user=None),
        but(token=("token-of-clara", "token-of-clara")),
        but(email=("clara@acme.example", "mallory@acme.example")),
        but(user=("4711@99", "4711@99")),
        {**GOOD, "x-forwarded-preferred-username": ("a", "b")},
        but(email=("clara@acme.example,mallory@acme.example",)),
        but(email=("clara@acme.example mallory",)),
        but(email=("",)),
        but(email=("cl\u0430ra@acme.example",)),
        but(email=("a" * 400,)),
        but(token=("t" * 9000,)),
    ],
)
def test_a_header_that_is_missing_doubled_or_odd_opens_nothing_and_asks_nobody(headers: Headers) -> None:
    scene = Scene()
    with pytest.raises(NotSignedInError):
        scene.sign_in.look(headers)
    assert scene.platform.asked == 0
    assert scene.book.entries == {}


@pytest.mark.parametrize(
    "headers", [but(email=("mallory@acme.example",)), but(user=("4712@99",)), but(user=("mallory@acme.example",))]
)
def test_a_token_of_somebody_else_than_named_is_refused_and_recorded_once_a_day(headers: Headers) -> None:
    scene = Scene()
    for _ in range(3):
        with pytest.raises(NotSignedInError, match="belongs to another account"):
            scene.sign_in.look(headers)
    assert [entry["event"] for entry in scene.book.entries.values()] == ["sign-in-refused"]
    assert "token-of-clara" not in str(scene.book.entries)


def test_an_invented_token_and_an_inactive_account_are_nobody() -> None:
    scene = Scene()
    with pytest.raises(NotSignedInError, match="does not take the token"):
        scene.sign_in.look(but(token=("invented",)))
    scene.platform.owners["token-of-clara"] = replace(CLARA, active=False)
    with pytest.raises(NotSignedInError, match="not active"):
        scene.sign_in.look(GOOD)


def test_somebody_the_workspace_knows_and_the_ledger_does_not_is_told_how_to_be_enrolled() -> None:
    scene = Scene()
    scene.platform.owners["token-of-clara"] = replace(CLARA, id="5000")
    with pytest.raises(NotSignedInError) as refused:
        scene.sign_in.look(but(user=("5000@99",)))
    assert "subject 5000" in refused.value.hint


def test_a_role_nobody_gave_cannot_be_chosen() -> None:
    scene = Scene()
    with pytest.raises(NotSignedInError, match="do not hold"):
        scene.sign_in.open(GOOD, role=Role.ADMIN)
    assert scene.people.opened == []


def test_a_platform_that_cannot_be_asked_opens_no_session_and_ends_none() -> None:
    scene = Scene()
    scene.sign_in.open(GOOD, role=Role.COMPLIANCE)
    clara = scene.people.opened[0]
    scene.platform.away = True
    scene.clock.set(NOON + timedelta(hours=1))
    assert scene.sign_in.still(GOOD, clara)
    with pytest.raises(ServingUnavailableError):
        scene.sign_in.open(GOOD, role=Role.COMPLIANCE)


def test_a_session_ends_when_the_proxy_names_somebody_else_or_nobody() -> None:
    scene = Scene()
    scene.platform.owners["token-of-mallory"] = replace(
        CLARA, id="4712", user_name="mallory@acme.example", emails=("mallory@acme.example",)
    )
    scene.sign_in.open(GOOD, role=Role.COMPLIANCE)
    clara = scene.people.opened[0]
    mallory: Headers = {TOKEN: ("token-of-mallory",), EMAIL: ("mallory@acme.example",), USER: ("4712",)}
    assert not scene.sign_in.still(mallory, clara)
    assert not scene.sign_in.still({}, clara)
    assert not scene.sign_in.still(GOOD, replace(clara, method="local"))


def test_an_answer_of_the_platform_is_remembered_for_minutes_only() -> None:
    scene = Scene()
    for _ in range(5):
        scene.sign_in.look(GOOD)
    assert scene.platform.asked == 1
    scene.clock.set(NOON + timedelta(minutes=6))
    scene.sign_in.look(GOOD)
    assert scene.platform.asked == 2
