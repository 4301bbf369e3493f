"""Recorded predictions and reviews for corrections: looked up by many ids at once, added to, counted by cohort."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, timedelta
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from services.adapters.warehouse.duckdb import (
    ParquetFolder,
    asking,
    at_microseconds,
    columns_of,
    quoted,
    rows,
    table_of,
)
from services.feedback.correction_ports import Slices
from services.feedback.corrections import Batch, Made, Reviewed
from services.feedback.rework import CohortDay
from services.feedback.training_sets import LabelRow
from services.inventory.facts import Partition
from services.kernel.errors import TelemetryUnavailableError

_MADE = """
SELECT prediction_id, coalesce(CAST(version AS VARCHAR), ''), TRY_CAST(score AS DOUBLE), epoch_us(event_at)
FROM {predictions} JOIN (SELECT unnest($ids) AS prediction_id) USING (prediction_id) WHERE role = 'live'
QUALIFY row_number() OVER (PARTITION BY prediction_id ORDER BY event_at DESC, "date" DESC) = 1
"""
_REVIEWED = """
SELECT DISTINCT prediction_id FROM {reviews} JOIN (SELECT unnest($ids) AS prediction_id) USING (prediction_id)
"""
# The day of the prediction is that of its folder, as in all other counts of predictions.
_COHORTS = """
WITH told AS (
    SELECT prediction_id, CAST("date" AS DATE) AS day, corrected, reason_code
    FROM {reviews}
    QUALIFY row_number() OVER (PARTITION BY prediction_id ORDER BY reviewed_at, "date") = 1
), made AS (
    SELECT prediction_id, CAST("date" AS DATE) AS predicted_day,
           coalesce(CAST(version AS VARCHAR), 'unknown') AS version{columns}
    FROM {predictions} WHERE role = 'live'
    QUALIFY row_number() OVER (PARTITION BY prediction_id ORDER BY event_at DESC, "date" DESC) = 1
)
SELECT day, predicted_day, version, {key} AS slice_key, CASE WHEN corrected THEN coalesce(reason_code, '') ELSE '' END,
       count(*), count(*) FILTER (corrected)
FROM told JOIN made USING (prediction_id) WHERE list_contains($days, day) GROUP BY ALL ORDER BY ALL
"""
_LABELS = """
SELECT prediction_id, coalesce(CAST(version AS VARCHAR), ''), TRY_CAST(predicted AS DOUBLE),
       TRY_CAST(decision AS DOUBLE), corrected, CASE WHEN corrected THEN coalesce(reason_code, '') ELSE '' END,
       epoch_us(reviewed_at), "date", parse_filename(filename, true)
