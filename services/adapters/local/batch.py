"""Batch jobs of the embedded workspace: score one window with the pinned version, record the run.

The endpoint says which version is pinned, loads it for the run and writes the predictions to its log, so a batch
score is as traceable as a live one. The run itself is one row of jobs/.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

from services.adapters.local.gateway.client import Caller
from services.adapters.local.inference_log import append_rows
from services.kernel.errors import ServingUnavailableError

ALLOWED = timedelta(minutes=30)
"""A run is on time when it is done half an hour after its window opened."""
NOTHING_PINNED = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One row of jobs/. Times are in the workspace's calendar; the duration between them was measured."""

    job: str
    model: str
    version: str
    window_start: datetime
    started_at: datetime
    finished_at: datetime
    rows: int
    ok: bool
    on_time: bool
    error: str

    @property
    def seconds(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(slots=True)
class Day:
    """What one workspace day gave: runs of jobs, and how long each version was busy."""

    runs: list[Run] = field(default_factory=list)
    busy: dict[tuple[str, str], float] = field(default_factory=dict)
    rows: int = 0

    def note(self, deployment: str, version: str, *, seconds: float, rows: int) -> None:
        if version:
            self.busy[deployment, version] = self.busy.get((deployment, version), 0.0) + seconds
        self.rows += rows

    def note_run(self, run: Run) -> None:
        self.runs.append(run)
        self.note(run.model, run.version, seconds=run.seconds, rows=run.rows)


async def run_window(
    caller: Caller,
    model: str,
    rows: pd.DataFrame,
    entities: pd.Series,
    *,
    window_start: datetime,
    started_at: datetime,
    version: str = "",
    request_id: str = "",
) -> Run | None:
    """Scores one window with the pinned version, or with `version` by name and under `request_id`.

    A failure is a recorded run, not an exception; None when no version is pinned yet.
    """
    request_id = request_id or f"job-{model}-{window_start:%Y%m%dT%H%M}"
    error, seconds = "", 0.0
    try:
        scored = await caller.score(model, rows, entities, at=window_start, request_id=request_id, version=version)
        version, error, seconds = scored.version, scored.error, scored.seconds
        if scored.status == NOTHING_PINNED and not version:
            return None
    except ServingUnavailableError as away:
        error = away.message
    finished = started_at + timedelta(seconds=seconds)
    return Run(
        job=f"{model}-scoring",
        model=model,
        version=version,
        window_start=window_start,
        started_at=started_at,
        finished_at=finished,
        rows=0 if error else len(rows),
        ok=not error,
        on_time=not error and finished <= window_start + ALLOWED,
        error=error,
    )


def write_runs(inference: Path, runs: list[Run], *, source: str) -> int:
    """Appends runs to jobs/; a run that is already recorded is not recorded twice."""
    written = 0
    for model in sorted({run.model for run in runs}):
        frame = pd.DataFrame([asdict(run) for run in runs if run.model == model])
        keys = ("job", "window_start")
        written += append_rows(inference, "jobs", model, frame, day_column="window_start", source=source, keys=keys)
    return written
