"""A day of a compliance officer: the queue, an untagged column, void signatures, wrong passphrases, the last word."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Running
from tests.journeys.steps import Desk

MODEL = "claims_triage"
REASON = "The household income is used and nobody has tagged it."


@pytest.fixture(scope="module")
def request_id(running: Running) -> str:
    query = "SELECT request_id FROM promotion_request WHERE model = ? AND version = '4' AND purpose = 'promotion'"
    return str(running.book(query, MODEL)[0][0])


@pytest.fixture(scope="module")
def clara(desk: Callable[[str], Desk]) -> Desk:
    return desk("clara.compliance")


def sign(person: Desk, request: str, verb: str) -> None:
    person.open(f"approvals?request={request}")
    person.press(f"decide-{verb}")
    person.passphrase("decision-passphrase")
    person.press("decision-go")
    person.page.locator(".st-key-receipt").wait_for()


def test_01_home_says_what_waits_and_what_is_late(clara: Desk) -> None:
    clara.open("overview")
    clara.sees("wait for your signature")
    clara.sees("overdue")
    first = clara.page.locator(".st-key-todo").inner_text()
    assert "Claims triage" in first
    clara.shot("d1-1-home")


def test_02_filters_live_in_the_address(clara: Desk) -> None:
    clara.open("approvals?tier=1")
    rows = clara.table()
    assert "Claims triage" in rows
    assert "Plan utilisation" not in rows
    again = clara.page.context.new_page()
    again.goto(clara.page.url)
    other = Desk(page=again, app=clara.app, subject=clara.subject, shots=clara.shots)
    other.idle()
    assert other.table() == rows
    clara.shot("d1-2-queue")
    again.close()


def test_03_the_request_begins_with_what_changed(clara: Desk, request_id: str) -> None:
    clara.open(f"approvals?request={request_id}")
    clara.sees("Changed since v3")
    changes = clara.page.locator(".st-key-changes")
    for group in ("Metrics", "Data", "Features", "Sensitive columns", "policy", "cost", "rollback plan"):
        expect(changes).to_contain_text(group, ignore_case=True)
    assert "1 of 3" in clara.text()
    clara.shot("d1-3-request")


def test_04_evaluation_has_one_line_per_criterion_and_grey_small_groups(clara: Desk, request_id: str) -> None:
    clara.open(f"approvals?request={request_id}&part=evaluation")
    for words in ("Expected calibration error", "Discrimination (AUC)", "too few"):
        clara.sees(words)
    assert clara.page.locator(".st-key-calibration .js-plotly-plot").count() == 1
    clara.shot("d1-4-evaluation")


def test_05_an_untagged_input_is_red_and_withholds_the_signature_in_words(clara: Desk, request_id: str) -> None:
    clara.open(f"approvals?request={request_id}&part=data")
    clara.sees("1 without tag")
    clara.sees("hhninc")
    assert not clara.button("decide-approve").is_enabled()
    assert "hhninc" in clara.page.locator(".st-key-decision").inner_text()
    clara.shot("d1-5-data")


def test_06_request_changes_needs_code_and_words_and_reaches_the_lead(
    clara: Desk, desk: Callable[[str], Desk], request_id: str, running: Running
) -> None:
    clara.open(f"approvals?request={request_id}")
    clara.press("decide-request-changes")
    clara.passphrase("decision-passphrase")
    clara.press("decision-go")
    clara.sees("Choose a reason code")
    clara.choose("decision-code", "PHI-TAG: Sensitive column not tagged or masked")
    clara.fill("decision-comment", REASON)
    clara.fill("decision-change", "Tag hhninc with its category and basis.")
    clara.passphrase("decision-passphrase")
    clara.press("decision-go")
    clara.page.locator(".st-key-receipt").wait_for()
    assert "entry" in clara.page.locator(".st-key-receipt").inner_text().lower()
    clara.open(f"approvals?request={request_id}")
    clara.sees("hanges requested")
    dana = desk("dana.datascience")
    _until_sees(dana, "notices", "Claims triage")
    dana.shot("d1-6-notice")


def test_07_tag_and_resubmit_void_the_validators_signature_by_name(
    clara: Desk, desk: Callable[[str], Desk], request_id: str
) -> None:
    clara.open(f"approvals?request={request_id}&part=all")
    dana = desk("dana.datascience")
    dana.open(f"model?name={MODEL}&show=lineage")
    dana.press("tag-column")
    dana.choose("tag-name", "hhninc")
    dana.choose("tag-category", "PII, personal data")
    dana.fill("tag-basis", "Net income of the household, used to rank claims for review.")
    dana.press("tag-go")
    dana.sees("is recorded")
    dana.open(f"model?name={MODEL}&show=gates&v=4")
    dana.press("request-promotion")
    dana.fill("submit-note", "hhninc is tagged now.")
    dana.passphrase("submit-passphrase")
    dana.press("submit-go")
    dana.idle()
    clara.open(f"approvals?request={request_id}")
    clara.sees("changed since you looked")
    clara.sees("Void:")
    text = clara.text()
    assert "Vera Lindholm" in text
    clara.shot("d1-7-void")


def test_08_a_wrong_passphrase_is_counted_and_signs_nothing(
    clara: Desk, desk: Callable[[str], Desk], request_id: str
) -> None:
    sign(desk("vera.validator"), request_id, "approve")
    clara.open(f"approvals?request={request_id}")
    clara.press("decide-approve")
    clara.passphrase("decision-passphrase", "not the passphrase")
    clara.press("decision-go")
    clara.sees("1 of 5")
    clara.shot("d1-8-wrong")


def test_09_the_right_one_leaves_a_printed_signature(clara: Desk, request_id: str) -> None:
    clara.passphrase("decision-passphrase")
    clara.press("decision-go")
    clara.page.locator(".st-key-receipt").wait_for()
    receipt = clara.page.locator(".st-key-receipt").inner_text()
    for words in ("Clara Whitfield", "Compliance officer", "UTC", "CET", "approve this version"):
        assert words in receipt, words
    clara.open(f"approvals?request={request_id}")
    clara.sees("2 of 3")
    clara.shot("d1-9-signed")


def test_10_one_person_fills_one_role_and_the_attempt_is_recorded(
    clara: Desk, request_id: str, running: Running
) -> None:
    clara.open(f"approvals?request={request_id}&step=validator")
    clara.sees("Not allowed for your role")
    clara.press("decide-foreign")
    clara.sees("one person")
    clara.shot("d1-10-second-role")
    query = "SELECT COUNT(*) FROM ledger_index WHERE event = 'event:sign-off-refused' AND actor_subject = ?"
    assert running.book(query, "clara.compliance")[0][0] >= 1


def test_11_the_last_signature_approves_until_a_day(clara: Desk, desk: Callable[[str], Desk], request_id: str) -> None:
    ben = desk("ben.business")
    ben.open(f"approvals?request={request_id}")
    assert ben.page.locator(".st-key-decide-approve").count() == 0
    ben.shot("d2-9-acknowledge")
    ben.open(f"approvals?request={request_id}&step=compliance_officer")
    ben.sees("Not allowed for your role")
    sign(ben, request_id, "acknowledge")
    clara.open(f"approvals?request={request_id}")
    clara.sees("Approved until")
    clara.shot("d1-11-approved")


def test_12_revoke_states_its_effect_and_cancel_leaves_everything(clara: Desk, running: Running) -> None:
    ((older,),) = running.book(
        "SELECT request_id FROM promotion_request WHERE model = 'payout_forecast' AND version = '4' "
        "AND state = 'applied'"
    )
    clara.open(f"approvals?request={older}")
    clara.press("decide-revoke")
    clara.sees("Traffic stays until an SRE rolls back")
    assert clara.field("decision-passphrase").is_visible()
    clara.press("decision-cancel")
    expect(clara.page.locator(".st-key-decision-go")).to_have_count(0)
    assert running.book("SELECT state FROM promotion_request WHERE request_id = ?", older) == [("applied",)]
    clara.shot("d1-12-revoke-cancelled")


def _until_sees(person: Desk, address: str, words: str) -> None:
    """The worker turns entries into notices every ten seconds."""
    for _ in range(12):
        person.open(address)
        if words in person.page.locator("body").inner_text():
            return
        person.page.wait_for_timeout(5_000)
    pytest.fail(f"{words!r} did not appear on {address}")
