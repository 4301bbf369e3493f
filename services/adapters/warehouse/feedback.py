"""Recorded reviews as counts by reason, and the corrections among them as ids and codes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from services.adapters.warehouse.duckdb import ParquetFolder, asking, at_microseconds, facts_of, statements
from services.adapters.warehouse.statements import reviews as statement
from services.feedback.models import Correction, ReviewDay
from services.inventory.facts import Partition


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
            told, ask = facts_of(connection, "reviews", files, statement.REVIEWS), statements(connection)
            counted, corrected = ask(statement.by_reason(told)), ask(statement.corrections(told))
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
