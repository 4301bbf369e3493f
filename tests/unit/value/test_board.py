"""The board against the facts: recomputed from raw Parquet with plain pandas, as printed, as exported, as alerted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from math import isclose
from pathlib import Path

import pandas as pd
import pytest
import typer
from sqlalchemy import select
from typer.testing import CliRunner

from services.__main__ import _print_json
from services.adapters.sql.schema.value import usage_superseded
from services.adapters.sql.value import SqlValue
from services.alerts.models import Condition
from services.alerts.sources import Budgets
from services.commands.tools import Tools
from services.commands.value import add_value
from services.evaluation.harness.models import Spent
from services.inventory.facts import Partition
from services.kernel.errors import TelemetryUnavailableError, UnknownModelError
from services.kernel.health import Health
from services.oversight import board_export, board_money, board_running
from services.oversight.board_models import ModelBoard
from services.value.calculation import benefit_line, daily_benefit
from services.value.models import Baseline, BenefitRule, Quantity, Tally
from services.value.portfolio import Portfolio, PortfolioRow
from services.workspace import bookkeeping
from services.workspace.cast import Cast
from tests.unit.monitoring.facts_on_disk import TODAY
from tests.unit.value.boarded import CONFIG, DAYS, MODEL, Boarded, boarded

RATE_CPU, RATE_GB = 0.048, 0.023
"""The rate card of the settings, written down again."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boarded]:
    made = boarded(tmp_path_factory.mktemp("board"))
    made.sign()
    yield made
    made.room.database.dispose()


@pytest.fixture
def board(found: Boarded) -> ModelBoard:
    return found.room.board.model(MODEL)


def raw(found: Boarded, source: str, model: str = MODEL) -> pd.DataFrame:
    """Every Parquet file of one source, as anybody would read it."""
    files = sorted((found.folder / source).glob(f"*={model}/*/*.parquet"))
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def same(shown: Decimal | float | None, computed: float, *, within: float = 0.006) -> bool:
    return shown is not None and isclose(float(shown), computed, abs_tol=within)


def recomputed_cost(found: Boarded) -> float:
    usage = raw(found, "usage")
    measured = usage["cpu_seconds"].sum() / 3600 * RATE_CPU + usage["bytes"].sum() / 1e9 * RATE_GB / 30
    return float(measured + 300 / 30 * DAYS)


def recomputed_benefit(found: Boarded) -> tuple[float, float]:
    """Rework avoided, and right referrals beyond the rule before."""
    reviews = raw(found, "reviews")
    rework = 40 * (0.15 * len(reviews) - reviews["corrected"].sum())
    scored = raw(found, "predictions").merge(raw(found, "labels")[["prediction_id", "label"]], on="prediction_id")
    referred = scored[scored["score"] >= 0.7]
    return float(rework), float(3 * (referred["label"].sum() - 0.3 * len(referred)))


def test_cost_and_its_parts_are_what_pandas_says(found: Boarded, board: ModelBoard) -> None:
    usage = raw(found, "usage")
    serving = usage.loc[usage["component"] == "serving", "cpu_seconds"].sum() / 3600 * RATE_CPU
    made = len(raw(found, "predictions"))

    assert same(board.figure("cost").value, recomputed_cost(found))
    assert same(board.figure("cost_serving").value, serving)
    assert same(board.figure("cost_fixed").value, 400)
    assert same(board.figure("cost_per_1000").value, recomputed_cost(found) * 1000 / made)
    assert same(board.figure("marginal_per_1000").value, serving * 1000 / made)
    assert same(board.figure("cost_floor").value, recomputed_cost(found) - serving)


def test_compute_is_told_by_its_parts_and_what_nobody_recorded_is_not_free(found: Boarded, board: ModelBoard) -> None:
    usage = raw(found, "usage")
    training = usage.loc[usage["component"] == "training", "cpu_seconds"].sum() / 3600 * RATE_CPU

    assert same(board.figure("cost_training").value, training)
    assert same(board.figure("cost_compute").value, training)
    evaluation, features = board.figure("cost_evaluation"), board.figure("cost_features")
    assert (evaluation.value, evaluation.shown) == (None, "not recorded")
    assert (features.value, features.shown) == (None, "no feature job runs here")
    note = board.figure("cost_compute").explanation.note
    assert note.endswith("so not in it: evaluation. No feature job runs here, so there is nothing to record.")
    assert board.figure("cost_jobs").value == 0


