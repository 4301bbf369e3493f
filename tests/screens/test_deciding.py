"""Deciding: what is on the page before the button, whose step it is, and what the signer keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from services.approvals.models import Decision, Purpose, RequestView
from services.kernel.errors import StaleEvidenceError
from services.kernel.identity import Actor
from tests.fakes import room_sample as sample
from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
CLARA = "clara signs with care"


def _keys(app: AppTest) -> set[str]:
    return {button.key or "" for button in app.button}


def _links(app: AppTest) -> list[str]:
    return [link.proto.page + "?" + link.proto.query_string for link in app.get("page_link")]


def test_headline_of_the_queue_counts_what_waits_and_what_is_overdue(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals")

    assert "3 wait for your signature," in words(app)
    assert ":red[1 overdue]" in words(app)
    assert list(app.dataframe[0].value["mine"])[:3] == ["Your turn"] * 3
    assert "Independent validator 1" in words(app)


def test_a_row_of_the_queue_opens_the_exact_step(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals")
    app.session_state["queue"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.run()

    assert app.query_params["request"] in (["req-0001"], "req-0001")
    assert app.query_params["step"] in (["compliance_officer"], "compliance_officer")
    assert "You sign as **Compliance officer**" in words(app)


@pytest.mark.parametrize(
    ("address", "rows"),
    [({"purpose": "reattestation"}, 1), ({"tier": "2"}, 1), ({"mine": "1"}, 3), ({"model": "claims_triage"}, 1)],
)
def test_filters_of_the_queue_live_in_the_address(visit: Visit, address: dict[str, str], rows: int) -> None:
    app = visit(FakeRoom(), "approvals", **address)

    assert len(app.dataframe[0].value) == rows
    assert crashed(app) == []


def test_the_request_opens_with_what_changed_and_folds_what_did_not(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals", request="req-0001")
    headers = [header.value for header in app.header]

    assert headers[0] == "Changed since v3"
    assert "Unchanged: sensitive columns, policy, rollback plan" in words(app)
    assert "6 of 6 criteria pass" in words(app)


def test_a_group_with_too_few_rows_is_grey_and_never_green(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals", request="req-0001", part="evaluation")
    [table] = [
        table.value for table in app.table if "Group" in table.value.columns and ":gray[41]" in set(table.value["n"])
    ]

    row = table[table["n"] == ":gray[41]"].iloc[0]

    assert row["Verdict"] == ":gray-badge[:material/help: Too few]"
    assert len(app.get("plotly_chart")) == 1


def test_a_column_without_tag_disables_the_button_with_the_reason_beside_it(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals", request="req-0004", part="data")

    assert app.button(key="decide-approve").disabled
    assert "1 input has no tag: birth\\_year" in words(app)
    assert "6 sensitive inputs, 5 masked, 6 readable by the serving identity, 1 without tag" in words(app)
    assert not app.button(key="decide-request-changes").disabled


def test_a_failed_check_disables_the_button_and_is_named_beside_it(visit: Visit) -> None:
    room = FakeRoom()
    read = room.approvals.get

    def failing(request_id: str, *, actor: Actor) -> RequestView:
        view = read(request_id, actor=actor)
        return replace(view, report=sample.BAD_REPORT, stages=(), allowed=(Decision.REQUEST_CHANGES, Decision.REJECT))

    room.approvals.get = failing  # type: ignore[method-assign]
    app = visit(room, "approvals", request="req-0001")

    assert app.button(key="decide-approve").disabled
    assert "These checks stand in the way: Calibration error, Latency of the canary" in words(app)
    assert not app.button(key="decide-reject").disabled


def test_who_signed_already_is_told_so_and_has_no_button_left_for_it(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0001")
    app.button(key="decide-approve").click().run()
    app.text_input(key="decision-passphrase").set_value(CLARA)
    app.button(key="decision-go").click().run()

    assert "You approved this" in words(app)
    assert "decide-approve" not in _keys(app)


def test_what_changed_since_the_reader_looked_is_a_banner_that_stays_while_the_page_is_open(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals", request="req-0004")
    app.run()

    assert "2 items changed since you looked" in app.warning[0].value
    assert "diagnosis\\_group was tagged" in app.warning[0].value


def test_a_void_signature_is_struck_through_with_its_cause(visit: Visit) -> None:
    text = words(visit(FakeRoom(), "approvals", request="req-0004"))

    assert "~~**Carl Nyström**~~" in text
    assert "Void:  the sensitive columns changed" in text or "Void: the sensitive columns changed" in text


def test_evidence_nobody_opened_is_marked_and_looking_at_it_is_recorded_as_reading(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0004", part="rollback")

    assert "New to you" in words(app)
    assert {part for _, _, part in room.approvals.seen} == {"rollback"}


def test_printing_shows_every_part_of_the_evidence(visit: Visit) -> None:
    headers = [header.value for header in visit(FakeRoom(), "approvals", request="req-0001", part="all").header]

    for title in ("Evaluation", "Sensitive inputs", "Rollback plan", "Purpose and cost", "Exactly this is signed"):
        assert title in headers


def test_the_business_owner_sees_benefit_cost_limits_and_fallback_and_one_button(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals", "ben.business", request="req-0001")

    assert "USD 1,310 a year" in words(app)
    assert "decide-acknowledge" in _keys(app)
    assert "decide-approve" not in _keys(app)


def test_a_step_of_another_role_says_who_may_sign_it(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals", "ben.business", request="req-0001", step="compliance_officer")

    assert "Not allowed for your role" in words(app)
    assert "Clara Whitfield" in words(app)
    assert "decide-acknowledge" not in _keys(app)


def test_trying_to_sign_the_step_of_another_role_reaches_the_service_and_is_refused(visit: Visit) -> None:
    """One person, one quorum role: the refusal is the service's, so that the attempt is recorded."""
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0001", step="validator")
    app.button(key="decide-foreign").click().run()
    app.text_input(key="decision-passphrase").set_value(CLARA)
    app.button(key="decision-go").click().run()

    assert room.refused == [("req-0001", "validator", "clara.compliance")]
    assert room.written == []
    assert "one person, one quorum role" in words(app)


