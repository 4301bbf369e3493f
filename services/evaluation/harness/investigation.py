"""Follows what failed or looks wrong, step by step within a budget; every step says why it was taken and what it found.

Worst slice, since when, which input, which version brought it. It finds reasons and decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.evaluation.harness import rows as tables
from services.evaluation.harness.inquiry import About, Inquiry
from services.evaluation.harness.material import Material
from services.evaluation.harness.measuring import drop, main_value, said
from services.evaluation.harness.models import Budget
from services.evaluation.harness.ports import ScoringFailed
from services.evaluation.harness.rows import Array, Floats
from services.evaluation.measures import calibration, search
from services.evaluation.measures import fairness as fair
from services.evaluation.measures import stability as weeks
from services.kernel.errors import ControlRoomError

_VERSIONS = 3
_CLEAR = 0.01
"""AUC, or share of the error, by which another version must differ to count as different."""
_CLEAR_GROUP = 0.05
_SLICES = 600
_MIN_SLICE = 100
_SIGNIFICANT = 0.05
_NAMES = {
    (True, True): "Calibration error",
    (True, False): "AUC",
    (False, True): "Mean error",
    (False, False): "Mean absolute error",
}
"""What is compared between versions: by whether the model classifies, and whether it is about calibration."""

Found = tuple[str, str]
"""What was done, and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    title: str
    because: str
    take: Callable[[], Found]


def investigate(
    material: Material, about: list[Inquiry], budget: Budget, *, clock: Callable[[], float] = time.monotonic
) -> list[dict[str, Any]]:
    """Each entry: step, because, did, found, seconds. The last one says when the budget ended it."""
    begun, taken = clock(), []
    waiting = [step for item in about for step in _steps(material, item)]
    for number, step in enumerate(waiting):
        spent = clock() - begun
        if number >= budget.steps or spent >= budget.seconds:
            what = f"{budget.steps} steps" if number >= budget.steps else f"{budget.seconds:.0f} seconds"
            left = len(waiting) - number
            taken.append(_entry("Stop", f"The budget of {what} is used up.", "", f"{left} steps were not taken.", 0.0))
            break
        started = clock()
        try:
            did, found = step.take()
        except (ScoringFailed, ControlRoomError) as failed:
            did, found = "Tried.", f"It could not be found out. {failed}"
        taken.append(_entry(step.title, step.because, did, found, clock() - started))
    return taken


def _steps(material: Material, item: Inquiry) -> Iterator[Step]:
    by_model = material.loaded is not None
    plans: dict[About, tuple[tuple[str, Callable[[], Found], bool], ...]] = {
        About.LEAKAGE: (
            ("Which input", lambda: _which_leak(material), by_model),
            ("Which version brought it", lambda: _input_since(material), by_model),
        ),
        About.PERFORMANCE: (
            ("Which version brought it", lambda: _version(material, _main), by_model),
            ("Worst slice", lambda: _worst(material, None), True),
            ("Since when", lambda: _since_main(material), True),
            ("Which input", lambda: _which_input(material), by_model),
        ),
        About.CALIBRATION: (
            ("Worst slice", lambda: _worst(material, "gap"), True),
            ("Since when", lambda: _since_gap(material), True),
            ("Which version brought it", lambda: _version(material, _gap), by_model),
        ),
        About.FAIRNESS: (
            ("Which version brought it", lambda: _group_version(material, item), by_model),
            ("Since when", lambda: _since_group(material, item), True),
            ("Which input", lambda: _group_input(material, item), by_model),
        ),
        About.STRESS: (("Which version brought it", lambda: _stress_version(material), by_model),),
        About.LATENCY: (("Which part is slow", lambda: _slow_part(material), by_model),),
        About.CLAIMS: (("Were other rows meant", lambda: _other_rows(material), True),),
    }
    for title, take, possible in plans[item.about]:
        if possible:
            yield Step(title=title, because=item.because, take=take)


# which version


def _main(material: Material, scores: Floats) -> float | None:
    return main_value(material, material.label, scores)