def test_what_an_evaluation_took_is_a_cost_of_its_version_and_day_and_counted_once(tmp_path: Path) -> None:
    made = boarded(tmp_path)
    spent = Spent(
        attempt="eva-1:a", model=MODEL, version="1", at=made.clock.now(), cpu_seconds=7200.0, wall_seconds=9000.0
    )
    for attempt in ("eva-1:a", "eva-1:a", "eva-1:b"):
        made.room.harness._spent(replace(spent, attempt=attempt))
    made.room.value.refresh()
    board = made.room.board.model(MODEL)
    made.room.database.dispose()

    assert same(board.figure("cost_evaluation").value, 2 * 2 * RATE_CPU, within=1e-9)
    assert {day: cost for day, cost in board.figure("cost_evaluation").trend if cost}.keys() == {TODAY}
    assert "evaluation" not in board.figure("cost_compute").explanation.note
    assert same(board.figure("cost").value, recomputed_cost(made) - 300 / 30 * DAYS)


def test_what_belongs_to_no_model_stands_on_the_board_of_each_and_in_no_cost(found: Boarded) -> None:
    found.room.portfolio.refresh()
    board = found.room.board.model(MODEL)
    totals = found.room.portfolio.page().totals

    assert board.figure("cost_unallocated").value == totals.unallocated > 0
    assert found.room.portfolio.spent() == (totals.cost, totals.unallocated)
    assert same(board.figure("cost").value, recomputed_cost(found)), "it is laid on nobody"


@pytest.mark.parametrize(
    ("found", "shown"),
    [("0", "0.00 USD"), ("0.004", "under 0.01 USD"), ("0.006", "0.01 USD"), ("12", "12.00 USD")],
)
def test_an_amount_that_is_there_never_reads_as_nothing(found: str, shown: str) -> None:
    assert board_money.amount(Decimal(found), "USD") == shown


def test_benefit_is_what_pandas_says(found: Boarded, board: ModelBoard) -> None:
    rework, referrals = recomputed_benefit(found)

    assert same(board.figure("benefit_1").value, rework)
    assert same(board.figure("benefit_2").value, referrals)


def test_rework_and_override_rate_of_all_versions_have_their_own_denominators(
    found: Boarded, board: ModelBoard
) -> None:
    """Reviews come on the day of the prediction here, so all days but the last are judged."""
    made = raw(found, "predictions").assign(day=lambda rows: rows["event_at"].dt.date)
    made = made[made["day"] < TODAY]
    seen = made.merge(raw(found, "reviews")[["prediction_id", "corrected"]], on="prediction_id")
    rework, override = board.figure("rework"), board.figure("override")

    assert (override.explanation.n, rework.explanation.n) == (len(seen), len(made))
    assert same(override.value, seen["corrected"].mean(), within=1e-9)
    assert same(rework.value, seen["corrected"].sum() / len(made), within=1e-9)
    assert override.target == "below 15.0%, as before the model"
    assert not rework.target, "nobody stated it"


def test_the_board_and_the_screen_of_corrections_state_the_same_rates(found: Boarded, board: ModelBoard) -> None:
    told = found.room.corrections.rework(MODEL)

    assert told.rework.estimate is not None
    assert told.override.estimate is not None
    assert board.figure("rework").value == told.rework.estimate.value
    assert board.figure("override").value == told.override.estimate.value
    assert board.figure("rework").explanation == told.rework_explained


def test_recall_and_rework_before_and_after_are_what_pandas_says(found: Boarded) -> None:
    def before(name: str) -> Baseline:
        return Baseline(id=name, title=name, before=Decimal(1), unit="share", lower_is_better=True, source="2029")

    tried = found.room.value.what_if(replace(CONFIG, baselines=(before("referral_recall"), before("rework_rate"))))

    made, reviews = raw(found, "predictions"), raw(found, "reviews")
    scored = made.merge(raw(found, "labels")[["prediction_id", "label"]], on="prediction_id")
    positive = scored[scored["label"] == 1]
    recall, rework = tried.measures
    assert recall.n == len(positive)
    assert recall.after == f"{(positive['score'] >= 0.7).mean():.1%}"
    assert (rework.n, rework.after) == (len(made), f"{reviews['corrected'].sum() / len(made):.1%}")


