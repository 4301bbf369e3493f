"""Exceptions and break-glass on screen: owner, end and control in words, late in red, the effect before the button."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from services.exceptions.models import DecideException, EndException, ProposeException
from services.kernel.errors import ReviewOverdueError
from services.rollout.emergency_models import BreakGlass, Conclusion, SignReview
from tests.fakes.room import FakeRoom
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]


def test_the_model_page_lists_exceptions_with_owner_control_end_and_what_ran_out(visit: Visit) -> None:
    text = words(visit(FakeRoom(), "model", "otto.auditor", name="claims_triage", exception="exc-3"))
    assert "Instead: A claims handler checks every tenth score by hand." in text
    assert "Owner **Ben Okafor**" in text
    assert "1 active, 1 late" in text
    assert ":red[:material/event_busy: No longer counts" in text


def test_a_data_science_lead_asks_for_an_exception(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "model", "dana.datascience", name="claims_triage")
    app.button(key="ask-exception").click().run()
    assert "**Effect:** nothing changes until a compliance officer grants it" in words(app)
    assert "Never excepted: Files hashed." in words(app)

    app.selectbox(key="proposal-gate").set_value("calibration-in-the-large")
    app.text_area(key="proposal-reason").set_value("The holdout month had a strike.")
    app.text_area(key="proposal-control").set_value("Every tenth score is checked by hand.")
    app.selectbox(key="proposal-owner").set_value("ben.business")
    app.text_input(key="proposal-passphrase").set_value("dana asks for promotion")
    app.button(key="proposal-go").click().run()

    (command,) = room.written
    assert isinstance(command, ProposeException)
    assert (command.gate, command.owner_subject, command.until.hour) == ("calibration-in-the-large", "ben.business", 0)
    assert crashed(app) == []


def test_compliance_grants_with_the_effect_stated_and_ends_with_a_reason(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "model", name="claims_triage")
    app.button(key="grant-exc-2").click().run()
    assert "**Effect:** This gate stops holding up requests" in words(app)
    app.text_input(key="step-passphrase").set_value("clara signs with care")
    app.button(key="step-go").click().run()
    app.button(key="end-exc-1").click().run()
    app.text_area(key="step-reason").set_value("The gate passes again.")
    app.text_input(key="step-passphrase").set_value("clara signs with care")
    app.button(key="step-go").click().run()

    grant, ending = room.written
    assert isinstance(grant, DecideException)
    assert (grant.exception_id, grant.grant) == ("exc-2", True)
    assert isinstance(ending, EndException)
    assert (ending.exception_id, ending.reason) == ("exc-1", "The gate passes again.")


def test_somebody_who_may_not_decide_has_no_buttons(visit: Visit) -> None:
    keys = {button.key for button in visit(FakeRoom(), "model", "sam.sre", name="claims_triage").button}
    assert not {"grant-exc-2", "refuse-exc-2", "end-exc-1", "ask-exception"} & keys


def test_an_open_review_is_red_on_the_pages_of_its_model(visit: Visit) -> None:
    for screen, name in (("rollouts", "model"), ("model", "name")):
        app = visit(FakeRoom(), screen, **{name: "delay_claim_score"})
        assert "**Break-glass.** Sam Lindqvist put v4 into service on one signature" in app.error[0].value
        assert "**overdue since**" in app.error[0].value


def test_the_glass_is_broken_only_after_the_effect_was_stated(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "rollouts", "sam.sre", model="delay_claim_score")
    app.button(key="break-the-glass").click().run()
    assert "its approval was revoked" in words(app)
    app.selectbox(key="glass-version").set_value("5").run()
    assert "gets all traffic at once without a complete approval" in words(app)
    assert "2 uninvolved people have to review this" in words(app)

    app.selectbox(key="glass-code").set_value("OUTAGE")
    app.text_input(key="glass-reason").set_value("Version 3 times out.")
    app.text_input(key="glass-model").set_value("delay_claim")
    app.text_input(key="glass-passphrase").set_value("sam rolls it back")
    app.button(key="glass-go").click().run()
    assert "The typed name differs" in words(app)
    assert room.written == []

    app.text_input(key="glass-model").set_value("delay_claim_score")
    app.button(key="glass-go").click().run()
    (command,) = room.written
    assert isinstance(command, BreakGlass)
    assert (command.version, command.challenge) == ("5", "ch-glass")


def test_a_refused_break_glass_says_why_and_offers_no_button(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "rollouts", "sam.sre", model="delay_claim_score")
    app.button(key="break-the-glass").click().run()
    room.refuse = ReviewOverdueError("The review is overdue.", hint="A rollback is possible all the same.")
    app.selectbox(key="glass-version").set_value("5").run()
    assert any("The review is overdue" in item.value for item in app.warning)
    assert "glass-go" not in {button.key for button in app.button}


def test_a_reviewer_signs_a_conclusion_with_words(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "rollouts", model="delay_claim_score", emergency="rev-1")
    app.button(key="review-rev-1").click().run()
    app.radio(key="review-conclusion").set_value(Conclusion.CORRECTED)
    app.text_area(key="review-comment").set_value("The timeout was raised; I read the logs.")
    app.text_input(key="review-passphrase").set_value("clara signs with care")
    app.button(key="review-go").click().run()

    (command,) = room.written
    assert isinstance(command, SignReview)
    assert (command.review_id, command.conclusion, command.challenge) == ("rev-1", Conclusion.CORRECTED, "ch-review")


def test_words_of_people_are_shown_as_text(visit: Visit) -> None:
    """Attack 55."""
    for screen, given in (("model", {"name": "claims_triage"}), ("rollouts", {"model": "delay_claim_score"})):
        text = words(visit(FakeRoom(hostile=True), screen, **given))
        assert "![x](http" not in text
        assert " :red[x]" not in text
