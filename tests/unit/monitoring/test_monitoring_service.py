"""Drift and performance from real Parquet through real DuckDB into a real database."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.inventory.models import Task
from services.kernel.clock import FrozenClock
from services.kernel.errors import InputError, TelemetryUnavailableError, UnknownModelError
from services.kernel.health import Health
from services.monitoring.models import MonitoringConfig
from services.monitoring.service import MonitoringService
from tests.unit.monitoring.facts_on_disk import (
    NOON,
    TODAY,
    ACatalog,
    a_database,
    a_model,
    labels,
    predictions,
    write,
    write_reference,
)


def rows(n: int, *, shift: float = 0.0, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({"amount": random.normal(shift, 1, n), "origin": random.choice(["EWR", "JFK", "LGA"], n)})


def scores(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed + 100).random(n)


class Room:
    def __init__(self, folder: Path, task: Task = Task.CLASSIFICATION) -> None:
        self.facts = folder / "inference"
        self.clock = FrozenClock(NOON)
        self.store = SqlMonitoring(a_database(folder))
        self.service = MonitoringService(
            facts=DuckDbMonitoringFacts(self.facts),
            store=self.store,
            catalog=ACatalog(a_model(task=task)),
            clock=self.clock,
        )

    def reference(self, n: int = 4000) -> None:
        write_reference(self.facts, "m", rows(n, seed=9).assign(score=scores(n, 9), label=0.0))

    def day(self, back: int, n: int = 300, *, shift: float = 0.0) -> pd.DataFrame:
        day = TODAY - timedelta(days=back)
        frame = predictions(day, rows(n, shift=shift, seed=back), scores(n, back))
        write(self.facts, "predictions", "m", day, frame)
        return frame


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_nothing_recorded_is_unknown_and_not_healthy(room: Room) -> None:
    assert room.service.refresh() == 0

    view = room.service.drift("m")

    assert view.signal.state is Health.UNKNOWN
    assert view.features == ()
    assert room.service.performance("m").signal.state is Health.UNKNOWN
    assert room.service.job_runs("m") == ()


def test_unmoved_inputs_are_healthy_with_count_and_noise_floor(room: Room) -> None:
    room.reference()
    for back in range(7):
        room.day(back)
    room.service.refresh()

    view = room.service.drift("m")

    assert view.signal.state is Health.HEALTHY
    assert view.signal.n == 2100
    assert {feature.feature for feature in view.features} == {"amount", "origin", "prediction"}
    assert "noise floor" in view.signal.sentence


def test_a_moved_input_is_a_breach_and_stands_first(room: Room) -> None:
    room.reference()
    for back in range(7):
        room.day(back, shift=1.0)
    room.service.refresh()

    view = room.service.drift("m")

    assert view.signal.state is Health.BREACH
    assert view.features[0].feature == "amount"
    assert view.features[0].ks == pytest.approx(0.38, abs=0.05)


def test_too_few_predictions_are_neither_green_nor_red(room: Room) -> None:
    room.reference()
    room.day(0, n=60)
    room.service.refresh()

    amount = next(feature for feature in room.service.drift("m").features if feature.feature == "amount")

    assert amount.state is Health.UNKNOWN
    assert "Too few" in amount.sentence


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"statistics": ("gini",)}, "'gini' is not a statistic"),
        ({"limits": (("gini", 0.1, 0.2),)}, "'gini' is not a statistic"),
        ({"current_days": ()}, "no current window"),
        ({"current_days": (7, 0)}, "no current window"),
    ],
)
def test_a_configuration_that_nothing_could_be_judged_by_is_refused(
    room: Room, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        room.service.register_config((MonitoringConfig(model="m", **changes),))

    assert room.service.drift("m").window_days == 7


def test_one_single_row_is_too_few(room: Room) -> None:
    room.reference()
    room.day(0, n=1)
    room.service.refresh()

    assert room.service.drift("m").signal.state is Health.UNKNOWN


def test_old_predictions_do_not_speak_about_today(room: Room) -> None:
    room.reference()
    for back in range(30, 37):
        room.day(back)
    room.service.refresh()

    signal = room.service.drift("m").signal

    assert signal.state is Health.UNKNOWN
    assert "30 days ago" in signal.sentence


def test_a_second_refresh_reads_nothing_and_a_changed_day_is_replaced_not_added(room: Room) -> None:
    room.reference()
    room.day(0, n=300)
    assert room.service.refresh() == 1
    assert room.service.refresh() == 0

    room.day(0, n=200)
    assert room.service.refresh() == 1

    assert room.service.drift("m").signal.n == 200


def test_a_new_reference_profiles_every_day_again(room: Room) -> None:
    room.reference()
    for back in range(7):
        room.day(back, shift=1.0)
    room.service.refresh()
    assert room.service.drift("m").signal.state is Health.BREACH

    write_reference(room.facts, "m", rows(3000, shift=1.0, seed=8).assign(score=scores(3000, 8), label=0.0))

    assert room.service.refresh() == 7
    assert room.service.drift("m").signal.state is Health.HEALTHY


def test_only_configured_features_are_judged_with_their_titles(room: Room) -> None:
    room.service.register_config(
        (MonitoringConfig(model="m", features=(("origin", "Airport", "categorical"),), score_title="Risk"),)
    )
    room.reference()
    for back in range(7):
        room.day(back, shift=3.0)
    room.service.refresh()

    view = room.service.drift("m")

    assert {feature.title for feature in view.features} == {"Airport", "Risk"}
    assert view.signal.state is Health.HEALTHY


def test_missing_values_are_a_bin_of_their_own(room: Room) -> None:
    room.reference()
    day = predictions(TODAY, rows(800).assign(amount=np.nan), scores(800))
    write(room.facts, "predictions", "m", TODAY, day)
    room.service.refresh()

    amount = room.service.drift("m").features[0]
    shares = room.service.distribution("m", "amount")

    assert (amount.feature, amount.state, amount.missing_current) == ("amount", Health.BREACH, 1.0)
    assert dict(zip(shares.bins, shares.current, strict=True))["missing"] == 1.0


def test_distribution_shares_add_up_on_both_sides(room: Room) -> None:
    room.reference()
    room.day(0)
    room.service.refresh()

    shown = room.service.distribution("m", "origin")

    assert sum(shown.reference) == pytest.approx(1)
    assert sum(shown.current) == pytest.approx(1)
    assert (shown.reference_n, shown.current_n) == (4000, 300)
    with pytest.raises(InputError):
        room.service.distribution("m", "no such feature")


def test_an_unknown_model_is_refused(room: Room) -> None:
    with pytest.raises(UnknownModelError):
        room.service.drift("nobody")


def test_performance_waits_for_labels_and_states_coverage(room: Room) -> None:
    monday = date(2031, 3, 17)
    frame = predictions(monday, rows(400), scores(400))
    write(room.facts, "predictions", "m", monday, frame)
    early = frame.head(40)
    write(room.facts, "labels", "m", monday + timedelta(days=1), labels(early, np.ones(40)))
    room.service.refresh()

    view = room.service.performance("m")

    assert [(point.n, point.coverage, point.value) for point in view.points] == [(40, 0.1, None)]
    assert "Not enough labels" in view.signal.sentence


def test_labels_that_arrive_later_complete_their_week(room: Room) -> None:
    monday = date(2031, 3, 17)
    frame = predictions(monday, rows(400), scores(400))
    truth = (np.random.default_rng(4).random(400) < frame["score"]).astype(float)
    write(room.facts, "predictions", "m", monday, frame)
    room.service.refresh()
    write(room.facts, "labels", "m", monday + timedelta(days=9), labels(frame, truth, delay_days=9))
    assert room.service.refresh() == 1

    [point] = room.service.performance("m").points

    assert point.coverage == 1.0
    assert point.value == pytest.approx(0.83, abs=0.06)
    assert point.low is not None
    assert point.low < (point.value or 0)


def test_a_restated_label_counts_once_with_its_last_value(room: Room) -> None:
    monday = date(2031, 3, 17)
    frame = predictions(monday, rows(100), np.linspace(0, 1, 100))
    write(room.facts, "predictions", "m", monday, frame)
    write(room.facts, "labels", "m", monday + timedelta(days=1), labels(frame, np.zeros(100)))
    write(room.facts, "labels", "m", monday + timedelta(days=2), labels(frame, frame["score"] > 0.5, delay_days=2))
    room.service.refresh()

    [point] = room.service.performance("m").points

    assert (point.n, point.value) == (100, pytest.approx(1.0))


def test_forecasts_are_judged_by_their_absolute_error(tmp_path: Path) -> None:
    room = Room(tmp_path, task=Task.REGRESSION)
    monday = date(2031, 3, 17)
    frame = predictions(monday, rows(200), np.full(200, 100.0))
    write(room.facts, "predictions", "m", monday, frame)
    write(room.facts, "labels", "m", monday + timedelta(days=1), labels(frame, np.full(200, 97.0)))
    room.service.refresh()

    view = room.service.performance("m")

    assert view.higher_is_better is False
    assert view.points[0].value == pytest.approx(3.0)


def test_one_unreadable_file_stops_its_model_only_and_is_recorded(room: Room) -> None:
    room.reference()
    room.day(0)
    broken = write(room.facts, "predictions", "another", TODAY, pd.DataFrame({"score": [1.0]}))
    broken.write_bytes(b"not parquet")

    with pytest.raises(TelemetryUnavailableError):
        room.service.refresh()

    assert room.service.drift("m").signal.n == 300


def test_slices_split_the_whole_in_the_reference_and_on_every_day(room: Room) -> None:
    room.service.register_config((MonitoringConfig(model="m", slices=("origin", "no such column")),))
    room.reference()
    frame = rows(400, seed=3)
    frame.loc[:9, "origin"] = "never seen before"
    write(room.facts, "predictions", "m", TODAY, predictions(TODAY, frame, scores(400)))
    room.service.refresh()

    reference = room.store.reference("m")
    stored = room.store.profiles("m", TODAY, TODAY, "amount", slice_key=None)

    assert reference is not None
    assert set(reference.slice_keys) == {"origin=EWR", "origin=JFK", "origin=LGA"}
    parts = [reference.feature("amount", key) for key in reference.slice_keys]
    assert sum(part.n for part in parts if part) == 4000
    by_slice = {profile.slice_key: int(profile.counts.sum()) for profile in stored}
    assert by_slice[""] == 400
    assert sum(n for key, n in by_slice.items() if key) == 390
    assert by_slice["origin=JFK"] == int((frame["origin"] == "JFK").sum())
    assert [profile.slice_key for profile in room.store.profiles("m", TODAY, TODAY, "amount")] == [""]


def test_another_way_to_split_is_another_reference(room: Room) -> None:
    room.reference()
    room.day(0)
    assert room.service.refresh() == 1

    room.service.register_config((MonitoringConfig(model="m", slices=("origin",)),))

    assert room.service.refresh() == 1
    assert len(room.store.profiles("m", TODAY, TODAY, "amount", slice_key=None)) == 4
    assert room.service.drift("m").signal.n == 300