FROM read_parquet($files, hive_partitioning = true, union_by_name = true, hive_types_autocast = false, filename = true)
QUALIFY row_number() OVER (PARTITION BY prediction_id ORDER BY reviewed_at, "date") = 1
"""
_LONGEST = timedelta(days=120)
"""Reviews later than this after the prediction are not looked for."""

_HANDED_IN = "corrections-"


class ReviewParquet:
    """Implements feedback.correction_ports.ReviewLog over the inference folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parquet = ParquetFolder(folder)

    def made(self, model: str, ids: Sequence[str]) -> Mapping[str, Made]:
        files = self._parquet.files("predictions", model, self._parquet.days("predictions", model))
        if not files or not ids:
            return {}
        with asking(f"predictions of {model}") as connection:
            found = rows(connection, _MADE.format(predictions=table_of("files")), {"files": files, "ids": list(ids)})
        return {
            str(ident): Made(
                version=str(version), score=None if score is None else float(score), at=at_microseconds(at)
            )
            for ident, version, score, at in found
        }

    def reviewed(self, model: str, ids: Sequence[str]) -> frozenset[str]:
        files = self._parquet.files("reviews", model, self._parquet.days("reviews", model))
        if not files or not ids:
            return frozenset()
        with asking(f"reviews of {model}") as connection:
            found = rows(connection, _REVIEWED.format(reviews=table_of("files")), {"files": files, "ids": list(ids)})
        return frozenset(str(ident) for (ident,) in found)

    def publish(self, batch: Batch, rows: Sequence[Reviewed]) -> None:
        by_day: dict[date, list[Reviewed]] = defaultdict(list)
        for row in rows:
            by_day[row.reviewed_at.astimezone(UTC).date()].append(row)
        place = self._folder / "reviews" / f"model={quote(batch.model, safe='')}"
        try:
            for day, part in by_day.items():
                folder = place / f"date={day.isoformat()}"
                folder.mkdir(parents=True, exist_ok=True)
                # Written aside and renamed: a reader sees the whole file or none, and a repetition the same one.
                aside = folder / f".{batch.id}.part"
                pq.write_table(_table(part), aside)
                aside.replace(folder / f"{_HANDED_IN}{batch.id}.parquet")
        except OSError as broken:
            raise TelemetryUnavailableError(
                f"Recorded reviews of {batch.model} cannot be written ({broken}).", hint="Check disk and permissions."
            ) from broken

    def labels(self, model: str, since: date) -> tuple[LabelRow, ...]:
        days = [day for day in self._parquet.days("reviews", model) if day >= since]
        files = self._parquet.files("reviews", model, days)
        if not files:
            return ()
        with asking(f"reviews of {model}") as connection:
            found = rows(connection, _LABELS, {"files": files})
        return tuple(
            LabelRow(
                prediction_id=str(ident), version=str(version), predicted=predicted, label=label,
                corrected=bool(corrected), reason_code=str(reason), reviewed_at=at_microseconds(at),
                source=f"batch {file.removeprefix(_HANDED_IN)}" if file.startswith(_HANDED_IN) else f"reviews of {day}",
            )
            for ident, version, predicted, label, corrected, reason, at, day, file in found
        )  # fmt: skip

    def partitions(self) -> tuple[Partition, ...]:
        return self._parquet.partitions("reviews")

    def cohorts(self, model: str, days: tuple[date, ...], slices: Slices) -> tuple[CohortDay, ...]:
        # Of two reviews the first counts, so reviews before these days are read as well.
        since = min(days) - _LONGEST
        reviews = [day for day in self._parquet.days("reviews", model) if since <= day <= max(days)]
        made = [day for day in self._parquet.days("predictions", model) if since <= day <= max(days)]
        files = {
            "reviews": self._parquet.files("reviews", model, reviews),
            "predictions": self._parquet.files("predictions", model, made),
        }
        if not files["reviews"] or not files["predictions"]:
            return ()
        found: list[CohortDay] = []
        with asking(f"reviews of {model}") as connection:
            there = columns_of(connection, files["predictions"])
            asked: list[tuple[str, str, dict[str, object]]] = [("", "''", {})]
            for column, values in slices:
                if column in there:
                    text = f"CAST({quoted(column)} AS VARCHAR)"
                    key = "CASE WHEN list_contains($listed, sliced) THEN $name || '=' || sliced END"
                    asked.append((f", {text} AS sliced", key, {"name": column, "listed": list(values)}))
            for columns, key, given in asked:
                sql = _COHORTS.format(
                    reviews=table_of("reviews"), predictions=table_of("predictions"), columns=columns, key=key
                )
                found += [
                    CohortDay(
                        day=day, predicted_day=predicted, version=str(version), slice_key=str(slice_key),
                        reason_code=str(reason), reviewed=int(n), corrected=int(changed),
                    )
                    for day, predicted, version, slice_key, reason, n, changed in rows(
                        connection, sql, {**files, **given, "days": list(days)}
                    )
                    if slice_key is not None
                ]  # fmt: skip
        return tuple(found)


def _table(rows: Sequence[Reviewed]) -> pa.Table:
    """The columns of recorded reviews; a confirmed one states what was predicted as its decision."""
    return pa.table(
        {
            "prediction_id": pa.array([row.prediction_id for row in rows], pa.string()),
            "version": pa.array([row.version for row in rows], pa.string()),
            "reviewed_at": pa.array([row.reviewed_at for row in rows], pa.timestamp("us", tz="UTC")),
            "reviewer": pa.array([row.reviewer for row in rows], pa.string()),
            "decision": pa.array([row.decision for row in rows], pa.float64()),
            "predicted": pa.array([row.predicted for row in rows], pa.float64()),
            "corrected": pa.array([row.corrected for row in rows], pa.bool_()),
            "reason_code": pa.array([row.reason_code if row.corrected else "" for row in rows], pa.string()),
        }
    )
