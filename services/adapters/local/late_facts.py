"""What is known only later: labels, human reviews of predictions, and the computing time each day took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from services.adapters.local.estate.streams import Stream
from services.adapters.local.inference_log import append_rows, day_file
from services.adapters.local.serving import ScoringProcess

REALTIME = "delay_claim_score"
BATCH = ("claims_triage", "payout_forecast", "plan_utilisation")
_NEVER_CORRECTED = ""
_LOGGED = ("requests", "predictions", "labels", "reviews")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One row of usage/: what one version used on one workspace day. `bytes` is what is stored at the day's end.

    Without a version it is use of the model as a whole.
    """

    model: str
    version: str
    component: str
    day: date
    cpu_seconds: float
    bytes: int
    wall_seconds: float


class CpuMeter:
    """Processor time of the scoring processes since the last reading, per deployment and version."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}

    def read(self, processes: Iterable[ScoringProcess]) -> dict[tuple[str, str], float]:
        """Time used before the first reading of a process (loading the model) counts for the version too."""
        used: dict[tuple[str, str], float] = {}
        for process in processes:
            if process.pid is not None:
                key = (process.deployment, process.version)
                used[key] = used.get(key, 0.0) + process.cpu_seconds - self._seen.get(process.pid, 0.0)
                self._seen[process.pid] = process.cpu_seconds
        return used


def write_usage(inference: Path, rows: Iterable[Usage], *, source: str) -> int:
    written = 0
    everything = list(rows)
    for model in sorted({row.model for row in everything}):
        frame = pd.DataFrame([asdict(row) for row in everything if row.model == model])
        written += append_rows(inference, "usage", model, frame, day_column="day", source=source)
    return written


def write_evaluation(inference: Path, row: Usage, *, attempt: str) -> int:
    """Use of one evaluation; the same `attempt` is counted once, however much was written on that day in between."""
    frame = pd.DataFrame([{**asdict(row), "attempt": attempt}])
    source = f"evaluation {attempt}"
    return append_rows(inference, "usage", row.model, frame, day_column="day", source=source, keys=("attempt",))


def write_labels(inference: Path, model: str, labels: pd.DataFrame, *, source: str) -> int:
    """`labels` has prediction_id, event_at, arrived_at, label; filed under the day of arrival, each id once a day."""
    return append_rows(
        inference, "labels", model, labels, day_column="arrived_at", source=source, keys=("prediction_id",)
    )


def write_reviews(
    inference: Path, stream: Stream, start: datetime, end: datetime, *, threshold: float, source: str
) -> int:
    """Reviews finished in [start, end) of predictions that were really made, compared with what was predicted.

    A review corrects a prediction when the person decided on the other side of the threshold.
    """
    reviews = stream.reviewable(start, end)
    if reviews.empty:
        return 0
    made = predictions(inference, stream.model, reviews["event_at"].min(), reviews["event_at"].max())
    joined = reviews.merge(made, on="prediction_id", how="inner")
    if joined.empty:
        return 0
    decided, predicted = joined["decision"] >= threshold, joined["score"] >= threshold
    reasons = joined["reason_raised"].where(decided, joined["reason_lowered"])
    frame = pd.DataFrame(
        {
            "prediction_id": joined["prediction_id"],
            "version": joined["version"],
            "reviewed_at": joined["reviewed_at"],
            "reviewer": joined["reviewer"],
            "decision": joined["decision"].astype("float64"),
            "predicted": joined["score"],
            "corrected": decided != predicted,
            "reason_code": reasons.where(decided != predicted, _NEVER_CORRECTED),
        }
    )
    return append_rows(
        inference, "reviews", stream.model, frame, day_column="reviewed_at", source=source, keys=("prediction_id",)
    )


def predictions(inference: Path, model: str, first: datetime, last: datetime) -> pd.DataFrame:
    """prediction_id, version, score and event_at of the live answers between two moments' days."""
    columns = ["prediction_id", "version", "score", "event_at", "role"]
    days = pd.date_range(pd.Timestamp(first).normalize(), pd.Timestamp(last).normalize(), freq="D", tz=UTC)
    files = [day_file(inference, "predictions", model, day.date()) for day in days]
    tables = [pq.read_table(file, columns=columns, partitioning=None) for file in files if file.exists()]
    if not tables:
        return pd.DataFrame(columns=columns[:-1])
    found = pa.concat_tables(tables, promote_options="permissive").to_pandas()
    live: pd.DataFrame = found.loc[found["role"] == "live", columns[:-1]]
    return live.drop_duplicates("prediction_id")


def storage(inference: Path, model: str, day: date, *, models: int) -> Usage:
    """What lay stored of a model at the end of a day: `models` bytes of its versions, and everything that was logged
    about it up to and with that day. Of no version: the log is the model's.
    """
    return Usage(
        model=model, version="", component="storage", day=day, cpu_seconds=0.0,
        bytes=models + stored_bytes(inference, model, day), wall_seconds=0.0,
    )  # fmt: skip


def stored_bytes(inference: Path, model: str, day: date) -> int:
    """Size of what was logged about a model up to and with one day."""
    last = f"date={day.isoformat()}"
    return sum(
        file.stat().st_size
        for kind in _LOGGED
        for file in day_file(inference, kind, model, day).parent.parent.glob("date=*/*.parquet")
        if file.parent.name <= last
    )


def days_between(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """[start, end) cut at midnight UTC."""
    parts = []
    while start < end:
        midnight = (start + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        parts.append((start, min(midnight, end)))
        start = parts[-1][1]
    return parts