def test_multiple_and_payback_are_what_pandas_says(found: Boarded, board: ModelBoard) -> None:
    net = sum(recomputed_benefit(found)) - recomputed_cost(found)
    monthly = net / DAYS * 30

    assert same(board.figure("net").value, net, within=0.02)
    assert same(board.figure("monthly_net").value, monthly, within=0.02)
    assert same(board.figure("payback").value, 9_000 / monthly, within=0.001)
    assert same(board.figure("multiple").value, monthly * 12 / 9_000, within=0.001)
    assert same(board.figure("cumulative").value, net - 9_000, within=0.02)


def test_every_figure_says_how_it_was_computed_and_holds_its_interval(board: ModelBoard) -> None:
    for figure in board.figures:
        assert figure.explanation.formula, figure.id
        assert figure.shown, figure.id
        assert figure.value is not None or figure.state is not Health.HEALTHY, figure.id
        if figure.low is not None and figure.high is not None and figure.value is not None:
            assert float(figure.low) <= float(figure.value) <= float(figure.high), figure.id
    assert len({figure.id for figure in board.figures}) == len(board.figures)


def current(found: Boarded) -> Portfolio:
    found.room.portfolio.refresh()
    return found.room.portfolio.everything()


def test_use_under_a_name_nobody_governs_is_shown_and_laid_on_nobody(found: Boarded) -> None:
    usage = raw(found, "usage", "gone")
    portfolio = current(found)

    computed = usage["cpu_seconds"].sum() / 3600 * RATE_CPU + usage["bytes"].sum() / 1e9 * RATE_GB / 30
    assert same(portfolio.totals.unallocated, computed)
    assert [row.model for row in portfolio.rows] == [MODEL]
    assert same(portfolio.totals.cost, recomputed_cost(found))


def test_the_cost_of_versions_adds_up_to_the_cost_of_the_model(board: ModelBoard) -> None:
    total = sum(share.measured + share.allocated for share in board.value.versions)

    assert same(total, float(board.value.cost))


def test_totals_of_the_export_are_the_sums_of_its_rows(found: Boarded) -> None:
    document = board_export.of_portfolio(current(found))

    for name in ("cost", "benefit", "net"):
        assert sum(Decimal(row[name]) for row in document["models"] if row[name]) == Decimal(document["totals"][name])


def _conditions(found: Boarded, lines: tuple[PortfolioRow, ...]) -> tuple[Condition, ...]:
    report = Budgets(lambda: lines, clock=found.clock).report()
    assert not report.failed
    return report.conditions


def test_the_budget_alert_points_at_the_cost_of_the_model(found: Boarded) -> None:
    view = found.room.value.budget(MODEL)
    (condition,) = _conditions(found, current(found).rows)

    assert view.forecast is not None
    assert view.state is condition.state is Health.BREACH
    assert condition.target == "value?model=m&show=cost"
    assert condition.sentence.startswith(("Forecast", "Overrun"))
    assert found.room.board.model(MODEL).figure("budget_forecast").state is Health.BREACH


def test_without_a_budget_there_is_no_alert(found: Boarded) -> None:
    (line,) = current(found).rows

    assert _conditions(found, (replace(line, budget=None),)) == ()


