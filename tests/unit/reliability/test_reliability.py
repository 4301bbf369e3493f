"""Service levels from recorded requests and runs, through real DuckDB and a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.reliability import SqlReliability
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.adapters.warehouse.reliability import DuckDbRequestFacts
from services.inventory.models import DeploymentKind, GovernedModel
from services.kernel.clock import FrozenClock
from services.kernel.health import Health
from services.monitoring.service import MonitoringService
from services.reliability.latency import bucket_of, merged, quantile
from services.reliability.service import ReliabilityService
from tests.unit.monitoring.facts_on_disk import NOON, TODAY, ACatalog, a_database, a_model, requests, write


class Room:
    def __init__(self, folder: Path, model: GovernedModel) -> None:
        self.facts, database = folder / "inference", a_database(folder)
        self.clock = clock = FrozenClock(NOON)
        catalog = ACatalog(model)
        self.monitoring = MonitoringService(
            facts=DuckDbMonitoringFacts(self.facts), store=SqlMonitoring(database), catalog=catalog, clock=clock
        )
        self.service = ReliabilityService(
            facts=DuckDbRequestFacts(self.facts), store=SqlReliability(database), catalog=catalog, clock=clock
        )

    def requests(self, back: int, milliseconds: object, **changes: object) -> None:
        day = TODAY - timedelta(days=back)
        write(self.facts, "requests", "m", day, requests(day, milliseconds, **changes), name=f"p{len(changes)}")

    def runs(self, ok: list[bool], on_time: list[bool]) -> None:
        starts = [datetime(2031, 3, 30, tzinfo=UTC) + timedelta(minutes=10 * n) for n in range(len(ok))]
        frame = pd.DataFrame(
            {"job": "score", "model": "m", "version": "1", "window_start": starts, "started_at": starts,
             "finished_at": starts, "rows": 10, "ok": ok, "on_time": on_time, "error": ""}
        )  # fmt: skip
        write(self.facts, "jobs", "m", TODAY - timedelta(days=1), frame)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path, a_model())


def test_nothing_recorded_is_unknown(room: Room) -> None:
    room.service.refresh()

    view = room.service.sla("m")

    assert (view.latency.state, view.errors.state) == (Health.UNKNOWN, Health.UNKNOWN)
    assert view.adherence is None


def test_kept_promises_are_healthy_with_their_count(room: Room) -> None:
    room.requests(1, np.full(500, 50.0))
    room.service.refresh()

    view = room.service.sla("m")

    assert (view.latency.state, view.errors.state) == (Health.HEALTHY, Health.HEALTHY)
    assert view.latency.n == 500
    assert view.adherence == 1.0
    assert view.points[0].p95_ms == pytest.approx(50, rel=0.02)


def test_slow_answers_break_the_promise(room: Room) -> None:
    room.requests(1, np.full(100, 400.0))
    room.service.refresh()

    assert room.service.sla("m").latency.state is Health.BREACH
    assert room.service.sla("m").adherence == 0.0


def test_a_fresh_incident_is_not_hidden_by_a_good_week(room: Room) -> None:
    room.requests(1, np.full(5000, 50.0))
    moments = pd.DatetimeIndex([NOON - timedelta(seconds=second) for second in range(60)])
    room.requests(0, np.full(60, 900.0), event_at=moments, injected="slow")
    room.service.refresh()

    view = room.service.sla("m")

    assert view.latency.state is Health.BREACH
    assert view.latency.sentence.startswith("In the last two hours")
    assert sum(point.injected for point in view.points) == 60


def test_few_requests_are_neither_green_nor_red(room: Room) -> None:
    room.requests(1, np.full(5, 900.0))
    room.service.refresh()

    assert room.service.sla("m").latency.state is Health.UNKNOWN
    assert room.service.sla("m").errors.state is Health.UNKNOWN


def test_one_error_among_few_may_be_chance_and_many_are_a_breach(room: Room) -> None:
    room.requests(1, np.full(90, 50.0), status=[500] + [200] * 89)
    room.service.refresh()
    assert room.service.sla("m").errors.state is Health.WATCH

    room.requests(1, np.full(90, 50.0), status=[500] * 30 + [200] * 60)
    room.service.refresh()
    assert room.service.sla("m").errors.state is Health.BREACH


def test_versions_keep_their_own_slots(room: Room) -> None:
    room.requests(1, np.full(100, 50.0), version=["3"] * 90 + ["4"] * 10)
    room.service.refresh()

    assert {(point.version, point.requests) for point in room.service.sla("m").points} == {("3", 90), ("4", 10)}


def test_requests_older_than_the_window_are_left_out(room: Room) -> None:
    room.requests(9, np.full(100, 900.0))
    room.service.refresh()

    assert room.service.sla("m", days=7).points == ()
    assert room.service.sla("m", days=30).latency.n == 100


def test_a_changed_day_replaces_its_slots(room: Room) -> None:
    room.requests(1, np.full(100, 50.0))
    assert room.service.refresh() == 1
    assert room.service.refresh() == 0
    room.requests(1, np.full(70, 50.0))
    assert room.service.refresh() == 1

    assert room.service.sla("m").latency.n == 70


def test_batch_models_are_judged_by_runs_on_time(tmp_path: Path) -> None:
    room = Room(tmp_path, a_model(kind=DeploymentKind.BATCH))
    room.runs(ok=[True] * 60, on_time=[True] * 59 + [False])
    room.monitoring.refresh()

    view = room.service.sla("m")

    assert view.latency.state is Health.HEALTHY
    assert view.latency.value == pytest.approx(100 * 59 / 60)
    assert view.adherence == pytest.approx(59 / 60)
    assert len(room.monitoring.job_runs("m")) == 60


def test_late_runs_break_the_promise(tmp_path: Path) -> None:
    room = Room(tmp_path, a_model(kind=DeploymentKind.BATCH))
    room.runs(ok=[True] * 40, on_time=[False] * 20 + [True] * 20)
    room.monitoring.refresh()

    assert room.service.sla("m").latency.state is Health.BREACH


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_quantiles_of_merged_parts_are_those_of_the_whole_within_two_percent(values: list[float], share: float) -> None:
    half = len(values) // 2
    parts = [[(bucket_of(value), 1) for value in part] for part in (values[:half], values[half:])]

    exact = float(np.quantile(values, share, method="inverted_cdf"))

    assert quantile(merged(parts), share) == pytest.approx(exact, rel=0.0201)


def test_no_request_has_no_quantile() -> None:
    assert quantile((), 0.95) is None


def test_the_error_budget_counts_the_failures_of_thirty_days(room: Room) -> None:
    room.requests(3, np.full(1_000, 50.0), status=[500] * 4 + [200] * 996)
    room.service.refresh()

    view = room.service.error_budget("m")

    assert view is not None
    assert (view.requests, view.failed) == (1_000, 4)
    assert view.remaining == pytest.approx(1 - 4 / (1_000 * view.objective.budget))


def test_a_batch_model_has_no_error_budget(tmp_path: Path) -> None:
    assert Room(tmp_path, a_model(kind=DeploymentKind.BATCH)).service.error_budget("m") is None


def test_the_request_rate_is_a_mean_over_the_time_that_was_counted(room: Room) -> None:
    """From the start of the whole slot before: 60 minutes at noon sharp, not the minute since noon."""
    moments = pd.DatetimeIndex([NOON - timedelta(seconds=1 + second) for second in range(120)])
    room.requests(0, np.full(120, 50.0), event_at=moments)
    room.service.refresh()

    assert room.service.requests_per_minute("m") == pytest.approx(2.0)


def test_the_request_rate_is_unknown_when_nothing_was_recorded_lately(room: Room) -> None:
    room.requests(1, np.full(500, 50.0))
    room.service.refresh()

    assert room.service.requests_per_minute("m") is None
