"""What only the model itself can answer: missing and inexact inputs, response time, the same answer twice."""

from __future__ import annotations

from typing import Any

import numpy as np

from services.evaluation.harness import rows as tables
from services.evaluation.harness.material import Material
from services.evaluation.harness.measuring import drop, main_metric, main_value
from services.evaluation.harness.models import CheckResult, Status
from services.evaluation.harness.ports import ScoringFailed
from services.evaluation.harness.rows import Array

NOISE = 0.05
"""Standard deviations by which a number is moved: less than most measuring devices and forms are off."""
_NOTHING = 0.001
_SEED = 20300131
_REPEATED_ROWS = 5_000


def without_values(material: Material) -> CheckResult:
    """Each input blanked on every row of a sample."""
    found, base, refused = _disturbed(material, "missing", _blanked(material))
    return _stress_result(material, "missing", found, base, refused)


def disturbed(material: Material) -> CheckResult:
    """Each number moved a little, and all at once."""
    found, base, refused = _disturbed(material, "noise", _moved(material))
    return _stress_result(material, "noise", found, base, refused)


def latency(material: Material) -> CheckResult:
    if material.loaded is None:
        raise ScoringFailed(material.mode_reason)
    requests = material.plan.latency_requests
    places = tables.evenly(material.rows.n, requests)
    found = material.loaded.latency(tables.taken(material.inputs, places), requests, material.p95_ms)
    answered = found.milliseconds
    if not len(answered):
        return CheckResult(status=Status.ERROR, sentence="No request was answered.")
    p50, p95, p99 = (float(np.quantile(answered, share)) for share in (0.5, 0.95, 0.99))
    errors = found.failed / found.asked
    promise = ""
    if material.p95_ms is not None:
        kept = "within" if p95 <= material.p95_ms else "above"
        promise = f", {kept} the promised {material.p95_ms:g} ms"
    return CheckResult(
        status=Status.DONE,
        sentence=(
            f"95 of 100 requests were answered within {p95:.1f} ms{promise}; {found.failed} of "
            f"{found.asked} failed. {found.how}."
        ),
        sections={
            "latency": {
                "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "error_rate": errors, "n": len(answered), "how": found.how,
            }
        },
        metrics={"served_p50_ms": p50, "served_p95_ms": p95, "served_p99_ms": p99, "served_error_rate": errors},
    )  # fmt: skip


def reproducible(material: Material) -> CheckResult:
    """The same rows scored again; and, for files and rows reported before, the same figures."""
    places = tables.evenly(material.rows.n, _REPEATED_ROWS)
    again = material.ask(tables.taken(material.inputs, places))
    difference = float(np.abs(again - material.scores[places]).max())
    earlier = _comparable(material)
    words = [f"{len(places):,} rows scored again differ by at most {difference:.3g}."]
    if earlier is not None:
        apart = _apart(material, earlier)
        difference = max(difference, apart)
        words.append(f"The earlier report on the same files and rows differs by at most {apart:.3g}.")
    difference = round(difference, 9)
    return CheckResult(
        status=Status.DONE,
        sentence=" ".join(words),
        sections={
            "reproducibility": {
                "same": difference <= 1e-6,
                "max_difference": difference,
                "earlier": material.earlier_sha256 if earlier is not None else "",
            }
        },
        metrics={"reproduced_difference": difference},
    )


def _disturbed(
    material: Material, check: str, variants: list[tuple[str, dict[str, Array]]]
) -> tuple[list[dict[str, Any]], float | None, list[str]]:
    _, inputs, label = material.sample(material.plan.rows_perturbed)
    metric, base = main_metric(material), main_value(material, label, material.ask(inputs))
    found: list[dict[str, Any]] = []
    refused: list[str] = []
    if base is None:
        return found, None, refused
    for feature, changed in variants:
        try:
            value = main_value(material, label, material.ask(inputs | changed))
        except ScoringFailed:
            value = None
        if value is None:
            # Refused by the signature, or answered with no number: nobody takes that for a forecast.
            refused.append(feature)
            continue
        worse = drop(material, base, value)
        found.append(
            {"check": check, "feature": feature, "metric": metric, "base": base, "value": value, "drop": worse}
        )
    return found, base, refused


def _stress_result(
    material: Material, check: str, found: list[dict[str, Any]], base: float | None, refused: list[str]
) -> CheckResult:
    if base is None:
        return CheckResult(status=Status.INCONCLUSIVE, sentence="The sample is too small to be measured.")
    what = "is missing" if check == "missing" else "is a little off"
    words = []
    if found:
        worst = max(found, key=lambda row: (row["drop"], row["feature"]))
        lost = f"{worst['drop']:.3f} of AUC" if material.classifies else f"{worst['drop']:.1%} more error"
        hardly = f"It hardly changes when any of {len(found)} inputs {what}."
        most = f"It loses most when {worst['feature'].replace('_', ' ')} {what}: {lost}."
        words.append(most if worst["drop"] >= _NOTHING else hardly)
    if refused:
        named = ", ".join(name.replace("_", " ") for name in refused[:3])
        words.append(f"It answers with no number or not at all when one of {len(refused)} inputs {what}: {named}.")
    worst_drop = max((row["drop"] for row in found), default=0.0)
    return CheckResult(
        status=Status.DONE if words else Status.SKIPPED,
        sentence=" ".join(words) or "There is no input to disturb.",
        sections={"robustness": found},
        metrics={f"robust_{check}_drop": max(0.0, worst_drop)} if words else {},
    )


def _blanked(material: Material) -> list[tuple[str, dict[str, Array]]]:
    _, inputs, _ = material.sample(material.plan.rows_perturbed)
    return [(name, {name: tables.blank(values)}) for name, values in inputs.items()]


def _moved(material: Material) -> list[tuple[str, dict[str, Array]]]:
    """Columns of counts and codes are left as they are: half a child and weekday 3.1 do not occur."""
    _, inputs, _ = material.sample(material.plan.rows_perturbed)
    changed = {}
    for number, (name, values) in enumerate(sorted(inputs.items())):
        if _is_amount(values):
            moved = np.random.default_rng(_SEED + number).normal(0.0, NOISE * float(np.nanstd(values)), len(values))
            changed[name] = tables.numbers(values) + moved
    single: list[tuple[str, dict[str, Array]]] = [(name, {name: values}) for name, values in changed.items()]
    return [*single, ("all numbers", dict(changed))] if single else []


def _is_amount(values: Array) -> bool:
    if values.dtype.kind != "f":
        return False
    known = values[~np.isnan(values)]
    return bool(len(known)) and bool((known != np.round(known)).any())


def _comparable(material: Material) -> dict[str, Any] | None:
    """The earlier report, when it was made from the same files and the same rows."""
    earlier = material.earlier
    if earlier is None or material.files is None:
        return None
    same_files = earlier.get("manifest_sha256") == material.files.facts.manifest_sha256
    same_rows = (earlier.get("holdout") or {}).get("digest") == material.rows.digest
    return earlier if same_files and same_rows else None


def _apart(material: Material, earlier: dict[str, Any]) -> float:
    before = earlier.get("metrics") or {}
    pairs = (
        abs(float(before[name]) - value)
        for step in material.finished.values()
        for name, value in step.result.metrics.items()
        if name.startswith("holdout_") and name != "holdout_age_days" and name in before
    )
    # Reports keep six digits, so two halves of the last one may differ.
    return max((0.0 if pair <= 1e-6 else pair for pair in pairs), default=0.0)
