"""Groups beside each other: what each group gets, and its distance to the largest group of the same attribute.

Every group is measured, however small, with its size and its interval; the policy decides which sizes are too few.
`n` of a comparison counts the rows of the group that the measure rests on: positive rows for found positives,
negative rows for false alarms. Without a threshold the scores are amounts, and errors are compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from services.evaluation.measures.grouping import Codes, grouped
from services.evaluation.measures.models import (
    LEVEL,
    Floats,
    Z,
    checked,
    checked_classes,
    t_quantile,
    wilson,
)


def slices(
    attribute: str, groups: npt.NDArray[Any] | Sequence[Any], label: Floats, score: Floats, threshold: float | None
) -> list[dict[str, Any]]:
    """One entry per group, in the order of their names; a missing group name is the group `unknown`."""
    names, of_row = grouped(groups)
    found = (
        _error_slices(of_row, *checked(label, score))
        if threshold is None
        else _class_slices(of_row, *checked_classes(label, score), threshold)
    )
    return [{"attribute": attribute, "group": name} | entry for name, entry in zip(names, found, strict=True)]


def compare(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each group against the largest of its attribute; the first in order where two are equally large.

    Ratios have the log interval of Katz et al. (1978), gaps of shares Newcombe's (1998) method 10, gaps of means
    Welch's. A value that cannot be given (nobody of the reference selected) is None, and so are its ends.
    """
    rows: list[dict[str, Any]] = []
    ordered = sorted(found, key=lambda item: (item["attribute"], item["group"]))
    for attribute, members in groupby(ordered, key=lambda item: item["attribute"]):
        groups = list(members)
        reference = max(groups, key=lambda item: item["n"])
        for group in groups:
            if group is not reference:
                names = {"attribute": attribute, "group": group["group"], "reference": reference["group"]}
                rows += [names | row for row in _distances(group, reference)]
    return rows


def _class_slices(of_row: Codes, label: Floats, score: Floats, threshold: float) -> list[dict[str, Any]]:
    def total(weights: Floats) -> list[float]:
        return [float(value) for value in np.bincount(of_row, weights)]

    chosen = (score >= threshold).astype(np.float64)
    counts = zip(
        total(np.ones(len(label))),
        total(label),
        total(chosen),
        total(chosen * label),
        total(score),
        strict=True,
    )
    found = []
    for n, positives, selected, hits, scores in counts:
        negatives = n - positives
        entry = {
            "n": int(n),
            "positives": int(positives),
            "negatives": int(negatives),
            "observed_rate": positives / n,
            "mean_score": scores / n,
        }
        entry |= _share("rate", selected, n)
        entry |= _share("tpr", hits, positives) if positives else {}
        entry |= _share("fpr", selected - hits, negatives) if negatives else {}
        found.append(entry)
    return found


def _error_slices(of_row: Codes, label: Floats, score: Floats) -> list[dict[str, Any]]:
    error = score - label
    found = []
    for number in range(int(of_row.max(initial=-1)) + 1):
        mine = error[of_row == number]
        n, mean = len(mine), float(mine.mean())
        entry: dict[str, Any] = {
            "n": n,
            "error": mean,
            "mae": float(np.abs(mine).mean()),
        }
        if n > 1:
            half = t_quantile(n) * float(mine.std(ddof=1)) / math.sqrt(n)
            entry |= {"error_low": mean - half, "error_high": mean + half}
        found.append(entry)
    return found


def _share(name: str, hits: float, n: float) -> dict[str, float]:
    low, high = wilson(hits, n)
    return {name: hits / n, f"{name}_low": low, f"{name}_high": high}


def _distances(group: dict[str, Any], reference: dict[str, Any]) -> list[dict[str, Any]]:
    if "error" in group:
        return [_row("error_gap", _welch(group, reference), group["n"])]
    rows = [_row("rate_ratio", _ratio(group, reference), group["n"])]
    for name, rests_on in (("tpr", "positives"), ("fpr", "negatives")):
        rows.append(_row(f"{name}_gap", _gap(group, reference, name), group[rests_on]))
    return rows


Distance = tuple[float | None, float | None, float | None]
_UNKNOWN: Distance = (None, None, None)


def _row(measure: str, distance: Distance, n: int) -> dict[str, Any]:
    value, low, high = distance
    return {"measure": measure, "value": value, "low": low, "high": high, "n": n}


def _ratio(group: dict[str, Any], reference: dict[str, Any]) -> Distance:
    """Adverse impact ratio. An empty cell gets half a row for the interval alone (Walter 1975)."""
    n, base_n = group["n"], reference["n"]
    hits, base_hits = round(group["rate"] * n), round(reference["rate"] * base_n)
    if not base_hits:
        return _UNKNOWN
    value = (hits / n) / (base_hits / base_n)
    extra = 0.0 if hits and hits < n else 0.5
    a, b, c, d = hits + extra, n + extra, base_hits + extra, base_n + extra
    centre, error = math.log((a / b) / (c / d)), math.sqrt(max(0.0, 1 / a - 1 / b + 1 / c - 1 / d))
    low = 0.0 if not hits else min(value, math.exp(centre - Z * error))
    return value, low, max(value, math.exp(centre + Z * error))


def _gap(group: dict[str, Any], reference: dict[str, Any], name: str) -> Distance:
    if name not in group or name not in reference:
        return _UNKNOWN
    one, other = group[name], reference[name]
    value = one - other
    below = math.hypot(one - group[f"{name}_low"], reference[f"{name}_high"] - other)
    above = math.hypot(group[f"{name}_high"] - one, other - reference[f"{name}_low"])
    return value, value - below, value + above


def _welch(group: dict[str, Any], reference: dict[str, Any]) -> Distance:
    value = group["error"] - reference["error"]
    if "error_low" not in group or "error_low" not in reference:
        return value, None, None
    parts = [_squared_error(item) for item in (group, reference)]
    total = sum(parts)
    if not total:
        return value, value, value
    freedom = total**2 / sum(part**2 / (item["n"] - 1) for part, item in zip(parts, (group, reference), strict=True))
    half = float(special.stdtrit(freedom, 0.5 + LEVEL / 2)) * math.sqrt(total)
    return value, value - half, value + half


def _squared_error(group: dict[str, Any]) -> float:
    """Variance of the group's mean, read back from its interval."""
    return float(((group["error_high"] - group["error_low"]) / 2 / t_quantile(group["n"])) ** 2)
