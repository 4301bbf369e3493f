"""Decisions and traffic changes: what is stated before, what is written once, and what a refusal looks like."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from services.approvals.models import Decision
from services.kernel.errors import (
    ControlRoomError,
    GateNotPassedError,
    SignatureMismatchError,
    StaleEvidenceError,
    StorageUnavailableError,
)
from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]


def _approve(app: AppTest, passphrase: str) -> AppTest:
    app.button(key="decide-approve").click().run()
    app.text_input(key="decision-passphrase").set_value(passphrase)
    return app.button(key="decision-go").click().run()


def test_compliance_signs_an_approval_and_keeps_the_receipt(visit: Visit) -> None:
    room = FakeRoom()
    app = _approve(visit(room, "approvals", request="req-0001"), "clara signs with care")

    assert [command.decision for command in room.written] == [Decision.APPROVE]
    assert room.written[0].challenge == "ch-1"
    assert "Your approval is signed and recorded" in words(app)
    assert "2 of 3" in words(app)
    assert crashed(app) == []


def test_the_dialog_states_meaning_and_effect_before_the_passphrase(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals", request="req-0001")
    app.button(key="decide-approve").click().run()

    assert "I reviewed the evidence shown and approve this version" in words(app)
    assert "**Effect:** No traffic moves now" in words(app)


def test_wrong_passphrase_stands_next_to_the_field_and_nothing_is_written(visit: Visit) -> None:
    room = FakeRoom()
    app = _approve(visit(room, "approvals", request="req-0001"), "wrong")

    assert room.written == []
    assert "2 tries are left" in words(app)
    assert app.text_input(key="decision-passphrase") is not None


def test_a_repeated_click_sends_the_same_command_again(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0001")
    app.button(key="decide-approve").click().run()
    first = app.session_state["open_dialog"]["command_id"]
    app.text_input(key="decision-passphrase").set_value("wrong")
    app.button(key="decision-go").click().run()

    assert app.session_state["open_dialog"]["command_id"] == first


def test_rejecting_without_a_reason_is_refused_in_words(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0001")
    app.button(key="decide-reject").click().run()
    app.text_input(key="decision-passphrase").set_value("clara signs with care")
    app.button(key="decision-go").click().run()

    assert room.written == []
    assert "Choose a reason code and write a sentence" in words(app)


def test_business_owner_sees_acknowledge_and_no_approve(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals", "ben.business", request="req-0001")
    keys = {button.key for button in app.button}

    assert "decide-acknowledge" in keys
    assert "decide-approve" not in keys


def test_requester_sees_why_he_may_not_approve(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals", "dana.datascience", request="req-0001")

    assert "you may not approve it" in words(app)
    assert "decide-approve" not in {button.key for button in app.button}


def test_auditor_has_no_action_button(visit: Visit) -> None:
    for screen, address in (("approvals", {"request": "req-0001"}), ("rollouts", {"model": "delay_claim_score"})):
        keys = {button.key or "" for button in visit(FakeRoom(), screen, "otto.auditor", **address).button}
        assert not [key for key in keys if key.startswith(("decide-", "roll-back", "advance"))]


@pytest.mark.parametrize(
    ("error", "tone"),
    [
        (GateNotPassedError("Calibration is too bad.", hint="Recalibrate."), "Calibration is too bad"),
        (StaleEvidenceError("The evidence was renewed.", hint="Look again."), "Changed since you looked"),
        (StorageUnavailableError("The database is locked.", hint="Try again."), "The database is locked"),
        (SignatureMismatchError("A signature does not verify."), "Not trustworthy"),
    ],
)
def test_every_branch_of_error_has_its_tone(visit: Visit, error: ControlRoomError, tone: str) -> None:
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0001")
    app.button(key="decide-approve").click().run()
    room.refuse = error
    app.text_input(key="decision-passphrase").set_value("clara signs with care")
    app.button(key="decision-go").click().run()

    assert tone in words(app)
    assert crashed(app) == []


def test_data_science_lead_submits_a_version_that_passes(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "model", "dana.datascience", name="claims_triage", show="gates", v="4")
    app.button(key="request-promotion").click().run()
    app.text_input(key="submit-passphrase").set_value("dana asks for promotion")
    app.button(key="submit-go").click().run()

    assert [command.version for command in room.written] == ["4"]


def test_version_that_fails_its_gates_cannot_be_submitted(visit: Visit) -> None:
    app = visit(FakeRoom(), "model", "dana.datascience", name="claims_triage", show="gates", v="5")

    assert app.button(key="request-promotion").disabled
    assert "Calibration error is 0\\.061" in words(app) or "Calibration error is 0.061" in words(app)


def _fill_rollback(app: AppTest, name: str) -> AppTest:
    app.button(key="roll-back").click().run()
    app.selectbox(key="rollback-code").set_value("ERRORS")
    app.text_input(key="rollback-reason").set_value("timeouts since 14:00")
    app.text_input(key="rollback-model").set_value(name)
    app.text_input(key="rollback-passphrase").set_value("sam rolls it back")
    return app.button(key="rollback-go").click().run()


def test_reliability_engineer_rolls_back_and_sees_before_and_after(visit: Visit) -> None:
    room = FakeRoom()
    app = _fill_rollback(visit(room, "rollouts", "sam.sre", model="delay_claim_score"), "delay_claim_score")

    assert [(command.target, command.reason_code) for command in room.written] == [("3", "ERRORS")]
    assert "Before v3 90 %, v4 10 %" in words(app)
    assert "After v3 100 %" in words(app)
    assert "Restored in **3.4 s**" in words(app)


def test_rollback_with_another_name_typed_sends_nothing(visit: Visit) -> None:
    room = FakeRoom()
    app = _fill_rollback(visit(room, "rollouts", "sam.sre", model="delay_claim_score"), "claims_triage")

    assert room.written == []
    assert "differs from the model's name" in words(app)


def test_rollback_offers_only_versions_that_were_approved_and_served(visit: Visit) -> None:
    app = visit(FakeRoom(), "rollouts", "sam.sre", model="delay_claim_score")
    app.button(key="roll-back").click().run()

    assert [option.split(" ")[0] for option in app.radio(key="rollback-target").options] == ["v3", "v2"]
    assert "v5 · never approved" in words(app)


def test_next_share_of_the_plan_is_raised_with_a_signature(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "rollouts", "sam.sre", model="delay_claim_score")
    app.button(key="advance").click().run()
    app.text_input(key="advance-passphrase").set_value("sam rolls it back")
    app.button(key="advance-go").click().run()

    assert [(command.share, command.challenge) for command in room.written] == [(20, "ch-10")]


def test_leaving_the_page_closes_its_dialog(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals", request="req-0001")
    app.button(key="decide-approve").click().run()

    app.switch_page("pages/screens/drift.py").run()

    assert "open_dialog" not in app.session_state


def test_verify_tells_honestly_what_it_found(visit: Visit) -> None:
    intact = visit(FakeRoom(), "audit", "otto.auditor")
    intact.button(key="verify").click().run()
    broken = visit(FakeRoom(mode="broken"), "audit", "otto.auditor")
    broken.button(key="verify").click().run()

    assert "The ledger is intact" in words(intact)
    assert "The ledger is not intact" in words(broken)
    assert "the payload was changed after signing" in words(broken)


def test_conflict_offers_to_reload_and_closes_the_dialog(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0001")
    app.button(key="decide-approve").click().run()
    room.refuse = StaleEvidenceError("The evidence was renewed.", hint="Look again.")
    app.text_input(key="decision-passphrase").set_value("clara signs with care")
    app.button(key="decision-go").click().run()

    app.button(key="dialog-reload").click().run()

    assert "open_dialog" not in app.session_state
    assert crashed(app) == []
