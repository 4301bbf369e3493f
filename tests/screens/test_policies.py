"""Policies on the screen: rules in sentences, the text, who signed each version, and proposing the next one."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from pages.components.format import md
from services.policy.published import digest
from tests.fakes.room import FakeRoom
from tests.fakes.room_policy import TEXT
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
CLARA, DANA = "clara.compliance", "dana.datascience"


def proposed(visit: Visit, room: FakeRoom, text: str, who: str = CLARA) -> AppTest:
    app = visit(room, "policies", who, show="propose")
    app.text_area(key="policy-proposal").set_value(text)
    return app.button(key="policy-check").click().run()


def test_rules_are_sentences_with_the_limits_of_single_use_cases(visit: Visit) -> None:
    app = visit(FakeRoom(), "policies")
    text = words(app)
    assert crashed(app) == []
    assert "Expected calibration error: at most 0.05" in text
    assert md("For delay_claim_score, Discrimination (AUC) is at least 0.55") in text
    assert md("tier-3.yaml on disk is not version 5") in text


def test_a_tier_whose_text_is_not_what_was_signed_is_red(visit: Visit) -> None:
    assert "is not what was signed at entry 19" in words(visit(FakeRoom(), "policies", tier="2"))


def test_an_address_opens_the_text_of_one_version(visit: Visit) -> None:
    app = visit(FakeRoom(), "policies", show="text", version="4")
    assert 'version: "4"' in app.code[0].value
    assert "This is an earlier version; version 5 is in force" in words(app)


def test_the_history_names_who_signed_and_why(visit: Visit) -> None:
    text = words(visit(FakeRoom(), "policies", show="versions"))
    assert "Clara Whitfield" in text
    assert "Countersign, when the deployment began" in text
    assert "Agreed by the model risk committee" in text


def test_faults_are_listed_with_their_lines_and_nothing_can_be_signed(visit: Visit) -> None:
    app = proposed(
        visit, FakeRoom(), TEXT.replace("approval_days", "aproval_days").replace("at_most: 0.95", "at_mst: 1")
    )
    text = words(app)
    number = next(place for place, line in enumerate(TEXT.splitlines(), 1) if "approval_days" in line)
    assert f"Line {number}: unknown key" in text
    assert md("unknown key `at_mst`") in text
    assert "policy-sign" not in {button.key for button in app.button}


def test_a_proposal_is_rehearsed_before_it_can_be_signed(visit: Visit) -> None:
    room = FakeRoom()
    stricter = TEXT.replace("metric: holdout_ece, at_most: 0.05", "metric: holdout_ece, at_most: 0.01")
    app = proposed(visit, room, stricter)
    text = words(app)
    assert "1 would have been stopped" in text
    assert "Would be stopped" in text
    assert "Cannot be said" in text
    assert room.written == []

    app.button(key="policy-sign").click().run()
    app.button(key="publish-go").click().run()
    assert "Say in a sentence why" in words(app)
    app.text_area(key="publish-note").set_value("Agreed by the committee.")
    app.text_input(key="publish-passphrase").set_value("clara signs with care")
    app.button(key="publish-go").click().run()
    assert crashed(app) == []
    assert [command.seen_sha256 for command in room.written] == [digest(stricter)]


def test_only_a_compliance_officer_is_offered_the_signature(visit: Visit) -> None:
    app = proposed(visit, FakeRoom(), TEXT, DANA)
    assert "A compliance officer signs it" in words(app)
    assert "policy-sign" not in {button.key for button in app.button}
