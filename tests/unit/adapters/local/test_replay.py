"""The replays against a real gateway: order, calendar, batch runs, labels, usage, faults, going on live."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.dataset as ds
import pytest

from services.adapters.local.estate.catalog import decision_threshold
from services.adapters.local.estate.streams import stream_for
from services.adapters.local.late_facts import CpuMeter, days_between
from services.adapters.local.replay import FaultWindow, HistoryReplay, LiveReplay, hourly
from services.adapters.local.serving import ScoringProcess
from tests.fakes.endpoint import TestEndpoint, an_endpoint
from tests.fakes.tiny_models import register_answering

PREPARED = datetime(2030, 1, 31, 12, tzinfo=UTC)
DAY = datetime(2030, 1, 10, tzinfo=UTC)
MODELS = ("delay_claim_score", "claims_triage", "payout_forecast", "plan_utilisation")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestEndpoint]:
    folder = tmp_path_factory.mktemp("estate")
    uri = ""
    for model in MODELS:
        columns = stream_for(model, PREPARED).cases.rows
        uri = register_answering(folder, model, columns)
    with an_endpoint(folder / "home", uri) as running:
        for model in MODELS:
            running.serving.register(model, "realtime" if model == MODELS[0] else "batch")
        for model in MODELS[:3]:  # plan_utilisation has nothing in production
            running.load(model, "1")
            running.route(model, ("1", 100))
        yield running


@pytest.fixture(scope="module")
def facts(endpoint: TestEndpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    inference = tmp_path_factory.mktemp("facts")
    fault = FaultWindow(
        start=DAY + timedelta(hours=15), end=DAY + timedelta(hours=18), label="rehearsal", latency_ms=60, error_rate=0.0
    )
    replay = HistoryReplay(
        url=endpoint.endpoint.url,
        token_file=endpoint.endpoint.token_file,
        journal=endpoint.journal,
        inference=inference,
        prepared_at=PREPARED,
        share=0.1,
        faults=(fault,),
    )
    replay.replay(DAY, DAY + timedelta(days=1, hours=12), mature=False)
    replay.replay(DAY + timedelta(days=1, hours=12), DAY + timedelta(days=2), mature=False)
    replay.mature(DAY, DAY + timedelta(days=5))
    return inference


def read(inference: Path, kind: str, model: str) -> pd.DataFrame:
    owner = "deployment" if kind == "requests" else "model"
    return ds.dataset(inference / kind / f"{owner}={model}", format="parquet").to_table().to_pandas()


def test_requests_follow_the_workspace_calendar_in_order(facts: Path) -> None:
    requests = read(facts, "requests", MODELS[0])

    assert requests["event_at"].between(DAY, DAY + timedelta(days=2)).all()
    by_log = requests.sort_values("logged_at")["event_at"].dt.floor("D")
    assert by_log.is_monotonic_increasing
    assert requests["logged_at"].min() > pd.Timestamp(2026, 1, 1, tz=UTC)


def test_every_row_of_the_stream_is_predicted_once(facts: Path) -> None:
    predictions = read(facts, "predictions", MODELS[0])

    asked = [
        name
        for slot in hourly(stream_for(MODELS[0], PREPARED, share=0.1), DAY, DAY + timedelta(days=2))
        for name in slot.rows.index
    ]
    assert sorted(predictions["prediction_id"]) == sorted(asked)


def test_a_fault_is_labelled_and_only_inside_its_window(facts: Path) -> None:
    requests = read(facts, "requests", MODELS[0])

    inside = requests["event_at"].between(DAY + timedelta(hours=15), DAY + timedelta(hours=18), inclusive="left")
    assert set(requests.loc[inside, "injected"]) == {"rehearsal"}
    assert set(requests.loc[~inside, "injected"]) == {""}
    assert requests.loc[inside, "latency_ms"].min() >= 60


def test_batch_windows_are_runs_with_their_version(facts: Path) -> None:
    runs = read(facts, "jobs", "claims_triage")

    windows = [slot.at for slot in stream_for("claims_triage", PREPARED, share=0.1).slots(DAY, DAY + timedelta(days=2))]
    assert sorted(runs["window_start"]) == windows
    assert runs["window_start"].is_unique
    assert runs[["ok", "on_time"]].all().all()
    assert set(runs["version"]) == {"1"}
    assert runs["rows"].sum() == len(read(facts, "predictions", "claims_triage"))


def test_a_model_without_production_version_is_left_out(facts: Path) -> None:
    assert not (facts / "jobs" / "model=plan_utilisation").exists()
    assert not (facts / "predictions" / "model=plan_utilisation").exists()


def test_labels_arrive_after_their_predictions(facts: Path) -> None:
    labels = read(facts, "labels", MODELS[0])

    assert (labels["arrived_at"] > labels["event_at"]).all()
    assert labels["prediction_id"].is_unique


def test_reviews_compare_people_with_predictions_really_made(facts: Path) -> None:
    reviews = read(facts, "reviews", "claims_triage")

    line = decision_threshold("claims_triage")
    made = set(read(facts, "predictions", "claims_triage")["prediction_id"])
    assert set(reviews["prediction_id"]) <= made
    assert (reviews["corrected"] == ((reviews["decision"] >= line) != (reviews["predicted"] >= line))).all()
    assert ((reviews["reason_code"] != "") == reviews["corrected"]).all()


def test_processor_time_is_measured_per_day_and_version(facts: Path) -> None:
    usage = read(facts, "usage", MODELS[0])

    assert set(usage["component"]) == {"serving", "storage"}
    serving = usage[usage["component"] == "serving"]
    assert serving["cpu_seconds"].sum() > 0
    assert (serving["wall_seconds"] > 0).all()
    stored = usage[usage["component"] == "storage"].sort_values("day")
    assert (stored["bytes"] > 0).all()
    assert stored["bytes"].is_monotonic_increasing, "what was logged stays and is added to"


def test_live_replay_goes_on_behind_the_history_and_survives_a_restart(endpoint: TestEndpoint, tmp_path: Path) -> None:
    def live() -> LiveReplay:
        return LiveReplay(
            url=endpoint.endpoint.url,
            token_file=endpoint.endpoint.token_file,
            journal=endpoint.journal,
            inference=tmp_path / "facts",
            state_file=tmp_path / "live.json",
            prepared_at=PREPARED,
        )

    first = live()
    assert first.tick(PREPARED + timedelta(seconds=10)) == 1
    assert first.tick(PREPARED + timedelta(seconds=11)) == 0  # too early for the next one
    second = live()
    assert second.tick(PREPARED + timedelta(seconds=20)) == 1
    assert second.passes == 1

    predictions = read(tmp_path / "facts", "predictions", MODELS[0])
    passed = stream_for(MODELS[0], PREPARED).cases.on_day(180, stream_for(MODELS[0], PREPARED).calendar)
    behind = passed.loc[passed["event_at"] >= PREPARED].sort_values("event_at", kind="stable")
    assert predictions.sort_values("event_at")["prediction_id"].tolist() == behind.index[:2].tolist()
    assert predictions["event_at"].tolist() == [PREPARED + timedelta(seconds=10), PREPARED + timedelta(seconds=20)]


def test_due_batch_jobs_run_live_once(endpoint: TestEndpoint, tmp_path: Path) -> None:
    live = LiveReplay(
        url=endpoint.endpoint.url,
        token_file=endpoint.endpoint.token_file,
        journal=endpoint.journal,
        inference=tmp_path / "facts",
        state_file=tmp_path / "live.json",
        prepared_at=PREPARED,
    )

    live.tick(PREPARED + timedelta(hours=3))
    live.tick(PREPARED + timedelta(hours=3, seconds=30))

    runs = read(tmp_path / "facts", "jobs", "claims_triage")
    assert runs["window_start"].is_unique
    assert runs["ok"].all()


def test_processor_time_counts_from_the_start_of_each_process() -> None:
    def process(pid: int, seconds: float) -> ScoringProcess:
        return ScoringProcess(
            deployment="score", version="3", state="ready", pid=pid, cpu_seconds=seconds, model_bytes=0, reason=""
        )

    meter = CpuMeter()
    assert meter.read([process(1, 2.0)]) == {("score", "3"): 2.0}
    assert meter.read([process(1, 2.5)]) == {("score", "3"): 0.5}
    assert meter.read([process(2, 0.25)]) == {("score", "3"): 0.25}


def test_an_interval_is_cut_at_midnight() -> None:
    parts = days_between(DAY + timedelta(hours=20), DAY + timedelta(days=2, hours=1))

    assert parts == [
        (DAY + timedelta(hours=20), DAY + timedelta(days=1)),
        (DAY + timedelta(days=1), DAY + timedelta(days=2)),
        (DAY + timedelta(days=2), DAY + timedelta(days=2, hours=1)),
    ]
