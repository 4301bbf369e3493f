"""Cubes of performance kept in memory, and a year of predictions whose labels come late, as the screens need them."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from services.inventory.models import GovernedModel, Task
from services.kernel.errors import TelemetryUnavailableError, UnknownModelError
from services.monitoring.cubes import Arrival, ScoreDay
from services.monitoring.models import Expectation, MonitoringConfig
from services.monitoring.performance_models import DecayView, PerformanceQuery, ValuePerDecision
from services.monitoring.performance_service import PerformanceService
from services.monitoring.ports import ReviewCount
from services.monitoring.profile import SCORE_BINS
from tests.fakes.room_sample import MODELS, NOW


class KeptCubes:
    """Implements PerformanceStore for reading, and the two questions asked of MonitoringStore."""

    def __init__(self, *, config: MonitoringConfig | None = None, expected: Expectation | None = None) -> None:
        self.told: list[Arrival] = []
        self.days: list[ScoreDay] = []
        self._config = config
        self._expected = expected

    def predict(
        self,
        day: date,
        scores: np.ndarray,
        truth: np.ndarray,
        *,
        delays: np.ndarray,
        version: str = "1",
        slice_key: str = "",
        until: date,
        scored: bool = True,
    ) -> None:
        """Predictions of one day, whose labels arrive after `delays` days, as far as that is before `until`."""
        bins = np.clip(np.floor(scores * SCORE_BINS).astype(int), 0, SCORE_BINS - 1)
        used = np.unique(bins) if scored else np.zeros(0, dtype=int)
        self.days.append(
            ScoreDay(
                version=version,
                slice_key=slice_key,
                day=day,
                predicted=len(scores),
                unscored=0,
                bins=used,
                counts=np.bincount(bins, minlength=SCORE_BINS)[used],
                sums=np.bincount(bins, weights=scores, minlength=SCORE_BINS)[used],
            )
        )
        for delay in np.unique(delays):
            arrival, here = day + timedelta(days=int(delay)), delays == delay
            if arrival < until:
                told = arrived(day, arrival, scores[here], truth[here], version=version, scored=scored)
                self.told.append(told)

    def arrivals(self, model: str, since: date, *, before: date, slice_key: str = "") -> tuple[Arrival, ...]:
        return tuple(item for item in self.told if since <= item.day < before and item.slice_key == slice_key)

    def scores(self, model: str, since: date, *, before: date, slice_key: str = "") -> tuple[ScoreDay, ...]:
        return tuple(item for item in self.days if since <= item.day < before and item.slice_key == slice_key)

    def choices(self, model: str, *, before: date) -> tuple[tuple[str, ...], tuple[str, ...]]:
        newest = {item.version: item.day for item in self.days if item.day < before}
        slices = {item.slice_key for item in self.days if item.day < before}
        return tuple(sorted(newest, key=newest.__getitem__)), tuple(sorted(slices - {""}))

    def config(self, model: str) -> MonitoringConfig | None:
        return self._config

    def expectation(self, model: str, metric: str) -> Expectation | None:
        return self._expected


def arrived(
    day: date, arrival: date, scores: np.ndarray, truth: np.ndarray, *, version: str = "1", scored: bool = True
) -> Arrival:
    bins = np.clip(np.floor(scores * SCORE_BINS).astype(int), 0, SCORE_BINS - 1)
    codes, counts = np.unique(2 * bins + truth.astype(int), return_counts=True)
    cells = np.column_stack([np.full(len(codes), day.toordinal()), codes, counts]).astype(np.int64)
    errors = scores - truth
    return Arrival(
        version=version,
        slice_key="",
        day=arrival,
        cells=cells if scored else cells[:0],
        days=np.array([[day.toordinal(), len(truth), len(truth)]], dtype=np.int64),
        sums=np.array([[errors.sum(), np.abs(errors).sum(), (errors**2).sum(), (errors**4).sum()]]),
    )


class KeptBusiness:
    """Implements BusinessFacts."""

    def __init__(
        self,
        *,
        threshold: float | None = 0.5,
        counted: tuple[ReviewCount, ...] = (),
        worth: ValuePerDecision | None = None,
    ) -> None:
        self._threshold = threshold
        self._counted = counted
        self._worth = worth

    def threshold(self, model: str) -> float | None:
        return self._threshold

    def reviews(self, model: str, since: date) -> tuple[ReviewCount, ...]:
        return self._counted

    def value(self, model: str) -> ValuePerDecision | None:
        return self._worth


class _Models:
    def model(self, name: str) -> GovernedModel:
        found = next((model for model in MODELS if model.name == name), None)
        if found is None:
            raise UnknownModelError(f"There is no model called {name!r}.")
        return found


class FakePerformance:
    """The real service over a year that was made up; empty and unavailable as the room is."""

    def __init__(self, room: Any) -> None:
        self._room = room

    def decay(self, query: PerformanceQuery) -> DecayView:
        if self._room.mode == "unavailable":
            raise TelemetryUnavailableError("The inference log cannot be read.", hint="Look at the worker's log.")
        lived = self._room.mode != "empty" and query.model != "damage_photo_vendor"
        cubes = _a_year(query.model) if lived else KeptCubes()
        return PerformanceService(
            store=cubes,  # type: ignore[arg-type]
            monitoring=cubes,  # type: ignore[arg-type]
            catalog=_Models(),
            business=_business() if lived and query.model == "claims_triage" else KeptBusiness(),
            clock=self._room.clock,
        ).decay(query)


def _business() -> KeptBusiness:
    last = NOW.date()
    counted = tuple(
        ReviewCount(day=last - timedelta(days=back), version="4", reviewed=20, corrected=2 + back % 3)
        for back in range(0, 150, 2)
    )
    worth = ValuePerDecision(
        currency="USD", amount=840.0, low=610.0, high=1_020.0, decisions=31_400, window="90 days",
        assumed="value of an avoided claim, stated by Ben Okafor",
    )  # fmt: skip
    return KeptBusiness(threshold=0.4, counted=counted, worth=worth)


@lru_cache(maxsize=8)
def _a_year(model: str) -> KeptCubes:
    """Labels take up to three weeks; the newest mature weeks of claims triage are worse than those before."""
    scored = next(item for item in MODELS if item.name == model).task is Task.CLASSIFICATION
    cubes, rng, last = KeptCubes(), np.random.default_rng(4), NOW.date()
    for back in range(182, -1, -1):
        day = last - timedelta(days=back)
        scores = rng.beta(2, 4, 90) if scored else rng.normal(120, 30, 90)
        chance = np.where(back < 45, 0.6 * scores + 0.12, scores) if model == "claims_triage" else scores
        truth = (rng.random(90) < chance).astype(float) if scored else scores + rng.normal(0, 12, 90)
        delays = np.where(rng.random(90) < 0.9, rng.integers(7, 22, 90), 9_999)
        version = "3" if back > 150 else "4"
        cubes.predict(day, scores, truth, delays=delays, version=version, until=last + timedelta(days=1), scored=scored)
        cubes.days.append(_sliced(cubes.days[-1]))
    return cubes


def _sliced(whole: ScoreDay) -> ScoreDay:
    """A slice that has predictions and no labels yet."""
    half = slice(0, len(whole.bins) // 2)
    return ScoreDay(
        version=whole.version,
        slice_key="region=north",
        day=whole.day,
        predicted=whole.predicted // 2,
        unscored=0,
        bins=whole.bins[half],
        counts=whole.counts[half],
        sums=whole.sums[half],
    )
