"""A watched column without cells is told, in every place where the others are: it is never left out in silence."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from services.adapters.warehouse.cells import common, why_not
from services.alerts.sources import drift as drift_conditions
from services.kernel.health import Health
from services.monitoring.models import DriftView, FeatureDrift, MonitoringConfig
from services.monitoring.profile import WhyNot
from tests.unit.monitoring.facts_on_disk import TODAY, predictions, write, write_reference
from tests.unit.monitoring.test_monitoring_service import Room, rows, scores

N = 4000
WATCHED = (("amount", "Amount", "numeric"), ("origin", "Origin", "categorical"), ("odd", "Odd one", "categorical"))


def monitored(room: Room, odd: Any, *, features: Any = WATCHED, slices: tuple[str, ...] = ()) -> DriftView:
    """A reference in which one column is as given, and ten days of predictions that did not move."""
    room.service.register_config((MonitoringConfig(model="m", features=features, slices=slices),))
    held = rows(N, seed=9).assign(score=scores(N, 9), label=0.0)
    write_reference(room.facts, "m", held if odd is None else held.assign(odd=odd))
    for back in range(10):
        day = TODAY - timedelta(days=back)
        now = rows(400, seed=back).assign(odd=np.random.default_rng(back).choice(["a", "b"], 400))
        write(room.facts, "predictions", "m", day, predictions(day, now, scores(400, back)))
    room.service.refresh()
    return room.service.drift("m")


def named(view: DriftView, feature: str) -> FeatureDrift:
    return next(item for item in view.features if item.feature == feature)


UNCOMPARED: dict[str, tuple[Any, str]] = {
    "all null": (pd.Series([None] * N, dtype=object), "in the 4,000 rows of the reference it is always missing"),
    "all null text": (pd.Series([None] * N, dtype="string"), "in the 4,000 rows of the reference it is always missing"),
    "no number": (np.full(N, np.nan), "in the 4,000 rows of the reference it is always missing"),
    "an identifier": ([f"claim {n}" for n in range(N)], "it has 4,000 different values"),
    "times": (pd.date_range("2030-01-01", periods=N), "neither a number nor a category"),
    "not in the table": (None, "have no such column"),
}


@pytest.mark.parametrize("name", UNCOMPARED)
def test_a_watched_column_that_cannot_be_compared_keeps_the_model_from_being_green(tmp_path: Path, name: str) -> None:
    odd, why = UNCOMPARED[name]
    view = monitored(Room(tmp_path), odd)

    silent = named(view, "odd")
    assert silent.state is Health.UNKNOWN
    assert why in silent.sentence
    assert silent.next_step
    assert named(view, "amount").state is Health.HEALTHY
    assert view.signal.state is Health.UNKNOWN
    assert "1 cannot be compared" in view.signal.sentence
    assert view.signal.n == 2800, "the others are measured all the same"


def test_the_fleet_shows_it_in_every_window_and_is_grey(tmp_path: Path) -> None:
    room = Room(tmp_path)
    view = monitored(room, [f"claim {n}" for n in range(N)])

    (row,) = room.service.fleet()
    others = {day for day, _ in named(view, "amount").history}
    assert dict(named(view, "odd").history) == dict.fromkeys(others, Health.UNKNOWN)
    assert {item.state for item in row.verdicts} == {Health.UNKNOWN}
    assert {item.title for item in row.verdicts[-3:]} == {"Odd one"}


def test_a_moved_column_is_still_first(tmp_path: Path) -> None:
    room = Room(tmp_path)
    monitored(room, [f"claim {n}" for n in range(N)])
    for back in range(4):
        day = TODAY - timedelta(days=back)
        write(room.facts, "predictions", "m", day, predictions(day, rows(900, shift=3.0, seed=back), scores(900)))
    room.service.refresh()

    view = room.service.drift("m")

    assert (view.signal.state, view.features[0].feature) == (Health.BREACH, "amount")


def test_slices_are_judged_by_what_can_be_compared_and_the_whole_tells_the_rest(tmp_path: Path) -> None:
    room = Room(tmp_path)
    monitored(room, pd.Series([None] * N, dtype=object), slices=("origin",))

    slices = room.service.slices("m")

    assert len(slices) == 3
    assert {item.state for item in slices} == {Health.HEALTHY}
    assert room.service.drift("m", slice_key="origin=EWR").signal.state is Health.UNKNOWN
    assert not [change for change in room.service.changes("m") if change.subject == "Odd one"]


def test_one_alert_for_the_model_however_many_columns_and_only_for_a_monitor_that_names_them(tmp_path: Path) -> None:
    more = tuple((f"c{n}", f"C {n}", "numeric") for n in range(30))
    view = monitored(Room(tmp_path), None, features=(*WATCHED, *more))

    found = {item.key.subject: item for item in drift_conditions(view)}

    assert {name for name, item in found.items() if item.alarms_unknown} == {"measurement"}
    told = found["measurement"]
    assert (told.state, told.title) == (Health.UNKNOWN, "Drift of 31 columns is not measured")
    assert "and 27 more" in told.sentence
    assert {part.state for part in found["columns"].parts if part.name not in {"amount", "origin", "prediction"}} == {
        Health.UNKNOWN
    }


def test_a_model_without_a_monitor_is_grey_and_raises_no_alert_about_it(tmp_path: Path) -> None:
    view = monitored(Room(tmp_path), [f"claim {n}" for n in range(N)], features=())

    assert view.signal.state is Health.UNKNOWN
    assert {item.key.subject: item.state for item in drift_conditions(view)}["measurement"] is Health.HEALTHY


def many(seed: int, n: int, *, first: int = 0) -> np.ndarray:
    """Some ten thousand codes, of which few are common."""
    random = np.random.default_rng(seed)
    rare, common = random.integers(100 + first, 10_100 + first, n), random.integers(first, 20 + first, n)
    return np.where(random.random(n) < 0.6, common, rare).astype(str)


def test_ten_thousand_categories_are_compared_by_their_commonest_and_say_so(tmp_path: Path) -> None:
    room, n = Room(tmp_path), 100_000
    room.service.register_config((MonitoringConfig(model="m", features=WATCHED),))
    held = rows(n, seed=9).assign(score=scores(n, 9), label=0.0, odd=many(1, n))
    assert held["odd"].nunique() > 9_000
    write_reference(room.facts, "m", held)

    def judged(n: int, *, first: int = 0) -> FeatureDrift:
        for back in range(7):
            day = TODAY - timedelta(days=back)
            now = rows(n, seed=back).assign(odd=many(50 + back, n, first=first))
            write(room.facts, "predictions", "m", day, predictions(day, now, scores(n, back)))
        room.service.refresh()
        return named(room.service.drift("m"), "odd")

    assert judged(500).state is Health.UNKNOWN, "few predictions do not exclude that one in a hundred is new"
    calm = judged(15_000)
    assert calm.state is Health.HEALTHY
    assert calm.together == pytest.approx(0.4, abs=0.01)
    assert judged(2000, first=10).state is Health.BREACH, "ten of the twenty common codes are gone"


def test_a_value_that_is_common_by_chance_has_no_cell() -> None:
    found = [("a", 40), ("b", 5)]

    assert common(found, 1000) == found
    assert common(found, 1001) == [("a", 40)]


def test_a_category_of_many_values_needs_some_that_are_common() -> None:
    assert why_not([], 0, 0) is WhyNot.NO_VALUE
    assert why_not([1] * 100, 1000, 1000) is None
    assert why_not([600, *[1] * 99], 10_000, 1_000) is None
    assert why_not([1] * 100, 1_001, 1_001) is WhyNot.SCATTERED
    assert why_not([400, *[1] * 99], 10_000, 1_000) is WhyNot.SCATTERED, "most of it would be one cell"
    assert why_not([9] * 100, 1_100, 1_000) is WhyNot.SCATTERED, "no value is a bin of its own"
