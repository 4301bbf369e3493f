"""Metadata and risk on the model page: what is missing and the way to it, the score with its words, two-step tiers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from services.inventory.commands import AssignOwner, FillIn, MarkReviewed, RecordRelease, SaveUseCase
from services.inventory.proposals import DecideTier, ProposalKind, ProposeTier
from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
DANA = "dana.datascience"


def keys(app: AppTest) -> set[str]:
    return {button.key for button in app.button if button.key}


def test_missing_fields_stand_with_their_percentage_and_a_way_to_fill_them_in(visit: Visit) -> None:
    app = visit(FakeRoom(), "model", DANA, name="payout_forecast", show="metadata")

    text = words(app)
    assert "Written down 55 %" in text
    assert "**Label definition**" in text
    assert {"fix-label_definition", "fix-service_level", "fix-use_case"} <= keys(app)


def test_a_data_science_lead_fills_in_the_label_definition(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "model", DANA, name="payout_forecast", show="metadata")
    app.button(key="fix-label_definition").click().run()
    app.text_area(key="field-text-label_definition").set_value("Sum the tariff pays, final at 14:00 of the next day.")
    app.button(key="field-go").click().run()

    (command,) = room.written
    assert isinstance(command, FillIn)
    assert (command.field, command.model) == ("label_definition", "payout_forecast")
    assert command.text.startswith("Sum the tariff pays")
    assert crashed(app) == []


def test_the_latency_contract_of_a_batch_model_is_hours_and_share_on_time(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "model", DANA, name="payout_forecast", show="metadata")
    app.button(key="fix-service_level").click().run()
    app.number_input(key="field-hours").set_value(3.0)
    app.number_input(key="field-on-time").set_value(95.0)
    app.button(key="field-go").click().run()

    level = room.written[0].level
    assert (level.window_hours, level.on_time_share, level.p95_ms) == (3.0, 0.95, None)


def test_a_reader_sees_what_is_missing_and_no_form(visit: Visit) -> None:
    app = visit(FakeRoom(), "model", "otto.auditor", name="payout_forecast", show="metadata")

    assert "a data science lead fills this in" in words(app)
    assert not {key for key in keys(app) if key.startswith(("fix-", "name-owner", "change-field"))}


def test_an_owner_who_left_is_red_and_somebody_else_can_be_named(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "model", name="plan_utilisation", show="metadata")
    assert ":red[Gil Oben is no longer an active person here.]" in words(app)

    app.button(key="name-owner").click().run()
    app.selectbox(key="owner-role").set_value("sre")
    app.selectbox(key="owner-person").set_value("sam.sre")
    app.text_input(key="owner-reason").set_value("Gil left the firm.")
    app.button(key="owner-go").click().run()

    (command,) = room.written
    assert isinstance(command, AssignOwner)
    assert (command.role, command.subject, command.reason) == ("sre", "sam.sre", "Gil left the firm.")


def test_a_use_case_is_written_down_from_the_page(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "model", DANA, name="payout_forecast", show="metadata")
    app.button(key="new-use-case").click().run()
    app.text_input(key="use-case-id").set_value("cash-reserve")
    app.text_input(key="use-case-title").set_value("Cash reserve")
    app.text_area(key="use-case-purpose").set_value("Holds the cash that cover will pay.")
    app.selectbox(key="use-case-owner").set_value("ben.business")
    app.button(key="use-case-go").click().run()

    assert isinstance(room.written[0], SaveUseCase)
    assert (room.written[0].id, room.written[0].owner_subject) == ("cash-reserve", "ben.business")


def test_the_score_explains_itself_beside_what_waits_and_what_was_refused(visit: Visit) -> None:
    text = words(visit(FakeRoom(), "model", name="claims_triage", show="risk"))

    assert "Exposure 81 of 100" in text
    assert "Risk score 60.4" in text
    assert "**Why:**" in text
    assert "Reviewers see every claim by now." in text
    assert ":red[refused]" in text
    assert "Paid by Ben Okafor." in text
    assert "Regular review" in text


def test_a_model_without_a_sheet_says_so(visit: Visit) -> None:
    assert "No score sheet is filled in" in words(visit(FakeRoom(), "model", name="plan_utilisation", show="risk"))


def test_the_proposer_has_no_button_and_a_second_person_confirms(visit: Visit) -> None:
    app = visit(FakeRoom(), "model", DANA, name="claims_triage", show="risk")
    assert not {"confirm-tier", "refuse-tier"} & keys(app)

    room = FakeRoom()
    app = visit(room, "model", "vera.validator", name="claims_triage", show="risk")
    app.button(key="confirm-tier").click().run()
    assert "tier 2 is in force at once instead of tier 1" in words(app)
    app.text_input(key="decide-tier-passphrase").set_value("vera checks the numbers")
    app.button(key="decide-tier-go").click().run()

    (command,) = room.written
    assert isinstance(command, DecideTier)
    assert (command.proposal_id, command.confirm) == ("tier-1", True)


def test_an_override_is_proposed_with_reason_end_and_signature(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "model", DANA, name="delay_claim_score", show="risk")
    app.button(key="override").click().run()
    assert "nothing changes until a second person in another role confirms it" in words(app)
    app.button(key="tier-go").click().run()
    assert room.written == []

    app.selectbox(key="tier-new").set_value(2)
    app.text_area(key="tier-reason").set_value("Sold through one airport only by now.")
    app.text_input(key="tier-passphrase").set_value("dana asks for promotion")
    app.button(key="tier-go").click().run()

    (command,) = room.written
    assert isinstance(command, ProposeTier)
    assert (command.kind, command.tier) == (ProposalKind.OVERRIDE, 2)
    assert command.until is not None


def test_a_score_sheet_needs_every_level_and_offers_none_below_the_tags(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "model", DANA, name="plan_utilisation", show="risk")
    app.button(key="assess").click().run()
    app.text_input(key="assess-passphrase").set_value("dana asks for promotion")
    app.button(key="assess-go").click().run()
    assert "Choose a level for each factor." in " ".join(item.value for item in [*app.markdown, *app.error])
    assert room.written == []


def test_a_review_is_marked_done_with_a_note(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "model", "vera.validator", name="claims_triage", show="risk")
    app.button(key="mark-reviewed").click().run()
    app.text_area(key="review-note").set_value("Drift is explained by the season.")
    app.button(key="review-go").click().run()

    assert isinstance(room.written[0], MarkReviewed)


@pytest.mark.parametrize("show", ["metadata", "risk"])
def test_text_of_people_stands_on_the_page_as_typed(visit: Visit, show: str) -> None:
    text = words(visit(FakeRoom(hostile=True), "model", name="claims_triage", show=show))

    assert "![x](" not in text
    assert "<b>bold" not in text


def test_home_lists_reviews_that_are_due(visit: Visit) -> None:
    text = words(visit(FakeRoom(), "overview", "otto.auditor"))

    assert "Reviews due" in text
    assert "Regular review, every 180 days at tier 1" in text


def test_the_inventory_is_filtered_by_use_case_and_shows_completeness(visit: Visit) -> None:
    app = visit(FakeRoom(), "inventory", usecase="Flight delay cover")
    frame = app.dataframe[0].value

    assert list(frame["model"]) == ["delay_claim_score"]
    assert list(frame["usecase"]) == ["Flight delay cover"]
    assert 0 < frame["complete"].iloc[0] <= 100


def test_a_fix_link_opens_the_form_of_its_field_once(visit: Visit) -> None:
    app = visit(FakeRoom(), "model", DANA, name="payout_forecast", show="metadata", fix="fallback")
    assert not app.text_area  # not missing, so nothing to fix

    app = visit(FakeRoom(), "model", DANA, name="payout_forecast", show="metadata", fix="label_definition")
    assert app.selectbox(key="field-name").value == "label_definition"
    reader = visit(FakeRoom(), "model", "otto.auditor", name="payout_forecast", show="metadata", fix="label_definition")
    assert not reader.text_area


def test_a_release_of_a_supplier_is_recorded_on_the_gates_of_its_model(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "model", DANA, name="damage_photo_vendor", show="gates")
    app.button(key="record-release").click().run()
    assert "What people sign are the contract" in words(app)
    app.text_input(key="release-label").set_value("2030.1")
    app.button(key="release-go").click().run()

    (command,) = room.written
    assert isinstance(command, RecordRelease)
    assert (command.model, command.label) == ("damage_photo_vendor", "2030.1")
    assert crashed(app) == []
