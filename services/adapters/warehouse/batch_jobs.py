"""What batch jobs recorded about their runs, for the release of their outputs. A rollout.batch_ports.JobLog."""

# ruff: noqa: S608 - names are quoted identifiers of the file, everything that anybody chooses is bound.

from __future__ import annotations

from datetime import date
from pathlib import Path

from services.adapters.warehouse.duckdb import ParquetFolder, asking, at_microseconds, rows, table_of
from services.rollout.batch_models import RunFact

_DAYS_AT_ONCE = 30


class DuckDbJobLog:
    def __init__(self, folder: Path) -> None:
        self._parquet = ParquetFolder(folder)

    def runs(self, model: str, *, limit: int) -> tuple[RunFact, ...]:
        """The newest ones, oldest first. Days are read backwards until there are enough."""
        days = self._parquet.days("jobs", model)
        found: list[RunFact] = []
        while days and len(found) < limit:
            found = [*self._on(model, days[-_DAYS_AT_ONCE:]), *found]
            del days[-_DAYS_AT_ONCE:]
        return tuple(found[-limit:])

    def _on(self, model: str, days: list[date]) -> list[RunFact]:
        files = self._parquet.files("jobs", model, days)
        if not files:
            return []
        with asking(f"batch runs of {model}") as connection:
            found = rows(
                connection,
                "SELECT job, CAST(version AS VARCHAR), epoch_us(window_start), epoch_us(started_at),"
                ' epoch_us(finished_at), "rows", ok, on_time, error'
                f" FROM {table_of('files')} ORDER BY window_start, started_at",
                {"files": files},
            )
        return [
            RunFact(
                model=model,
                job=str(job or ""),
                version=str(version or ""),
                window_start=at_microseconds(window),
                started_at=at_microseconds(started),
                finished_at=at_microseconds(finished),
                rows=int(count or 0),
                ok=bool(ok),
                on_time=bool(on_time),
                error=str(error or ""),
            )
            for job, version, window, started, finished, count, ok, on_time, error in found
        ]
