"""The main measure week by week: a model that is good on average may have been good only once.

Weeks begin on Monday, UTC. A long holdout is cut into at most 26 slices of equally many weeks.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from services.evaluation.measures import discrimination
from services.evaluation.measures.models import Floats, checked, checked_classes
from services.evaluation.measures.regression import intervals_regression
from services.kernel.errors import InputError

MOST_SLICES = 26
# Below this a slice says more about its rows than about its time.
FEWEST_ROWS = 100
_MONDAY = np.datetime64("1970-01-05", "D")


def by_time(times: npt.NDArray[Any], label: Floats, score: Floats, threshold: float | None) -> list[dict[str, Any]]:
    """AUC (with a threshold) or mean absolute error (without) of each slice that has rows, in order of time.

    `times` are datetime64, or seconds since 1970 as numbers. Raises InputError when a time is missing.
    """
    label, score = checked(label, score) if threshold is None else checked_classes(label, score)
    days = _days(times)
    if len(days) != len(label):
        raise InputError(f"There are {len(days)} times for {len(label)} rows; each row needs one.")
    if not len(days):
        return []
    week = (days - _MONDAY).astype(np.int64) // 7
    first, last = int(week.min()), int(week.max())
    width = -(-(last - first + 1) // MOST_SLICES)
    of_row = (week - first) // width
    order = np.argsort(of_row, kind="stable")
    numbers, begins = np.unique(of_row[order], return_index=True)
    return [
        _named(first + int(number) * width, width) | _measured(label[mine], score[mine], threshold)
        for number, mine in zip(numbers, np.split(order, begins[1:]), strict=True)
    ]


def spread(found: Iterable[dict[str, Any]], *, fewest: int = FEWEST_ROWS) -> float | None:
    """Worst minus best slice as a positive number; None when fewer than two slices have enough rows."""
    values = [item["value"] for item in found if item["value"] is not None and item["n"] >= fewest]
    return max(values) - min(values) if len(values) > 1 else None


def _days(times: npt.NDArray[Any]) -> npt.NDArray[np.datetime64]:
    times = np.asarray(times)
    if not np.issubdtype(times.dtype, np.datetime64):
        seconds = np.asarray(times, dtype=np.float64)
        if not np.isfinite(seconds).all():
            raise InputError("Some rows have no time, so nothing can be said about weeks.")
        times = seconds.astype("datetime64[s]")
    if np.isnat(times).any():
        raise InputError("Some rows have no time, so nothing can be said about weeks.")
    return times.astype("datetime64[D]")


def _named(week: int, width: int) -> dict[str, Any]:
    begin: date = (_MONDAY + np.timedelta64(7 * week, "D")).item()
    return {"slice": f"{begin} to {begin + timedelta(days=7 * width - 1)}"}


def _measured(label: Floats, score: Floats, threshold: float | None) -> dict[str, Any]:
    if threshold is None:
        metric, found = "mae", intervals_regression(label, score)["mae"]
    else:
        metric, found = "auc", discrimination.auc_with_interval(label, score)
    return {"n": len(label), "metric": metric, "value": found.value, "low": found.low, "high": found.high}
