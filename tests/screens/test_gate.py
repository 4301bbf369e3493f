"""A model under the gate of its return is red for everybody and a question to its owner; the way out is shown whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from streamlit.testing.v1 import AppTest

from services.approvals.models import Purpose, RequestView
from services.kernel.identity import Actor
from services.value.gate import KeepModel, RetireModel
from tests.fakes.room import FakeRoom
from tests.fakes.room_requests import LEAVING
from tests.screens.conftest import words

Visit = Callable[..., AppTest]
BEN, FIONA = "ben.business", "fiona.finance"
GATE = {"model": "payout_forecast", "show": "gate"}


def plain(app: AppTest) -> str:
    return words(app).replace("\\", "")


def test_the_portfolio_is_red_for_a_model_that_waits_to_be_kept_or_retired(visit: Visit) -> None:
    app = visit(FakeRoom(), "value", FIONA)

    assert "1 model to keep or retire" in plain(app)
    assert "Under its gate up to 2030-10. Waits for Ben Okafor until 02 Dec 2030." in plain(app)
    assert any(link.proto.query_string == "model=payout_forecast&show=gate" for link in app.get("page_link"))


def test_the_page_shows_the_figures_it_was_opened_on_its_owner_and_when_it_is_due(visit: Visit) -> None:
    text = plain(visit(FakeRoom(), "value", FIONA, **GATE))

    assert "return gate: keep or retire" in text, "said at the top, whatever part is open"
    assert "kept as they were: gate USD 2,000 a month" in text
    assert "USD 940" in text
    assert "attested by finance" in text
    assert "Ben Okafor" in text
    assert "2 Dec 2030" in text


def test_a_month_that_cannot_be_computed_is_neither_green_nor_red(visit: Visit) -> None:
    text = plain(visit(FakeRoom(), "value", BEN, model="claims_triage", show="gate"))

    assert "2030-10 cannot be computed, which is neither under the gate nor above it" in text
    assert "Cannot be computed" in text


def test_the_owner_keeps_it_with_a_coded_reason_and_a_next_month(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "value", BEN, **GATE)
    app.button(key="keep-roi-payout_forecast").click().run()
    app.text_area(key="keep-reason").set_value("Autumn is always slow.")
    app.text_input(key="value-passphrase").set_value("ben counts the benefit")
    app.button(key="value-go").click().run()

    (command,) = room.written
    assert isinstance(command, KeepModel)
    assert (command.reason_code, command.next_period) == ("RAMP-UP", "2031-05")


def test_the_owner_asks_to_retire_it_and_sees_who_reads_it_and_who_signs(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "value", BEN, **GATE)
    app.button(key="retire-roi-payout_forecast").click().run()
    text = plain(app)
    assert "claims desk, payout dashboard" in text
    assert "who else reads its answers is not known" in text
    assert "after 7 days in which nobody was answered, as counted" in text
    app.text_area(key="retire-reason").set_value("Checks by hand cost less.")
    app.text_input(key="value-passphrase").set_value("ben counts the benefit")
    app.button(key="value-go").click().run()

    (command,) = room.written
    assert isinstance(command, RetireModel)
    assert command.reason_code == "ROI"


def test_nobody_but_the_business_owner_answers(visit: Visit) -> None:
    app = visit(FakeRoom(), "value", FIONA, **GATE)

    assert app.button(key="keep-roi-payout_forecast").disabled
    assert app.button(key="retire-roi-payout_forecast").disabled


def test_the_inventory_and_the_page_of_a_model_say_what_is_out_of_service_and_how_long_its_record_is_kept(
    visit: Visit,
) -> None:
    text = plain(visit(FakeRoom(), "inventory", BEN))
    assert "fraud_rules_2027" in text
    assert "record kept until" in text
    model = plain(visit(FakeRoom(), "model", BEN, name="plan_utilisation"))
    assert "is being retired; nothing of it is released" in model
    assert "Proven after 03 Dec 2030" in model


def test_the_page_of_a_retirement_request_shows_what_its_signers_judge(visit: Visit) -> None:
    room = FakeRoom()
    of_a_release = room.approvals.get

    def leaving(request_id: str, *, actor: Actor) -> RequestView:
        return replace(of_a_release(request_id, actor=actor), purpose=Purpose.RETIREMENT, retirement=LEAVING)

    room.approvals.get = leaving  # type: ignore[method-assign]
    text = plain(visit(room, "approvals", "clara.compliance", request="req-0001"))

    assert "What is taken out of service" in text
    assert "claims desk, payout dashboard" in text
    assert "it closes after 7 days in which nobody was answered, as counted" in text
    assert "Rollback plan" not in text
