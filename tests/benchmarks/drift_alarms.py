"""How often the monitors speak without a reason: verdicts about windows and models in which nothing changes."""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from services.adapters.local.estate.catalog import load_monitoring
from services.inventory.models import Task
from services.kernel.health import Health
from services.monitoring import drift
from services.monitoring.definitions import Versus
from services.monitoring.drift import Question
from services.monitoring.metrics import Metric
from services.monitoring.models import MonitoringConfig
from services.monitoring.performance_models import PerformanceQuery
from services.monitoring.performance_service import PerformanceService
from tests.benchmarks.promised import Line
from tests.fakes.performance import KeptBusiness, KeptCubes
from tests.unit.monitoring.facts_on_disk import ACatalog, a_model
from tools import find_events

MOST = 0.01
"""Promised share of false verdicts on windows without drift."""
WINDOWS = (1, 7, 28)
SPOKEN = (Health.WATCH, Health.BREACH)
MONDAY, WEEKS, A_DAY, DELAY = date(2031, 1, 6), 16, 60, 10
METRICS = (Metric.AUC, Metric.F1, Metric.BRIER)


def alarms(sizes: argparse.Namespace) -> Iterator[Line]:
    yield from _drift()
    yield from _performance(sizes.lives)


def _drift() -> Iterator[Line]:
    """Ninety days drawn from one half of recorded reference rows, with the other half as reference."""
    configs = {config.model: config for config in load_monitoring()}
    for source in find_events.recorded():
        still = find_events.unchanged(source)
        with tempfile.TemporaryDirectory() as folder:
            reference, profiles, last = find_events.read(still, Path(folder))
        for window in WINDOWS:
            states: Counter[Health] = Counter()
            for versus in Versus:
                asked = Question(window_days=window, days=400, versus=versus)
                found = drift.features(reference, configs[source.model], profiles, asked, last)
                states.update(state for item in found for _, state in item.history)
            judged = sum(n for state, n in states.items() if state is not Health.UNKNOWN)
            words = f"column-windows of {window} d without change, {source.model}"
            few = f"({states[Health.UNKNOWN]:,} had too few rows)"
            if not judged:
                yield Line(value=0, unit="judged", words=f"{words} {few}")
                continue
            yield Line(
                value=sum(states[state] for state in SPOKEN) / judged, unit="share", at_most=MOST,
                words=f"red or amber of {judged:,} judged {words} {few}",
            )  # fmt: skip


def _performance(lives: int) -> Iterator[Line]:
    """Sixteen weeks of 420 predictions whose labels follow the scores: every verdict but healthy is false."""
    states: Counter[Health] = Counter()
    for seed in range(lives):
        store, today = _a_life(np.random.default_rng(seed))
        service = PerformanceService(
            store=store, monitoring=store, catalog=ACatalog(a_model(task=Task.CLASSIFICATION)),
            business=KeptBusiness(), clock=_At(today),
        )  # type: ignore[arg-type]  # fmt: skip
        for metric in METRICS:
            states[service.decay(PerformanceQuery(model="m", metric=metric)).signal.state] += 1
    judged = sum(n for state, n in states.items() if state is not Health.UNKNOWN)
    for state in SPOKEN:
        yield Line(
            value=states[state] / judged if judged else float("nan"), unit="share", at_most=MOST,
            words=f"{state} of {judged:,} judged verdicts about performance without decay "
            f"({states[Health.UNKNOWN]:,} more could not be judged)",
        )  # fmt: skip


def _a_life(random: np.random.Generator) -> tuple[KeptCubes, date]:
    """Labels arrive evenly over ten days; today is the Monday after the last week."""
    store, today = KeptCubes(config=MonitoringConfig(model="m")), MONDAY + timedelta(weeks=WEEKS)
    for number in range(7 * WEEKS):
        scores = random.beta(2, 3, A_DAY)
        truth = (random.random(A_DAY) < scores).astype(float)
        delays: Any = random.integers(0, DELAY + 1, A_DAY)
        store.predict(MONDAY + timedelta(days=number), scores, truth, delays=delays, until=today)
    return store, today


class _At:
    def __init__(self, day: date) -> None:
        self._day = day

    def now(self) -> datetime:
        return datetime(self._day.year, self._day.month, self._day.day, 9, tzinfo=UTC)
