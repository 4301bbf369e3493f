"""What an evaluation follows up: gates that say no, and figures that look wrong although no gate objects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.evaluation.harness.checks.quality import CLAIM_TOLERANCE
from services.evaluation.harness.material import Material
from services.policy.models import GateReport, Verdict

SUSPICIOUS_AUC = 0.97
"""Rarely reached on real outcomes; far more often a column knows the answer."""
SUSPICIOUS_ALONE = 0.9
SUSPICIOUS_GAIN = 0.1
"""AUC above the live version on the same rows: no retraining does that."""


class About(StrEnum):
    LEAKAGE = "leakage"
    PERFORMANCE = "performance"
    CALIBRATION = "calibration"
    FAIRNESS = "fairness"
    STRESS = "stress"
    LATENCY = "latency"
    CLAIMS = "claims"


_ORDER = tuple(About)
_BY_METRIC = {
    "holdout_ece": About.CALIBRATION,
    "holdout_calibration_gap": About.CALIBRATION,
    "holdout_brier": About.CALIBRATION,
    "holdout_logloss": About.CALIBRATION,
    "robust_missing_drop": About.STRESS,
    "robust_noise_drop": About.STRESS,
    "suspects_top_auc": About.LEAKAGE,
    "late_features": About.LEAKAGE,
    "stability_spread": About.PERFORMANCE,
}
_BY_KIND = {
    "calibration": About.CALIBRATION,
    "fairness": About.FAIRNESS,
    "leakage": About.LEAKAGE,
    "availability": About.LEAKAGE,
    "latency": About.LATENCY,
    "baseline": About.PERFORMANCE,
    "delta": About.PERFORMANCE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    about: About
    because: str
    """The sentence of the gate, or what looked wrong."""
    attribute: str = ""
    group: str = ""


def inquiries(material: Material, report: GateReport, gates: Mapping[str, tuple[str, str]]) -> list[Inquiry]:
    """One per subject, the gravest first. `gates` gives kind and metric of each gate by its id."""
    found = [*_refused(report, gates), *_odd(material)]
    first: dict[tuple[About, str, str], Inquiry] = {}
    for item in found:
        first.setdefault((item.about, item.attribute, item.group), item)
    return sorted(first.values(), key=lambda item: _ORDER.index(item.about))


def _refused(report: GateReport, gates: Mapping[str, tuple[str, str]]) -> list[Inquiry]:
    found = []
    for outcome in report.outcomes:
        # Only a measured value can be followed; what could not be measured says so by itself.
        if outcome.verdict is not Verdict.FAILED:
            continue
        name, _, rest = outcome.gate.partition(":")
        kind, metric = gates.get(name, ("", ""))
        about = _BY_METRIC.get(metric) or _BY_KIND.get(kind) or _by_name(metric)
        if about is not None:
            attribute, _, group = rest.partition("=")
            found.append(Inquiry(about=about, because=outcome.sentence, attribute=attribute, group=group))
    return found


def _by_name(metric: str) -> About | None:
    if metric.startswith(("served_", "probe_")):
        return About.LATENCY
    return About.PERFORMANCE if metric.startswith("holdout_") and metric != "holdout_age_days" else None


def _odd(material: Material) -> list[Inquiry]:
    found = []
    area, alone = material.metric("holdout_auc"), material.metric("suspects_top_auc")
    if area is not None and area >= SUSPICIOUS_AUC:
        found.append(Inquiry(about=About.LEAKAGE, because=f"An AUC of {area:.3f} is too good to be believed unread."))
    if material.classifies and alone is not None and alone >= SUSPICIOUS_ALONE:
        found.append(Inquiry(about=About.LEAKAGE, because=f"One input alone tells the label with AUC {alone:.3f}."))
    beside = ((material.section("champion") or {}).get("paired") or {}).get("holdout_auc")
    if beside and beside["delta"] >= SUSPICIOUS_GAIN:
        gain = f"{beside['delta']:.3f} above the live version on the same rows is more than retraining gives."
        found.append(Inquiry(about=About.LEAKAGE, because=gain))
    claimed = material.metric("claimed_difference")
    if claimed is not None and claimed > CLAIM_TOLERANCE:
        found.append(Inquiry(about=About.CLAIMS, because="The run claims other figures than were measured."))
    return found
