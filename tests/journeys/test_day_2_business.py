"""A day of a business owner: what the model is worth, what that rests on, what it costs, and taking the table along."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from pages.components.format import money
from tests.journeys.conftest import Running
from tests.journeys.steps import Desk

MODEL = "claims_triage"
WHERE = {
    "returns": ("net", "multiple", "payback", "cost", "setup", "attested", "claimed"),
    "cost": ("cost_per_1000", "marginal_per_1000", "cost_floor", "budget_spent", "budget_forecast"),
    "running": ("sla", "drift", "incidents", "mttr", "rework", "override", "pipelines", "lift"),
}
"""Figures that are shown letter by letter as the command prints them."""
ROUNDED = {"benefit_1": "returns", "cost_fixed": "cost", "cost_compute": "cost"}
"""Parts of a sum, shown as money is shown in a table."""


@pytest.fixture(scope="module")
def ben(desk: Callable[[str], Desk]) -> Desk:
    return desk("ben.business")


def told(running: Running, model: str = "") -> dict[str, Any]:
    named = ["--model", model] if model else []
    done = running.cli("value", *named, "--format", "json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_01_home_has_the_acknowledgement_and_value_begins_with_the_portfolio(ben: Desk, running: Running) -> None:
    ben.open("overview")
    ben.shot("d2-1-home")
    ben.open("value")
    shown = ben.text()
    for words in ("Net benefit", "Cost", "Payback of all setups", "Red", "Attested by finance", "Claimed, not decided"):
        assert words in shown, words
    assert all(row["model"] in shown for row in told(running)["models"])
    ben.shot("d2-1-portfolio")


def test_02_the_screen_and_the_command_say_the_same(ben: Desk, running: Running) -> None:
    """The endpoint goes on working meanwhile: the command is asked before and after, and one of both must be shown."""
    before = told(running, MODEL)
    shown = {}
    for part in ("returns", "cost", "running"):
        ben.open(f"value?model={MODEL}&show={part}")
        shown[part] = ben.text()
        ben.shot(f"d2-2-{part}")
    after = told(running, MODEL)

    rows = {item["id"]: (item, later) for item, later in zip(before["figures"], after["figures"], strict=True)}
    for part, ids in WHERE.items():
        for name in ids:
            assert any(item["shown"] in shown[part] for item in rows[name]), rows[name]
    for name, part in ROUNDED.items():
        assert any(money(Decimal(item["value"]), before["currency"]) in shown[part] for item in rows[name]), rows[name]
    for row in before["before_and_after"]:
        assert row["measure"] in shown["returns"], row
        assert row["before"] in shown["returns"], row


def test_03_every_figure_says_how_it_is_computed(ben: Desk, running: Running) -> None:
    figure = next(item for item in told(running, MODEL)["figures"] if item["id"] == "payback")
    ben.open(f"value?model={MODEL}")
    ben.press("explain-payback")
    popover = ben.page.locator('[data-testid="stPopoverBody"]').inner_text()
    for words in (figure["formula"], figure["window"], "Observations", "Fresh as of"):
        assert words in popover, words
    ben.shot("d2-3-how")


def test_04_a_what_if_is_labelled_changes_nothing_and_is_reset(ben: Desk, running: Running) -> None:
    ben.open(f"value?model={MODEL}&show=statement")
    setup = ben.page.get_by_label("One-time setup").first
    usual = setup.input_value()
    setup.fill("120000")
    setup.press("Tab")
    ben.idle()
    ben.sees("What-if, not saved")
    ben.shot("d2-4-what-if")
    assert told(running, MODEL)["statement"]
    ben.press("whatif-reset")
    assert setup.input_value() == usual
    assert "What-if, not saved" not in ben.text()


def test_05_cost_is_split_with_what_belongs_to_no_model(ben: Desk) -> None:
    ben.open(f"value?model={MODEL}&show=cost")
    shown = ben.text()
    for words in ("Compute", "Storage", "Stated, fixed", "Cost per 1,000 predictions", "By version", "allocation"):
        assert words in shown, words
    for words in ("training", "evaluation", "features", "Belongs to no model", "Use is recorded up to"):
        assert words in shown, words
    ben.open("value")
    assert "belongs to no governed model" in ben.text()


def test_06_the_budget_is_forecast_and_the_size_is_advised(ben: Desk) -> None:
    ben.open(f"value?model={MODEL}&show=cost")
    assert "Budget" in ben.text()
    shown = ben.text()
    for words in ("Right size", "Hours without a run", "Saving a month", "Effect on latency"):
        assert words in shown, words
    ben.press("explain-budget")
    assert "days left" in ben.page.locator('[data-testid="stPopoverBody"]').inner_text()


def test_07_the_top_reason_of_overrides_lists_ids_only(ben: Desk) -> None:
    ben.open(f"feedback?model={MODEL}")
    assert "Override rate" in ben.text()
    reason = ben.page.locator(".st-key-at-reason button").first
    words = reason.inner_text().strip()
    reason.click()
    ben.idle()
    ben.sees("Corrected predictions")
    assert words in ben.page.url
    assert "ids and codes only" in ben.text()
    ben.shot("d2-7-reason")


def test_08_the_mark_of_drift_leads_to_the_mix_and_to_the_money_behind_it(ben: Desk) -> None:
    ben.open(f"value?model={MODEL}&show=running")
    ben.page.locator(".st-key-figure-running-drift").get_by_role("link", name="What moved").click()
    ben.page.wait_for_url(f"**/drift?*model={MODEL}*")
    ben.idle()
    ben.sees("Money at risk")
    risk = ben.page.locator(".st-key-money-at-risk").inner_text()
    for words in ("Low", "Base", "High", "Weakest assumption", "Benefit per day"):
        assert words in risk, risk
    ends = [float(end.replace(",", "")) for end in re.findall(r"USD ([\d,.]+)", risk)[-3:]]
    assert ends == sorted(ends)
    assert ends[2] > 0
    ben.press("explain-at-risk")
    popover = ben.page.locator('[data-testid="stPopoverBody"]').inner_text()
    for words in ("Window", "Observations"):
        assert words in popover, popover
    ben.shot("d2-8-money")
    ben.open(f"drift?model={MODEL}&show=slices")
    ben.sees("Mix of")
    assert "share of predictions, n =" in ben.text()
    assert ben.page.locator("[class*='st-key-mix-'] .js-plotly-plot").count() >= 1
    ben.shot("d2-8-mix")


def test_10_the_step_of_compliance_is_not_for_the_business_owner(ben: Desk, running: Running) -> None:
    """Whatever request is open: no address leads the business owner to a button of another office."""
    requests = [row[0] for row in running.book("SELECT request_id FROM promotion_request WHERE state = 'open'")]
    assert requests
    for request in requests:
        ben.open(f"approvals?request={request}")
        assert request in ben.page.url
        assert ben.page.locator(".st-key-decide-approve").count() == 0


def live(running: Running, model: str) -> str:
    query = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = 'champion'"
    return str(running.registry(query, model)[0][0])


def test_11_two_missed_months_are_answered_with_a_retirement_that_moves_nothing(ben: Desk, running: Running) -> None:
    """The review is there from the beginning; what it was opened on is what the gate says."""
    model = "plan_utilisation"
    ben.open(f"value?model={model}&show=gate")
    ben.sees("Keep it or retire it")
    shown = ben.text()
    assert shown.count("Under the gate") >= 2
    assert "kept as they were" in shown
    assert "opened in" in shown.lower()
    ben.shot("d2-11-gate")
    ben.page.locator("[class*='st-key-retire-'] button").first.click()
    ben.sees("Ask to retire it")
    ben.fill("retire-reason", "Planning by hand costs less than it brings.")
    ben.passphrase("value-passphrase")
    before = live(running, model)
    ben.press("value-go")
    ben.sees("The request is open", within=60)
    query = "SELECT request_id FROM promotion_request WHERE model = ? AND state = 'open' ORDER BY created_at DESC"
    request = running.book(query, model)[0][0]
    left = running.book("SELECT COUNT(*) FROM retirement WHERE model = ?", model)[0][0]
    assert left == 0, "nothing leaves service before the others have signed"
    assert live(running, model) == before
    ben.open(f"approvals?request={request}")
    ben.sees(model)
    assert "retire" in ben.text().lower()
    ben.shot("d2-11-queue")


def test_12_the_exported_table_has_the_totals_of_the_screen(ben: Desk, running: Running) -> None:
    ben.open("value")
    ben.page.get_by_role("button", name="Export").first.click()
    with ben.page.expect_download() as download:
        ben.page.locator('[data-testid="stPopoverBody"]').get_by_role("button", name="CSV").click()
    text = download.value.path().read_text()
    notes = [line for line in text.splitlines() if line.startswith("#")]
    assert any("all models" in line for line in notes)
    rows = list(csv.DictReader(io.StringIO("\n".join(line for line in text.splitlines() if line[:1] != "#"))))
    document = told(running)
    cost = sum(Decimal(row["cost"]) for row in rows)
    assert abs(cost - Decimal(document["totals"]["cost"])) < Decimal("0.5")
    assert {row["model"] for row in rows} == {row["model"] for row in document["models"]}
