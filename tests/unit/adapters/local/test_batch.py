"""One batch window as a recorded run, whatever the endpoint answers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from services.adapters.local.batch import ALLOWED, Run, run_window, write_runs
from services.adapters.local.gateway.client import Scored
from services.adapters.local.inference_log import day_file
from services.kernel.errors import ServingUnavailableError

WINDOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
ROWS = pd.DataFrame({"age": [40.0, 50.0]}, index=["p1", "p2"])


class Endpoint:
    """Answers what it is told; remembers what it was asked."""

    def __init__(self, answer: Scored | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, datetime, str]] = []

    async def score(
        self, deployment: str, rows: Any, entities: Any, *, at: datetime, request_id: str, version: str = ""
    ) -> Scored:
        self.asked.append((deployment, at, request_id))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def run(endpoint: Endpoint, *, started_at: datetime = WINDOW) -> Run | None:
    entities = pd.Series(["m1", "m2"], index=ROWS.index)
    work = run_window(endpoint, "claims_triage", ROWS, entities, window_start=WINDOW, started_at=started_at)  # type: ignore[arg-type]
    return asyncio.run(work)


def scored(status: int = 200, version: str = "3", error: str = "") -> Scored:
    return Scored(status=status, version=version, rows=2, seconds=1.5, error=error)


def test_a_run_names_the_pinned_version_and_its_measured_time() -> None:
    endpoint = Endpoint(scored())

    found = run(endpoint)

    assert found is not None
    assert (found.version, found.rows, found.ok, found.on_time) == ("3", 2, True, True)
    assert found.finished_at == WINDOW + timedelta(seconds=1.5)
    assert endpoint.asked == [("claims_triage", WINDOW, "job-claims_triage-20300131T1200")]


def test_a_late_run_is_not_on_time() -> None:
    found = run(Endpoint(scored()), started_at=WINDOW + ALLOWED)

    assert found is not None
    assert (found.ok, found.on_time) == (True, False)


def test_a_failed_run_is_recorded_with_its_reason() -> None:
    refused = run(Endpoint(scored(status=400, error="the model failed")))
    away = run(Endpoint(ServingUnavailableError("The local endpoint did not answer.")))

    assert refused is not None
    assert away is not None
    assert (refused.ok, refused.rows, refused.error) == (False, 0, "the model failed")
    assert (away.ok, away.version, away.error) == (False, "", "The local endpoint did not answer.")


def test_nothing_is_recorded_before_a_version_is_pinned() -> None:
    assert run(Endpoint(scored(status=503, version="", error="no version in production yet"))) is None


def test_a_run_is_written_once_under_its_window(tmp_path: Path) -> None:
    found = run(Endpoint(scored()))
    assert found is not None

    assert write_runs(tmp_path, [found], source="first") == 1
    assert write_runs(tmp_path, [found], source="again") == 0

    table = pq.read_table(day_file(tmp_path, "jobs", "claims_triage", WINDOW.date()), partitioning=None)
    assert table.column("job").to_pylist() == ["claims_triage-scoring"]
