"""What batch jobs recorded about their runs, for the release of their outputs. A rollout.batch_ports.JobLog."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from services.adapters.warehouse.duckdb import ParquetFolder, asking, at_microseconds, facts_of, statements
from services.adapters.warehouse.statements import logged
from services.rollout.batch_models import RunFact

_DAYS_AT_ONCE = 30
_KEPT = 500


class DuckDbJobLog:
    """Asked every few seconds and answered anew only when a file of the asked days is another one."""

    def __init__(self, folder: Path) -> None:
        self._parquet = ParquetFolder(folder)
        self._known: dict[tuple[str, tuple[date, ...]], tuple[str, list[RunFact]]] = {}

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
        key, mark = (model, tuple(days)), self._parquet.mark(files)
        known = self._known.pop(key, None)
        if known is None or known[0] != mark:
            known = (mark, self._read(model, files))
        self._known[key] = known
        while len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        return known[1]

    def _read(self, model: str, files: list[str]) -> list[RunFact]:
        with asking(f"batch runs of {model}") as connection:
            jobs = facts_of(connection, "jobs", files, logged.JOBS)
            found = statements(connection)(logged.job_runs(jobs))
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
            for _, job, version, window, started, finished, count, ok, on_time, error in found
        ]
