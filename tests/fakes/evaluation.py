"""An evaluation report as the harness writes it: real measures of seeded rows, and made-up facts about the files."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from services.evaluation.measures import calibration, curves, fairness, leakage, stability
from services.evaluation.measures.classification import intervals_classification, paired_classification
from services.evaluation.measures.models import Estimate
from services.evaluation.measures.regression import intervals_regression, paired_regression
from services.evaluation.ports import VersionFacts
from services.evaluation.report import document
from tests.fakes.room_sample import NOW

ROWS = 4_000


def a_report(
    model: str = "claims_triage", version: str = "8", *, champion: str = "7", **changed: Any
) -> dict[str, Any]:
    """A classifier beside its live version; `changed` replaces sections."""
    return deepcopy({**_classified(), **_named(model, version), **_beside(champion), **changed})


def a_regression_report(model: str = "payout_forecast", version: str = "6", **changed: Any) -> dict[str, Any]:
    return deepcopy({**_regressed(), **_named(model, version), **changed})


def _named(model: str, version: str) -> dict[str, Any]:
    return {"model": model, "version": version}


def _beside(champion: str) -> dict[str, Any]:
    if not champion:
        return {"champion": None, "champion_reliability": [], "champion_curves": {}}
    return {"champion": {**_classified()["champion"], "version": champion}}


@cache
def _classified() -> dict[str, Any]:
    generator = np.random.default_rng(11)
    score = generator.beta(2, 4, ROWS)
    label = (generator.random(ROWS) < score).astype(float)
    live = np.clip(score + generator.normal(0, 0.18, ROWS), 0.001, 0.999)
    sex = generator.choice(["female", "male"], ROWS, p=[0.47, 0.53])
    age = generator.choice(["under 40", "40 to 64", "65 to 84", "over 85"], ROWS, p=[0.5, 0.33, 0.16, 0.01])
    times = np.datetime64("2030-07-01") + generator.integers(0, 56, ROWS).astype("timedelta64[D]")
    groups = fairness.slices("sex", sex, label, score, 0.5) + fairness.slices("age_band", age, label, score, 0.5)
    weeks = stability.by_time(times, label, score, 0.5)
    single, other = intervals_classification(label, score, 0.5), intervals_classification(label, live, 0.5)
    inputs = {"prior_claims": score + generator.normal(0, 0.3, ROWS), "visits": generator.normal(size=ROWS)}
    return _common() | {
        "task": "classification",
        "unit": "",
        "threshold": 0.5,
        "metrics": _values(single)
        | {"holdout_n": ROWS, "stability_spread": stability.spread(weeks), "served_p95_ms": 48.2, "baseline_auc": 0.61},
        "intervals": _intervals(single),
        "champion": {
            "version": "7",
            "metrics": _values(other),
            "paired": _paired(paired_classification(label, score, live, 0.5)),
        },
        "reliability": calibration.reliability(label, score),
        "champion_reliability": calibration.reliability(label, live),
        "curves": {"roc": curves.roc(label, score), "pr": curves.pr(label, score)},
        "champion_curves": {"roc": curves.roc(label, live), "pr": curves.pr(label, live)},
        "slices": groups,
        "fairness": fairness.compare(groups),
        "stability": weeks,
        "suspects": leakage.single_feature_auc(inputs, label),
        "availability": [
            {"feature": "prior_claims", "available": True, "note": "known before the decision"},
            {"feature": "settled_at", "available": False, "note": "written when the claim is closed"},
        ],
        "robustness": [
            {"check": "missing", "feature": "prior_claims", "metric": "auc", "base": 0.7, "value": 0.61, "drop": 0.09},
            {"check": "noise", "feature": "visits", "metric": "auc", "base": 0.7, "value": 0.699, "drop": 0.001},
        ],
    }


@cache
def _regressed() -> dict[str, Any]:
    generator = np.random.default_rng(12)
    label = generator.gamma(2, 300, ROWS)
    prediction, live = label + generator.normal(12, 90, ROWS), label + generator.normal(0, 110, ROWS)
    area = generator.choice(["north", "south"], ROWS)
    times = np.datetime64("2030-07-01") + generator.integers(0, 56, ROWS).astype("timedelta64[D]")
    groups = fairness.slices("area", area, label, prediction, None)
    single, other = intervals_regression(label, prediction), intervals_regression(label, live)
    return _common() | {
        "task": "regression",
        "unit": "USD",
        "threshold": None,
        "metrics": _values(single) | {"holdout_n": ROWS},
        "intervals": _intervals(single),
        "champion": {
            "version": "5",
            "metrics": _values(other),
            "paired": _paired(paired_regression(label, prediction, live)),
        },
        "slices": groups,
        "fairness": fairness.compare(groups),
        "stability": stability.by_time(times, label, prediction, None),
    }


def _common() -> dict[str, Any]:
    return {
        "run_id": "3f2a9c",
        "mode": "model",
        "manifest_sha256": "ab" * 32,
        "policy": {"name": "tier-1", "version": "5", "sha256": "cd" * 32},
        "holdout": {
            "name": "claims_holdout",
            "digest": "9d41c7",
            "n": ROWS,
            "window": "1 Jul to 25 Aug 2030",
            "until": "2030-08-25",
        },
        "latency": {
            "p50_ms": 21.4,
            "p95_ms": 48.2,
            "p99_ms": 77.9,
            "error_rate": 0.0,
            "n": 200,
            "how": "200 single rows",
        },
        "artifact": {
            "size_bytes": 2_400_000,
            "files": 9,
            "unsafe": [{"path": "model/old.pkl", "why": "a pickle can run code when it is opened"}],
            "dependencies": [{"name": "numpy", "spec": "numpy", "problem": "no version is named"}],
            "signature_problems": [],
        },
        "reproducibility": {"same": True, "max_difference": 0.0, "earlier": "ef" * 32},
        "checks": [
            _check("discrimination", "Ranking", "done", "every classifier", "AUC 0.745, 95 % interval 0.729 to 0.761."),
            _check("calibration", "Calibration", "error", "tier 1", "The scores are not between 0 and 1."),
            _check("stability", "Stability", "inconclusive", "tier 1", "Only one week has enough rows."),
            _check("latency", "Response time", "skipped", "the model runs in batches", "Left out."),
        ],
        "investigation": [
            {
                "step": "Worst slice",
                "because": "the calibration check failed",
                "did": "looked at 148 slices of one and two inputs",
                "found": "age over 71: error 0.21 where all rows have 0.16",
                "seconds": 0.4,
            }
        ],
        "narrative": "",
    }


def _check(id_: str, title: str, status: str, reason: str, sentence: str) -> dict[str, Any]:
    return {"id": id_, "title": title, "status": status, "reason": reason, "sentence": sentence, "seconds": 0.2}


def _values(found: dict[str, Estimate]) -> dict[str, float]:
    return {f"holdout_{name}": item.value for name, item in found.items() if item.value is not None}


def _intervals(found: dict[str, Estimate]) -> dict[str, Any]:
    return {
        f"holdout_{name}": {"low": item.low, "high": item.high, "level": 0.95, "method": item.method}
        for name, item in found.items()
    }


def _paired(found: dict[str, Estimate]) -> dict[str, Any]:
    return {
        f"holdout_{name}": {"delta": item.value, "low": item.low, "high": item.high, "method": item.method}
        for name, item in found.items()
    }


def hostile_sections(text: str) -> dict[str, Any]:
    """Sections in which every name and sentence is what an attacker would type."""
    group = {"attribute": text, "group": text}
    other = {"measure": "rate_ratio", "reference": text, "value": 1.2, "low": 0.9, "high": 1.4, "n": 500}
    return {
        "narrative": text,
        "unit": text,
        "policy": {"name": text, "version": text, "sha256": "cd" * 32},
        "holdout": {"name": text, "digest": "9d41c7", "n": 40, "window": text, "until": ""},
        "slices": [group | {"n": 500, "rate": 0.2}],
        "fairness": [group | other],
        "suspects": [{"feature": text, "auc": 0.6}],
        "availability": [{"feature": text, "available": False, "note": text}],
        "checks": [_check(text, text, "done", text, text)],
        "investigation": [{"step": text, "because": text, "did": text, "found": text, "seconds": 0.1}],
    }


def facts(model: str, version: str, report: dict[str, Any] | None) -> VersionFacts:
    """What the worker read from the run of a version; without a report the run has none."""
    text = document.build(report).decode() if report else ""
    return VersionFacts(
        model=model,
        version=version,
        manifest="{}",
        manifest_sha256="41ab" * 16,
        evaluation=text,
        evaluation_sha256=hashlib.sha256(text.encode()).hexdigest() if text else "",
        read_at=NOW,
    )


def replaced(known: VersionFacts, text: str) -> VersionFacts:
    return replace(known, evaluation=text)