def _gap(material: Material, scores: Floats) -> float | None:
    if material.classifies:
        return calibration.ece(material.label, scores).value
    return abs(float(scores.mean() - material.label.mean()))


def _version(material: Material, measure: Callable[[Material, Floats], float | None]) -> Found:
    lower = measure is _gap or not material.classifies
    mine = measure(material, material.scores)
    name = _NAMES[material.classifies, measure is _gap]
    values = _values(material, lambda scores: measure(material, scores))
    if mine is None or not values:
        return _walk_words(material), "No earlier version can score these rows."
    scale = 1.0 if material.classifies else max(mine, 1e-12)
    better = [version for version, value in values if ((mine - value) if lower else (value - mine)) / scale > _CLEAR]
    return _walk_words(material), _walk_found(material, name, mine, values, better)


def _group_version(material: Material, item: Inquiry) -> Found:
    groups = material.groups.get(item.attribute)
    if groups is None:
        return "Looked for the groups.", f"The rows do not carry {item.attribute}."
    mine = _group_distance(material, item, groups, material.label, material.scores)
    values = _values(material, lambda scores: _group_distance(material, item, groups, material.label, scores))
    if mine is None or not values:
        return _walk_words(material), "No earlier version can be compared for this group."
    better = [version for version, value in values if mine - value > _CLEAR_GROUP]
    return _walk_words(material), _walk_found(material, f"Distance of {item.group}", mine, values, better)


def _stress_version(material: Material) -> Found:
    """Whether the version before loses as much without the same input."""
    rows = material.section("robustness") or []
    rows = [row for step in material.finished.values() for row in step.result.sections.get("robustness", ())] or rows
    if not rows:
        return "Looked for the input.", "No input was disturbed."
    worst = max(rows, key=lambda row: (row["drop"], row["feature"]))
    feature = worst["feature"]
    other = next(iter(_earlier(material)), None)
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


def _values(material: Material, measure: Callable[[Floats], float | None]) -> list[tuple[str, float]]:
    found = []
    for version in _earlier(material):
        try:
            value = measure(material.scores_of(version))
        except ScoringFailed:
            continue
        if value is not None:
            found.append((version, value))
    return found


def _earlier(material: Material) -> list[str]:
    """The live version first, then the newest of the others."""
    first = [material.champion] if material.champion else []
    return [*first, *(version for version in material.others if version != material.champion)][:_VERSIONS]


def _walk_words(material: Material) -> str:
    asked = ", ".join(_earlier(material))
    return f"Scored the same rows with version {asked}." if asked else "Looked for earlier versions."


def _walk_found(material: Material, name: str, mine: float, values: list[tuple[str, float]], better: list[str]) -> str:
    listed = ", ".join(f"version {version} {said(value)}" for version, value in values)
    verdict = (
        f"Version {better[0]} does not have it: it came after that version."
        if better
        else "Earlier versions are no better: it did not come with this version."
    )
    return f"{name}: version {material.version} {said(mine)}, {listed}. {verdict}"


# worst slice


def _worst(material: Material, kind: str | None) -> Found:
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


# since when


def _since_main(material: Material) -> Found:
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


def _since_gap(material: Material) -> Found:
    def gap(mine: Array) -> tuple[float, float] | None:
        if not material.classifies:
            error = material.scores[mine] - material.label[mine]
            half = 1.96 * float(error.std()) / max(1.0, len(error) ** 0.5)
            return float(error.mean()) - half, float(error.mean()) + half
        found = calibration.calibration_gap(material.label[mine], material.scores[mine])
        return None if found.low is None or found.high is None else (found.low, found.high)

    return _since(material, gap)


def _since_group(material: Material, item: Inquiry) -> Found:
    groups = material.groups.get(item.attribute)
    if groups is None:
        return "Looked for the groups.", f"The rows do not carry {item.attribute}."

    def interval(mine: Array) -> tuple[float, float] | None:
        row = _group_row(material, item, groups[mine], material.label[mine], material.scores[mine])
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


