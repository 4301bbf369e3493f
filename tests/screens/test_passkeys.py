"""Passkeys and fresh logins as the screens show them: what is asked, what is held, and the way to what is missing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from streamlit.testing.v1 import AppTest

from services.attestation.keys import PublicKey
from services.people.passkeys import Passkey
from services.policy.models import SigningTerms
from tests.fakes.room import FakeRoom
from tests.fakes.room_sample import NOW
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
CLARA, PHRASE = "clara.compliance", "clara signs with care"


def a_passkey(**changes: Any) -> Passkey:
    values: dict[str, Any] = {
        "key_id": "ab" * 32,
        "issuer": "countersign:demo",
        "subject": CLARA,
        "credential_id": "AAAA",
        "public": PublicKey(keytype="ed25519", scheme="ed25519", public="00" * 32),
        "party": FakeRoom().passkeys.party,
        "label": "Key in the drawer",
        "sign_count": 0,
        "created_at": NOW - timedelta(days=2),
        "seq": 40,
    }
    return Passkey(**(values | changes))


def test_own_passkeys_say_whether_they_count(visit: Visit) -> None:
    room = FakeRoom()
    revoked = a_passkey(key_id="ef" * 32, label="Lost", revoked_seq=44)
    room.passkeys.held = (a_passkey(), a_passkey(key_id="cd" * 32, label="Phone", seq=None), revoked)

    app = visit(room, "settings", CLARA)

    shown = words(app)
    assert "Enrolled in entry 40" in shown
    assert "Waits for administrators" in shown
    assert "Revoked in entry 44" in shown
    assert not crashed(app)


def test_new_passkey_asks_for_name_and_passphrase_first(visit: Visit) -> None:
    app = visit(FakeRoom(), "settings", CLARA)

    app.button(key="own-passkey-new").click().run()
    app.button(key="passkey-go").click().run()

    assert "Give it a name and enter your signing passphrase" in words(app)
    assert not crashed(app)


def test_decision_says_that_a_passkey_is_asked_for_and_signs_nothing_without(visit: Visit) -> None:
    room = FakeRoom(signing=SigningTerms(passkey=True))
    app = visit(room, "approvals", CLARA, request="req-0001")

    app.button(key="decide-approve").click().run()
    assert "every signature needs a passkey" in words(app)
    app.text_input(key="decision-passphrase").set_value(PHRASE)
    app.button(key="decision-go").click().run()

    assert "Add one under Settings" in words(app)
    assert room.written == []


def test_session_without_a_provider_is_told_that_no_fresh_login_can_be_asked_for(visit: Visit) -> None:
    room = FakeRoom(signing=SigningTerms(fresh_login_minutes=5))
    app = visit(room, "approvals", CLARA, request="req-0001")

    app.button(key="decide-approve").click().run()

    assert "a login at most 5 minutes old" in words(app)
    assert "no way to ask for a fresh login" in words(app)
    assert not crashed(app)
