"""A day of a data science lead: what blocks each model, metadata, the harness, a leak, the risk tier, the request."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Running
from tests.journeys.steps import Desk

MODEL = "payout_forecast"


@pytest.fixture(scope="module")
def dana(desk: Callable[[str], Desk]) -> Desk:
    return desk("dana.datascience")


def evaluate(person: Desk, model: str, version: str) -> None:
    """Queued by a click, carried out by the worker; the screen follows by itself."""
    person.open(f"evaluation?model={model}&version={version}")
    person.press("evaluation-start")
    expect(person.page.get_by_text("Run again")).to_be_visible(timeout=120_000)
    person.open(f"evaluation?model={model}&version={version}")


def gates(running: Running, model: str, version: str) -> tuple[int, str]:
    done = running.cli("gate", model, version)
    return done.returncode, done.stdout + done.stderr


def test_01_home_says_what_blocks_each_model(dana: Desk) -> None:
    dana.open("overview")
    todo = dana.page.locator(".st-key-todo").inner_text()
    for words in ("payout_forecast version 6 is not submitted", "claims_triage version 5 is not submitted"):
        assert words in todo
    dana.shot("d4-1-home")


def test_02_a_version_found_in_the_registry_shows_run_data_and_code(dana: Desk, running: Running) -> None:
    run = running.registry("SELECT run_id FROM model_versions WHERE name = ? AND version = 6", MODEL)[0][0]
    dana.open(f"model?name={MODEL}")
    dana.sees("v6")
    shown = dana.text()
    assert run[:10] in shown
    assert "payout_forecast-training" in shown
    dana.shot("d4-2-model")


def test_03_missing_metadata_has_a_percentage_and_a_way_to_each_field(dana: Desk) -> None:
    dana.open(f"model?name={MODEL}&show=metadata")
    dana.sees("82 %")
    dana.sees("Label definition")
    dana.sees("Latency contract")
    dana.press("fix-label_definition")
    dana.fill(
        "field-text-label_definition", "Sum in USD that the tariff pays for the route and day, final at 14:00 UTC."
    )
    dana.press("field-go")
    dana.press("fix-service_level")
    dana.fill("field-hours", "2")
    dana.fill("field-on-time", "95")
    dana.press("field-go")
    dana.sees("100 %")
    dana.shot("d4-3-metadata")


def test_04_the_harness_fills_the_table_and_a_failed_line_withholds_the_request(dana: Desk, running: Running) -> None:
    evaluate(dana, "claims_triage", "5")
    dana.sees("Recalibrate on data the training did not see")
    dana.shot("d4-4-evaluation")
    code, words = gates(running, "claims_triage", "5")
    assert code != 0
    assert "calibration error" in words.lower()
    dana.open("model?name=claims_triage&show=gates&v=5")
    assert not dana.button("request-promotion").is_enabled()
    dana.sees("Expected calibration error is")


def test_05_a_better_version_passes_every_line(dana: Desk, running: Running) -> None:
    evaluate(dana, MODEL, "6")
    dana.shot("d4-5-evaluation")
    code, words = gates(running, MODEL, "6")
    assert code == 0, words
    dana.open(f"evaluation?model={MODEL}&version=6&show=checks")
    dana.sees("the same files and rows gave the same numbers")
    dana.shot("d4-5-checks")


def test_06_a_feature_known_too_late_is_red(dana: Desk, running: Running) -> None:
    evaluate(dana, "delay_claim_score", "5")
    dana.sees("departure_delay: known only after the decision")
    dana.shot("d4-6-leak")
    code, words = gates(running, "delay_claim_score", "5")
    assert code != 0
    assert "departure_delay" in words


def test_07_risk_is_computed_from_a_sheet_and_an_override_needs_two_people(dana: Desk) -> None:
    dana.open("model?name=claims_triage&show=risk")
    for words in ("Exposure", "Purpose", "Risk score"):
        dana.sees(words)
    dana.press("override")
    dana.fill("tier-reason", "The sheet does not see that reviewers read every case.")
    dana.passphrase("tier-passphrase")
    dana.press("tier-go")
    dana.sees("Waits for a second person")
    assert dana.page.locator(".st-key-confirm-tier").count() == 0, "who proposes does not confirm"
    dana.shot("d4-7-risk")


def test_08_the_request_says_policy_quorum_and_plan_before_the_signature(dana: Desk, running: Running) -> None:
    dana.open(f"model?name={MODEL}&show=gates&v=6")
    dana.press("request-promotion")
    dialog = dana.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Needed after this")
    expect(dialog).to_contain_text("Effect")
    dana.shot("d4-8-submit")
    dana.fill("submit-note", "Retrained on the autumn.")
    dana.passphrase("submit-passphrase")
    dana.press("submit-go")
    dana.sees("signed and open")


def test_09_the_requester_cannot_approve_and_the_attempt_is_recorded(dana: Desk, running: Running) -> None:
    query = "SELECT request_id FROM promotion_request WHERE model = ? AND version = '6' AND state = 'open'"
    request = running.book(query, MODEL)[0][0]
    dana.open(f"approvals?request={request}")
    assert dana.page.locator(".st-key-decide-approve").count() == 0
    tried = running.cli("sign", request, "approve", "--as", "dana.datascience", passphrase="dana asks for promotion")
    assert tried.returncode == 3
    assert "may not" in tried.stderr + tried.stdout
    dana.open(f"approvals?request={request}")
    dana.sees("refused")
    dana.shot("d4-9-refused")
