"""One thing is changed in a good version at a time: the harness reports it, and the gate meant for it objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.evaluation.harness.models import RunState
from tests.unit.harness.lab import MODEL, Lab, fitted, good_rows
from tests.unit.harness.rows import INPUTS, rows

SLOW_MODEL = Path(__file__).with_name("slow_model.py")
LEAKING = (*INPUTS, "outcome_code")
UNFAIR = (*INPUTS, "sex_code")


def evaluated(lab: Lab, name: str) -> None:
    run = lab.harness.run_now(MODEL, lab.versions[name])
    assert run.state is RunState.DONE, run.error


def test_the_good_version_passes_every_gate(lab: Lab) -> None:
    report = lab.report("good")
    assert lab.failing("good") == set()
    assert report["mode"] == "model"
    assert {check["status"] for check in report["checks"]} <= {"done", "skipped"}
    assert report["investigation"] == []


def test_a_leaked_label_is_reported_and_traced_to_its_column(lab: Lab) -> None:
    training, holdout = (
        part.assign(outcome_code=part["label"] + np.random.default_rng(3).normal(0, 0.05, len(part)))
        for part in good_rows()
    )
    lab.log("leak", fitted(training, LEAKING), holdout=holdout, inputs=LEAKING)
    evaluated(lab, "leak")

    assert lab.failing("leak") >= {"leakage"}
    assert lab.metrics("leak")["suspects_top_auc"] > 0.99
    found = [step for step in lab.report("leak")["investigation"] if step["step"] == "Which input"]
    assert found[0]["found"].startswith("Without outcome_code")


def test_a_column_known_only_after_the_decision_is_reported(lab: Lab) -> None:
    training, holdout = good_rows()
    lab.log("late", fitted(training), holdout=holdout, late={"visits": "counted a week later"})
    evaluated(lab, "late")

    assert lab.failing("late") == {"availability"}
    assert lab.metrics("late")["late_features"] == 1


def test_a_broken_calibration_is_reported(lab: Lab) -> None:
    training, holdout = good_rows()
    rare = training.drop(training.index[(training["label"] == 1) & (np.arange(len(training)) % 6 > 0)])
    lab.log("uncalibrated", fitted(rare), holdout=holdout)
    evaluated(lab, "uncalibrated")

    assert "calibration" in lab.failing("uncalibrated")
    assert lab.metrics("uncalibrated")["holdout_ece"] > 0.06
    steps = {step["step"] for step in lab.report("uncalibrated")["investigation"]}
    assert {"Worst slice", "Since when", "Which version brought it"} <= steps


def test_a_degraded_group_is_reported_with_the_version_that_brought_it(lab: Lab) -> None:
    training, holdout = good_rows()
    refused = (training["sex_code"] == 0) & (np.arange(len(training)) % 3 > 0)
    skewed = training.assign(label=training["label"].where(~refused, 0.0))
    lab.log("unfair", fitted(skewed, UNFAIR), holdout=holdout, inputs=UNFAIR)
    evaluated(lab, "unfair")

    assert "selection" in lab.failing("unfair")
    row = next(row for row in lab.report("unfair")["fairness"] if row["measure"] == "rate_ratio")
    assert (row["group"], row["reference"]) == ("male", "female")
    assert row["high"] < 0.8
    steps = {step["step"]: step["found"] for step in lab.report("unfair")["investigation"]}
    assert "it came after that version" in steps["Which version brought it"]
    assert "sex_code" in steps["Which input"]


def test_a_slow_version_is_reported(lab: Lab) -> None:
    training, holdout = good_rows()
    lab.log("slow", fitted(training), holdout=holdout.head(400), code=SLOW_MODEL)
    evaluated(lab, "slow")

    assert "latency" in lab.failing("slow")
    assert lab.metrics("slow")["served_p95_ms"] >= 45
    found = next(step for step in lab.report("slow")["investigation"] if step["step"] == "Which part is slow")
    assert "the model itself" in found["found"]


def test_stale_rows_are_reported(lab: Lab) -> None:
    training, _ = good_rows()
    lab.log("stale", fitted(training), holdout=rows(8, 2_000, until="2029-06-20"))
    evaluated(lab, "stale")

    assert lab.failing("stale") == {"age"}
    assert lab.metrics("stale")["holdout_age_days"] == 220


def test_files_swapped_after_the_evaluation_are_noticed(lab: Lab) -> None:
    training, holdout = good_rows()
    number = lab.log("swapped", fitted(training), holdout=holdout)
    evaluated(lab, "swapped")
    assert lab.failing("swapped") == set()
    model_id = lab.registry.get_version(MODEL, number).model_id
    (place,) = (file for file in (lab.home / "artifacts").rglob("requirements.txt") if model_id in file.parts)
    place.write_text("mlflow==3.17.2\n")

    lab.evaluation.read_again(MODEL, number)

    evidence = lab.evaluation.collect(MODEL, number)
    assert evidence.measured_manifest != evidence.manifest_sha256
    assert lab.failing("swapped") == {"measured"}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_a_pickled_model_is_flagged_and_never_loaded(lab: Lab) -> None:
    import mlflow

    training, holdout = good_rows()
    with mlflow.start_run(experiment_id=lab._experiment()) as run:
        lab.log_rows(holdout, {})
        info = mlflow.sklearn.log_model(
            fitted(training), name="model", serialization_format="cloudpickle", pip_requirements=["scikit-learn==1.9"]
        )
    lab.register(run.info.run_id, f"models:/{info.model_id}", "pickled")
    evaluated(lab, "pickled")

    report = lab.report("pickled")
    assert report["mode"] == "metrics"
    assert {"serialisation", "measured"} <= lab.failing("pickled")
    assert any(item["path"] == "model.pkl" and "runs code" in item["why"] for item in report["artifact"]["unsafe"])
    loading = next(check for check in report["checks"] if check["id"] == "performance")
    assert "cannot be loaded" in loading["reason"]


def test_lying_metrics_are_measured_again_and_not_believed(lab: Lab) -> None:
    training, holdout = good_rows()
    upside_down = training.assign(label=1 - training["label"])
    lab.log("lying", fitted(upside_down), holdout=holdout, claims={"holdout_auc": 0.97, "holdout_ece": 0.001})
    evaluated(lab, "lying")

    evidence = lab.evaluation.collect(MODEL, lab.versions["lying"])
    assert lab.failing("lying") >= {"discrimination"}
    assert float(evidence.metric("holdout_auc") or 1) < 0.75
    assert lab.metrics("lying")["claimed_difference"] > 0.2
    steps = {step["step"] for step in lab.report("lying")["investigation"]}
    assert "Were other rows meant" in steps


def test_a_report_that_somebody_else_put_into_the_run_does_not_count(lab: Lab) -> None:
    training, holdout = good_rows()
    number = lab.log("forged", fitted(training.sample(frac=1, random_state=1)), holdout=holdout)
    forged = (lab.files.newest(MODEL, lab.versions["good"]) or b"").decode()
    run_id = lab.registry.run_of(MODEL, number)
    lab.registry.client().log_text(run_id, forged, "countersign/evaluation.json")

    lab.evaluation.read_again(MODEL, number)

    evidence = lab.evaluation.collect(MODEL, number)
    assert evidence.measured == ""
    assert "did not write" in evidence.missing
    assert "measured" in lab.failing("forged")


def test_rows_of_one_class_are_inconclusive_and_never_pass(lab: Lab) -> None:
    training, holdout = good_rows()
    lab.log("one-class", fitted(training), holdout=holdout[holdout["label"] == 1])
    evaluated(lab, "one-class")

    assert "measured" in lab.failing("one-class")
    assert "holdout_auc" not in lab.metrics("one-class")


def test_predictions_alone_are_measured_and_said_to_be_predictions(lab: Lab) -> None:
    import mlflow

    training, holdout = good_rows()
    scored = pd.DataFrame(
        {
            "label": holdout["label"],
            "score": fitted(training).predict_proba(holdout[list(INPUTS)])[:, 1],
            "event_at": holdout["event_at"],
        }
    )
    with mlflow.start_run(experiment_id=lab._experiment()) as run:
        file = lab.home / "predictions.parquet"
        scored.to_parquet(file, index=False)
        mlflow.log_artifact(str(file))
    good = lab.registry.client().get_model_version(MODEL, lab.versions["good"])
    lab.register(run.info.run_id, good.source, "predictions")
    evaluated(lab, "predictions")

    report = lab.report("predictions")
    assert report["mode"] == "predictions"
    assert report["manifest_sha256"] == ""
    assert report["metrics"]["holdout_auc"] == pytest.approx(lab.metrics("good")["holdout_auc"])
    assert {row["id"] for row in report["checks"] if row["status"] == "skipped"} >= {"missing", "latency"}
    assert "measured" in lab.failing("predictions")
