"""The alert rate: counted exactly at the threshold, judged beyond limit and noise, and never guessed between edges."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.kernel.clock import FrozenClock
from services.kernel.health import Health
from services.monitoring import drift
from services.monitoring.definitions import Statistic, Versus
from services.monitoring.drift import Question
from services.monitoring.models import FeatureDrift, MonitoringConfig
from services.monitoring.profile import (
    SCORE,
    DayProfile,
    FeatureReference,
    Reference,
    alerting,
    at_threshold,
    below,
    reference_digest,
)
from services.monitoring.service import MonitoringService
from tests.builders import a_model
from tests.unit.monitoring.facts_on_disk import NOON, TODAY, ACatalog, a_database, write

THRESHOLD = 0.3
LAST = date(2031, 3, 31)
EDGES = tuple(sorted({0.1, 0.2, below(THRESHOLD), 0.5, 0.8}))
MIDDLES = np.array([0.05, 0.15, 0.25, 0.4, 0.65, 0.9, 0.0, 0.0])


def a_score(threshold: float | None = THRESHOLD) -> FeatureReference:
    counts = np.array([2000, 2000, 2000, 1000, 2000, 1000, 0, 0])  # 4,000 of 10,000 at or above the threshold
    return FeatureReference(
        feature=SCORE, column="score", numeric=True, edges=EDGES, deciles=EDGES, values=(), counts=counts,
        sums=counts * MIDDLES, spread=0.2, threshold=threshold,
    )  # fmt: skip


def of(*above: int, n: int = 500, asked: Question | None = None, score: FeatureReference | None = None) -> FeatureDrift:
    """Days with so many of `n` predictions at or above the threshold, spread as the reference spreads them."""
    days = []
    for back, alerts in enumerate(reversed(above)):
        low, high = n - alerts, alerts
        counts = np.array([low // 3, low // 3, low - 2 * (low // 3), high // 4, high // 2, 0, 0, 0])
        counts[5] = high - counts[3] - counts[4]
        days.append(DayProfile(day=LAST - timedelta(days=back), feature=SCORE, counts=counts, sums=counts * MIDDLES))
    reference = Reference(model="m", digest="d", rows=10_000, features=(score or a_score(),))
    (found,) = drift.features(reference, MonitoringConfig(model="m"), days[::-1], asked or Question(days=14), LAST)
    return found


def test_the_rate_is_told_with_its_interval_and_both_counts() -> None:
    found = of(*[200] * 14).alert_rate

    assert found is not None
    assert found.now is not None
    assert found.now.value == pytest.approx(0.4)
    assert found.before == pytest.approx(0.4)
    assert found.now.low < 0.4 < found.now.high
    assert (found.n, found.m, found.state) == (3500, 10_000, Health.HEALTHY)
    assert len(found.series) == 14


@pytest.mark.parametrize(
    ("share", "state"),
    [(200, Health.HEALTHY), (260, Health.WATCH), (310, Health.BREACH), (140, Health.WATCH), (90, Health.BREACH)],
)
def test_it_is_judged_by_how_much_of_itself_it_moved(share: int, state: Health) -> None:
    reading = next(item for item in of(*[share] * 14).readings if item.statistic is Statistic.ALERTS)

    assert reading.state is state
    assert reading.value == pytest.approx(abs(share / 500 - 0.4) / 0.4)


def test_few_predictions_are_grey_and_neither_green_nor_red() -> None:
    for found in (of(*[8] * 14, n=20).alert_rate, of(*[3] * 14, n=4).alert_rate):
        assert found is not None
        assert found.state is Health.UNKNOWN


def test_against_the_week_before_it_compares_with_that() -> None:
    found = of(*[200] * 7, *[300] * 7, asked=Question(days=7, versus=Versus.PREVIOUS)).alert_rate

    assert found is not None
    assert found.before == pytest.approx(0.4)
    assert found.m == 3500


def test_without_an_edge_at_the_threshold_nothing_is_said_about_the_rate() -> None:
    between = replace(a_score(), threshold=0.35)

    found = of(*[200] * 14, score=between)

    assert alerting(between) is None
    assert found.alert_rate is None
    assert Statistic.ALERTS not in {item.statistic for item in found.readings}
    assert found.state is Health.HEALTHY


def test_only_a_score_gets_an_edge_and_another_threshold_is_another_reference() -> None:
    plain = replace(a_score(None), edges=(0.1, 0.2, 0.5, 0.8), counts=np.zeros(7, dtype=np.int64), sums=np.zeros(7))

    assert at_threshold(plain, THRESHOLD).edges == EDGES
    assert at_threshold(replace(plain, feature="amount"), THRESHOLD).edges == plain.edges
    assert at_threshold(plain, math.nan) is plain
    assert len({reference_digest("f", (), one) for one in (None, 0.3, 0.4)}) == 3
    assert reference_digest("f", ()) != reference_digest("g", ())


@pytest.fixture
def service(tmp_path: Path) -> MonitoringService:
    random = np.random.default_rng(7)
    for number, (source, day) in enumerate(
        (("reference", TODAY), *(("predictions", TODAY - timedelta(days=n)) for n in (1, 2)))
    ):
        scores = np.append(random.random(400), [THRESHOLD] * 5 + [below(THRESHOLD)] * 3)
        frame = pd.DataFrame({"score": scores, "role": "live", "prediction_id": [f"{number}-{n}" for n in range(408)]})
        frame = frame.assign(version="1", event_at=pd.Timestamp(NOON), amount=scores * 2)
        if source == "reference":
            file = DuckDbMonitoringFacts(tmp_path)._parquet.reference_file("m")
            file.parent.mkdir(parents=True, exist_ok=True)
            frame.to_parquet(file)
        else:
            write(tmp_path, source, "m", day, frame)
    made = MonitoringService(
        facts=DuckDbMonitoringFacts(tmp_path), store=SqlMonitoring(a_database(tmp_path)),
        catalog=ACatalog(a_model(name="m")), clock=FrozenClock(NOON), threshold=lambda _model: THRESHOLD,
    )  # fmt: skip
    made.refresh()
    made.scores = scores  # type: ignore[attr-defined]
    return made


def test_recorded_scores_are_counted_on_the_right_side_of_the_threshold(service: MonitoringService) -> None:
    view = service.drift("m", window_days=1)

    found = next(item.alert_rate for item in view.features if item.alert_rate is not None)
    assert found.now is not None
    scores = service.scores  # type: ignore[attr-defined]
    assert found.threshold == THRESHOLD
    assert found.before
    assert {round(rate * 408) for _, rate, _ in found.series} >= {int((scores >= THRESHOLD).sum())}


def test_a_verdict_is_stored_for_each_window_and_only_made_again_when_figures_changed(
    service: MonitoringService,
) -> None:
    (row,) = service.fleet()
    mark, all_marks = service.mark("m"), [service.fleet_mark()]

    assert [item.day for item in row.verdicts] == [TODAY - timedelta(days=2), TODAY - timedelta(days=1)]
    assert (row.is_current, row.window_days) == (True, 7)
    service.refresh()
    assert (service.fleet()[0].judged_at, service.mark("m")) == (row.judged_at, mark)
    assert service.fleet_mark() == all_marks[0]
    service.register_config((MonitoringConfig(model="m", current_days=(1,)),))
    assert service.mark("m") != mark
    assert not service.fleet()[0].is_current
    all_marks.append(service.fleet_mark())
    service.refresh()
    all_marks.append(service.fleet_mark())
    assert len(set(all_marks)) == 3, "new figures and new verdicts are told apart from what was"
    assert (service.fleet()[0].is_current, service.fleet()[0].window_days) == (True, 1)


def test_a_model_that_was_not_recorded_lately_is_unknown_whatever_its_last_verdict_was(
    service: MonitoringService,
) -> None:
    (row,) = service.fleet()

    assert row.state(TODAY + timedelta(days=30)) is Health.UNKNOWN
