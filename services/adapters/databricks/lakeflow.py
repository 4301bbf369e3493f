"""Runs of jobs and pipelines from the system tables of Databricks. Implements data_health.ports.PipelineSource.

A long run has a row per hour and its result only on the last: rows are folded by run before anything is judged. A
repaired run has a result for each attempt; the newest counts, not the first in the alphabet. Result words differ
between the Jobs API and the table (SUCCESS, SUCCEEDED), so both count. Runs that were submitted once (SUBMIT_RUN) or
started by a notebook (WORKFLOW_RUN) belong to no job with a rhythm and are left out. What a job or pipeline writes
comes from table lineage. System tables are hours behind, and kept for a year: the copy in the database outlives them,
and each run says up to when the whole table was known when it was read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.adapters.databricks.statements import Row, Warehouse
from services.data_health.models import PipelineRun
from services.kernel.errors import TelemetryUnavailableError

_GOOD = frozenset({"SUCCEEDED", "SUCCESS", "COMPLETED"})
_SKIPPED = frozenset({"SKIPPED", "EXCLUDED", "DISABLED", "MAXIMUM_CONCURRENT_RUNS_REACHED"})
_CANCELLED = frozenset({"CANCELLED", "CANCELED"})
_OUT_OF_ORDER = timedelta(hours=1)
"""Rows come per hour and in no order: below the newest end in the table by so much, none is expected any more."""

_JOBS = """
WITH runs AS (
  SELECT workspace_id, job_id, run_id, MIN(period_start_time) AS started_at, MAX(period_end_time) AS finished_at,
         MAX_BY(run_name, period_end_time) AS title,
         MAX_BY(result_state, period_end_time) FILTER (WHERE result_state IS NOT NULL) AS result_state,
         MAX_BY(termination_code, period_end_time) FILTER (WHERE result_state IS NOT NULL) AS termination_code
  FROM system.lakeflow.job_run_timeline
  WHERE period_start_time >= CAST(:since AS TIMESTAMP) AND COALESCE(run_type, 'JOB_RUN') = 'JOB_RUN'
  GROUP BY workspace_id, job_id, run_id
), known AS (
  SELECT MAX(period_end_time) AS newest FROM system.lakeflow.job_run_timeline
  WHERE period_start_time >= CAST(:since AS TIMESTAMP)
), written AS (
  SELECT workspace_id, entity_metadata.job_info.job_id AS job_id,
         to_json(collect_set(target_table_full_name)) AS writes
  FROM system.access.table_lineage
  WHERE event_date >= CAST(CAST(:since AS TIMESTAMP) AS DATE) AND target_table_full_name IS NOT NULL
    AND entity_metadata.job_info.job_id IS NOT NULL
  GROUP BY workspace_id, entity_metadata.job_info.job_id
)
SELECT r.workspace_id, r.job_id AS id, r.run_id, r.title, r.started_at, r.finished_at, r.result_state,
       r.termination_code, w.writes, k.newest
FROM runs r
CROSS JOIN known k
LEFT JOIN written w ON w.workspace_id = r.workspace_id AND w.job_id = r.job_id
WHERE r.result_state IS NOT NULL
"""
_PIPELINES = """
WITH runs AS (
  SELECT workspace_id, pipeline_id, update_id, MIN(period_start_time) AS started_at,
         MAX(period_end_time) AS finished_at,
         MAX_BY(result_state, period_end_time) FILTER (WHERE result_state IS NOT NULL) AS result_state
  FROM system.lakeflow.pipeline_update_timeline
  WHERE period_start_time >= CAST(:since AS TIMESTAMP)
  GROUP BY workspace_id, pipeline_id, update_id
), known AS (
  SELECT MAX(period_end_time) AS newest FROM system.lakeflow.pipeline_update_timeline
  WHERE period_start_time >= CAST(:since AS TIMESTAMP)
), named AS (
  SELECT workspace_id, pipeline_id, MAX_BY(name, change_time) AS title
  FROM system.lakeflow.pipelines GROUP BY workspace_id, pipeline_id
), written AS (
  SELECT workspace_id, entity_metadata.dlt_pipeline_info.dlt_pipeline_id AS pipeline_id,
         to_json(collect_set(target_table_full_name)) AS writes
  FROM system.access.table_lineage
  WHERE event_date >= CAST(CAST(:since AS TIMESTAMP) AS DATE) AND target_table_full_name IS NOT NULL
    AND entity_metadata.dlt_pipeline_info.dlt_pipeline_id IS NOT NULL
  GROUP BY workspace_id, entity_metadata.dlt_pipeline_info.dlt_pipeline_id
)
SELECT r.workspace_id, r.pipeline_id AS id, r.update_id AS run_id, n.title, r.started_at, r.finished_at,
       r.result_state, CAST(NULL AS STRING) AS termination_code, w.writes, k.newest
FROM runs r
CROSS JOIN known k
LEFT JOIN named n ON n.workspace_id = r.workspace_id AND n.pipeline_id = r.pipeline_id
LEFT JOIN written w ON w.workspace_id = r.workspace_id AND w.pipeline_id = r.pipeline_id
WHERE r.result_state IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeflowRuns:
    warehouse: Warehouse
    name: str = "databricks"

    def runs(self, since: datetime) -> tuple[PipelineRun, ...]:
        """Finished runs that started since then, oldest first. Raises TelemetryUnavailableError."""
        text = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = [
            _run(row, kind)
            for sql, kind in ((_JOBS, "job"), (_PIPELINES, "pipeline"))
            for row in self.warehouse.rows(sql, since=text)
        ]
        return tuple(sorted(found, key=lambda run: (run.started_at, run.pipeline)))


def _run(row: Row, kind: str) -> PipelineRun:
    result, workspace, ident = row["result_state"] or "", row["workspace_id"] or "", row["id"] or ""
    good = result in _GOOD
    reason = row["termination_code"] or ""
    words = f"{result.lower().replace('_', ' ')}{f' ({reason.lower()})' if reason and reason not in _GOOD else ''}"
    return PipelineRun(
        pipeline=f"databricks:{workspace}:{kind}:{ident}",
        title=row["title"] or f"{kind.capitalize()} {ident}",
        kind=kind,
        run_id=row["run_id"] or "",
        started_at=_time(row["started_at"]),
        finished_at=_time(row["finished_at"]),
        ok=good,
        on_time=None,
        error="" if good else words,
        aside=result in _SKIPPED | _CANCELLED,
        writes=tuple(sorted(json.loads(row["writes"] or "[]"))),
        known_to=_time(row["newest"]) - _OUT_OF_ORDER,
    )


def _time(text: str | None) -> datetime:
    """Times of the statement API are UTC text, with or without its sign."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError as broken:
        raise TelemetryUnavailableError(
            f"A run in the system tables has no time that can be read ({text!r}).",
            hint="Compare the columns of system.lakeflow with the documentation of the platform.",
        ) from broken
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
