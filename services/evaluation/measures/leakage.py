"""How well each input alone tells the label: one that tells nearly all of it was probably written after the fact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from services.evaluation.measures import discrimination
from services.evaluation.measures.grouping import UNKNOWN_GROUP, grouped
from services.evaluation.measures.models import Floats
from services.kernel.errors import InputError

# The standard error of an AUC from these rows is under 0.01: enough to suspect, and quick for hundreds of inputs.
MOST_ROWS = 6_000


def single_feature_auc(rows: Mapping[str, npt.NDArray[Any]], label: Floats) -> list[dict[str, Any]]:
    """AUC of each input alone, in the better of its two directions, best first; rows are taken at even steps.

    A label that is an amount is split at its mean. Text is read as the mean label of the other half of the rows with
    the same text, so that a column of unique names tells nothing. That a value is missing may tell, too.
    """
    label = np.asarray(label, dtype=np.float64)
    if not np.isfinite(label).all():
        raise InputError("Some labels are not finite numbers, so no input was looked at.")
    taken = np.linspace(0, len(label) - 1, min(len(label), MOST_ROWS)).astype(np.intp)
    target = (label[taken] > label[taken].mean()).astype(np.float64) if len(taken) else label
    found = [{"feature": str(name), "auc": _alone(np.asarray(rows[name])[taken], target)} for name in rows]
    return sorted(found, key=lambda suspect: (-suspect["auc"], suspect["feature"]))


def _alone(column: npt.NDArray[Any], target: Floats) -> float:
    values, missing = _numbers(column, target)
    ways = [values] if not missing.any() else [values, missing.astype(np.float64)]
    areas = [discrimination.auc(target, way) for way in ways]
    return max((max(area, 1 - area) for area in areas if area is not None), default=0.5)


def _numbers(column: npt.NDArray[Any], target: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The column as numbers without holes, and where holes were."""
    if column.dtype.kind in "biufmM":
        values = column.astype(np.float64)
        values[np.isnat(column) if column.dtype.kind in "mM" else ~np.isfinite(values)] = np.nan
    else:
        values = _by_mean_label(column, target)
    missing = np.isnan(values)
    if missing.any():
        known = values[~missing]
        values = np.where(missing, np.median(known) if len(known) else 0.0, values)
    return values, missing


def _by_mean_label(column: npt.NDArray[Any], target: Floats) -> Floats:
    """Each text as the mean label of the rows of the other half that have it; texts unknown there as the mean."""
    names, codes = grouped(column)
    absent = codes == names.index(UNKNOWN_GROUP) if UNKNOWN_GROUP in names else np.zeros(len(codes), dtype=bool)
    half = np.arange(len(column)) % 2
    values = np.empty(len(column))
    for part in (0, 1):
        others, mine = (half != part) & ~absent, half == part
        count = np.bincount(codes[others], minlength=len(names))
        total = np.bincount(codes[others], target[others], len(count))
        mean = np.divide(total, count, out=np.full(len(count), float(target.mean())), where=count > 0)
        values[mine] = mean[codes[mine]]
    values[absent] = np.nan
    return values
