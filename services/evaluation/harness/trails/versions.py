"""Which version brought a fault: earlier versions score the same rows, the live one first."""

from __future__ import annotations

from collections.abc import Callable

from services.evaluation.harness import rows as tables
from services.evaluation.harness.inquiry import Inquiry
from services.evaluation.harness.material import Material
from services.evaluation.harness.measuring import drop, main_value, said
from services.evaluation.harness.ports import ScoringFailed
from services.evaluation.harness.rows import Floats
from services.evaluation.harness.trails.common import CLEAR, Found, earlier, group_distance
from services.evaluation.measures import calibration

_CLEAR_GROUP = 0.05
_NAMES = {
    (True, True): "Calibration error",
    (True, False): "AUC",
    (False, True): "Mean error",
    (False, False): "Mean absolute error",
}
"""What is compared between versions: by whether the model classifies, and whether it is about calibration."""


def main(material: Material, scores: Floats) -> float | None:
    return main_value(material, material.label, scores)


def gap(material: Material, scores: Floats) -> float | None:
    if material.classifies:
        return calibration.ece(material.label, scores).value
    return abs(float(scores.mean() - material.label.mean()))


def version(material: Material, measure: Callable[[Material, Floats], float | None]) -> Found:
    lower = measure is gap or not material.classifies
    mine = measure(material, material.scores)
    name = _NAMES[material.classifies, measure is gap]
    values = _values(material, lambda scores: measure(material, scores))
    if mine is None or not values:
        return _walk_words(material), "No earlier version can score these rows."
    scale = 1.0 if material.classifies else max(mine, 1e-12)
    better = [version for version, value in values if ((mine - value) if lower else (value - mine)) / scale > CLEAR]
    return _walk_words(material), _walk_found(material, name, mine, values, better)


def group_version(material: Material, item: Inquiry) -> Found:
    groups = material.groups.get(item.attribute)
    if groups is None:
        return "Looked for the groups.", f"The rows do not carry {item.attribute}."
    mine = group_distance(material, item, groups, material.label, material.scores)
    values = _values(material, lambda scores: group_distance(material, item, groups, material.label, scores))
    if mine is None or not values:
        return _walk_words(material), "No earlier version can be compared for this group."
    better = [version for version, value in values if mine - value > _CLEAR_GROUP]
    return _walk_words(material), _walk_found(material, f"Distance of {item.group}", mine, values, better)


def stress_version(material: Material) -> Found:
    """Whether the version before loses as much without the same input."""
    rows = material.section("robustness") or []
    rows = [row for step in material.finished.values() for row in step.result.sections.get("robustness", ())] or rows
    if not rows:
        return "Looked for the input.", "No input was disturbed."
    worst = max(rows, key=lambda row: (row["drop"], row["feature"]))
    feature = worst["feature"]
    other = next(iter(earlier(material)), None)
    if other is None:
        return f"Looked for an earlier version without {feature}.", "There is none."
    places, _, label = material.sample(material.plan.rows_perturbed)
    columns = tables.taken(material.rows.rows, places)
    if feature not in columns or feature not in material.inputs_of(other):
        return f"Asked version {other}.", f"Version {other} does not use {feature}: it came with a later version."
    base = main_value(material, label, material.ask_other(other, columns))
    value = main_value(material, label, material.ask_other(other, columns | {feature: tables.blank(columns[feature])}))
    if base is None or value is None:
        return f"Asked version {other}.", "It cannot be measured."
    lost = drop(material, base, value)
    return (
        f"Blanked {feature} for version {other} on {len(label):,} rows.",
        f"Version {other} loses {said(lost)}, version {material.version} {said(worst['drop'])}.",
    )


def input_since(material: Material) -> Found:
    suspects = material.section("suspects") or []
    if not suspects:
        return "Looked for suspects.", "No input was scanned."
    name, asked = suspects[0]["feature"], []
    for version in earlier(material):
        try:
            asked.append((version, name in material.inputs_of(version)))
        except ScoringFailed:
            continue
    if not asked:
        return "Looked for earlier versions.", "No earlier version can be read."
    with_it = [version for version, has in asked if has]
    words = f"used by version {', '.join(with_it)} already" if with_it else "used by none of them: it is new"
    return f"Read the inputs of version {', '.join(version for version, _ in asked)}.", f"{name} is {words}."


def _values(material: Material, measure: Callable[[Floats], float | None]) -> list[tuple[str, float]]:
    found = []
    for version in earlier(material):
        try:
            value = measure(material.scores_of(version))
        except ScoringFailed:
            continue
        if value is not None:
            found.append((version, value))
    return found


def _walk_words(material: Material) -> str:
    asked = ", ".join(earlier(material))
    return f"Scored the same rows with version {asked}." if asked else "Looked for earlier versions."


def _walk_found(material: Material, name: str, mine: float, values: list[tuple[str, float]], better: list[str]) -> str:
    listed = ", ".join(f"version {version} {said(value)}" for version, value in values)
    verdict = (
        f"Version {max(better, key=int)} does not have it: it came after that version."
        if better
        else "Earlier versions are no better: it did not come with this version."
    )
    return f"{name}: version {material.version} {said(mine)}, {listed}. {verdict}"
