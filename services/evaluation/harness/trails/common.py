"""What several trails share: which versions to ask, and how far a group is from the reference."""

from __future__ import annotations

from typing import Any

from services.evaluation.harness.inquiry import Inquiry
from services.evaluation.harness.material import Material
from services.evaluation.harness.rows import Array, Floats
from services.evaluation.measures import fairness as fair

_VERSIONS = 3
CLEAR = 0.01
"""AUC, or share of the error, by which another version must differ to count as different."""

Found = tuple[str, str]
"""What was done, and what was found."""


def earlier(material: Material) -> list[str]:
    """The live version first, then the newest of the others."""
    first = [material.champion] if material.champion else []
    return [*first, *(version for version in material.others if version != material.champion)][:_VERSIONS]


def group_row(material: Material, item: Inquiry, groups: Array, label: Floats, scores: Floats) -> dict[str, Any] | None:
    compared = fair.compare(fair.slices(item.attribute, groups, label, scores, material.limit))
    wanted = "rate_ratio" if material.classifies else "error_gap"
    return next((row for row in compared if row["group"] == item.group and row["measure"] == wanted), None)


def group_distance(material: Material, item: Inquiry, groups: Array, label: Floats, scores: Floats) -> float | None:
    row = group_row(material, item, groups, label, scores)
    if row is None or row["value"] is None:
        return None
    return abs(float(row["value"]) - (1.0 if row["measure"] == "rate_ratio" else 0.0))
