"""Versions learn only from what was known, and the bad ones are bad for the stated reason."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, selection_rate
from sklearn import metrics

from services.adapters.local.estate.catalog import load_catalog, load_monitoring, load_value, load_vendor_contracts
from services.adapters.local.estate.placed import FEATURES, cases_of
from services.adapters.local.estate.recipes import MODEL_PLANS, VERSION_PLANS
from services.adapters.local.estate.scores import score_of
from services.adapters.local.estate.trained import Trained, created_at, train, windows
from services.adapters.local.estate.training import write_reference
from services.evaluation.measures import fairness
from services.evaluation.measures.classification import measure_classification
from services.evaluation.measures.regression import measure_regression


@cache
def version(model: str, number: str) -> Trained:
    return train(next(plan for plan in VERSION_PLANS if (plan.model, plan.version) == (model, number)))


@pytest.mark.parametrize("plan", VERSION_PLANS, ids=lambda plan: f"{plan.model}-{plan.version}")
def test_training_and_holdout_were_known_when_the_version_was_made(plan) -> None:
    known, holdout = windows(cases_of(plan.model), plan, MODEL_PLANS[plan.model])

    made = pd.Timedelta(days=plan.day, hours=plan.at.hour, minutes=plan.at.minute)
    for rows in (known, holdout):
        arrived = pd.to_timedelta(rows["day"], unit="D") + rows["clock"] + rows["waits"]
        assert (arrived <= made).all()
        assert rows["label"].notna().all()
    assert known["day"].max() < holdout["day"].min()
    assert len(known) >= 900
    assert len(holdout) >= 900


def test_versions_are_made_in_the_order_of_their_numbers() -> None:
    prepared = datetime(2030, 6, 15, 14, tzinfo=UTC)
    for model in MODEL_PLANS:
        plans = [plan for plan in VERSION_PLANS if plan.model == model]
        times = [created_at(plan, prepared) for plan in plans]
        assert [int(plan.version) for plan in plans] == list(range(1, len(plans) + 1))
        assert times == sorted(times)
        assert times[-1] < prepared


def test_training_twice_gives_the_same_numbers() -> None:
    plan = next(plan for plan in VERSION_PLANS if (plan.model, plan.version) == ("claims_triage", "3"))
    assert train(plan).metrics == train(plan).metrics


def test_the_leaking_delay_version_is_given_away_by_one_feature() -> None:
    leaking = version("delay_claim_score", "5")
    worst = leaking.report["suspects"][0]
    late = [row["feature"] for row in leaking.report["availability"] if not row["available"]]
    assert worst["feature"] == "departure_delay"
    assert worst["auc"] > 0.95
    assert late == ["departure_delay"]


def test_the_reweighted_claims_version_scores_far_too_high() -> None:
    found = version("claims_triage", "5").metrics
    assert found["holdout_calibration_gap"] > 0.15
    assert found["holdout_ece"] > 0.15


def test_the_storm_day_payout_version_forecasts_too_much() -> None:
    found = version("payout_forecast", "5").metrics
    assert found["holdout_bias"] > 20
    assert found["holdout_r2"] < 0


def test_the_narrow_plan_version_is_worse_than_the_simple_rule() -> None:
    found = version("plan_utilisation", "3").metrics
    assert found["holdout_mae"] > found["baseline_mae"]


def test_what_the_runs_say_agrees_with_scikit_learn_and_fairlearn() -> None:
    claims, utilisation = version("claims_triage", "3"), version("plan_utilisation", "2")
    label, chosen = claims.holdout["label"], claims.score >= claims.model_plan.threshold
    expected = {
        "holdout_auc": metrics.roc_auc_score(label, claims.score),
        "holdout_pr_auc": metrics.average_precision_score(label, claims.score),
        "holdout_brier": metrics.brier_score_loss(label, claims.score),
        "holdout_logloss": metrics.log_loss(label, claims.score),
        "holdout_f1": metrics.f1_score(label, chosen),
    }
    amounts = utilisation.holdout["label"]
    assert {name: claims.metrics[name] for name in expected} == pytest.approx(expected, abs=5e-7)
    assert utilisation.metrics["holdout_mae"] == pytest.approx(
        metrics.mean_absolute_error(amounts, utilisation.score), abs=5e-7
    )
    assert utilisation.metrics["holdout_r2"] == pytest.approx(metrics.r2_score(amounts, utilisation.score), abs=5e-7)
    rates = {fact["group"]: fact["rate"] for fact in claims.report["slices"] if fact["attribute"] == "sex"}
    groups = dict(claims.model_plan.slices)["sex"](claims.holdout)
    theirs = MetricFrame(metrics=selection_rate, y_true=label, y_pred=chosen, sensitive_features=groups).by_group
    assert rates == pytest.approx(theirs.to_dict(), abs=5e-7)


@pytest.mark.parametrize("number", ["1", "3", "5"])
def test_the_measures_agree_to_a_billionth_on_the_rows_of_the_workspace(number: str) -> None:
    """What the runs log has six digits; what is measured has all of them."""
    claims = version("claims_triage", number)
    label, score = claims.holdout["label"].to_numpy(dtype=float), np.asarray(claims.score, dtype=float)
    chosen = score >= claims.model_plan.threshold
    found = measure_classification(label, score, claims.model_plan.threshold)
    expected = {
        "auc": metrics.roc_auc_score(label, score),
        "pr_auc": metrics.average_precision_score(label, score),
        "brier": metrics.brier_score_loss(label, score),
        "logloss": metrics.log_loss(label, score),
        "recall": metrics.recall_score(label, chosen),
        "f1": metrics.f1_score(label, chosen),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    groups = dict(claims.model_plan.slices)["sex"](claims.holdout)
    theirs = MetricFrame(metrics=selection_rate, y_true=label, y_pred=chosen, sensitive_features=groups).by_group
    rates = {
        row["group"]: row["rate"]
        for row in fairness.slices("sex", np.asarray(groups), label, score, claims.model_plan.threshold)
    }
    assert rates == pytest.approx(theirs.to_dict(), abs=1e-9)


@pytest.mark.parametrize(("model", "number"), [("plan_utilisation", "2"), ("payout_forecast", "4")])
def test_the_measures_of_amounts_agree_to_a_billionth_on_the_rows_of_the_workspace(model: str, number: str) -> None:
    made = version(model, number)
    label, prediction = made.holdout["label"].to_numpy(dtype=float), np.asarray(made.score, dtype=float)
    found = measure_regression(label, prediction)
    expected = {
        "mae": metrics.mean_absolute_error(label, prediction),
        "rmse": metrics.root_mean_squared_error(label, prediction),
        "r2": metrics.r2_score(label, prediction),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("model", "number"),
    [("claims_triage", "1"), ("claims_triage", "2"), ("claims_triage", "3"), ("claims_triage", "4")],
)
def test_good_claims_versions_rank_and_are_calibrated(model: str, number: str) -> None:
    found = version(model, number).metrics
    assert found["holdout_auc"] > max(0.62, found["baseline_auc"])
    assert found["holdout_ece"] < 0.05


def test_the_report_holds_small_groups_with_their_size() -> None:
    slices = version("claims_triage", "4").report["slices"]
    small = next(fact for fact in slices if fact["group"] == "self-employed")
    assert small["n"] < 100
    assert small["rate_low"] <= small["rate"] <= small["rate_high"]
    assert {fact["attribute"] for fact in slices} == {"sex", "age", "employment"}


def test_only_the_newest_claims_version_uses_the_untagged_income() -> None:
    tagged = {column.name for model in load_catalog() for column in model.sensitive}
    users = [plan.version for plan in VERSION_PLANS if "hhninc" in plan.inputs]
    assert "hhninc" not in tagged
    assert users == ["4"]


def test_the_reference_window_holds_inputs_score_and_label(tmp_path: Path) -> None:
    rows = pd.read_parquet(write_reference(tmp_path, model="plan_utilisation", version="2"))
    assert list(rows.columns) == ["prediction_id", *FEATURES["plan_utilisation"], "score", "label"]
    assert rows.notna().all().all()
    assert [file.name for file in tmp_path.iterdir()] == ["plan_utilisation.parquet"]


def test_the_catalog_names_an_owner_limits_and_fallback_for_every_model() -> None:
    models = load_catalog(date(2030, 6, 15))
    assert {model.name for model in models} == {*MODEL_PLANS, "damage_photo_vendor"}
    assert all(model.owner_of("business_owner") and model.limits_of_use and model.fallback for model in models)
    assert {config.model for config in load_monitoring()} == set(MODEL_PLANS)
    assert all(config.benefits and config.benefits[0].assumed for config in load_value())
    assert load_vendor_contracts(date(2030, 6, 15))[0].until_day > date(2030, 6, 15)


def test_watched_features_are_inputs_of_the_model() -> None:
    for config in load_monitoring():
        assert {column for column, _, _ in config.features} <= set(FEATURES[config.model])


def test_scores_are_read_from_every_shape_a_model_answers_in() -> None:
    assert list(score_of([[0.9, 0.1], [0.2, 0.8]])) == [0.1, 0.8]
    assert list(score_of(pd.DataFrame({"score": [1.0, 2.0]}))) == [1.0, 2.0]
    assert list(score_of(np.array([3.0]))) == [3.0]
    with pytest.raises(ValueError, match="shape"):
        score_of(np.zeros((2, 3)))
