"""One score per row, whatever shape a model answers in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def score_of(output: Any) -> npt.NDArray[np.float64]:
    """The score of each row: the probability of the positive class, or the forecast.

    Two columns are class probabilities (the second is the positive class); one column or a list is the score itself.
    """
    values = np.asarray(output, dtype=np.float64)
    if values.ndim == 2 and values.shape[1] == 2:
        return values[:, 1]
    if values.ndim == 2 and values.shape[1] == 1:
        return values[:, 0]
    if values.ndim != 1:
        msg = f"A model answered in shape {values.shape}; one score or two class probabilities per row are expected."
        raise ValueError(msg)
    return values
