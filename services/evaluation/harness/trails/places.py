"""Where and since when: the slice that is worst among many, and the weeks in which a fault shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from services.evaluation.harness.inquiry import Inquiry
from services.evaluation.harness.material import Material
from services.evaluation.harness.measuring import main_value, said
from services.evaluation.harness.rows import Array
from services.evaluation.harness.trails.common import Found, group_row
from services.evaluation.measures import calibration, search
from services.evaluation.measures import stability as weeks

_SLICES = 600
_MIN_SLICE = 100
_SIGNIFICANT = 0.05


def worst(material: Material, kind: str | None) -> Found:
    columns = {**material.inputs, **material.groups}
    task = "classification" if material.classifies else "regression"
    metric: Any = None if kind is None else ("calibration_gap" if material.classifies else "bias")
    found = search.worst_slices(
        columns, material.label, material.scores, task, min_n=_MIN_SLICE, budget=_SLICES, metric=metric
    )
    did = f"Looked at up to {_SLICES} slices of at least {_MIN_SLICE} rows by one and two conditions."
    clear = [item for item in found if item.p_adjusted <= _SIGNIFICANT]
    if not clear:
        return did, "No slice is worse than chance explains in so many: the fault is spread over all rows."
    worst = clear[0]
    return did, (
        f"{worst.description} ({worst.n:,} rows): {worst.metric.replace('_', ' ')} {said(worst.value)} against "
        f"{said(worst.overall)} over all; adjusted p {worst.p_adjusted:.2g}. {len(clear)} slices are clearly worse."
    )


def since_main(material: Material) -> Found:
    times = material.rows.times
    if times is None:
        return "Looked for times.", "The rows carry no time."
    found = weeks.by_time(times, material.label, material.scores, material.limit)
    whole = main_value(material, material.label, material.scores)
    bad = [
        item["slice"]
        for item in found
        if whole is not None
        and item["low"] is not None
        and (item["high"] < whole if material.classifies else item["low"] > whole)
    ]
    return f"Measured each of {len(found)} weeks.", _since_words(bad, [item["slice"] for item in found])


def since_gap(material: Material) -> Found:
    def gap(mine: Array) -> tuple[float, float] | None:
        if not material.classifies:
            error = material.scores[mine] - material.label[mine]
            half = 1.96 * float(error.std()) / max(1.0, len(error) ** 0.5)
            return float(error.mean()) - half, float(error.mean()) + half
        found = calibration.calibration_gap(material.label[mine], material.scores[mine])
        return None if found.low is None or found.high is None else (found.low, found.high)

    return _since(material, gap)


def since_group(material: Material, item: Inquiry) -> Found:
    groups = material.groups.get(item.attribute)
    if groups is None:
        return "Looked for the groups.", f"The rows do not carry {item.attribute}."

    def interval(mine: Array) -> tuple[float, float] | None:
        row = group_row(material, item, groups[mine], material.label[mine], material.scores[mine])
        if row is None or row["low"] is None or row["high"] is None:
            return None
        equal = 1.0 if row["measure"] == "rate_ratio" else 0.0
        return row["low"] - equal, row["high"] - equal

    return _since(material, interval)


def _since(material: Material, interval: Callable[[Array], tuple[float, float] | None]) -> Found:
    """Weeks in which zero lies outside of the interval."""
    times = material.rows.times
    if times is None:
        return "Looked for times.", "The rows carry no time."
    days = times.astype("datetime64[D]")
    # Day 0 of this count is a Thursday: three days later weeks begin on Monday.
    number = (days.astype(np.int64) + 3) // 7
    names, bad = [], []
    for week in np.unique(number):
        mine = number == week
        found = interval(mine)
        if found is None:
            continue
        first = str(np.datetime64(int(week) * 7 - 3, "D"))
        names.append(f"the week of {first}")
        if found[0] > 0 or found[1] < 0:
            bad.append(names[-1])
    return f"Measured each of {len(names)} weeks.", _since_words(bad, names)


def _since_words(bad: list[str], every: list[str]) -> str:
    if not every:
        return "No week has enough rows to say."
    if not bad:
        return "No single week shows it clearly; it is spread over the whole time."
    if len(bad) == len(every):
        return f"It is there in every week, from the first one ({every[0]})."
    return f"It shows clearly in {len(bad)} of {len(every)} weeks, first in {bad[0]}."
