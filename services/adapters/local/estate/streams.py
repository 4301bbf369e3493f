"""What the workspace's models are asked, in order and in workspace time: rows to score, later their labels.

    for slot in stream_for("claims_triage", prepared_at).slots(start, end): score(slot.rows)

The same interval always yields the same rows with the same prediction ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zlib import crc32

import numpy as np
import pandas as pd

from services.adapters.local.estate.calendar import ReplayCalendar
from services.adapters.local.estate.placed import FEATURES, PlacedCases, cases_of
from services.kernel.clock import require_utc

_LONGEST_WAIT_DAYS = 30
_REVIEWED_MODEL = "claims_triage"
_REVIEWED_OF_100 = 20
_REVIEWERS = ("reviewer-01", "reviewer-02", "reviewer-03", "reviewer-04")


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    model: str
    calendar: ReplayCalendar
    cases: PlacedCases
    share: float = 1.0

    def slots(self, start: datetime, end: datetime) -> Iterator[Slot]:
        """Slots with start <= at < end, oldest first. Batch jobs without rows yield no slot."""
        inputs = list(FEATURES[self.model])
        for day in self._days(start, end):
            rows = day.sort_values("event_at", kind="stable")
            asked, entities = rows[inputs], rows["entity"]
            moments = rows["event_at"].dt.to_pydatetime()
            borders = [0, *(np.flatnonzero(rows["event_at"].diff().iloc[1:]) + 1), len(rows)]
            for first, last in pairwise(borders):
                yield Slot(
                    at=require_utc(moments.iloc[first]),
                    model=self.model,
                    rows=asked.iloc[first:last],
                    entities=entities.iloc[first:last],
                )

    def labels(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Labels that arrived in [start, end): prediction_id, event_at, arrived_at, label (float)."""
        found = self._waiting(start, end)
        arrived = found["label"].notna() & (found["arrived_at"] >= start) & (found["arrived_at"] < end)
        columns = ["prediction_id", "event_at", "arrived_at", "label"]
        return found.loc[arrived, columns].sort_values(["arrived_at", "prediction_id"], ignore_index=True)

    def reviewable(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Human reviews finished in [start, end), empty for models nobody reviews.

        The recorded outcome plays the reviewer, one to three days after triage, for a fifth of the cases. Columns
        prediction_id, event_at, reviewed_at, reviewer, decision (float, like the label), reason_raised and
        reason_lowered: the reason code to record when the decision is above or below the prediction.
        """
        columns = ["event_at", "reviewed_at", "reviewer", "decision", "reason_raised", "reason_lowered"]
        if self.model != _REVIEWED_MODEL:
            return pd.DataFrame(columns=["prediction_id", *columns])
        found = self._waiting(start, end)
        drawn = found["prediction_id"].map(lambda name: crc32(f"review {name}".encode())).astype("int64")
        hours = 24 + drawn // 100 % 48
        found = found.assign(
            reviewed_at=found["event_at"] + pd.to_timedelta(hours, unit="h"),
            reviewer=drawn.map(lambda number: _REVIEWERS[number // 4800 % len(_REVIEWERS)]),
            decision=found["label"],
            reason_raised=_reason_raised(found),
            reason_lowered=_reason_lowered(found),
        )
        finished = (drawn % 100 < _REVIEWED_OF_100) & (found["reviewed_at"] >= start) & (found["reviewed_at"] < end)
        return found.loc[finished, ["prediction_id", *columns]].sort_values("reviewed_at", ignore_index=True)

    def _waiting(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Cases whose label or review can fall into the interval."""
        days = list(self._days(start - timedelta(days=_LONGEST_WAIT_DAYS), end))
        empty = self.cases.on_day(0, self.calendar).iloc[:0]
        return pd.concat(days or [empty]).reset_index(names="prediction_id")

    def _days(self, start: datetime, end: datetime) -> Iterator[pd.DataFrame]:
        for day in range(max(0, self.calendar.day_number(start)), self.calendar.day_number(end) + 1):
            rows = self.cases.on_day(day, self.calendar)
            rows = rows.loc[(rows["event_at"] >= start) & (rows["event_at"] < end)]
            if self.share < 1:
                limit = int(self.share * 10_000)
                rows = rows.loc[[crc32(f"share {name}".encode()) % 10_000 < limit for name in rows.index]]
            if len(rows):
                yield rows


def stream_for(model: str, prepared_at: datetime, *, share: float = 1.0) -> Stream:
    """The stream of one model from the first replayed day on. `share` keeps a fixed part of its rows.

    Raises UnknownModelError for a model without a stream.
    """
    calendar = ReplayCalendar(prepared_at=require_utc(prepared_at))
    return Stream(model=model, calendar=calendar, cases=cases_of(model), share=share)


def _reason_raised(found: pd.DataFrame) -> pd.Series:
    reasons = pd.Series("SYMPTOMS-REPORTED", index=found.index)
    reasons = reasons.mask(found["prior_known"] == 0, "NEW-MEMBER")
    return reasons.mask(found["hospital_days_seen_later"] > 0, "HOSPITAL-REPORT")


def _reason_lowered(found: pd.DataFrame) -> pd.Series:
    reasons = pd.Series("NO-ONGOING-TREATMENT", index=found.index)
    reasons = reasons.mask(found["prior_known"] == 0, "NEW-MEMBER")
    return reasons.mask(found["prior_hospvis"] > 0, "TREATMENT-CLOSED")
