"""How good the scores are: alone, against what the run claims, against the live version, as probabilities."""

from __future__ import annotations

from services.evaluation.harness.material import Material
from services.evaluation.harness.measuring import PREFIX, main_metric, measured, paired, said
from services.evaluation.harness.models import CheckResult, Status
from services.evaluation.harness.ports import ScoringFailed
from services.evaluation.measures import calibration, curves

CLAIM_TOLERANCE = 0.01
"""Rounding, ties and another library explain less than this."""
_NOT_COMPARED = {"holdout_n"}


def performance(material: Material) -> CheckResult:
    label, scores = material.label, material.scores
    found = measured(material, label, scores)
    name = f"{PREFIX}{main_metric(material)}"
    value = found.metrics.get(name)
    sections = {}
    if material.classifies:
        sections["curves"] = {"roc": curves.roc(label, scores), "pr": curves.pr(label, scores)}
    return CheckResult(
        status=Status.DONE if value is not None else Status.INCONCLUSIVE,
        sentence=_performance_sentence(material, value, found.intervals.get(name)),
        sections=sections,
        metrics=found.metrics,
        intervals=found.intervals,
    )


def claims(material: Material) -> CheckResult:
    """What the run logged about its own held-out rows against what was measured."""
    differences = {}
    for name, logged in material.logged.items():
        value = material.metric(name)
        if value is not None and name.startswith(PREFIX) and name not in _NOT_COMPARED:
            differences[name] = abs(logged - value) / max(1.0, abs(value))
    if not differences:
        return CheckResult(status=Status.INCONCLUSIVE, sentence="None of the logged measures could be measured again.")
    worst = max(differences, key=lambda name: (differences[name], name))
    if differences[worst] <= CLAIM_TOLERANCE:
        sentence = f"{len(differences)} logged measures were measured again and agree."
    else:
        sentence = (
            f"The run logged {worst} {said(material.logged[worst])}; measured on the held-out rows it is "
            f"{said(material.metric(worst))}. Only the measured figure counts."
        )
    return CheckResult(status=Status.DONE, sentence=sentence, metrics={"claimed_difference": differences[worst]})


def champion(material: Material) -> CheckResult:
    """The live version on the same rows, with paired intervals of the differences."""
    version = material.champion
    if version is None:
        return CheckResult(status=Status.SKIPPED, sentence="No other version is live.")
    label, scores = material.label, material.scores
    try:
        other = material.scores_of(version)
    except ScoringFailed as failed:
        return CheckResult(
            status=Status.ERROR, sentence=f"The live version {version} could not be measured on these rows. {failed}"
        )
    found = measured(material, label, other)
    differences = paired(material, label, scores, other)
    sections: dict[str, object] = {
        "champion": {"version": version, "metrics": found.metrics, "paired": differences},
    }
    if material.classifies:
        sections["champion_reliability"] = calibration.reliability(label, other)
        sections["champion_curves"] = {"roc": curves.roc(label, other), "pr": curves.pr(label, other)}
    name = f"{PREFIX}{main_metric(material)}"
    return CheckResult(
        status=Status.DONE if name in differences else Status.INCONCLUSIVE,
        sentence=_champion_sentence(material, version, differences.get(name)),
        sections=sections,
    )


def calibrated(material: Material) -> CheckResult:
    bins = calibration.reliability(material.label, material.scores)
    gap, error = material.metric("holdout_calibration_gap"), material.metric("holdout_ece")
    if gap is None or error is None or not bins:
        return CheckResult(status=Status.INCONCLUSIVE, sentence="Too few rows to compare scores with outcomes.")
    worst = max(bins, key=lambda item: (abs(item["gap"]), item["mean_score"]))
    return CheckResult(
        status=Status.DONE,
        sentence=(
            f"Calibration error {said(error)}; on average the score is {said(abs(gap))} too "
            f"{'high' if gap > 0 else 'low'}. Furthest off around {said(worst['mean_score'], 2)}: "
            f"{said(worst['observed'], 2)} were observed."
        ),
        sections={"reliability": bins},
    )


def _performance_sentence(material: Material, value: float | None, interval: object) -> str:
    title = "AUC" if material.classifies else f"Mean absolute error ({material.unit or 'unit of the label'})"
    if value is None:
        return (
            f"{title} cannot be measured on {len(material.label):,} rows: one class is missing, or there are too few."
        )
    between = ""
    if isinstance(interval, dict):
        between = f" (95 % interval {said(interval['low'])} to {said(interval['high'])})"
    return f"{title} {said(value)}{between} on {len(material.label):,} rows."


def _champion_sentence(material: Material, version: str, found: object) -> str:
    title = "AUC" if material.classifies else "mean absolute error"
    if not isinstance(found, dict):
        return f"The difference to version {version} cannot be measured on these rows."
    delta, low, high = found["delta"], found["low"], found["high"]
    between = f"{delta:+.3f} (95 % interval {low:+.3f} to {high:+.3f})"
    certain = low > 0 or high < 0
    better = (delta > 0) is material.classifies
    verdict = ("better" if better else "worse") if certain else "not distinguishable"
    return f"Against version {version} on the same rows: {title} {between}, {verdict}."
