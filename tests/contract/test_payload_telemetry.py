"""Telemetry of a release from an inference table: the contract of the port, and a watermark that promises nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.adapters.warehouse.payload_tables import UNKNOWN, PayloadTable, ServedVersions
from services.adapters.warehouse.payload_telemetry import ASKED_SECONDS, PayloadTelemetry
from services.inventory.models import ServiceLevel
from services.kernel.clock import FrozenClock
from services.kernel.errors import TelemetryUnavailableError
from services.reliability.latency import bucket_of, quantile
from services.rollout.judging import TICK_SECONDS, SequentialJudge
from services.rollout.release_models import Analysis, StageRules, TelemetryBatch, TelemetryCell, Verdict
from tests.contract.payload_log import ENTITIES, MODEL, NOON, TABLE, PayloadLog, row
from tests.contract.spark_warehouse import a_spark
from tests.unit.rollout.analysis.traffic import a_release, said

TICK = 15
LATE = timedelta(seconds=TABLE.late_seconds)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    if shutil.which("java") is None and not os.environ.get("COUNTERSIGN_TEST_NO_SKIP"):
        pytest.skip("Spark needs a Java runtime")
    with a_spark() as session:
        yield session


class World:
    """An inference table an hour and a half after noon, when all of noon has arrived."""

    def __init__(self, log: PayloadLog, table: PayloadTable = TABLE) -> None:
        self.log, self.clock, self.passed = log, FrozenClock(NOON + timedelta(minutes=90)), 0.0
        self.telemetry = PayloadTelemetry(
            log.warehouse,
            table,
            versions=ServedVersions(table=ENTITIES),
            clock=self.clock,
            elapsed=lambda: self.passed,
        )

    def ask(self, **given: Any) -> TelemetryBatch:
        return self.telemetry.since(MODEL, **{"since": NOON - timedelta(hours=1), "tick_seconds": TICK} | given)

    def pass_by(self, time: timedelta) -> None:
        self.clock.set(self.clock.now() + time)
        self.passed += time.total_seconds()


@pytest.fixture(params=["DuckDB", "Spark"])
def world(request: pytest.FixtureRequest) -> World:
    session = request.getfixturevalue("spark") if request.param == "Spark" else None
    return World(PayloadLog(request.param, session))


@pytest.fixture
def duck() -> World:
    return World(PayloadLog("DuckDB"))


def only(batch: TelemetryBatch) -> TelemetryCell:
    (cell,) = batch.cells
    return cell


# The contract of the port --------------------------------------------------------------------------------------------


def test_nothing_recorded_has_no_watermark(world: World) -> None:
    world.log.write([])

    batch = world.ask()

    assert (batch.cells, batch.watermark, batch.dropped) == ((), None, 0)


def test_counts_are_per_version_role_and_tick_without_probes(world: World) -> None:
    seconds = timedelta(seconds=1)
    world.log.write(
        [
            row(1), row(2, at=NOON + 14 * seconds), row(3, at=NOON + 15 * seconds), row(3, at=NOON + 15 * seconds),
            row(4, served_entity_id="se2"), row(5, served_entity_id="nobody's"),
            row(6, served_entity_id="se2", client_request_id="countersign-replay-r1"),
            row(7, served_entity_id="se2", client_request_id="countersign-probe-1"),
        ]
    )  # fmt: skip

    cells = {(cell.version, cell.role, cell.tick): cell.requests for cell in world.ask().cells}

    assert cells == {
        ("3", "live", NOON): 2,
        ("3", "live", NOON + 15 * seconds): 1,
        ("4", "live", NOON): 1,
        ("4", "mirror", NOON): 1,
        (UNKNOWN, "live", NOON): 1,
    }


def test_errors_are_everything_but_200_and_none_has_a_caller(world: World) -> None:
    world.log.write([row(number, status_code=status) for number, status in enumerate((200, 400, 502, None, 504))])

    cell = only(world.ask())

    assert (cell.requests, cell.errors, cell.failing_entities) == (5, 4, ())
    assert sum(n for _, n in cell.latency) == 1


def test_latency_is_in_the_buckets_of_the_service_level(world: World) -> None:
    milliseconds = [int(value) for value in np.random.default_rng(5).lognormal(4, 1, 300)]
    world.log.write([row(number, execution_duration_ms=ms) for number, ms in enumerate(milliseconds)])

    latency = only(world.ask()).latency

    assert dict(latency) == {
        bucket: sum(bucket_of(ms) == bucket for ms in milliseconds) for bucket in {*map(bucket_of, milliseconds)}
    }
    assert quantile(latency, 0.95) == pytest.approx(np.quantile(milliseconds, 0.95, method="inverted_cdf"), rel=0.021)


def test_scores_are_counted_between_the_edges_and_what_is_no_score_is_left_out(world: World) -> None:
    answers = ([0.1, 0.2], [0.3], [0.9, 0.95, 0.5], ["high", None, [0.7]], [])
    world.log.write(
        [
            *(row(n, response=json.dumps({"predictions": scores})) for n, scores in enumerate(answers)),
            row(8, response="no JSON"),
            row(9, response=None),
        ]
    )

    assert only(world.ask(score_edges=(0.2, 0.5))).scores == (1, 2, 3)
    assert only(world.ask()).scores == ()


def test_a_sample_is_counted_as_it_is(world: World) -> None:
    world.log.write([row(n, sampling_fraction=0.01) for n in range(3)])

    assert only(world.ask()).requests == 3


# What the table cannot promise ---------------------------------------------------------------------------------------


def test_the_watermark_lags_as_far_as_rows_may_be_late(duck: World) -> None:
    duck.log.write([row(1), row(2, at=NOON + timedelta(minutes=89))])

    assert duck.ask().watermark == duck.clock.now() - LATE


def test_the_watermark_is_never_beyond_the_newest_row_whoever_sent_it(duck: World) -> None:
    duck.log.write([row(1)])
    before = duck.ask().watermark
    duck.log.write([row(1), row(2, at=NOON + timedelta(minutes=10), client_request_id="countersign-probe-1")])
    duck.pass_by(timedelta(seconds=ASKED_SECONDS))

    assert (before, duck.ask().watermark) == (NOON, NOON + timedelta(minutes=10))


def test_silence_is_measured_from_the_last_row_however_long_ago(duck: World) -> None:
    duck.log.write([row(1, at=NOON - timedelta(days=3))])

    batch = duck.ask()

    assert (batch.cells, batch.watermark) == ((), NOON - timedelta(days=3))


def test_rows_of_the_future_prove_nothing(duck: World) -> None:
    duck.log.write([row(1), row(2, at=duck.clock.now() + timedelta(hours=5))])

    batch = duck.ask()

    assert (batch.watermark, only(batch).requests) == (NOON, 1)


def test_the_warehouse_is_asked_once_a_minute_and_for_an_earlier_time_at_once(duck: World) -> None:
    duck.log.write([row(1), row(2, at=NOON - timedelta(hours=3))])
    first = duck.ask(since=NOON - timedelta(hours=1))
    duck.pass_by(timedelta(seconds=30))
    later = duck.ask(since=NOON - timedelta(seconds=TICK))
    asked = len(duck.log.duck.asked)
    earlier = duck.ask(since=NOON - timedelta(hours=4))

    assert (first, later.cells, asked) == (later, first.cells, 1)
    assert (len(earlier.cells), len(duck.log.duck.asked)) == (2, 2)


def test_a_table_that_does_not_answer_says_so(duck: World) -> None:
    duck.log.duck.down = "no answer"

    with pytest.raises(TelemetryUnavailableError, match="no answer"):
        duck.ask()


# What the watcher makes of it ----------------------------------------------------------------------------------------


class Watched:
    """A canary of version 4 beside version 3 that began at noon; rows arrive an hour late."""

    def __init__(self, *, failures_logged: bool = True) -> None:
        self.world = World(PayloadLog("DuckDB"), replace(TABLE, failures_logged=failures_logged))
        self.release = replace(a_release(), model=MODEL, deployment=MODEL, stage_since=NOON, created_at=NOON)
        self.judge = SequentialJudge(
            level_of=lambda _model: ServiceLevel(p95_ms=150.0, error_rate=0.01),
            stage_rules=lambda _release: StageRules(min_time=timedelta(minutes=30), min_requests=200),
            telemetry_lag=lambda _deployment: LATE + timedelta(seconds=2 * ASKED_SECONDS),
        )

    def write(self, until: datetime, *, failing: float = 0.0) -> None:
        """Two hundred requests a minute, five of a hundred to the candidate; `failing`: share of its that fail."""
        rows, number = [], 0
        for minute in range(int((until - NOON) / timedelta(minutes=1))):
            for part in range(200):
                number += 1
                candidate = part % 20 == 0
                bad = candidate and (number // 20) % 10 < failing * 10
                rows.append(
                    row(number, at=NOON + timedelta(minutes=minute, milliseconds=300 * part),
                        served_entity_id="se2" if candidate else "se1", status_code=500 if bad else 200)
                )  # fmt: skip
        self.world.log.write(rows)

    def look(self, at: datetime) -> Analysis:
        self.world.clock.set(at)
        since = self.judge.since(self.release, state="", rules=(), now=at)
        batch = self.world.telemetry.since(MODEL, since, tick_seconds=TICK_SECONDS)
        analysis, _ = self.judge.look(self.release, batch, state="", rules=(), now=at)
        return analysis


def test_a_failing_candidate_is_found_when_its_rows_have_arrived_and_not_before() -> None:
    watched = Watched()
    watched.write(NOON + timedelta(minutes=20), failing=0.5)

    early = watched.look(NOON + timedelta(minutes=50))
    watched.world.pass_by(timedelta(seconds=ASKED_SECONDS))
    found = watched.look(NOON + timedelta(minutes=80))

    assert (early.verdict, said(early, "errors").canary_n) == (Verdict.UNDECIDED, 0)
    assert (found.verdict, found.advice) == (Verdict.BREACH, "roll-back")


def test_a_table_that_is_not_written_any_more_is_silence_and_never_good_news() -> None:
    watched = Watched()
    watched.write(NOON + timedelta(minutes=60))

    well = watched.look(NOON + timedelta(minutes=100))
    watched.world.pass_by(timedelta(seconds=ASKED_SECONDS))
    silent = watched.look(NOON + timedelta(minutes=140))

    assert (well.silent_minutes, said(well, "go").verdict) == (0, Verdict.GO)
    assert silent.silent_minutes == pytest.approx(80, abs=0.1)
    assert said(silent, "go").verdict is Verdict.NO_DATA


def test_no_candidate_goes_up_while_failures_may_be_missing() -> None:
    watched = Watched(failures_logged=False)
    watched.write(NOON + timedelta(minutes=60))

    go = said(watched.look(NOON + timedelta(minutes=100)), "go")

    assert go.verdict is Verdict.UNDECIDED
    assert "failures_logged" in go.sentence
