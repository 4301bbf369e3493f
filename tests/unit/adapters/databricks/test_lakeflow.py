"""Runs of jobs and pipelines from rows of the documented shape, at the boundary of the SQL connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from databricks.sdk.service.sql import (
    ColumnInfo,
    ResultData,
    ResultManifest,
    ResultSchema,
    StatementResponse,
    StatementState,
    StatementStatus,
)

from services.adapters.databricks.lakeflow import LakeflowRuns
from services.adapters.databricks.statements import Warehouse
from services.data_health.pipelines import judged
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Health

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
NAMES = [
    "workspace_id",
    "id",
    "run_id",
    "title",
    "started_at",
    "finished_at",
    "result_state",
    "termination_code",
    "writes",
    "newest",
]
NEWEST = "2026-11-20 05:00:00"
Cells = list[str | None]


@dataclass
class Statements:
    """Answers by what the statement reads from; everything is text, as inline answers are."""

    jobs: list[Cells] = field(default_factory=list)
    pipelines: list[Cells] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def execute_statement(self, sql: str, _warehouse: str, *, parameters: Any, wait_timeout: str) -> StatementResponse:
        assert wait_timeout
        self.asked.append((sql, {item.name: item.value for item in parameters}))
        rows = self.pipelines if "pipeline_update_timeline" in sql else self.jobs
        return StatementResponse(
            statement_id="s",
            status=StatementStatus(state=StatementState.SUCCEEDED),
            manifest=ResultManifest(schema=ResultSchema(columns=[ColumnInfo(name=name) for name in NAMES])),
            result=ResultData(data_array=rows),  # type: ignore[arg-type]
        )


def source(statements: Statements) -> LakeflowRuns:
    client = SimpleNamespace(statement_execution=statements)
    return LakeflowRuns(warehouse=Warehouse(client=lambda: client, warehouse_id="w1"))


def a_job(day: int, result: str = "SUCCEEDED", code: str | None = "SUCCESS", writes: str | None = None) -> Cells:
    at = f"2026-11-{day:02d}T02:00:00.000Z"
    end = f"2026-11-{day:02d}T02:30:00.000Z"
    return ["77", "901", f"r{day}", "build features", at, end, result, code, writes, NEWEST]


def test_jobs_and_pipelines_become_runs_with_what_they_write() -> None:
    written = '["main.claims.features", "main.claims.audit"]'
    update: Cells = [
        "77",
        "p1",
        "u1",
        None,
        "2026-11-02 03:00:00",
        "2026-11-02 03:10:00",
        "COMPLETED",
        None,
        None,
        NEWEST,
    ]
    statements = Statements(jobs=[a_job(3, writes=written)], pipelines=[update])

    pipeline, job = source(statements).runs(SINCE)

    assert (job.pipeline, job.title, job.kind) == ("databricks:77:job:901", "build features", "job")
    assert job.writes == ("main.claims.audit", "main.claims.features")
    assert job.finished_at - job.started_at == timedelta(minutes=30)
    assert (pipeline.title, pipeline.ok, pipeline.on_time) == ("Pipeline p1", True, None)
    assert pipeline.started_at == datetime(2026, 11, 2, 3, tzinfo=UTC)
    assert (job.known_to, pipeline.known_to) == (datetime(2026, 11, 20, 4, tzinfo=UTC),) * 2
    assert [given for _, given in statements.asked] == [{"since": "2026-11-01T00:00:00Z"}] * 2


@pytest.mark.parametrize(
    ("result", "code", "good", "error"),
    [
        ("SUCCEEDED", "SUCCESS", True, ""),
        ("SUCCESS", None, True, ""),
        ("FAILED", "RUN_EXECUTION_ERROR", False, "failed (run_execution_error)"),
        ("TIMED_OUT", None, False, "timed out"),
        ("ERROR", "INTERNAL_ERROR", False, "error (internal_error)"),
    ],
)
def test_both_spellings_of_success_count_and_everything_else_fails(
    result: str,
    code: str | None,
    good: bool,
    error: str,
) -> None:
    [run] = source(Statements(jobs=[a_job(3, result, code)])).runs(SINCE)

    assert (run.ok, run.aside, run.error) == (good, False, error)


@pytest.mark.parametrize(
    ("result", "code", "words"),
    [
        ("CANCELLED", "USER_CANCELED", "cancelled (user_canceled)"),
        ("CANCELED", None, "canceled"),
        ("SKIPPED", "MAX_CONCURRENT_RUNS_EXCEEDED", "skipped (max_concurrent_runs_exceeded)"),
    ],
)
def test_a_run_that_was_skipped_or_cancelled_neither_ended_well_nor_failed(
    result: str, code: str | None, words: str
) -> None:
    [run] = source(Statements(jobs=[a_job(3, result, code)])).runs(SINCE)

    assert (run.ok, run.aside, run.error) == (False, True, words)


def test_a_day_without_a_run_is_late_by_the_rhythm_of_the_job() -> None:
    runs = source(Statements(jobs=[a_job(day) for day in (2, 3, 4, 5, 6, 8)])).runs(SINCE)

    [line] = judged(runs, days=30, now=datetime(2026, 11, 8, 3, tzinfo=UTC))

    assert (line.late, line.state) == (1, Health.WATCH)


def test_a_time_that_cannot_be_read_is_told_and_never_guessed() -> None:
    broken = a_job(3)
    broken[4] = "yesterday"

    with pytest.raises(TelemetryUnavailableError, match="yesterday"):
        source(Statements(jobs=[broken])).runs(SINCE)
