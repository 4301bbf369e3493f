"""What the workspace's models are asked, in order and in workspace time: rows to score, later their labels.

    for slot in stream_for("claims_triage", prepared_at).slots(start, end): score(slot.rows)

The same interval always yields the same rows with the same prediction ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One request of a real-time model or one run of a batch job."""

    at: datetime
    """When the decision is asked for, UTC, in the workspace's calendar."""
    model: str
    rows: pd.DataFrame
    """Every input known at that moment, one column per feature, indexed by prediction_id. Versions use a subset."""
    entities: pd.Series
    """The thing each row is about (aircraft, member, route), same index."""


class Stream(Protocol):
    model: str

    def slots(self, start: datetime, end: datetime) -> Iterator[Slot]:
        """Slots with start <= at < end, oldest first. Batch jobs without rows yield no slot."""
        ...

    def labels(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Labels that arrived in [start, end): prediction_id, event_at, arrived_at, label (float)."""
        ...

    def reviewable(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Human reviews finished in [start, end), empty for models nobody reviews.

        Columns prediction_id, event_at, reviewed_at, reviewer, decision (float, in the unit of the label),
        reason_raised, reason_lowered: the reason code to record when the decision is above or below the prediction.
        """
        ...


def stream_for(model: str, prepared_at: datetime, *, share: float = 1.0) -> Stream:
    """The stream of one model. `share` keeps a fixed part of its rows, the same on every call.

    Raises UnknownModelError for a model without a stream.
    """
    raise NotImplementedError
