"""What jobs, endpoints and components wrote down about themselves: runs, use, and single predictions by their id."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Date, FromClause, Select, cast, func, literal, select

from services.adapters.warehouse.statements.dialects import Microseconds, Number, exact, text_of, whole

JOBS = ("date", "job", "version", "window_start", "started_at", "finished_at", "rows", "ok", "on_time", "error")
USE = ("date", "version", "component", "cpu_seconds", "bytes", "wall_seconds")
PREDICTIONS = ("prediction_id", "version", "role", "event_at", "score")


def job_runs(jobs: FromClause) -> Select[Any]:
    """(day, job, version, begin of the window, start, end, rows, ok, on time, error), times in microseconds."""
    run = jobs.c
    return select(
        cast(run.date, Date()),
        run.job,
        text_of(run.version),
        Microseconds(run.window_start),
        Microseconds(run.started_at),
        Microseconds(run.finished_at),
        run["rows"],
        run.ok,
        run.on_time,
        run.error,
    ).order_by(run.window_start, run.started_at)


def used(use: FromClause) -> Select[Any]:
    """(day, version, component, CPU seconds, bytes, wall seconds).

    Time is used up and adds; bytes are what lay there at the end of the day, so the largest report counts.
    """
    said = use.c
    read = select(
        cast(said.date, Date()).label("d"),
        func.coalesce(text_of(said.version), literal("")).label("v"),
        said.component.label("c"),
        said.cpu_seconds,
        said.bytes,
        said.wall_seconds,
    ).subquery()
    keys = (read.c.d, read.c.v, read.c.c)
    return (
        select(
            *keys,
            func.coalesce(func.sum(read.c.cpu_seconds), exact(0.0)),
            cast(func.coalesce(func.max(read.c.bytes), whole(0)), BigInteger()),
            func.coalesce(func.sum(read.c.wall_seconds), exact(0.0)),
        )
        .group_by(*keys)
        .order_by(*keys)
    )


def one_prediction(predictions: FromClause, prediction_id: str) -> Select[Any]:
    """(prediction, version, role, microseconds, score), each combination once."""
    read = select(
        predictions.c.prediction_id.label("i"),
        text_of(predictions.c.version).label("v"),
        predictions.c.role.label("role"),
        Microseconds(predictions.c.event_at).label("at"),
        Number(predictions.c.score).label("s"),
    ).where(text_of(predictions.c.prediction_id) == literal(prediction_id))
    inner = read.subquery()
    return select(*inner.c).distinct().order_by(inner.c.at, inner.c.v, inner.c.role)
