"""Rows as columns of numpy arrays, so that no data-frame library is needed to decide anything. Pure.

Numbers are float64 with NaN for a missing value, or int64 and bool where none is missing; text is an object array
with None for a missing value; times are datetime64[ns].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Columns = Mapping[str, Array]


def count(columns: Columns) -> int:
    return len(next(iter(columns.values()))) if columns else 0


def taken(columns: Columns, rows: Array) -> dict[str, Array]:
    """The rows at these places, or those that are True."""
    return {name: values[rows] for name, values in columns.items()}


def evenly(n: int, most: int) -> npt.NDArray[np.int64]:
    """At most `most` places out of `n`, spread evenly: the same ones every time."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64)) if n else np.zeros(0, dtype=np.int64)


def is_number(values: Array) -> bool:
    return values.dtype.kind in "iufb"


def numbers(values: Array) -> Floats:
    return np.asarray(values, dtype=np.float64)


def blank(values: Array) -> Array:
    """A column of the same kind in which every value is missing."""
    if is_number(values):
        return np.full(len(values), np.nan)
    if values.dtype.kind == "M":
        return np.full(len(values), np.datetime64("NaT"), dtype=values.dtype)
    return np.full(len(values), None, dtype=object)


def missing(values: Array) -> npt.NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "M":
        return np.isnat(values)
    if values.dtype.kind == "O":
        return np.fromiter((value is None or value != value for value in values), dtype=bool, count=len(values))  # noqa: PLR0124 - NaN
    return np.zeros(len(values), dtype=bool)


def words(values: Array) -> npt.NDArray[np.str_]:
    """Group names: text as it is, numbers without needless digits, `unknown` for a missing value."""
    gone = missing(values)
    return np.asarray(["unknown" if absent else _word(value) for value, absent in zip(values, gone, strict=True)])


def _word(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)
