"""Value on screen: the portfolio first, every figure explained, a what-if that is not saved, months signed by two."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pytest
from streamlit.testing.v1 import AppTest

from pages.components import tables
from pages.components.format import md, money
from services.oversight import board_export
from services.value import statements
from services.value.periods import AttestPeriod, ProposePeriod
from services.value.statements import SignStatement
from tests.fakes.room import FakeRoom
from tests.fakes.room_sample import HOSTILE, NOW
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
BEN, FIONA = "ben.business", "fiona.finance"
TRIAGE = {"model": "claims_triage"}


def plain(app: AppTest) -> str:
    """What a reader reads: the marks that keep text text are not there for people."""
    return words(app).replace("\\", "")


def metric(app: AppTest, label: str) -> str:
    return next(str(item.value) for item in app.metric if item.label == label)


def test_the_portfolio_shows_attested_and_claimed_apart_and_what_belongs_to_nobody(visit: Visit) -> None:
    text = plain(visit(FakeRoom(), "value", BEN))

    assert "Attested by finance USD 12,500" in text
    assert "Claimed, not decided USD 17,880" in text
    assert "and USD 14.20 (0.6 %) that belongs to no governed model" in text
    assert "unknown, not zero" in text
    assert "30,380" not in text, "the two sums are never added up"


def test_totals_on_screen_are_the_sums_of_the_exported_rows(visit: Visit) -> None:
    room = FakeRoom()
    found = room.portfolio.everything()
    rows = [board_export.portfolio_row(row) for row in found.rows]
    app = visit(room, "value", BEN)

    net = sum(Decimal(row["net"]) for row in rows if row["net"])
    assert metric(app, "Net benefit") == f"USD {net:,.0f}"
    assert metric(app, "Cost") == f"USD {sum(Decimal(row['cost']) for row in rows):,.0f}"
    document = json.loads(tables.to_json(rows, note="all models", as_of=NOW))
    assert sum(Decimal(row["net"]) for row in document["rows"] if row["net"]) == net


def test_one_model_shows_what_the_command_prints(visit: Visit) -> None:
    room = FakeRoom()
    board = room.board.model("claims_triage")
    told = {row["id"]: row["shown"] for row in board_export.of_model(board)["figures"]}

    for show, names in (
        ("returns", ("net", "multiple", "payback", "cost", "setup", "attested", "claimed")),
        ("cost", ("cost_per_1000", "marginal_per_1000", "cost_floor", "budget_spent", "budget_forecast")),
        ("running", ("sla", "drift", "incidents", "mttr", "rework", "override", "pipelines", "lift", "cost_per_1000")),
    ):
        text = plain(visit(room, "value", BEN, **TRIAGE, show=show))
        for name in names:
            assert told[name] in text, (show, name)


def test_multiple_and_payback_stand_side_by_side_with_their_ranges(visit: Visit) -> None:
    app = visit(FakeRoom(), "value", BEN, **TRIAGE)
    text = plain(app)

    assert metric(app, "Return multiple over 12 months") == "2.4"
    assert metric(app, "Payback") == "5.1 months"
    assert "4.12 to 7.43" in text
    assert "before go-live" in text
    assert "Broke even on" in text


def test_cost_is_told_by_its_parts_and_what_nobody_recorded_is_not_a_zero(visit: Visit) -> None:
    room = FakeRoom()
    text = plain(visit(room, "value", BEN, **TRIAGE, show="cost"))
    board = room.board.model("claims_triage")

    training = board.figure("cost_training").value
    assert training
    assert money(Decimal(training), "USD") in text
    for part, said in (("evaluation", "not recorded"), ("features", "no feature job runs here")):
        assert board.figure(f"cost_{part}").shown == said
        assert text.count(f":gray[{said}]") == 1
    assert "and so not in it: evaluation. No feature job runs here, so there is nothing to record." in text
    assert "Belongs to no model, of the whole workspace" in text
    assert board.figure("cost_unallocated").shown in text


@pytest.mark.parametrize("show", ["returns", "cost", "running", "statement"])
def test_up_to_when_use_is_recorded_stands_on_every_part_of_the_page(visit: Visit, show: str) -> None:
    assert "Use is recorded up to" in plain(visit(FakeRoom(), "value", BEN, **TRIAGE, show=show))


def test_the_budget_shows_forecast_and_one_suggestion_with_saving_and_latency(visit: Visit) -> None:
    text = plain(visit(FakeRoom(), "value", BEN, **TRIAGE, show="cost"))

    assert "Forecast 108% of the budget" in text
    assert "Scale to zero when idle" in text
    assert "Saving a month" in text
    assert "Effect on latency" in text


def test_a_what_if_is_labelled_changes_nothing_and_is_reset(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "value", BEN, **TRIAGE, show="statement")
    assert "These are the figures in force" in plain(app)

    app.number_input(key="whatif-claims_triage-setup").set_value(120_000.0).run()
    text = plain(app)
    assert "What-if, not saved" in text
    assert "6.8 months" in text
    assert "5.1 months" in text

    app.button(key="whatif-reset").click().run()
    assert "What-if, not saved" not in words(app)
    assert room.written == []


def test_a_what_if_with_a_fault_says_it_and_cannot_be_signed(visit: Visit) -> None:
    app = visit(FakeRoom(), "value", BEN, **TRIAGE, show="statement")

    app.number_input(key="whatif-claims_triage-referrals-unit_low").set_value(45.0).run()

    assert "between its low and its high end" in words(app)
    assert app.button(key="value-sign-open").disabled


def test_a_what_if_is_saved_as_a_signed_revision_with_a_reason(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "value", BEN, **TRIAGE, show="statement")
    app.number_input(key="whatif-claims_triage-setup").set_value(120_000.0).run()

    app.button(key="value-sign-open").click().run()
    app.text_input(key="value-passphrase").set_value("ben counts the benefit")
    app.button(key="value-go").click().run()
    assert "is not said yet" in words(app)
    app.text_area(key="value-reason").set_value("The integration cost more than planned.")
    app.button(key="value-go").click().run()

    (command,) = room.written
    assert isinstance(command, SignStatement)
    assert (command.config.setup_cost, command.based_on) == (Decimal("120000.0"), 1)
    assert crashed(app) == []


def test_the_owner_proposes_a_month_seeing_what_is_claimed(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "value", BEN, **TRIAGE, show="statement")
    assert app.button(key="attest-2030-10").disabled

    app.button(key="value-propose-open").click().run()
    assert "Benefit claimed" in words(app)
    app.text_input(key="value-passphrase").set_value("ben counts the benefit")
    app.button(key="value-go").click().run()

    (command,) = room.written
    assert isinstance(command, ProposePeriod)
    assert command.period == "2030-08"


def test_finance_cuts_a_month_with_a_reason_and_cannot_sign_a_baseline(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "value", FIONA, **TRIAGE, show="statement")
    assert app.button(key="value-sign-open").disabled
    assert app.button(key="value-propose-open").disabled

    app.button(key="attest-2030-10").click().run()
    app.text_input(key="value-amount").set_value("9000")
    app.text_input(key="value-passphrase").set_value("fiona checks the sums")
    app.button(key="value-go").click().run()
    assert "Why the claim is cut is not said yet" in words(app)
    app.text_area(key="value-reason").set_value("Half of it was seasonal.")
    app.button(key="value-go").click().run()

    (command,) = room.written
    assert isinstance(command, AttestPeriod)
    assert (command.amount, command.reason) == ("9000", "Half of it was seasonal.")


@pytest.mark.parametrize("show", ["returns", "cost", "running", "statement"])
def test_text_that_people_wrote_stays_text(visit: Visit, show: str) -> None:
    app = visit(FakeRoom(hostile=True), "value", BEN, **TRIAGE, show=show)

    assert crashed(app) == []
    assert md(HOSTILE) in words(app)
    assert all(HOSTILE not in str(item.value) for item in [*app.markdown, *app.caption])


def test_a_statement_that_was_changed_is_red(visit: Visit) -> None:
    text = plain(visit(FakeRoom(mode="broken"), "value", BEN, **TRIAGE, show="statement"))

    assert "is not what entry 7 of the ledger recorded" in text


def _a_line(app: AppTest, **figures: float) -> str:
    key = "whatif-claims_triage-new-1"
    app.selectbox(key=key).set_value("labour_hours").run()
    for name, amount in figures.items():
        app.number_input(key=f"{key}-{name}").set_value(amount)
    app.run()
    return key


def test_a_line_of_labour_hours_is_added_with_what_it_is_counted_from_and_signed(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "value", BEN, **TRIAGE, show="statement")
    key = _a_line(
        app, unit_low=30.0, unit_value=35.0, unit_high=40.0, minutes_per_case=12.0, minutes_per_review=15.0
    )  # fmt: skip
    assert "say where the value of one unit comes from" in words(app), "a worth without a source is not signed"
    assert app.button(key="value-sign-open").disabled
    for name in ("source", "minutes_per_case-source", "minutes_per_review-source"):
        app.text_input(key=f"{key}-{name}").set_value("Payroll of 2029")
    app.checkbox(key=f"{key}-minutes_per_case-assumed").uncheck().run()

    app.button(key="value-sign-open").click().run()
    app.text_area(key="value-reason").set_value("Hours are counted from now on.")
    app.text_input(key="value-passphrase").set_value("ben counts the benefit")
    app.button(key="value-go").click().run()

    (command,) = room.written
    assert isinstance(command, SignStatement)
    rule, before = command.config.benefits[-1], {item.id: item for item in command.config.baselines}
    assert (rule.quantity, rule.unit_low, rule.unit_value, rule.unit_high) == ("labour_hours", 30, 35, 40)
    assert (before["minutes_per_case"].before, before["minutes_per_case"].assumed) == (12, False)
    assert (before["minutes_per_review"].before, before["minutes_per_review"].assumed) == (15, True)
    assert statements.problems(command.config) == ()


def test_a_line_that_is_not_whole_says_what_it_lacks_and_is_taken_back_by_reset(visit: Visit) -> None:
    app = visit(FakeRoom(), "value", BEN, **TRIAGE, show="statement")
    key = _a_line(app, unit_low=30.0)

    assert "State the low, base and high worth of one hour of work" in words(app)
    assert "Minutes of one review with the model: state the figure" in plain(app)
    assert app.button(key="value-sign-open").disabled

    app.button(key="whatif-reset").click().run()
    assert app.selectbox(key=key).value is None
    assert "These are the figures in force" in words(app)


def test_a_target_is_not_read_as_what_was_found(visit: Visit) -> None:
    """None open, beside an unknown state would be a claim; it is what was agreed."""
    said = words(visit(FakeRoom(), "value", "ben.business", model="claims_triage", show="running"))

    assert "target: none" in said
    assert "; none" not in said
