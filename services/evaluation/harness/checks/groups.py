"""The rows divided: by group, by week, by single inputs."""

from __future__ import annotations

from typing import Any

from services.evaluation.harness.material import Material
from services.evaluation.harness.measuring import said
from services.evaluation.harness.models import CheckResult, Status
from services.evaluation.measures import fairness as fair
from services.evaluation.measures import leakage as leaks
from services.evaluation.measures import stability as weeks


def fairness(material: Material) -> CheckResult:
    """Every group of every attribute, however small: the policy decides which are too few."""
    slices, compared = [], []
    for attribute, groups in material.groups.items():
        found = fair.slices(attribute, groups, material.label, material.scores, material.limit)
        slices += found
        compared += fair.compare(found)
    sections = {"slices": slices, "fairness": compared}
    known = [row for row in compared if row["value"] is not None]
    if not known:
        return CheckResult(
            status=Status.INCONCLUSIVE, sentence="No group can be compared with another one.", sections=sections
        )
    sentence = f"{len(slices)} groups of {len(material.groups)} attributes were compared with the largest of each."
    return CheckResult(
        status=Status.DONE, sentence=f"{sentence} {_furthest(material, known)}".strip(), sections=sections
    )


def stability(material: Material) -> CheckResult:
    times = material.rows.times
    if times is None:
        return CheckResult(status=Status.SKIPPED, sentence="The held-out rows carry no time.")
    found = weeks.by_time(times, material.label, material.scores, material.limit)
    apart = weeks.spread(found)
    sections = {"stability": found}
    if apart is None:
        return CheckResult(
            status=Status.INCONCLUSIVE,
            sentence=f"{len(found)} weeks; fewer than two have enough rows to compare.",
            sections=sections,
        )
    return CheckResult(
        status=Status.DONE,
        sentence=f"{len(found)} slices of time; the best and the worst are {said(apart)} apart.",
        sections=sections,
        metrics={"stability_spread": apart},
    )


def leakage(material: Material) -> CheckResult:
    """Inputs that tell the label alone, and inputs that are known only after the decision."""
    inputs = material.inputs
    suspects = leaks.single_feature_auc(inputs, material.label)
    top = suspects[0] if suspects else None
    late = material.rows.late
    sections: dict[str, object] = {"suspects": suspects}
    metrics = {"suspects_top_auc": float(top["auc"])} if top else {}
    words = [f"{top['feature']} alone tells the label with AUC {said(top['auc'])}." if top else "There are no inputs."]
    if late is None:
        words.append("When each input is known was not written down.")
    else:
        notes = dict(late)
        sections["availability"] = [
            {
                "feature": name,
                "available": name not in notes,
                "note": notes.get(name, "known before the decision"),
            }
            for name in inputs
        ]
        too_late = [name for name in inputs if name in notes]
        metrics["late_features"] = float(len(too_late))
        words.append(
            f"Known only after the decision: {', '.join(too_late)}."
            if too_late
            else "Every input is known before the decision."
        )
    return CheckResult(
        status=Status.DONE if late is not None else Status.INCONCLUSIVE,
        sentence=" ".join(words),
        sections=sections,
        metrics=metrics,
    )


def _furthest(material: Material, known: list[dict[str, Any]]) -> str:
    measure, equal = ("rate_ratio", 1.0) if material.classifies else ("error_gap", 0.0)
    judged = [row for row in known if row["measure"] == measure]
    if not judged:
        return ""
    far = max(judged, key=lambda row: (abs(row["value"] - equal), row["attribute"], row["group"]))
    who = f"Furthest apart: {far['attribute']} {far['group']} ({far['n']:,} rows)"
    if material.classifies:
        return f"{who} is selected {said(far['value'], 2)} times as often as {far['reference']}."
    more = "more" if far["value"] > 0 else "less"
    return (
        f"{who} is forecast {said(abs(far['value']), 2)} {material.unit} {more} than {far['reference']}, by mean error."
    )
