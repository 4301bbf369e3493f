"""Slices, mix and changes from real Parquet through real DuckDB into a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from services.kernel.errors import InputError, UnknownModelError
from services.kernel.health import Health
from services.monitoring.definitions import Statistic, Versus
from services.monitoring.models import MonitoringConfig
from tests.unit.monitoring.facts_on_disk import TODAY, predictions, write
from tests.unit.monitoring.test_monitoring_service import Room, rows, scores

CONFIG = MonitoringConfig(
    model="m", features=(("amount", "Amount", "numeric"), ("origin", "Origin", "categorical")), slices=("origin",)
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """Two quiet weeks; then a week in which amounts from LGA are higher and most predictions come from there."""
    made = Room(tmp_path_factory.mktemp("drift"))
    made.service.register_config((CONFIG,))
    made.reference(6000)
    for back in range(20, -1, -1):
        day, frame = TODAY - timedelta(days=back), rows(400, seed=50 + back)
        if back < 7:
            random = np.random.default_rng(back)
            frame["origin"] = np.where(random.random(400) < 0.6, "LGA", frame["origin"])
            frame["amount"] += np.where(frame["origin"] == "LGA", 1.5, 0.0)
        write(made.facts, "predictions", "m", day, predictions(day, frame, scores(400, back)))
    made.service.refresh()
    return made


def test_the_slice_that_moved_is_found_and_the_others_are_not_blamed(room: Room) -> None:
    found = {item.slice_key: item for item in room.service.slices("m")}

    assert found["origin=LGA"].state is Health.BREACH
    assert found["origin=LGA"].title == "Amount"
    assert found["origin=EWR"].state is not Health.BREACH


def test_one_slice_can_be_looked_at_alone(room: Room) -> None:
    inside = room.service.drift("m", slice_key="origin=EWR")
    shape = room.service.distribution("m", "amount", slice_key="origin=LGA")

    assert next(item for item in inside.features if item.feature == "amount").state is Health.HEALTHY
    assert inside.code_red is None
    assert shape.current_n < 2800
    assert shape.previous_n > 0


def test_the_mix_of_slices_shifted_and_its_first_window_is_amber(room: Room) -> None:
    [mix] = room.service.mixes("m")

    assert mix.shares[0].value == "LGA"
    assert mix.shares[0].now == pytest.approx(0.73, abs=0.03)
    assert mix.shares[0].previous == pytest.approx(0.33, abs=0.03)
    assert mix.state is Health.BREACH
    red = room.service.drift("m").code_red
    assert red is not None
    assert red.state is Health.WATCH
    assert "Red from 0.25 in 2 windows in a row" in red.sentence


def test_a_mix_that_stays_moved_for_two_weeks_turns_model_and_fleet_red_although_no_column_is(tmp_path: Path) -> None:
    made = Room(tmp_path)
    made.service.register_config(
        (MonitoringConfig(model="m", features=(("amount", "Amount", "numeric"),), slices=("origin",)),)
    )
    made.reference(6000)
    for back in range(25, -1, -1):
        day, frame = TODAY - timedelta(days=back), rows(400, seed=50 + back)
        if back < 14:
            frame["origin"] = np.where(np.random.default_rng(back).random(400) < 0.7, "LGA", frame["origin"])
        write(made.facts, "predictions", "m", day, predictions(day, frame, scores(400, back)))
    made.service.refresh()

    view, [row] = made.service.drift("m"), made.service.fleet()
    by_day = {item.day: item for item in row.verdicts}

    assert {item.state for item in view.features} == {Health.HEALTHY}
    assert view.code_red is not None
    assert view.code_red.state is Health.BREACH
    assert view.signal.state is Health.BREACH
    assert view.signal.sentence.startswith("Code red: the mix of origin")
    assert (row.state(TODAY), by_day[TODAY].title) == (Health.BREACH, "the mix of origin")
    assert by_day[TODAY - timedelta(days=7)].state is Health.WATCH
    assert by_day[TODAY - timedelta(days=20)].state is Health.HEALTHY
    assert made.service.drift("m", statistic=Statistic.KS).signal.state is Health.BREACH


def test_the_table_of_changes_has_the_column_and_the_mix(room: Room) -> None:
    kinds = {change.kind for change in room.service.changes("m")}

    assert {"column", "mix"} <= kinds
    assert "schema" not in kinds


def test_every_statistic_can_be_asked_for_against_both_windows(room: Room) -> None:
    for statistic in (Statistic.JENSEN_SHANNON, Statistic.KS, Statistic.WASSERSTEIN, Statistic.MISSING):
        for versus in Versus:
            view = room.service.drift("m", statistic=statistic, versus=versus, days=30)
            amount = next(item for item in view.features if item.feature == "amount")

            assert amount.latest is not None
            assert amount.state is Health.BREACH


def test_the_spread_of_the_reference_is_measured_on_its_rows(room: Room) -> None:
    reference = room.service._store.reference("m")

    assert reference is not None
    found = reference.feature("amount")
    assert found is not None
    assert found.spread == pytest.approx(rows(6000, seed=9)["amount"].std(ddof=0), rel=1e-9)


def test_a_slice_or_model_that_nobody_knows_is_refused_in_words(room: Room) -> None:
    with pytest.raises(InputError, match="no slice"):
        room.service.drift("m", slice_key="origin=Mars")
    with pytest.raises(UnknownModelError):
        room.service.mixes("nobody")


def test_whoever_names_no_window_is_answered_by_the_one_the_monitor_judges_by(tmp_path: Path) -> None:
    """Three weeks that moved and a week that did not: red over 28 days, green over the last seven."""
    made = Room(tmp_path)
    made.service.register_config((replace(CONFIG, current_days=(28, 7)),))
    made.reference(6000)
    for back in range(28):
        made.day(back, shift=0.0 if back < 7 else 1.5)
    made.service.refresh()

    view = made.service.drift("m")

    assert made.service.windows("m") == (28, 7)
    assert (view.window_days, view.signal.state, view.signal.n) == (28, Health.BREACH, 28 * 300)
    assert made.service.drift("m", window_days=7).signal.state is Health.HEALTHY
    assert made.service.fleet()[0].state(TODAY) is Health.BREACH
    assert made.service.distribution("m", "amount").current_n == 28 * 300
    assert made.service.mixes("m")[0].n == 28 * 300
    assert max(item.n for item in made.service.slices("m")) > 7 * 300
    assert any(change.kind == "column" for change in made.service.changes("m"))
    assert not any(change.kind == "column" for change in made.service.changes("m", window_days=7))


def test_a_model_without_anything_recorded_has_no_slices_and_no_changes(tmp_path: Path) -> None:
    empty = Room(tmp_path)

    assert empty.service.mixes("m") == ()
    assert empty.service.slices("m") == ()
    assert empty.service.changes("m") == ()
    assert empty.service.events("m") == ()
    assert empty.service.slice_keys("m") == ()


def test_a_day_that_is_not_over_is_no_unusual_day_yet(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.service.register_config((CONFIG,))
    room.reference(3000)
    for back in range(40, -1, -1):
        day, frame = TODAY - timedelta(days=back), rows(150, seed=50 + back)
        frame["amount"] += 4.0 if back < 2 else 0.0
        write(room.facts, "predictions", "m", day, predictions(day, frame, scores(150, back)))
    room.service.refresh()

    found = [item for item in room.service.events("m", days=20) if item.feature == "amount"]

    assert [(item.first, item.last) for item in found] == [(TODAY - timedelta(days=1),) * 2]
