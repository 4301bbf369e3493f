"""Cubes of performance are kept the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pytest

from services.adapters.sql.database import Database
from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.performance import SqlPerformance
from services.inventory.facts import Partition, Vanished
from services.monitoring.cubes import cube_of
from services.monitoring.profile import DayProfile
from tests.fakes.performance import KeptCubes
from tests.unit.monitoring.facts_on_disk import with_tables

DAY = date(2031, 3, 3)


@pytest.fixture
def store(database_url: str) -> Iterator[SqlPerformance]:
    made = with_tables(Database(database_url))
    yield SqlPerformance(made)
    made.dispose()


def filled(store: SqlPerformance, *, truth: float = 1.0) -> KeptCubes:
    kept, scores = KeptCubes(), np.linspace(0.05, 0.95, 40)
    for shift in range(3):
        day, delays = DAY + timedelta(days=shift), np.full(40, 5)
        kept.predict(day, scores, np.full(40, truth), delays=delays, version=str(1 + shift // 2), until=date.max)
    for item in kept.told:
        read = (Partition(source="labels", owner="m", day=item.day, fingerprint="f"),)
        store.replace_arrivals("m", (item.day,), (item,), read)
    store.replace_scores("m", tuple(item.day for item in kept.days), tuple(kept.days), ())
    return kept


def test_cubes_come_back_as_they_were_and_a_day_is_replaced_whole(store: SqlPerformance) -> None:
    filled(store, truth=0.0)
    kept = filled(store)

    found = store.arrivals("m", DAY, before=date.max)

    ours, theirs = (
        cube_of(items, scored=True).known(DAY, date.max, at=date.max) for items in (found, tuple(kept.told))
    )
    assert (ours.positives == theirs.positives).all()
    assert not ours.negatives.any()
    assert ours.square == theirs.square
    assert [item.sums.tolist() for item in store.scores("m", DAY, before=date.max)] == [
        item.sums.tolist() for item in kept.days
    ]
    assert store.choices("m", before=date.max) == (("1", "2"), ())


def test_days_of_arrival_are_found_by_the_predictions_they_speak_about(store: SqlPerformance) -> None:
    filled(store)

    assert store.arrivals_about("m", (DAY - timedelta(days=1),)) == (DAY + timedelta(days=5),)
    assert store.arrivals_about("m", (DAY + timedelta(days=9),)) == ()
    assert store.arrivals_about("other", (DAY,)) == ()


def test_another_definition_forgets_what_was_counted_under_the_first(store: SqlPerformance) -> None:
    store.renew("m", "one")
    filled(store)

    assert not store.renew("m", "one")
    assert store.seen()
    assert store.renew("m", "two")
    assert not store.seen()
    assert store.arrivals("m", DAY, before=date.max) == ()


def test_days_that_are_no_longer_kept_go_with_what_was_said_about_them(store: SqlPerformance) -> None:
    filled(store)

    store.forget_before(DAY + timedelta(days=1))

    told = store.arrivals("m", DAY, before=date.max)
    assert min(item.day for item in store.scores("m", DAY, before=date.max)) == DAY + timedelta(days=1)
    assert min(int(item.days[:, 0].min()) for item in told) == (DAY + timedelta(days=1)).toordinal()
    assert len(told) == 2, "one day of arrival spoke about the first day alone"


def test_one_day_of_labels_is_taken_back(store: SqlPerformance) -> None:
    filled(store)
    days = sorted({item.day for item in store.arrivals("m", DAY, before=date.max)})

    store.forget_days(Vanished(source="labels", owner="m", days=(days[1],), listed=2))

    assert sorted({item.day for item in store.arrivals("m", DAY, before=date.max)}) == [days[0], days[2]]
    assert days[1] not in {day for _, _, day in store.seen()}
    assert len(store.scores("m", DAY, before=date.max)) == 3


def test_every_daily_figure_is_forgotten_on_both_databases(database_url: str) -> None:
    database = with_tables(Database(database_url))
    store = SqlMonitoring(database)
    read = tuple(
        Partition(source="predictions", owner="m", day=DAY + timedelta(days=n), fingerprint="f") for n in (0, 1, 2)
    )
    whole = np.zeros(3, dtype=np.int64)
    profiles = tuple(
        DayProfile(day=item.day, feature="amount", slice_key="", counts=whole, sums=np.zeros(3)) for item in read
    )
    store.replace_profiles("m", tuple(item.day for item in read), profiles, read)

    store.forget_days(Vanished(source="predictions", owner="m", days=(DAY + timedelta(days=1),), listed=2))
    store.forget_before(DAY + timedelta(days=1))

    left = {DAY + timedelta(days=2)}
    assert {item.day for item in store.profiles("m", date.min, date.max)} == left
    assert {day for _, _, day in store.seen()} == left
    database.dispose()
