"""Drift of the fake room: profiles made of numbers, answered by the real reader, so screens show true shapes."""

from __future__ import annotations

import math
import secrets
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from services.kernel.clock import FrozenClock
from services.kernel.health import Health
from services.monitoring.definitions import Statistic, Versus
from services.monitoring.drift import Question
from services.monitoring.fleet import DriftVerdict, FleetRow, verdicts_of
from services.monitoring.models import DriftView, MonitoringConfig
from services.monitoring.profile import (
    SCORE,
    DayProfile,
    FeatureReference,
    LabelledDay,
    Reference,
    ReferenceSlice,
    Uncompared,
    slice_key,
)
from services.monitoring.reader import DriftReader
from services.monitoring.versions import ROWS, version_key
from tests.fakes import room_sample as sample
from tests.fakes.room_sample import HOSTILE, NOW

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

DAYS, A_DAY, REFERENCE_ROWS = 400, 850, 412_806
_CLAIMS = ("delay", "cancellation", "luggage", "medical")
_PROVIDERS = ("Ridgeway Hospitals", "Harbour Clinics", "Northside Group", "Single practices")
_CELLS = np.arange(1, 80) / 80
_COLUMNS = (
    ("claim_type", "Claim type mix", "categorical"),
    (SCORE, "Score", "numeric"),
    ("dep_hour", "Departure hour", "numeric"),
    ("distance", "Distance", "numeric"),
    ("party_size", "People on the booking", "numeric"),
    ("channel", "Sales channel", "categorical"),
)
_STRENGTH = {Health.BREACH: 1.0, Health.WATCH: 0.62, Health.HEALTHY: 0.05}


def _edges(feature: str) -> np.ndarray:
    scale = {"dep_hour": (13.0, 4.0), "distance": (1040.0, 300.0), "party_size": (2.6, 0.7)}.get(feature, (0.3, 0.1))
    return np.array([NormalDist(*scale).inv_cdf(float(part)) for part in _CELLS])


def _middles(edges: np.ndarray) -> np.ndarray:
    return np.array([edges[0], *(edges[:-1] + edges[1:]) / 2, edges[-1], 0.0, 0.0])


def _numbers(shift: float, lost: float) -> np.ndarray:
    """Shares of the cells when the middle has moved by so many standard deviations and so many values are missing."""
    standard = NormalDist()
    below = np.array([standard.cdf(standard.inv_cdf(float(part)) - shift) for part in _CELLS])
    return np.array([*np.diff([0.0, *below, 1.0]) * (1 - lost), 0.0, lost])


def _values(number: int, shift: float, unseen: float) -> np.ndarray:
    usual = np.linspace(2.0, 1.0, number)
    moved = usual * np.exp(shift * np.linspace(-1, 1, number))
    return np.array([*moved / moved.sum() * (1 - unseen), unseen, 0.0])


def _shares(feature: str, health: Health, back: int) -> np.ndarray:
    """What a day so many days ago looks like: the first two columns move for six weeks, the others hardly."""
    ramp = max(0.0, 1 - back / 42) * _STRENGTH.get(health, 0.0)
    if feature == "claim_type":
        return _values(4, 1.1 * ramp, 0.004 * ramp)
    if feature == "channel":
        return _values(3, 0.04, 0.02 * ramp)
    strength = {SCORE: 0.55, "dep_hour": 0.3 if 60 < back < 75 else 0.0, "distance": 0.02}.get(feature, 0.0)
    return _numbers(
        strength * (1 if feature == "dep_hour" else ramp), 0.01 + (0.1 * ramp if feature == "distance" else 0)
    )


def _columns_of(feature: str, health: Health) -> FeatureReference:
    numeric = feature not in {"claim_type", "channel"}
    counts = np.round(_shares(feature, health, 10_000) * REFERENCE_ROWS).astype(np.int64)
    edges = _edges(feature)
    values = {"claim_type": _CLAIMS, "channel": ("web", "app", "agent")}.get(feature, ())
    return FeatureReference(
        feature=feature,
        column="score" if feature == SCORE else feature,
        numeric=numeric,
        edges=tuple(edges) if numeric else (),
        deciles=tuple(edges[7::8]) if numeric else (),
        values=values,
        counts=counts,
        sums=counts * _middles(edges) if numeric else np.zeros(len(counts)),
        spread={"dep_hour": 4.0, "distance": 300.0, "party_size": 0.7}.get(feature, 0.1),
        # As the worker lays it: the edge is the number just below the threshold.
        threshold=math.nextafter(float(edges[63]), math.inf) if feature == SCORE else None,
    )


@cache
def _made(model: str, health: Health, first_provider: str) -> tuple[Reference, tuple[DayProfile, ...]]:
    random = np.random.default_rng(crc32(model.encode()))
    providers = (first_provider, *_PROVIDERS[1:])
    columns = tuple(_columns_of(feature, health) for feature, _, _ in _COLUMNS)
    usual = _values(4, 0.0, 0.0)[:4]
    slices = tuple(
        ReferenceSlice(
            feature=column.feature, slice_key=slice_key("provider", provider),
            counts=np.round(column.counts * share).astype(np.int64), sums=column.sums * share,
        )
        for column in columns
        for provider, share in zip(providers, usual, strict=True)
    )  # fmt: skip
    profiles = []
    for back in range(DAYS):
        ramp = max(0.0, 1 - back / 42) * _STRENGTH.get(health, 0.0)
        mix, rows = _values(4, 0.7 * ramp, 0.0)[:4], A_DAY + int(random.integers(-60, 60))
        for column in columns:
            sums = _middles(_edges(column.feature)) if column.numeric else np.zeros(column.cells)
            drawn = random.multinomial(rows, _shares(column.feature, health, back))
            parts = [("", drawn)]
            parts += [
                (slice_key("provider", provider), np.round(drawn * share).astype(np.int64))
                for provider, share in zip(providers, mix, strict=True)
            ]
            day = NOW.date() - timedelta(days=back)
            profiles += [
                DayProfile(day=day, feature=column.feature, counts=counts, sums=counts * sums, slice_key=key)
                for key, counts in parts
            ]
    # One version after the other: each of them has the days on which it answered.
    profiles += [
        DayProfile(
            day=NOW.date() - timedelta(days=back), feature=ROWS, counts=np.array([A_DAY, 0]), sums=np.zeros(2),
            slice_key=version_key("7" if back < 60 else "6"),
        )
        for back in range(DAYS)
    ]  # fmt: skip
    ordered = sorted(profiles, key=lambda profile: (profile.slice_key, profile.feature, profile.day))
    reference = Reference(model=model, digest="d1", rows=REFERENCE_ROWS, features=columns, slices=slices)
    return reference, tuple(ordered)


