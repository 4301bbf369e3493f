"""Promises kept month by month, endpoints side by side, and quantiles that are merged and never averaged."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.inventory.models import DeploymentKind, ServiceLevel
from services.kernel.health import Health
from services.reliability import months, slo
from services.reliability.latency import bucket_of, quantile
from services.reliability.models import BatchMonth, RequestSlot
from services.reliability.slots import coarser, coarser_by_day, counted, floor, traffic
from tests.unit.monitoring.facts_on_disk import NOON, TODAY, a_model, requests, write
from tests.unit.reliability.test_reliability import Room

LEVEL = ServiceLevel(p95_ms=200.0, error_rate=0.01, on_time_share=0.95)


def a_slot(at: datetime, values: list[float], *, errors: int = 0, version: str = "1") -> RequestSlot:
    counts: dict[int, int] = {}
    for value in values:
        counts[bucket_of(value)] = counts.get(bucket_of(value), 0) + 1
    return RequestSlot(
        start=at, version=version, requests=len(values) + errors, errors=errors, injected=0,
        buckets=tuple(sorted(counts.items())),
    )  # fmt: skip


def test_the_p95_of_a_day_is_that_of_its_requests_and_not_the_mean_of_its_hours() -> None:
    """Twenty-three quiet hours of ten requests and one busy hour of a thousand slow ones."""
    day = datetime(2031, 3, 1, tzinfo=UTC)
    hours = [a_slot(day + timedelta(hours=n), [10.0] * 10) for n in range(23)]
    hours.append(a_slot(day + timedelta(hours=23), [500.0] * 1000))

    [whole] = coarser(hours, timedelta(days=1))

    exact = float(np.quantile([10.0] * 230 + [500.0] * 1000, 0.95, method="inverted_cdf"))
    mean_of_hours = sum(quantile(slot.buckets, 0.95) or 0 for slot in hours) / 24
    assert quantile(whole.buckets, 0.95) == pytest.approx(exact, rel=0.0201)
    assert mean_of_hours < 40
    assert whole.requests == 1230


def test_slots_are_made_coarser_per_version_and_per_partition() -> None:
    at = datetime(2031, 3, 1, 10, 55, tzinfo=UTC)
    fine = [(at.date(), a_slot(at, [5.0], version=v)) for v in ("1", "2")]
    fine.append((at.date() + timedelta(days=1), a_slot(at, [7.0])))

    found = coarser_by_day(fine, timedelta(hours=1))

    assert [(day, slot.version, slot.start.minute) for day, slot in found] == [
        (at.date(), "1", 0), (at.date(), "2", 0), (at.date() + timedelta(days=1), "1", 0),
    ]  # fmt: skip
    assert [n.requests for _, n in counted(fine)] == [2, 1]


def test_a_day_is_a_day_of_utc_whatever_the_clocks_do() -> None:
    assert floor(datetime(2031, 3, 30, 1, 30, tzinfo=UTC), timedelta(days=1)) == datetime(2031, 3, 30, tzinfo=UTC)


def test_throughput_is_over_the_whole_window_and_quantiles_are_merged_over_versions() -> None:
    slots = [a_slot(NOON, [10.0] * 90), a_slot(NOON, [1000.0] * 30, version="2")]

    found = traffic("m", "", slots, minutes=60, busiest=120)

    assert (found.requests, found.per_minute, found.busiest_hour) == (120, 2.0, 120)
    assert found.p95_ms == pytest.approx(1000, rel=0.0201)
    assert found.p50_ms == pytest.approx(10, rel=0.0201)


# Months ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "errors", "state"),
    [
        ([50.0] * 990, 5, Health.HEALTHY),
        ([50.0] * 900, 20, Health.BREACH),
        ([500.0] * 990, 0, Health.BREACH),
        ([201.0] * 990, 0, Health.WATCH),
        ([50.0] * 15, 0, Health.UNKNOWN),
        ([50.0] * 50, 1, Health.UNKNOWN),
    ],
)
def test_a_month_is_kept_missed_or_too_small_to_say(values: list[float], errors: int, state: Health) -> None:
    [month] = months.of_requests([a_slot(datetime(2031, 2, 3, tzinfo=UTC), values, errors=errors)], LEVEL, NOON)

    assert (month.state, month.month, month.so_far) == (state, date(2031, 2, 1), False)


def test_batch_months_are_held_against_runs_on_time() -> None:
    kept = BatchMonth(month=date(2031, 2, 1), runs=100, failed=1, late=4, bad=5, days=28)
    missed = BatchMonth(month=date(2031, 3, 1), runs=100, failed=0, late=6, bad=6, days=28)

    newest, oldest = months.of_runs([kept, missed], LEVEL, NOON)

    assert (newest.state, newest.so_far) == (Health.BREACH, True)
    assert (oldest.state, oldest.bad) == (Health.HEALTHY, 5)


def test_months_come_from_the_recorded_requests_newest_first(tmp_path: Path) -> None:
    room = Room(tmp_path, a_model())
    room.requests(1, np.full(500, 50.0))
    room.requests(40, np.full(500, 900.0), status=[500] * 20 + [200] * 480)
    room.service.refresh()

    view = room.service.months("m")

    assert [(item.month, item.state) for item in view.months] == [
        (date(2031, 3, 1), Health.HEALTHY), (date(2031, 2, 1), Health.BREACH),
    ]  # fmt: skip
    assert view.kept == (0, 1), "the running month is not counted"
    assert view.explanation.n == 1000
    assert any("p95" in part for part in view.months[1].parts)


def test_months_of_a_batch_model_come_from_its_runs(tmp_path: Path) -> None:
    room = Room(tmp_path, a_model(kind=DeploymentKind.BATCH))
    room.runs(ok=[True] * 60, on_time=[True] * 59 + [False])
    room.monitoring.refresh()

    [month] = room.service.months("m").months

    assert (month.n, month.bad, month.state) == (60, 1, Health.HEALTHY)


def test_endpoints_stand_side_by_side_with_their_versions(tmp_path: Path) -> None:
    room = Room(tmp_path, a_model())
    room.requests(1, np.full(100, 50.0), version=["3"] * 90 + ["4"] * 10)
    day = TODAY - timedelta(days=1)
    write(room.facts, "requests", "other", day, requests(day, np.full(300, 20.0), deployment="other"))
    room.service.refresh()

    found = room.service.endpoints(days=7)

    assert [(item.deployment, item.version, item.requests) for item in found] == [
        ("other", "", 300), ("other", "1", 300), ("m", "", 100), ("m", "3", 90), ("m", "4", 10),
    ]  # fmt: skip
    assert found[0].busiest_hour == 300


# Burn rates --------------------------------------------------------------------------------------------------------


def test_the_pairs_of_windows_are_those_of_the_workbook() -> None:
    """Table 5-8: budget spent = factor x long window / 30 days; the short window is a twelfth of the long one."""
    found = [(pair.factor, pair.long, pair.short) for pair in slo.PAIRS]

    assert found == [
        (14.4, timedelta(hours=1), timedelta(minutes=5)),
        (6.0, timedelta(hours=6), timedelta(minutes=30)),
        (1.0, timedelta(days=3), timedelta(hours=6)),
    ]
    assert [round(factor * long / timedelta(days=30), 3) for factor, long, _ in found] == [0.02, 0.05, 0.1]
    assert all(long / short == 12 for _, long, short in found)


def test_a_fault_of_five_minutes_is_seen_in_its_own_window_and_forgotten_after_it(tmp_path: Path) -> None:
    room = Room(tmp_path, a_model())
    bad = pd.DatetimeIndex([NOON - timedelta(seconds=5 + n) for n in range(200)])
    good = pd.DatetimeIndex([NOON - timedelta(minutes=10 + n / 4) for n in range(200)])
    room.requests(0, np.full(400, 50.0), event_at=[*bad, *good], status=[500] * 200 + [200] * 200)
    room.service.refresh()

    during = room.service.error_budget("m")

    assert during is not None
    assert during.urgency is slo.Urgency.PAGE
    room.clock.set(NOON + timedelta(minutes=20))
    after = room.service.error_budget("m")
    assert after is not None
    assert not after.burns[0].firing, "nothing in the last five minutes"