# which input


def _which_leak(material: Material) -> Found:
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


def _input_since(material: Material) -> Found:
    suspects = material.section("suspects") or []
    if not suspects:
        return "Looked for suspects.", "No input was scanned."
    name, asked = suspects[0]["feature"], []
    for version in _earlier(material):
        try:
            asked.append((version, name in material.inputs_of(version)))
        except ScoringFailed:
            continue
    if not asked:
        return "Looked for earlier versions.", "No earlier version can be read."
    with_it = [version for version, has in asked if has]
    words = f"used by version {', '.join(with_it)} already" if with_it else "used by none of them: it is new"
    return f"Read the inputs of version {', '.join(version for version, _ in asked)}.", f"{name} is {words}."


def _which_input(material: Material) -> Found:
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
    harmful = [name for value, name in lost if value < -_CLEAR]
    more = f" It is better without {', '.join(harmful)}." if harmful else ""
    return (
        f"Shuffled each of {len(inputs)} inputs on {len(label):,} rows.",
        f"The scores rest most on {listed}.{more}",
    )


def _group_input(material: Material, item: Inquiry) -> Found:
    groups = material.groups.get(item.attribute)
    if groups is None:
        return "Looked for the groups.", f"The rows do not carry {item.attribute}."
    places, inputs, label = material.sample(material.plan.rows_perturbed)
    mine = groups[places]
    base = _group_distance(material, item, mine, label, material.ask(inputs))
    found = []
    for name, values in inputs.items():
        try:
            scores = material.ask(inputs | {name: _shuffled(values)})
        except ScoringFailed:
            continue
        value = _group_distance(material, item, mine, label, scores)
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


def _group_row(
    material: Material, item: Inquiry, groups: Array, label: Floats, scores: Floats
) -> dict[str, Any] | None:
    compared = fair.compare(fair.slices(item.attribute, groups, label, scores, material.limit))
    wanted = "rate_ratio" if material.classifies else "error_gap"
    return next((row for row in compared if row["group"] == item.group and row["measure"] == wanted), None)


def _group_distance(material: Material, item: Inquiry, groups: Array, label: Floats, scores: Floats) -> float | None:
    row = _group_row(material, item, groups, label, scores)
    if row is None or row["value"] is None:
        return None
    return abs(float(row["value"]) - (1.0 if row["measure"] == "rate_ratio" else 0.0))


# the rest


def _slow_part(material: Material) -> Found:
    if material.loaded is None:
        raise ScoringFailed(material.mode_reason)
    requests = max(10, material.plan.latency_requests // 4)
    places = tables.evenly(material.rows.n, requests)
    single = tables.taken(material.inputs, places[:1])
    began = time.perf_counter()
    for _ in range(requests):
        material.loaded.score(single)
    alone = (time.perf_counter() - began) / requests * 1000
    whole = material.metric("served_p50_ms") or 0.0
    where = "the model itself" if alone > whole / 2 else "reading the request and checking its schema"
    return (
        f"Asked the model directly {requests} times, without JSON.",
        f"{alone:.1f} ms of about {whole:.1f} ms: most of the time goes into {where}.",
    )


def _other_rows(material: Material) -> Found:
    logged, measured = material.logged.get("holdout_n"), float(material.rows.n)
    if logged is not None and logged != measured:
        return (
            "Compared the number of rows.",
            f"The run speaks of {logged:,.0f} rows, the logged file has {measured:,.0f}.",
        )
    return (
        "Compared the number of rows.",
        f"The run speaks of the same {measured:,.0f} rows: its figures are not those of these files.",
    )


def _shuffled(values: Array) -> Array:
    """In another order that is always the same: the column keeps its values and loses its meaning."""
    return values[np.random.default_rng(len(values)).permutation(len(values))]


def _entry(step: str, because: str, did: str, found: str, seconds: float) -> dict[str, Any]:
    return {"step": step, "because": because, "did": did, "found": found, "seconds": round(seconds, 3)}
