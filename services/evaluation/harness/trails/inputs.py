"""Which input: each is shuffled, so that it keeps its values and loses its meaning, and the model is asked again."""

from __future__ import annotations

import numpy as np

from services.evaluation.harness.inquiry import Inquiry
from services.evaluation.harness.material import Material
from services.evaluation.harness.measuring import drop, main_value, said
from services.evaluation.harness.ports import ScoringFailed
from services.evaluation.harness.rows import Array
from services.evaluation.harness.trails.common import CLEAR, Found, group_distance


def which_leak(material: Material) -> Found:
    suspects = material.section("suspects") or []
    names = [row["feature"] for row in suspects[:3] if row["feature"] in material.inputs]
    if not names:
        return "Looked for suspects.", "No input was scanned."
    _, inputs, label = material.sample(material.plan.rows_perturbed)
    base = main_value(material, label, material.ask(inputs))
    lost = []
    for name in names:
        try:
            value = main_value(material, label, material.ask(inputs | {name: _shuffled(inputs[name])}))
        except ScoringFailed:
            continue
        if base is not None and value is not None:
            lost.append((drop(material, base, value), name))
    if not lost:
        return f"Shuffled {', '.join(names)}.", "It cannot be measured."
    worst, name = max(lost)
    alone = next(row["auc"] for row in suspects if row["feature"] == name)
    return (
        f"Shuffled {', '.join(names)}, one at a time, on {len(label):,} rows.",
        f"Without {name} it loses {said(worst)} of {said(base)}; alone it tells the label with AUC {said(alone)}.",
    )


def which_input(material: Material) -> Found:
    """Which inputs the scores rest on, and whether they look different in the second half of the time."""
    _, inputs, label = material.sample(material.plan.rows_perturbed)
    base = main_value(material, label, material.ask(inputs))
    lost = []
    for name, values in inputs.items():
        try:
            value = main_value(material, label, material.ask(inputs | {name: _shuffled(values)}))
        except ScoringFailed:
            continue
        if base is not None and value is not None:
            lost.append((drop(material, base, value), name))
    if not lost:
        return "Shuffled every input.", "It cannot be measured."
    lost.sort(reverse=True)
    listed = ", ".join(f"{name} ({said(value)})" for value, name in lost[:3])
    harmful = [name for value, name in lost if value < -CLEAR]
    more = f" It is better without {', '.join(harmful)}." if harmful else ""
    return (
        f"Shuffled each of {len(inputs)} inputs on {len(label):,} rows.",
        f"The scores rest most on {listed}.{more}",
    )


def group_input(material: Material, item: Inquiry) -> Found:
    groups = material.groups.get(item.attribute)
    if groups is None:
        return "Looked for the groups.", f"The rows do not carry {item.attribute}."
    places, inputs, label = material.sample(material.plan.rows_perturbed)
    mine = groups[places]
    base = group_distance(material, item, mine, label, material.ask(inputs))
    found = []
    for name, values in inputs.items():
        try:
            scores = material.ask(inputs | {name: _shuffled(values)})
        except ScoringFailed:
            continue
        value = group_distance(material, item, mine, label, scores)
        if base is not None and value is not None:
            found.append((base - value, name))
    if not found or base is None:
        return "Shuffled every input.", "The group is too small in the sample."
    closer, name = max(found)
    return (
        f"Shuffled each of {len(inputs)} inputs on {len(label):,} rows.",
        f"The distance shrinks most without {name}: from {said(base)} by {said(closer)}."
        if closer > 0
        else "No single input explains it.",
    )


def _shuffled(values: Array) -> Array:
    """In another order that is always the same: the column keeps its values and loses its meaning."""
    return values[np.random.default_rng(len(values)).permutation(len(values))]
