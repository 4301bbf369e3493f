"""Any column as groups: a name per group and the group of each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

UNKNOWN_GROUP = "unknown"
Codes = npt.NDArray[np.intp]


def grouped(values: npt.NDArray[Any] | Sequence[Any]) -> tuple[list[str], Codes]:
    """Names in order (whole numbers by size), and the place of each row's name; a missing value is `unknown`."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "biu":
        whole, of_row = np.unique(values, return_inverse=True)
        return [str(value) for value in whole.tolist()], of_row
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    seen = {value: number for number, value in enumerate(dict.fromkeys(listed))}
    of_value = np.fromiter(map(seen.__getitem__, listed), dtype=np.intp, count=len(listed))
    names, of_name = np.unique([_name(value) for value in seen], return_inverse=True)
    return [str(name) for name in names], of_name[of_value]


def is_missing(value: Any) -> bool:
    # Not-a-number differs from itself; the missing values of pandas only tell their name.
    return value is None or (isinstance(value, float) and value != value) or str(value) in {"<NA>", "NaT"}  # noqa: PLR0124


def _name(value: Any) -> str:
    return UNKNOWN_GROUP if is_missing(value) else str(value)