def test_an_auditor_gets_no_button_not_even_to_be_refused(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals", "otto.auditor", request="req-0001", step="validator")

    assert not [key for key in _keys(app) if key.startswith("decide-")]


def test_a_delegate_signs_for_the_other_person_by_name(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0005", step="validator")
    app.button(key="decide-by-del-1").click().run()

    assert "as independent validator, for Vera Lindholm by delegation" in words(app)
    app.text_input(key="decision-passphrase").set_value(CLARA)
    app.button(key="decision-go").click().run()

    assert [(item.role, item.delegation) for item in room.written] == [("validator", "del-1")]
    assert "For Vera Lindholm by delegation" in words(app)


def test_the_receipt_prints_name_meaning_both_times_digest_and_entry(visit: Visit) -> None:
    app = visit(FakeRoom(), "approvals", request="req-0001")
    app.button(key="decide-approve").click().run()
    app.text_input(key="decision-passphrase").set_value(CLARA)
    app.button(key="decision-go").click().run()
    text = words(app)

    assert "Your approval is signed and recorded" in text
    assert "**Clara Whitfield**, Compliance officer" in text
    assert "I reviewed the evidence shown and approve this version for production use" in text
    assert "2030-11-20 15:30:00 UTC" in text
    assert "`2c71cf296333`" in text


def test_asking_for_changes_needs_code_sentence_and_what_must_change(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0001")
    app.button(key="decide-request-changes").click().run()
    app.selectbox(key="decision-code").set_value("PHI-TAG")
    app.text_area(key="decision-comment").set_value("birth_year is not tagged.")
    app.text_input(key="decision-passphrase").set_value(CLARA)
    app.button(key="decision-go").click().run()

    assert room.written == []
    assert "and what must change" in words(app)

    app.text_input(key="decision-change").set_value("Tag it as PII.")
    app.button(key="decision-go").click().run()

    assert [(item.decision, item.reason_code) for item in room.written] == [(Decision.REQUEST_CHANGES, "PHI-TAG")]
    assert room.written[0].comment == "birth_year is not tagged. What must change: Tag it as PII."


def test_revoking_states_the_effect_first_and_cancel_leaves_everything_as_it_was(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0002")
    app.button(key="decide-revoke").click().run()

    assert "**Effect:** v4 keeps 10 % of traffic until an SRE rolls back" in words(app)
    app.button(key="decision-cancel").click().run()

    assert room.written == []
    assert "open_dialog" not in app.session_state


def test_a_review_that_is_refused_shows_why_and_no_field_for_a_passphrase(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "approvals", request="req-0001")
    room.refuse = StaleEvidenceError("The evidence changed since it was submitted.", hint="Look again.")
    app.button(key="decide-approve").click().run()

    assert "The evidence changed since it was submitted" in words(app)
    assert [field.key for field in app.text_input if field.key == "decision-passphrase"] == []


def test_re_attestation_of_the_serving_version_is_asked_from_its_gates(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "model", "dana.datascience", name="claims_triage", show="gates", v="3")

    assert app.button(key="request-promotion").label == "Ask for re-attestation"
    app.button(key="request-promotion").click().run()
    assert "traffic stays as it is" in words(app)
    app.text_input(key="submit-passphrase").set_value("dana asks for promotion")
    app.button(key="submit-go").click().run()

    assert [item.purpose for item in room.written] == [Purpose.REATTESTATION]


def test_the_model_page_says_until_when_an_approval_stands_and_why_one_fell(visit: Visit) -> None:
    ending = words(visit(FakeRoom(), "model", name="delay_claim_score"))
    void = words(visit(FakeRoom(), "model", name="claims_triage"))

    assert "Approved until 2 Dec 2030" in ending
    assert "12 days left" in ending
    assert "The sensitive columns changed on 19 Nov 2030" in void


def test_home_repeats_the_headline_of_the_queue(visit: Visit) -> None:
    assert "3 wait for your signature, 1 overdue" in words(visit(FakeRoom(), "overview"))
