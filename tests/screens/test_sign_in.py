"""The way in through an identity provider, as the screen shows it: the button, the roles, each way to say no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streamlit import config
from streamlit.testing.v1 import AppTest

from services.kernel.errors import LoginRefusedError
from services.kernel.identity import Role
from services.people.claims import LoginRules
from services.people.models import Person
from services.people.sign_in import Welcome
from tests.fakes.room import FakeRoom
from tests.screens.conftest import APP, crashed, words

CLARA = "clara.compliance"


@dataclass
class Door:
    """Answers as the sign-in service does."""

    room: FakeRoom
    roles: tuple[Role, ...] = (Role.COMPLIANCE,)
    refusal: LoginRefusedError | None = None
    used: bool = False
    opened: list[Role] = field(default_factory=list)
    rules: LoginRules = field(
        default_factory=lambda: LoginRules(issuer="https://idp.example", client_id="app", name="Example Corp")
    )

    def was_used(self, given: Mapping[str, Any], *, id_token: str = "") -> bool:
        return self.used

    def look(self, given: Mapping[str, Any], *, id_token: str = "") -> Welcome:
        if self.refusal is not None:
            raise self.refusal
        person = Person(issuer="i", subject=CLARA, name="Clara Whitfield", roles=self.roles, active=True, key_id=None)
        return Welcome(person=person, roles=self.roles, withheld=(Role.VALIDATOR,))

    def open(self, given: Mapping[str, Any], *, role: Role, id_token: str = "") -> str:
        self.opened.append(role)
        return self.room.sign_in(CLARA)


def arrive(room: FakeRoom, door: Door, *, logged_in: bool, client: str = "app") -> AppTest:
    room.logins = door
    app = AppTest.from_file(str(APP), default_timeout=120)
    app.session_state["control_room"] = room
    app.secrets["auth"] = {"client_id": client, "redirect_uri": "http://localhost/oauth2callback"}
    if logged_in:
        app.user = {"is_logged_in": True, "iss": "https://idp.example", "sub": CLARA, "iat": 1}
    return app.run()


def test_signed_out_visitor_finds_one_button_and_no_account_to_choose() -> None:
    room = FakeRoom()

    app = arrive(room, Door(room), logged_in=False)

    assert app.button(key="sign-in-oidc").label == "Sign in with Example Corp"
    assert "Passphrase" not in words(app)
    assert not crashed(app)


def test_verified_login_of_a_person_with_one_role_is_in() -> None:
    room = FakeRoom()
    door = Door(room)

    app = arrive(room, door, logged_in=True)

    assert door.opened == [Role.COMPLIANCE]
    assert "Clara Whitfield" in words(app)
    assert not crashed(app)


def test_person_with_several_roles_chooses_one_and_hears_what_is_withheld() -> None:
    room = FakeRoom()
    door = Door(room, roles=(Role.COMPLIANCE, Role.SRE))

    app = arrive(room, door, logged_in=True)
    assert door.opened == []
    assert "independent validator" in words(app)
    app.button(key="sign-in-as-sre").click().run()

    assert door.opened == [Role.SRE]


def test_refusal_says_why_and_offers_another_account() -> None:
    room = FakeRoom()
    refused = LoginRefusedError("Nobody is known here as “mallory”.", hint="Ask two administrators for a role.")

    app = arrive(room, Door(room, refusal=refused), logged_in=True)

    assert "Nobody is known here as" in words(app)
    assert "Ask two administrators" in words(app)
    assert app.button(key="sign-out-oidc").label == "Use another account"
    assert room.sessions == {}


def test_login_that_was_used_before_opens_nothing_by_itself() -> None:
    room = FakeRoom()
    door = Door(room, used=True)

    app = arrive(room, door, logged_in=True)

    assert door.opened == []
    assert app.button(key="sign-in-oidc").label == "Sign in with Example Corp"


def test_secrets_of_another_client_are_named_as_the_fault() -> None:
    room = FakeRoom()

    app = arrive(room, Door(room), logged_in=False, client="somebody-else")

    assert "COUNTERSIGN_OIDC_CLIENT_ID" in words(app)


def test_trusted_user_headers_close_the_door() -> None:
    room = FakeRoom()
    door = Door(room)
    config.set_option("server.trustedUserHeaders", {"X-Forwarded-Email": "email"})
    try:
        app = arrive(room, door, logged_in=True)
    finally:
        config.set_option("server.trustedUserHeaders", {})

    assert door.opened == []
    assert "trustedUserHeaders" in words(app)
