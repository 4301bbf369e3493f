"""Labelled days as they are kept, from the answers of the two statements about them; the same for every engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from services.monitoring.profile import SCORE_BINS, LabelledDay


def labelled_from(
    totals: Sequence[Sequence[Any]], counted: Sequence[Sequence[Any]], *, scores: bool
) -> tuple[LabelledDay, ...]:
    """Days as they are kept, from the answers of both statements."""
    bins = SCORE_BINS if scores else 0
    counts: dict[tuple[date, str, int], Any] = defaultdict(lambda: np.zeros(bins, dtype=np.int64))
    for day, version, place, positive, n in counted:
        counts[day, str(version), int(positive)][int(place)] += int(n)
    return tuple(
        LabelledDay(
            day=day, version=str(version), predicted=int(predicted), labelled=int(labelled),
            positives=counts[day, str(version), 1], negatives=counts[day, str(version), 0],
            sum_error=float(error), sum_absolute=float(absolute), sum_square=float(square),
        )
        for day, version, predicted, labelled, error, absolute, square in sorted(totals, key=_day_and_version)
    )  # fmt: skip


def _day_and_version(row: Sequence[Any]) -> tuple[date, str]:
    return row[0], str(row[1])
