"""Recorded reviews as counts by reason, and the corrections among them as ids and codes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from services.adapters.warehouse.duckdb import ParquetFolder, asking, at_microseconds, rows, table_of
from services.feedback.models import Correction, ReviewDay
from services.inventory.facts import Partition

_COUNTS = """
SELECT CAST("date" AS DATE), coalesce(CAST(version AS VARCHAR), ''),
       CASE WHEN corrected THEN coalesce(reason_code, '') ELSE '' END, count(*), count(*) FILTER (corrected)
FROM {reviews} GROUP BY ALL ORDER BY ALL
"""
_CORRECTIONS = """
SELECT CAST("date" AS DATE), prediction_id, coalesce(CAST(version AS VARCHAR), ''), predicted, decision,
       coalesce(reason_code, ''), coalesce(reviewer, ''), epoch_us(reviewed_at)
FROM {reviews} WHERE corrected ORDER BY reviewed_at, prediction_id
"""


class DuckDbReviewFacts:
    """Implements feedback.ports.ReviewFacts over the inference folder."""

    def __init__(self, folder: Path) -> None:
        self._parquet = ParquetFolder(folder)

    def partitions(self) -> tuple[Partition, ...]:
        return self._parquet.partitions("reviews")

    def reviews(
        self, model: str, days: tuple[date, ...]
    ) -> tuple[tuple[ReviewDay, ...], tuple[tuple[date, Correction], ...]]:
        files = self._parquet.files("reviews", model, days)
        if not files:
            return (), ()
        with asking(f"reviews of {model}") as connection:
            table = table_of("files")
            counted = rows(connection, _COUNTS.format(reviews=table), {"files": files})
            corrected = rows(connection, _CORRECTIONS.format(reviews=table), {"files": files})
        days_counted = tuple(
            ReviewDay(day=day, version=version, reason_code=str(reason), reviewed=int(n), corrected=int(changed))
            for day, version, reason, n, changed in counted
        )
        corrections = tuple(
            (
                day,
                Correction(
                    prediction_id=str(prediction_id), model=model, version=version,
                    corrected=f"{_shown(predicted)} \N{RIGHTWARDS ARROW} {_shown(decision)}",
                    reason_code=str(reason), reviewer=str(reviewer), at=at_microseconds(at),
                ),
            )
            for day, prediction_id, version, predicted, decision, reason, reviewer, at in corrected
        )  # fmt: skip
        return days_counted, corrections


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"