def ask(found: Boarded, *words: str) -> str:
    app = typer.Typer()
    app.callback()(lambda: None)
    add_value(
        app,
        Tools(
            spoken=nullcontext,
            room=lambda: found.room,
            actor=lambda room, subject: room.people.sign_in_demo(subject),
            receipt=lambda *_, **__: None,
            print_json=_print_json,
        ),
    )
    done = CliRunner().invoke(app, ["value", *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_prints_every_figure_of_the_board(found: Boarded, board: ModelBoard) -> None:
    told = json.loads(ask(found, "--model", MODEL, "--format", "json"))

    rows = {row["id"]: row for row in told["figures"]}
    assert set(rows) == {figure.id for figure in board.figures}
    for figure in board.figures:
        row = rows[figure.id]
        assert row["shown"] == figure.shown
        assert row["formula"] == figure.explanation.formula
        assert row["n"] == figure.explanation.n
        assert {"inputs", "window", "low", "high", "note"} <= set(row)
        assert [point["value"] for point in row["trend"]] == [value for _, value in figure.trend]
    assert "Version 1, signed by Ben Okafor" in told["statement"]
    assert told["use_recorded_up_to"] == board.value.last.isoformat()  # type: ignore[union-attr]


def test_days_versions_and_the_advice_are_printed_too_and_add_up(found: Boarded, board: ModelBoard) -> None:
    told = json.loads(ask(found, "--model", MODEL, "--format", "json"))

    days = told["cost_by_day"]
    assert same(sum(Decimal(day["total"]) for day in days), float(board.value.cost), within=0.01)
    for day in days:
        parts = ("compute", "storage", "serving", "fixed")
        assert sum(Decimal(day[part]) for part in parts) == Decimal(day["total"])
        assert Decimal(day["training"]) + Decimal(day["jobs"]) == Decimal(day["compute"])
        assert (day["evaluation"], day["features"]) == ("", ""), "nobody recorded them"
    assert {row["version"] for row in told["versions"]} == {share.version for share in board.value.versions}
    advice = told["right_size"]
    assert advice["advice"] == board.advice.title
    assert advice["saving_a_month"] == ("" if board.advice.saving is None else str(board.advice.saving.base))
    assert advice["formula"].startswith("Utilisation")
    assert advice["n"] == board.advice.explanation.n


def test_the_command_reads_well_on_a_terminal_too(found: Boarded, board: ModelBoard) -> None:
    told = ask(found, "--model", MODEL)

    assert f"Payback: {board.figure('payback').shown}" in told
    assert "= One-time setup / net benefit per month" in told
    assert "attested" in ask(found)
    assert json.loads(ask(found, "--format", "json"))["totals"]["models"] == 1


def test_a_source_that_is_away_is_not_known_and_the_others_stay(found: Boarded) -> None:
    class Away:
        def __getattr__(self, name: str) -> object:
            def fail(*_: object) -> object:
                raise TelemetryUnavailableError(f"{name} does not answer.")

            return fail

    figures = board_running.figures(Away(), MODEL, before=board_running.Before(), now=found.clock.now())  # type: ignore[arg-type]

    assert {figure.state for figure in figures} == {Health.UNKNOWN}
    assert {figure.value for figure in figures} == {None}
    assert all("does not answer" in figure.explanation.note for figure in figures)


def test_a_model_nobody_knows_is_refused_and_one_without_facts_has_none(found: Boarded) -> None:
    with pytest.raises(UnknownModelError):
        found.room.board.model("nobody")


def test_a_day_that_is_read_again_keeps_what_was_shown_before(found: Boarded) -> None:
    store, day = SqlValue(found.room.database), TODAY - timedelta(days=3)
    before = store.usage("gone", day, day)
    for seconds in (5.0, 6.0):
        store.replace_usage("gone", (replace(before[0], cpu_seconds=seconds),), (_partition(day),))

    with found.room.database.read() as connection:
        rows = connection.execute(select(usage_superseded).order_by(usage_superseded.c.number)).all()
    assert [(row.number, row.cpu_seconds) for row in rows] == [(1, before[0].cpu_seconds), (2, 5.0)]
    store.replace_usage("gone", before, (_partition(day),))


def _partition(day: date) -> Partition:
    return Partition(source="usage", owner="gone", day=day, fingerprint="again")


def test_a_what_if_shows_other_figures_and_keeps_none(found: Boarded) -> None:
    tried = found.room.value.what_if(replace(CONFIG, setup_cost=Decimal(18_000)))

    assert tried.returns is not None
    assert tried.returns.payback is not None
    assert same(tried.returns.payback.base, 2 * float(found.room.board.model(MODEL).figure("payback").value or 0))
    assert found.room.board.model(MODEL).value.setup_cost == 9_000


LABOUR = replace(
    CONFIG,
    benefits=(
        BenefitRule(
            id="hours", title="Hours of work", quantity="labour_hours", unit_value=Decimal(35), unit_low=Decimal(30),
            unit_high=Decimal(40), assumed="", source="Payroll of 2029",
        ),
    ),
    baselines=(
        Baseline(
            id="minutes_per_case", title="Minutes of work per case", before=Decimal(12), unit="min",
            lower_is_better=True, source="Time study of 2029",
        ),
        Baseline(
            id="minutes_per_review", title="Minutes per review", before=Decimal(15), unit="min", lower_is_better=True,
            source="Stated by Ben Okafor", assumed=True,
        ),
    ),
)  # fmt: skip


def test_hours_of_work_come_from_recorded_reviews_and_what_is_stated_is_marked(found: Boarded) -> None:
    made, reviewed = len(raw(found, "predictions")), len(raw(found, "reviews"))
    hours = (made * 12 - reviewed * 15) / 60

    tried = found.room.value.what_if(LABOUR)

    (line,) = tried.benefits
    assert same(line.amount, hours * 35)
    assert line.low < line.amount < line.high
    assert line.assumed == "Minutes per review: 15 min", "the time study is no assumption"
    assert (line.n, f"from {reviewed:,} reviews" in line.quantity) == (made, True)
    measure = {item.title: item for item in tried.measures}
    assert measure["Minutes of work per case"].after == f"{reviewed * 15 / made:.4g} min"
    assert measure["Minutes per review"].after == "not measured"
    assert "assumption" in measure["Minutes per review"].explanation.note


def test_hours_of_work_day_by_day_add_up_to_the_line(found: Boarded) -> None:
    (line,), (case, review) = found.room.value.what_if(LABOUR).benefits, LABOUR.baselines
    days = SqlValue(found.room.database).tallies(
        Quantity.LABOUR_HOURS, MODEL, TODAY - timedelta(days=89), TODAY, LABOUR.decision_threshold
    )

    spans = daily_benefit(LABOUR.benefits[0], case, line, days, review=review)

    assert len(spans) == DAYS
    assert same(sum(span.base for span in spans.values()), float(line.amount))


@pytest.mark.parametrize(
    ("baselines", "said"),
    [
        (LABOUR.baselines[:1], "nobody stated how many minutes a review takes"),
        (LABOUR.baselines[1:], "no figure before"),
    ],
)
def test_hours_of_work_without_what_they_rest_on_are_not_known(
    found: Boarded, baselines: tuple[Baseline, ...], said: str
) -> None:
    tried = found.room.value.what_if(replace(LABOUR, baselines=baselines))

    assert tried.benefit is None
    assert said in tried.sentence


def test_without_a_review_nobody_knows_how_many_hours_are_left() -> None:
    (rule,), (case, review) = LABOUR.benefits, LABOUR.baselines

    assert benefit_line(rule, case, Tally(n=1_000), currency="USD", window="", review=review) is None


def test_more_reviews_than_predictions_cost_hours_and_claim_no_interval() -> None:
    (rule,), (case, review) = LABOUR.benefits, LABOUR.baselines

    line = benefit_line(rule, case, Tally(n=10, hits=40), currency="USD", window="", review=review)

    assert line is not None
    assert line.amount == Decimal(-280), "120 minutes of cases, 600 of reviews: eight hours more"
    assert (line.low, line.high) == (Decimal(-320), Decimal(-240)), "the worth of an hour alone has a range"


def test_the_workspace_signs_baselines_and_keeps_months_with_two_people(tmp_path: Path) -> None:
    made = boarded(tmp_path)
    made.room.value.register_value_config((CONFIG,))
    cast = Cast(room=made.room, clock=made.clock, settle=lambda: None, measure=lambda _model: None)

    bookkeeping.sign_baseline(cast, MODEL)
    kept = bookkeeping.keep_months(made.room, (MODEL,))

    view, totals = made.room.statements.view(MODEL), current(made).totals
    assert "before go-live" in view.sentence
    assert (view.config, view.versions[0].item.version) == (CONFIG, 1)
    assert (kept, totals.waiting_months, totals.problems) == (1, 1, ())
    assert made.room.value.model(MODEL).statement == 1
    made.room.database.dispose()


def test_of_several_months_one_is_attested_one_is_cut_and_the_newest_waits(found: Boarded) -> None:
    made = found.clock.now()
    found.clock.set(made + timedelta(days=31))
    try:
        kept = bookkeeping.keep_months(found.room, (MODEL,))
    finally:
        found.clock.set(made)

    states = found.room.statements.months(MODEL)
    assert kept == len(states) == 2
    assert [state.waits for state in states] == [True, False]
    assert states[1].attested == states[1].proposal.amount  # type: ignore[union-attr]
