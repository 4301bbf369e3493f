"""Recorded predictions may be compared with days of their own, in place of the rows that training kept."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.monitors import SqlMonitorsInForce
from services.adapters.warehouse.mapped import MappedFacts
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.kernel.health import Health
from services.monitoring.models import DriftView
from services.monitoring.monitor_rules import MonitorInvalidError
from services.monitoring.monitors import ReferenceKind, ReferenceWindow
from services.monitoring.profile import Reference
from services.monitoring.service import MonitoringService
from tests.builders import MODEL, a_world
from tests.unit.monitoring.facts_on_disk import predictions, write, write_reference
from tests.unit.monitoring.monitored import Monitored, monitored
from tests.unit.monitoring.test_monitoring_service import scores


def inputs(n: int, *, shift: float = 0.0, seed: int = 1) -> pd.DataFrame:
    """What the signature of the model names."""
    random = np.random.default_rng(seed)
    return pd.DataFrame({"distance": random.normal(shift, 1, n), "dep_delay": random.normal(0, 5, n)})


class Place:
    """Thirty days of predictions, the last seven with other distances than the hold-out has, as the ten before them."""

    def __init__(self, folder: Path) -> None:
        self.world = a_world(folder)
        self.room: Monitored = monitored(self.world, folder)
        self.folder, self.today = folder / "inference", self.world.clock.now().date()
        self.store = SqlMonitoring(self.world.database)
        self.service = MonitoringService(
            facts=MappedFacts(
                DuckDbMonitoringFacts(self.folder), estates=self.room.estates,
                in_force=SqlMonitorsInForce(self.world.database), sketched=self.store.seen,
            ),
            store=self.store, catalog=self.world.inventory, clock=self.world.clock,
        )  # fmt: skip
        write_reference(self.folder, MODEL, inputs(4000, seed=9).assign(score=scores(4000, 9), label=0.0))
        for back in range(29, -1, -1):
            self.put(back, shift=2.0 if back < 17 else 0.0)
        self.service.refresh()

    def day(self, back: int) -> date:
        return self.today - timedelta(days=back)

    def put(self, back: int, *, shift: float, name: str = "part-0") -> None:
        frame = predictions(self.day(back), inputs(300, shift=shift, seed=back), scores(300, back))
        write(self.folder, "predictions", MODEL, self.day(back), frame, name=name)

    def watch(self, first: int, last: int) -> DriftView:
        window = ReferenceWindow(kind=ReferenceKind.DATES, start=self.day(first), end=self.day(last))
        self.room.save(replace(self.room.default(), reference=window))
        self.service.refresh()
        return self.service.drift(MODEL)

    def reference(self) -> Reference:
        found = self.store.reference(MODEL)
        assert found is not None
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_days_of_the_recorded_predictions_are_the_reference(place: Place) -> None:
    assert place.service.drift(MODEL).signal.state is Health.BREACH, "against the hold-out"

    view = place.watch(16, 8)

    reference = place.reference()
    assert reference.rows == 9 * 300
    distance = reference.feature("distance")
    assert distance is not None
    inside = np.concatenate([inputs(300, shift=2.0, seed=back)["distance"] for back in range(8, 17)])
    assert int(distance.counts.sum()) == len(inside)
    assert distance.sums.sum() == pytest.approx(inside.sum())
    assert distance.spread == pytest.approx(inside.std())
    assert view.signal.state is Health.HEALTHY
    assert view.reference.startswith("Rows from ")


def test_a_late_row_of_these_days_is_another_reference_and_one_of_others_is_not(place: Place) -> None:
    place.watch(16, 8)
    before = place.reference().digest
    place.put(3, shift=2.0, name="late")
    place.service.refresh()
    assert place.reference().digest == before

    place.put(10, shift=2.0, name="late")
    place.service.refresh()

    assert place.reference().digest != before
    assert place.reference().rows == 10 * 300


def test_shadows_are_no_part_of_it_and_a_column_that_some_files_lack_is_not_missing_from_them(place: Place) -> None:
    without = inputs(300, shift=2.0, seed=12).drop(columns="dep_delay")
    write(place.folder, "predictions", MODEL, place.day(12), predictions(place.day(12), without, scores(300)))
    shadow = predictions(place.day(11), inputs(500, shift=9.0), scores(500), role="shadow")
    write(place.folder, "predictions", MODEL, place.day(11), shadow, name="shadow")

    place.watch(16, 8)

    reference = place.reference()
    delay, distance = reference.feature("dep_delay"), reference.feature("distance")
    assert reference.rows == 9 * 300
    assert delay is not None
    assert distance is not None
    assert (delay.n, int(delay.counts[-1])) == (8 * 300, 0)
    assert (distance.n, int(distance.counts[-1])) == (9 * 300, 0)


def test_days_that_the_folder_no_longer_keeps_stay_in_the_reference(place: Place) -> None:
    place.watch(16, 8)
    before = place.reference()
    for back in range(29, 11, -1):
        shutil.rmtree(place.folder / "predictions" / f"model={MODEL}" / f"date={place.day(back)}")
    place.service.refresh()

    assert (place.reference().digest, place.reference().rows) == (before.digest, 9 * 300)


def test_going_back_to_the_hold_out_is_the_reference_of_before(place: Place) -> None:
    before = place.reference()
    place.watch(16, 8)
    place.room.save(place.room.default())
    place.service.refresh()

    assert (place.reference().digest, place.reference().rows) == (before.digest, before.rows)
    assert place.service.drift(MODEL).signal.state is Health.BREACH


def test_what_was_compared_with_another_window_is_forgotten_at_once_and_predictions_stay_read(place: Place) -> None:
    window = ReferenceWindow(kind=ReferenceKind.DATES, start=place.day(16), end=place.day(8))
    place.room.save(replace(place.room.default(), reference=window))

    view = place.service.drift(MODEL)

    assert view.signal.state is Health.UNKNOWN
    assert "no reference window" in view.signal.sentence
    assert place.store.last_recorded(MODEL) == place.today


@pytest.mark.parametrize(("first", "last", "says"), [(400, 300, "Nothing is recorded"), (9, 0, "rows may still come")])
def test_days_without_rows_and_the_day_that_goes_on_are_refused(place: Place, first: int, last: int, says: str) -> None:
    with pytest.raises(MonitorInvalidError) as refused:
        place.watch(first, last)

    assert says in refused.value.problems[0].sentence


def test_many_rows_in_several_files_lay_cells_by_some_and_count_all_live_ones(tmp_path: Path) -> None:
    first, n = date(2031, 3, 1), 140_000
    for number in range(2):
        day = first + timedelta(days=number)
        live = predictions(day, inputs(n, seed=number), scores(n, number))
        write(tmp_path, "predictions", MODEL, day, live, name="live")
        shadow = predictions(day, inputs(n // 10, shift=50.0, seed=number), scores(n // 10), role="shadow")
        write(tmp_path, "predictions", MODEL, day, shadow, name="shadow")

    found = DuckDbMonitoringFacts(tmp_path).fit_reference(MODEL, "d", window=(first, first + timedelta(days=1)))

    assert found is not None
    assert found.rows == 2 * n
    distance = found.feature("distance")
    assert distance is not None
    given = np.concatenate([inputs(n, seed=number)["distance"] for number in range(2)])
    assert int(distance.counts.sum()) == 2 * n
    assert distance.sums.sum() == pytest.approx(given.sum())
    shares = np.searchsorted(np.sort(given), np.array(distance.deciles)) / len(given)
    np.testing.assert_allclose(shares, np.arange(1, 10) / 10, atol=0.02)
