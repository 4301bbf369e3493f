"""One prediction found by its id in the inference log. Implements audit.ports.PredictionLog."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from services.adapters.warehouse.duckdb import ParquetFolder, asking, at_microseconds, facts_of, statements
from services.adapters.warehouse.statements import logged
from services.audit.lookup import PredictionFact
from services.inventory.facts import by_owner

_OWNER_KEYS = {"requests": "deployment"}


class DuckDbPredictionLog:
    def __init__(self, folder: Path) -> None:
        self._parquet = ParquetFolder(folder)

    def find(self, prediction_id: str, *, model: str = "") -> tuple[PredictionFact, ...]:
        found: list[PredictionFact] = []
        for owner, partitions in by_owner(self._parquet.partitions("predictions")).items():
            if model and owner != model:
                continue
            files = self._parquet.files("predictions", owner, [partition.day for partition in partitions])
            found += self._of_model(owner, files, prediction_id) if files else ()
        return tuple(sorted(found, key=lambda fact: (fact.event_at, fact.model, fact.version, fact.role)))

    def days(self, source: str) -> tuple[int, date | None]:
        days = [item.day for item in self._parquet.partitions(source, _OWNER_KEYS.get(source, "model"))]
        return len(days), min(days, default=None)

    def _of_model(self, model: str, files: list[str], prediction_id: str) -> list[PredictionFact]:
        with asking(f"predictions of {model}") as connection:
            known = facts_of(connection, "predictions", files, logged.PREDICTIONS, copied=False)
            answers = statements(connection)(logged.one_prediction(known, prediction_id))
        return [
            PredictionFact(
                prediction_id=str(found),
                model=model,
                version=str(version or ""),
                role=str(role or ""),
                event_at=at_microseconds(at),
                score=None if score is None else float(score),
            )
            for found, version, role, at, score in answers
        ]
