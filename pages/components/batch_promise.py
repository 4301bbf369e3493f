"""Batch runs against their promise: on time, failed, the newest one, and every run of the range with its rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pandas as pd
import streamlit as st

from pages.components import exporting, notices, parts, promise_tables, reads, session
from pages.components.format import count, md, percent, plural, seconds, version, when
from services.inventory.models import InventoryRow
from services.kernel.interval import Estimate
from services.monitoring.models import JobRun
from services.reliability.models import SlaView

_MOST_READ = 5_000
_SHOWN = 30


def show(row: InventoryRow, days: int) -> None:
    room, name = session.control_room(), row.name
    runs = reads.attempt("job runs", lambda: room.monitoring.job_runs(name, _MOST_READ), key=f"jobs-{name}")
    view = reads.attempt("service levels", lambda: room.reliability.sla(name, days=days), key=f"sla-{name}-{days}")
    if runs is None or view is None:
        return
    if not runs:
        notices.empty(
            "No run recorded", "The batch job has not run since the workspace was prepared.", icon="calendar_clock"
        )
        return
    since = session.now() - timedelta(days=days)
    inside = tuple(run for run in runs if run.window_start >= since)
    _tiles(view, inside, runs, days)
    promise_tables.months(name)
    with parts.card("Runs", f"last {days} day{'' if days == 1 else 's'}, newest first"):
        if not inside:
            notices.remark("No run began in this window. The job may not be due, or it did not start.", "help")
            return
        parts.table(_frame(inside[:_SHOWN]), alt="Job runs")
        if len(inside) > _SHOWN:
            st.caption(f"{plural(len(inside) - _SHOWN, 'earlier run')} in the export.")
        with st.container(horizontal=True):
            exporting.popover(
                f"runs-{name}",
                lambda: [_row(run) for run in inside],
                note=f"Batch runs of {name}, last {days} days",
                as_of=view.explanation.as_of,
                key="export-runs",
            )


def _tiles(view: SlaView, inside: Sequence[JobRun], runs: Sequence[JobRun], days: int) -> None:
    """The counts are those of the service, which tells whether so many are a promise kept."""
    n, level = view.slots, view.level
    late = n - round(n * (view.adherence or 0.0))
    failed = round(n * view.errors_interval.value) if view.errors_interval else 0
    promised = f", promise {percent(level.on_time_share)}" if level and level.on_time_share is not None else ""
    left, middle, right = st.columns(3)
    with left:
        value = f"{count(n - late)} of {count(n)}" if n else "none"
        parts.signal_tile(
            f"Runs on time{promised}", view.latency, value, interval=_between(view.latency_interval),
            explanation=view.explanation,
        )  # fmt: skip
    with middle:
        parts.signal_tile(
            "Failed runs", view.errors, count(failed) if n else "none", interval=_between(view.errors_interval),
            explanation=view.explanation,
        )  # fmt: skip
    with right:
        latest = max(runs, key=lambda run: run.finished_at)
        said = when(latest.finished_at, session.zone())
        words = said if latest in inside else f"{said}, before the last {days} days"
        parts.tile("Last run", "Succeeded" if latest.ok else "Failed", words)


def _between(found: Estimate | None) -> str:
    return "" if found is None else f"{percent(found.low, 1)} to {percent(found.high, 1)}"


def _frame(runs: Sequence[JobRun]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Started": [when(run.started_at, session.zone()) for run in runs],
            "Result": [
                ":green-badge[:material/check_circle: On time]"
                if run.ok and run.on_time
                else ":orange-badge[:material/schedule: Late]"
                if run.ok
                else ":red-badge[:material/cancel: Failed]"
                for run in runs
            ],
            "Took": [seconds((run.finished_at - run.started_at).total_seconds()) for run in runs],
            "Rows": [count(run.rows) for run in runs],
            "Version": [version(run.version) for run in runs],
            "Remark": [md(run.error) for run in runs],
        }
    )


def _row(run: JobRun) -> dict[str, object]:
    return {
        "job": run.job,
        "window_start": run.window_start.isoformat(),
        "started": run.started_at.isoformat(),
        "finished": run.finished_at.isoformat(),
        "ok": run.ok,
        "on_time": run.on_time,
        "rows": run.rows,
        "version": run.version,
        "error": run.error,
    }
