"""Outputs on disk: set aside once, published as a whole, never read by consumers before that or when altered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from services.adapters.local.inference_log import append_rows
from services.adapters.warehouse.batch_jobs import DuckDbJobLog
from services.adapters.warehouse.batch_outputs import ParquetOutputs, read_published
from services.kernel.clock import FrozenClock
from services.kernel.errors import TelemetryUnavailableError
from services.rollout.batch_models import BatchRun, Output, RunState

WINDOW = datetime(2030, 1, 31, 6, tzinfo=UTC)
MODEL = "payout_forecast"


@pytest.fixture
def outputs(tmp_path: Path) -> ParquetOutputs:
    return ParquetOutputs(
        tmp_path / "outputs", tmp_path / "inference", clock=FrozenClock(WINDOW + timedelta(minutes=5))
    )


def a_run(run_id: str = "run-3", version: str = "3", **changes: object) -> BatchRun:
    run = BatchRun(
        run_id=run_id,
        model=MODEL,
        job=f"{MODEL}-scoring",
        version=version,
        window_start=WINDOW,
        started_at=WINDOW,
        finished_at=WINDOW,
        rows=3,
        state=RunState.HELD,
        first=True,
        updated_at=WINDOW,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def log(
    tmp_path: Path, scores: list[float | None], *, version: str = "3", role: str = "live", request: str = "job-1"
) -> None:
    rows = pd.DataFrame(
        {
            "prediction_id": [f"p-{number}" for number in range(len(scores))],
            "request_id": request,
            "version": version,
            "role": role,
            "event_at": pd.Timestamp(WINDOW),
            "entity": "EWR",
            "score": pd.array(scores, dtype="Float64").to_numpy(dtype="float64", na_value=float("nan")),
        }
    )
    append_rows(
        tmp_path / "inference", "predictions", MODEL, rows, day_column="event_at", source=f"{request}-{version}"
    )


def set_aside(outputs: ParquetOutputs, run: BatchRun, bounds: tuple[float, float] | None = None) -> BatchRun:
    found = outputs.set_aside(run, bounds)
    assert found is not None
    return replace(run, output_sha256=found.sha256)


def test_consumers_read_nothing_of_a_run_that_is_only_set_aside(outputs: ParquetOutputs, tmp_path: Path) -> None:
    log(tmp_path, [1.0, 2.0, 3.0])
    set_aside(outputs, a_run())

    assert read_published(tmp_path / "outputs", MODEL).num_rows == 0
    assert outputs.handed(MODEL) is None
    assert (tmp_path / "outputs" / "runs").stat().st_mode & 0o077 == 0


def test_a_published_run_is_what_consumers_read_and_every_row_names_it(outputs: ParquetOutputs, tmp_path: Path) -> None:
    log(tmp_path, [1.0, 2.0, 3.0])
    run = set_aside(outputs, a_run())

    handed = outputs.publish(run)

    found = read_published(tmp_path / "outputs", MODEL, WINDOW)
    assert found["score"].to_pylist() == [1.0, 2.0, 3.0]
    assert set(found["run_id"].to_pylist()) == {"run-3"}
    assert (handed.rows, handed.sha256) == (3, run.output_sha256)
    assert outputs.handed(MODEL) == handed


def test_rows_of_a_repeated_request_are_taken_once_and_unusable_scores_counted(
    outputs: ParquetOutputs, tmp_path: Path
) -> None:
    log(tmp_path, [0.5, None, 7.0])
    log(tmp_path, [0.5, None, 7.0], request="job-1-again")

    found = outputs.set_aside(a_run(), (0.0, 1.0))

    assert found is not None
    assert (found.rows, found.invalid) == (3, 2)


def test_a_run_whose_rows_are_not_logged_yet_has_no_output(outputs: ParquetOutputs, tmp_path: Path) -> None:
    assert outputs.set_aside(a_run(), None) is None
    log(tmp_path, [1.0], version="2")
    assert outputs.set_aside(a_run(), None) is None


def test_a_window_scored_again_keeps_apart_from_the_job_and_replaces_it_for_consumers(
    outputs: ParquetOutputs, tmp_path: Path
) -> None:
    log(tmp_path, [9.0, 9.0, 9.0])
    log(tmp_path, [1.0, 2.0, 3.0], version="2", role="rerun", request="rer-1")
    bad = set_aside(outputs, a_run())
    again = set_aside(outputs, a_run("rer-1", "2", rerun_of="run-3"))
    outputs.publish(bad)

    outputs.publish(again)
    outputs.withdraw(bad)

    assert read_published(tmp_path / "outputs", MODEL, WINDOW)["score"].to_pylist() == [1.0, 2.0, 3.0]
    outputs.withdraw(again)
    assert read_published(tmp_path / "outputs", MODEL, WINDOW).num_rows == 0


def test_the_output_that_was_judged_is_not_written_anew_from_the_log(outputs: ParquetOutputs, tmp_path: Path) -> None:
    log(tmp_path, [1.0, 2.0, 3.0])
    first = set_aside(outputs, a_run())
    log(tmp_path, [4.0], request="job-later")

    assert set_aside(outputs, a_run()).output_sha256 == first.output_sha256


def test_an_output_altered_since_it_was_judged_is_not_published(outputs: ParquetOutputs, tmp_path: Path) -> None:
    log(tmp_path, [1.0, 2.0, 3.0])
    run = set_aside(outputs, a_run())
    (kept,) = (tmp_path / "outputs" / "runs").rglob("scores.parquet")
    kept.write_bytes(kept.read_bytes() + b" ")

    with pytest.raises(TelemetryUnavailableError, match="not there as it was judged"):
        outputs.publish(run)
    assert read_published(tmp_path / "outputs", MODEL).num_rows == 0


def test_published_scores_altered_by_hand_are_refused_by_the_reader(outputs: ParquetOutputs, tmp_path: Path) -> None:
    log(tmp_path, [1.0, 2.0, 3.0])
    outputs.publish(set_aside(outputs, a_run()))
    (published,) = (tmp_path / "outputs" / "published").rglob("scores.parquet")
    published.write_bytes(published.read_bytes()[:-1] + b"x")

    with pytest.raises(TelemetryUnavailableError, match="not the ones of their manifest"):
        read_published(tmp_path / "outputs", MODEL)


def test_scores_are_counted_by_deciles_of_the_runs_before(outputs: ParquetOutputs, tmp_path: Path) -> None:
    log(tmp_path, [float(number) for number in range(100)], version="2")
    log(tmp_path, [1000.0] * 50)
    before, run = set_aside(outputs, a_run("run-2", "2")), set_aside(outputs, a_run())

    found = outputs.shift(run, (before,), paired=True)

    assert found is not None
    assert found.current == (0,) * 9 + (50,)
    assert found.earlier == ((10,) * 10,)
    assert outputs.shift(run, (), paired=False) is None


def test_an_unusual_model_name_stays_inside_the_folder(outputs: ParquetOutputs, tmp_path: Path) -> None:
    assert read_published(tmp_path / "outputs", "../../etc").num_rows == 0
    assert outputs.set_aside(a_run(model="../../etc"), None) is None


def test_the_newest_runs_of_the_jobs_are_read_across_many_days(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            "job": f"{MODEL}-scoring",
            "model": MODEL,
            "version": "3",
            "window_start": [pd.Timestamp(WINDOW) - pd.Timedelta(days=7 * number) for number in range(20)],
            "started_at": pd.Timestamp(WINDOW),
            "finished_at": pd.Timestamp(WINDOW),
            "rows": range(20),
            "ok": True,
            "on_time": True,
            "error": "",
        }
    )
    append_rows(tmp_path, "jobs", MODEL, rows, day_column="window_start", source="history")

    log_of_jobs = DuckDbJobLog(tmp_path)
    found = log_of_jobs.runs(MODEL, limit=15)

    assert [fact.rows for fact in found] == list(range(14, -1, -1))
    assert found[-1].window_start == WINDOW
    assert log_of_jobs.runs("unknown", limit=15) == ()

    later = rows.head(1).assign(rows=77, started_at=pd.Timestamp(WINDOW) + pd.Timedelta(hours=1))
    append_rows(tmp_path, "jobs", MODEL, later, day_column="window_start", source="rerun")

    assert log_of_jobs.runs(MODEL, limit=15)[-1].rows == 77
    assert log_of_jobs.runs(MODEL, limit=15) == DuckDbJobLog(tmp_path).runs(MODEL, limit=15)


def test_an_output_is_the_same_however_often_it_is_asked_for(outputs: ParquetOutputs, tmp_path: Path) -> None:
    log(tmp_path, [1.0, 2.0])

    assert outputs.set_aside(a_run(), None) == outputs.set_aside(a_run(), None)
    assert isinstance(outputs.set_aside(a_run(), None), Output)