class MemoryProfiles:
    """What the reader needs of a monitoring store, for one model after another."""

    def __init__(self, room: FakeRoom) -> None:
        self._first = HOSTILE if room.hostile else _PROVIDERS[0]
        self.uncompared: tuple[Uncompared, ...] = ()
        self.has_versions = True

    def _made(self, model: str) -> tuple[Reference, tuple[DayProfile, ...]] | None:
        row = next((row for row in sample.inventory_rows() if row.name == model), None)
        return _made(model, row.drift.state, self._first) if row is not None and row.drift_trend else None

    def reference(self, model: str) -> Reference | None:
        made = self._made(model)
        return replace(made[0], uncompared=self.uncompared) if made else None

    def last_day(self, model: str) -> date | None:
        return NOW.date() if self._made(model) else None

    def profiles(
        self, model: str, start: date, end: date, feature: str = "", *, slice_key: str | None = ""
    ) -> tuple[DayProfile, ...]:
        made = self._made(model)
        return tuple(
            profile
            for profile in (made[1] if made else ())
            if start <= profile.day <= end
            and (self.has_versions or profile.feature != ROWS)
            and (not feature or profile.feature == feature)
            and (slice_key is None or profile.slice_key == slice_key)
        )

    def labelled(self, model: str, start: date) -> tuple[LabelledDay, ...]:
        return ()


class FakeDrift:
    def __init__(self, room: FakeRoom) -> None:
        store: Any = MemoryProfiles(room)
        self.store: MemoryProfiles = store
        self._reader = DriftReader(store=store, clock=FrozenClock(NOW))
        self.drift = room.measured(self._drift)
        self.distribution = room.measured(
            lambda model, feature, *, window_days=7, slice_key="", version="": self._reader.distribution(
                model, feature, Question(window_days=window_days, slice_key=slice_key, version=version)
            )
        )
        self.mixes = room.measured(
            lambda model, *, window_days=7, days=90: self._reader.mixes(
                _config(model), Question(window_days=window_days, days=days)
            )
        )
        self.slices = room.measured(
            lambda model, *, window_days=7, versus=Versus.REFERENCE: self._reader.slices(
                _config(model), Question(window_days=window_days, versus=versus)
            )
        )
        self.events = room.measured(
            lambda model, *, window_days=1, **asked: self._reader.events(
                _config(model), Question(window_days=window_days, **asked)
            )
        )
        self.changes = room.measured(
            lambda model, *, window_days=7, known=None, **asked: self._reader.changes(
                _config(model), Question(window_days=window_days, **asked), known
            )
        )
        self.drift_versions = room.measured(self._reader.versions)
        self.slice_keys = room.measured(self._reader.slice_keys)
        self.windows = room.measured(lambda model: _config(model).current_days)
        self.fleet = room.measured(self._fleet)
        self._room = room

    def mark(self, model: str) -> str:
        return secrets.token_hex(8)  # of this room nothing is kept between two reads

    def fleet_mark(self) -> str:
        return self.mark("")

    def _fleet(self) -> tuple[FleetRow, ...]:
        rows = [
            FleetRow(
                model=row.name,
                verdicts=self._verdicts(row.name) if number else (),
                judged_at=NOW - timedelta(minutes=3),
                window_days=7,
                is_current=True,
            )
            for number, row in enumerate(sample.inventory_rows()[:4])
        ]
        if self._room.mode == "empty":
            return ()
        return tuple(replace(row, model=HOSTILE) if self._room.hostile else row for row in rows)

    def _verdicts(self, model: str) -> tuple[DriftVerdict, ...]:
        view = self._drift(model)
        return verdicts_of(model, view.features, view.red_windows)

    def _drift(
        self,
        model: str,
        *,
        window_days: int = 7,
        days: int = 90,
        statistic: Statistic = Statistic.PSI,
        versus: Versus = Versus.REFERENCE,
        slice_key: str = "",
        version: str = "",
    ) -> DriftView:
        asked = Question(
            window_days=window_days, days=days, statistic=statistic, versus=versus, slice_key=slice_key, version=version
        )
        config = _config(model)
        more = tuple((item.column, item.column.title(), "categorical") for item in self.store.uncompared)
        view = self._reader.view(replace(config, features=(*config.features, *more)), asked)
        row = next(row for row in sample.inventory_rows() if row.name == model)
        plain = asked == Question() and not more
        return replace(view, signal=row.drift) if plain or not view.features else view


def _config(model: str) -> MonitoringConfig:
    return MonitoringConfig(
        model=model, features=_COLUMNS, score_title="Score", reference="1 Feb to 31 Aug 2030, 412,806 rows",
        slices=("provider",), current_days=(7, 14, 28),
    )  # fmt: skip
