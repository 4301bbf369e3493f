"""People, keys, delegations and watched auditors, as the screens show and change them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from services.kernel.identity import ROLE_PERMISSIONS, Permission, Role
from services.people.ceremonies import CeremonyKind
from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]


def test_auditor_is_told_that_views_are_recorded_and_when_access_ends(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "approvals", "otto.auditor", request="req-0001")

    text = words(app)
    assert "Read-only." in text
    assert "Access ends on" in text
    assert "Your views are recorded." in text
    assert ("otto.auditor", "approvals", "request=req-0001") in room.views


def test_nobody_else_is_watched(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "approvals", "clara.compliance", request="req-0001")

    assert "Your views are recorded." not in words(app)
    assert room.views == []


def test_same_page_is_recorded_once_while_it_reruns(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "audit", "otto.auditor")
    before = len(room.views)

    app.run()

    assert len(room.views) == before


def test_auditor_sees_nothing_when_the_view_cannot_be_kept(visit: Visit) -> None:
    room = FakeRoom(mode="unavailable", watch_fails=True)
    app = visit(room, "audit", "otto.auditor")

    assert not app.dataframe
    assert "this one could not be" in words(app)


def test_settings_describe_every_role_and_permission_as_the_services_know_them(visit: Visit) -> None:
    app = visit(FakeRoom(), "settings")
    matrix = next(table.value for table in app.table if "Permission" in table.value.columns)

    assert len(matrix) == len(Permission)
    for role in Role:
        held = [bool(":material/check:" in cell) for cell in matrix[role.label]]
        assert held == [permission in ROLE_PERMISSIONS[role] for permission in Permission]


def test_own_key_shows_its_age_and_when_it_is_due(visit: Visit) -> None:
    text = words(visit(FakeRoom(), "settings"))

    assert "My signing key" in text
    assert "Renewal due" in text
    assert "Locked until" in text


def test_administrator_signs_a_waiting_change(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "settings", "ada.admin")
    app.button(key="ceremony-sign-key-1").click().run()
    app.text_input(key="ceremony-passphrase").set_value("ada keeps the keys")
    app.button(key="ceremony-go").click().run()

    assert [command.ceremony_id for command in room.written] == ["key-1"]
    assert crashed(app) == []


def test_administrator_adds_a_person_and_is_told_how_many_sign(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "settings", "ada.admin")
    assert "one administrator signs" in words(app)

    app.button(key="people-grant").click().run()
    app.text_input(key="grant-subject").set_value("nia.new")
    app.text_input(key="grant-name").set_value("Nia Novak")
    app.selectbox(key="grant-role").set_value(Role.VALIDATOR)
    app.text_input(key="grant-passphrase").set_value("ada keeps the keys")
    app.button(key="grant-go").click().run()

    assert [(item.kind, item.subject, item.role) for item in room.written] == [
        (CeremonyKind.GRANT, "nia.new", Role.VALIDATOR)
    ]


@pytest.mark.parametrize("who", ["clara.compliance", "otto.auditor", "sam.sre"])
def test_only_administrators_are_offered_changes_of_people(visit: Visit, who: str) -> None:
    keys = {button.key for button in visit(FakeRoom(), "settings", who).button}

    assert not {"people-grant", "people-change", "ceremony-sign-key-1", "deployment-key-new"} & keys


def test_delegations_are_visible_to_everybody_and_ended_by_their_giver(visit: Visit) -> None:
    for who in ("sam.sre", "otto.auditor"):
        app = visit(FakeRoom(), "settings", who, show="delegation")
        assert "Vera Lindholm** signs for **Clara Whitfield" in words(app)
        assert "delegation-end-dlg-1" not in {button.key for button in app.button}

    room = FakeRoom()
    app = visit(room, "settings", "clara.compliance", show="delegation")
    app.button(key="delegation-end-dlg-1").click().run()
    app.text_input(key="delegation-end-passphrase").set_value("clara signs with care")
    app.button(key="delegation-end-go").click().run()
    assert [command.delegation_id for command in room.written] == ["dlg-1"]


def test_auditor_is_not_offered_to_delegate(visit: Visit) -> None:
    app = visit(FakeRoom(), "settings", "otto.auditor", show="delegation")

    assert "delegate" not in {button.key for button in app.button}


def test_compliance_sees_what_auditors_looked_at(visit: Visit) -> None:
    room = FakeRoom()
    room.views.append(("otto.auditor", "approvals", "request=req-0001"))

    assert "request=req-0001" in words(visit(room, "settings", show="access")).replace("\\", "")
    assert "access" not in str(visit(room, "settings", "sam.sre").get("button_group"))


def _typed_too_late(visit: Visit, room: FakeRoom, text: str) -> AppTest:
    """Somebody fills the form, is away for long, comes back and presses the button."""
    app = visit(room, "approvals", request="req-0001")
    app.button(key="decide-approve").click().run()
    app.text_area(key="decision-comment").set_value(text)
    app.text_input(key="decision-passphrase").set_value("clara signs with care")
    room.idle.add(app.session_state["token"])
    return app.button(key="decision-go").click().run()


def test_idle_session_asks_to_sign_in_again_and_gives_back_what_was_typed(visit: Visit) -> None:
    room = FakeRoom()
    app = _typed_too_late(visit, room, "I checked the slices.")
    assert app.title[0].value == "Sign in to Countersign"
    assert "30 minutes without activity" in app.warning[0].value
    assert "signs with care" not in str(app.session_state["kept_typed"])

    app.button(key="sign-in-clara.compliance").click().run()

    assert app.text_area(key="decision-comment").value == "I checked the slices."
    assert app.text_input(key="decision-passphrase").value == ""
    assert room.written == []


def test_somebody_else_does_not_inherit_what_was_typed(visit: Visit) -> None:
    room = FakeRoom()
    app = _typed_too_late(visit, room, "Between us: not convinced.")

    app.button(key="sign-in-vera.validator").click().run()

    assert "kept_typed" not in app.session_state
    assert "open_dialog" not in app.session_state
    assert "not convinced" not in words(app)
