"""Telemetry from real journal segments and real Parquet: nothing twice, nothing missed, no promise too early."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.adapters.local.gateway.journal import Journal
from services.adapters.local.inference_log import compact
from services.adapters.warehouse.telemetry import DuckDbTelemetry
from services.kernel.clock import FrozenClock
from services.kernel.errors import TelemetryUnavailableError
from services.reliability.latency import bucket_of, quantile
from services.rollout.release_models import TelemetryBatch, TelemetryCell

NOON = datetime(2031, 3, 31, 12, tzinfo=UTC)
TICK = 15


def line(number: int, *, at: datetime = NOON, **changes: Any) -> bytes:
    """One line as the gateway writes it."""
    facts: dict[str, Any] = {
        "request": f"r{number}", "deployment": "score", "kind": "realtime", "version": "1", "role": "live",
        "generation": 1, "event_at": at.isoformat(), "logged_at": at.isoformat(), "status": 200, "error": "",
        "ms": 10.0, "rows": 1, "entity": f"e{number}", "injected": "",
    } | changes  # fmt: skip
    if facts["status"] == 200:
        facts = {"ids": [f"p{number}"], "entities": [facts["entity"]], "scores": [0.5]} | facts
    body = {"dataframe_split": {"columns": ["x"], "data": [[1.0]]}}
    return json.dumps(facts | {"body": body}).encode() + b"\n"


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "serving" / "journal"
        self.journal = Journal(self.folder)
        self.inference = folder / "inference"
        self.clock = FrozenClock(NOON + timedelta(hours=1))
        self.telemetry = DuckDbTelemetry(self.inference, clock=self.clock, journal=self.folder)

    def ask(self, **given: Any) -> TelemetryBatch:
        return self.telemetry.since("score", **{"since": NOON - timedelta(hours=1), "tick_seconds": TICK} | given)

    def compact(self) -> None:
        self.journal.rotate()
        compact(self.folder, self.inference)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(params=["journal", "parquet", "both"])
def settle(request: pytest.FixtureRequest, world: World) -> Callable[[], None]:
    """Where the rows written so far are when somebody asks."""

    def settle() -> None:
        if request.param == "parquet":
            world.compact()
        elif request.param == "both":
            world.journal.rotate()
            copies = [(file, file.read_bytes()) for file in world.folder.glob("closed-*.jsonl")]
            compact(world.folder, world.inference)
            for file, content in copies:  # the moment in which a segment is compacted and not yet taken away
                file.write_bytes(content)

    return settle


def only(batch: TelemetryBatch) -> TelemetryCell:
    (cell,) = batch.cells
    return cell


def test_nothing_recorded_has_no_watermark(world: World) -> None:
    batch = world.ask()

    assert (batch.cells, batch.watermark, batch.dropped) == ((), None, 0)


def test_counts_are_per_version_role_and_tick(world: World, settle: Callable[[], None]) -> None:
    world.journal.append(line(1) + line(2, at=NOON + timedelta(seconds=14)) + line(3, at=NOON + timedelta(seconds=15)))
    world.journal.append(line(1, version="2", role="mirror") + line(4, version="2"))
    settle()

    cells = {(cell.version, cell.role, cell.tick): cell.requests for cell in world.ask().cells}

    assert cells == {
        ("1", "live", NOON): 2,
        ("1", "live", NOON + timedelta(seconds=15)): 1,
        ("2", "live", NOON): 1,
        ("2", "mirror", NOON): 1,
    }


def test_errors_are_everything_but_200_with_each_failing_entity_once(world: World, settle: Callable[[], None]) -> None:
    for number, status in enumerate((200, 400, 502, 503, 504)):
        world.journal.append(line(number, status=status, entity="" if status == 504 else f"e{number % 2}"))
    settle()

    cell = only(world.ask())

    assert (cell.requests, cell.errors) == (5, 4)
    assert cell.failing_entities == ("e0", "e1", "r4")  # a caller without a key counts by request
    assert sum(n for _, n in cell.latency) == 1


def test_latency_is_in_the_buckets_of_the_service_level(world: World, settle: Callable[[], None]) -> None:
    milliseconds = [float(value) for value in np.random.default_rng(5).lognormal(3, 1, 300)]
    for number, ms in enumerate(milliseconds):
        world.journal.append(line(number, ms=ms))
    settle()

    latency = only(world.ask()).latency

    assert dict(latency) == {
        bucket: sum(bucket_of(ms) == bucket for ms in milliseconds) for bucket in {*map(bucket_of, milliseconds)}
    }
    assert quantile(latency, 0.95) == pytest.approx(np.quantile(milliseconds, 0.95, method="inverted_cdf"), rel=0.021)


def test_scores_are_counted_between_the_edges(world: World, settle: Callable[[], None]) -> None:
    for number, scores in enumerate(([0.1, 0.2], [0.3], [0.9, 0.95, 0.5])):
        ids = [f"p{number}-{row}" for row in range(len(scores))]
        world.journal.append(line(number, scores=scores, ids=ids, entities=ids, rows=len(ids)))
    settle()

    assert only(world.ask(score_edges=(0.2, 0.5))).scores == (1, 2, 3)
    assert only(world.ask()).scores == ()


def test_dropped_copies_and_injected_faults_are_counted(world: World, settle: Callable[[], None]) -> None:
    world.journal.append(line(1, injected="test-panel") + line(1, version="2", role="dropped", status=503))
    settle()

    batch = world.ask()

    assert batch.dropped == 1
    assert (only(batch).requests, only(batch).injected) == (1, 1)


def test_other_deployments_stored_answers_and_batch_jobs_are_not_counted(
    world: World, settle: Callable[[], None]
) -> None:
    world.journal.append(line(1) + line(2, deployment="other") + line(3, role="stored") + line(4, kind="batch"))
    settle()

    assert only(world.ask()).requests == 1


def test_rows_before_the_start_are_left_out(world: World, settle: Callable[[], None]) -> None:
    world.journal.append(line(1, at=NOON - timedelta(minutes=1)) + line(2))
    settle()

    assert only(world.ask(since=NOON)).requests == 1


def test_the_day_of_a_request_may_lie_before_the_day_of_its_answer(world: World) -> None:
    midnight = datetime(2031, 3, 31, tzinfo=UTC)
    before = (midnight - timedelta(seconds=2)).isoformat()
    world.journal.append(line(1, at=midnight + timedelta(seconds=1), event_at=before))
    world.compact()

    assert only(world.ask(since=midnight)).requests == 1


def test_a_torn_last_line_is_no_request(world: World) -> None:
    world.journal.append(line(1) + line(2)[:-40])

    assert only(world.ask()).requests == 1


def test_a_damaged_line_in_the_middle_does_not_hide_the_others(world: World) -> None:
    world.journal.append(line(1) + b'{"request": "r9", "deplo\n' + line(2))

    assert only(world.ask()).requests == 2


def test_rows_on_both_sides_of_a_compaction_add_up(world: World) -> None:
    world.journal.append(line(1) + line(2))
    world.compact()
    world.journal.append(line(3))

    assert only(world.ask()).requests == 3


def test_files_written_before_entities_were_recorded_are_read(world: World) -> None:
    import pandas as pd

    world.journal.append(line(1, status=500))
    world.compact()
    (file,) = world.inference.glob("requests/**/*.parquet")
    pd.read_parquet(file, partitioning=None).drop(columns="entity").to_parquet(file)

    assert only(world.ask()).failing_entities == ("r1",)


# How far the log is complete


def test_the_watermark_is_the_newest_line_also_of_other_deployments(world: World) -> None:
    world.journal.append(line(1) + line(2, deployment="other", at=NOON + timedelta(seconds=40)))

    assert world.ask().watermark == NOON + timedelta(seconds=40)


def test_a_gateway_without_calls_says_that_it_is_there(world: World) -> None:
    world.journal.append(line(1))
    world.journal.beat(NOON + timedelta(minutes=30))

    assert world.ask().watermark == NOON + timedelta(minutes=30)


def test_a_gateway_that_is_gone_lets_the_watermark_stand(world: World) -> None:
    world.journal.beat(NOON)
    world.clock.set(NOON + timedelta(minutes=11))

    assert world.ask().watermark == NOON


def test_old_compacted_rows_still_say_since_when_it_is_silent(world: World) -> None:
    world.journal.append(line(1, at=NOON - timedelta(days=3)))
    world.compact()

    batch = world.ask()

    assert batch.cells == ()
    assert batch.watermark == NOON - timedelta(days=3)


def test_without_a_journal_the_watermark_is_that_of_the_files(world: World) -> None:
    world.journal.append(line(1) + line(2, at=NOON + timedelta(seconds=20)))
    world.compact()
    world.journal.append(line(3, at=NOON + timedelta(seconds=50)))

    batch = DuckDbTelemetry(world.inference, clock=world.clock).since("score", NOON, tick_seconds=TICK)

    assert sum(cell.requests for cell in batch.cells) == 2
    assert batch.watermark == NOON + timedelta(seconds=20)


def test_a_clock_that_was_set_back_makes_no_promise_about_the_future(world: World) -> None:
    world.journal.append(line(1) + line(2, at=NOON + timedelta(days=1)))
    world.journal.beat(NOON + timedelta(days=1))
    world.clock.set(NOON + timedelta(seconds=5))

    batch = world.ask()

    assert only(batch).requests == 1
    assert batch.watermark == NOON


def test_a_clock_that_jumps_forward_leaves_a_gap_and_loses_nothing(world: World) -> None:
    later = NOON + timedelta(hours=25)
    world.journal.append(line(1) + line(2, at=later))
    world.clock.set(later + timedelta(seconds=30))

    batch = world.ask()

    assert [(cell.tick, cell.requests) for cell in batch.cells] == [(NOON, 1), (later, 1)]
    assert batch.watermark == later


def test_files_that_cannot_be_read_are_said_never_zero(world: World) -> None:
    world.journal.append(line(1))
    world.compact()
    (file,) = world.inference.glob("requests/**/*.parquet")
    file.write_bytes(b"not parquet")

    with pytest.raises(TelemetryUnavailableError):
        world.ask()
