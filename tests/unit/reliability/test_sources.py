"""Service levels from a platform's log: late, perhaps without every failure, and silent when it is not read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from services.adapters.sql.reliability import SqlReliability
from services.adapters.warehouse.reliability import DuckDbRequestFacts
from services.inventory.facts import Partition
from services.kernel.clock import FrozenClock
from services.kernel.health import Health
from services.reliability.latency import bucket_of
from services.reliability.models import RequestSlot, RequestSource
from services.reliability.service import ReliabilityService
from tests.unit.monitoring.facts_on_disk import NOON, ACatalog, a_database, a_model, requests, write

SOURCE = RequestSource(
    words="inference table main.claims.score_payload", late=timedelta(hours=1), stale=timedelta(minutes=40)
)
WHOLE = replace(SOURCE, failures_logged=True)


class Room:
    """A model whose requests a platform records; `read_at` is when its table answered last."""

    def __init__(self, folder: Path, source: RequestSource = SOURCE) -> None:
        self.facts, self.store = folder / "inference", SqlReliability(a_database(folder))
        self.read_at: datetime | None = NOON - timedelta(minutes=5)
        self.clock = FrozenClock(NOON)
        self.service = ReliabilityService(
            facts=DuckDbRequestFacts(self.facts), store=self.store, catalog=ACatalog(a_model()), clock=self.clock,
            sources={"m": source}, read_at=lambda _model: self.read_at,
        )  # fmt: skip

    def requests(self, at: datetime, milliseconds: float, n: int, *, failed: int = 0) -> None:
        frame = requests(at.date(), np.full(n, milliseconds), status=[500] * failed + [200] * (n - failed))
        frame["event_at"] = at
        write(self.facts, "requests", "m", at.date(), frame, name=f"p{at:%H%M}")
        self.service.refresh()


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path, WHOLE)


def test_what_the_figures_are_stands_beside_them(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.requests(NOON - timedelta(hours=5), 50.0, 500)

    notice = room.service.sla("m").notice

    for words in ("main.claims.score_payload", "time of the model", "429", "10:55 UTC"):
        assert words in notice
    assert "sample" not in notice


def test_hours_whose_rows_may_still_arrive_are_shown_and_not_judged(room: Room) -> None:
    room.requests(NOON - timedelta(hours=5), 50.0, 500)
    room.requests(NOON - timedelta(minutes=30), 9000.0, 500, failed=400)

    view = room.service.sla("m")

    assert (view.latency.state, view.errors.state, view.errors.n) == (Health.HEALTHY, Health.HEALTHY, 500)
    assert sum(point.requests for point in view.points) == 1000
    assert view.complete_until == NOON - timedelta(minutes=65)


def test_a_table_that_is_not_read_any_more_leaves_nothing_healthy_and_a_breach_a_breach(room: Room) -> None:
    room.requests(NOON - timedelta(hours=5), 50.0, 500, failed=100)
    room.read_at = NOON - timedelta(hours=2)

    view, budget = room.service.sla("m"), room.service.error_budget("m")

    assert (view.latency.state, view.errors.state) == (Health.UNKNOWN, Health.BREACH)
    assert "last read on 2031-03-31 at 10:00 UTC" in view.latency.sentence
    assert budget is not None
    assert budget.state is Health.BREACH
    assert room.service.requests_per_minute("m") is None


def test_a_table_that_never_answered_is_unknown(room: Room) -> None:
    room.read_at = None

    view = room.service.sla("m")

    assert (view.latency.state, view.errors.state) == (Health.UNKNOWN, Health.UNKNOWN)
    assert "never read" in view.latency.sentence


def test_few_failures_are_no_good_news_where_failures_may_be_missing(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.requests(NOON - timedelta(hours=5), 50.0, 500)

    view, budget, months = room.service.sla("m"), room.service.error_budget("m"), room.service.months("m")

    assert (view.latency.state, view.errors.state) == (Health.HEALTHY, Health.UNKNOWN)
    assert budget is not None
    assert (budget.state, months.months[0].state) == (Health.UNKNOWN, Health.UNKNOWN)
    assert "may be missing" in view.errors.sentence


def test_many_failures_are_a_breach_even_where_more_may_be_missing(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.requests(NOON - timedelta(hours=5), 50.0, 500, failed=100)

    view, months = room.service.sla("m"), room.service.months("m")

    assert (view.errors.state, months.months[0].state) == (Health.BREACH, Health.BREACH)


def test_a_month_that_ended_is_kept_only_when_its_last_hour_arrived(room: Room) -> None:
    room.requests(datetime(2031, 3, 20, 10, tzinfo=UTC), 50.0, 500)
    room.clock.set(datetime(2031, 4, 1, 0, 30, tzinfo=UTC))
    room.read_at = room.clock.now()
    early = room.service.months("m").months[0].state
    room.clock.set(datetime(2031, 4, 1, 1, 30, tzinfo=UTC))
    room.read_at = room.clock.now()

    assert (early, room.service.months("m").months[0].state) == (Health.UNKNOWN, Health.HEALTHY)


def test_throughput_is_what_a_sample_stands_for_and_survives_the_store(room: Room) -> None:
    at = NOON - timedelta(hours=2)
    slot = RequestSlot(
        start=at, version="3", requests=30, errors=0, injected=0, buckets=((bucket_of(10.0), 30),), estimated=120
    )
    read = (Partition(source="requests", owner="m", day=date(2031, 3, 31), fingerprint="f"),)
    day = slot.start.replace(hour=0)
    room.store.replace_slots("m", ((at.date(), slot),), read, counts=(), days=((at.date(), replace(slot, start=day)),))

    view, (whole, part) = room.service.sla("m"), room.service.endpoints(days=1)

    assert (view.points[0].requests, view.points[0].volume) == (30, 120)
    assert "sample" in view.notice
    assert (whole.requests, whole.estimated, whole.busiest_hour, part.estimated) == (30, 120, 120, 120)
    assert whole.per_minute == pytest.approx(120 / 720)
    assert room.service.requests_per_minute("m") == pytest.approx(120 / 115)  # from 9:00 to 10:55
