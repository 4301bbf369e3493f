"""Drift of one version alone: from a sketch of its own where several answered, from that of the day where it did."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.kernel.errors import InputError
from services.kernel.health import Health
from services.monitoring.drift import Question
from services.monitoring.models import DriftView, FeatureDrift, MonitoringConfig
from services.monitoring.versions import ROWS, version_key
from tests.unit.monitoring.facts_on_disk import TODAY, predictions, write, write_reference
from tests.unit.monitoring.test_monitoring_service import Room, rows, scores

CONFIG = MonitoringConfig(model="m", features=(("amount", "Amount", "numeric"), ("origin", "Origin", "categorical")))


def one_day(back: int, version: str, n: int, *, shift: float = 0.0, role: str = "live") -> pd.DataFrame:
    day = TODAY - timedelta(days=back)
    seed = 10 * back + sum(map(ord, version))
    return predictions(day, rows(n, shift=shift, seed=seed), scores(n, seed), version=version, role=role)


def put(room: Room, back: int, *frames: pd.DataFrame, apart: bool = False) -> None:
    """In one file, or each in a file of its own."""
    day = TODAY - timedelta(days=back)
    if apart:
        for number, frame in enumerate(frames):
            write(room.facts, "predictions", "m", day, frame, name=f"part-{number}")
    else:
        write(room.facts, "predictions", "m", day, pd.concat(frames, ignore_index=True))


@pytest.fixture(params=[False, True], ids=["one file a day", "a file for each version"])
def canary(request: pytest.FixtureRequest, tmp_path: Path) -> Room:
    """Version 1 answers for two weeks; version 2 gets a fifth of the last five days and sees other amounts."""
    room = Room(tmp_path)
    room.service.register_config((CONFIG,))
    room.reference(6000)
    for back in range(20, 4, -1):
        put(room, back, one_day(back, "1", 500), one_day(back, "9", 500, shift=9.0, role="shadow"), apart=request.param)
    for back in range(4, -1, -1):
        put(room, back, one_day(back, "1", 400), one_day(back, "2", 100, shift=3.0), apart=request.param)
    room.service.refresh()
    return room


def amount(view: DriftView) -> FeatureDrift:
    return next(item for item in view.features if item.feature == "amount")


def test_each_version_is_judged_by_its_own_predictions(canary: Room) -> None:
    old, new = (amount(canary.service.drift("m", version=version)) for version in ("1", "2"))

    assert (old.state, old.n) == (Health.HEALTHY, 4 * 5 * 100 + 2 * 500)
    assert (new.state, new.n) == (Health.BREACH, 500)
    assert canary.service.drift("m", version="2").version == "2"
    assert "of version 2 alone" in canary.service.drift("m", version="2").explanation.source
    assert canary.service.drift("m", version="2").code_red is None, "judged over everything"


def test_what_is_kept_of_a_version_equals_a_day_on_which_it_answered_alone(canary: Room, tmp_path: Path) -> None:
    (tmp_path / "apart").mkdir()
    apart = Room(tmp_path / "apart")
    apart.reference(6000)
    put(apart, 0, one_day(0, "2", 100, shift=3.0))
    apart.service.refresh()

    key = version_key("2")
    for feature in ("amount", "origin", "prediction"):
        [own] = canary.store.profiles("m", TODAY, TODAY, feature, slice_key=key)
        [alone] = apart.store.profiles("m", TODAY, TODAY, feature)
        assert own.counts.tolist() == alone.counts.tolist()
        assert own.sums.tolist() == pytest.approx(alone.sums.tolist())
        [whole] = canary.store.profiles("m", TODAY, TODAY, feature)
        assert int(whole.counts.sum()) == 500


def test_a_day_of_one_version_is_kept_once_and_shadows_are_no_version(canary: Room) -> None:
    day = TODAY - timedelta(days=10)

    kept = canary.store.profiles("m", day, day, slice_key=None)

    assert {(item.feature, item.slice_key) for item in kept if item.slice_key} == {(ROWS, version_key("1"))}
    assert [item.version for item in canary.service.drift_versions("m")] == ["1", "2"]
    assert {item.version: item.rows for item in canary.service.drift_versions("m")} == {"1": 16 * 500 + 2000, "2": 500}


def test_a_version_of_few_predictions_is_too_few_to_say_and_never_green(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.service.register_config((CONFIG,))
    room.reference()
    for back in range(7):
        put(room, back, one_day(back, "1", 400), one_day(back, "2", 2))
    room.service.refresh()

    view = room.service.drift("m", version="2")

    assert {item.state for item in view.features} == {Health.UNKNOWN}
    assert view.signal.state is Health.UNKNOWN
    assert room.service.drift("m", version="1").signal.state is Health.HEALTHY


def test_a_version_that_answers_no_more_is_unknown_now_and_its_course_stays(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.service.register_config((CONFIG,))
    room.reference()
    for back in range(30, 14, -1):
        put(room, back, one_day(back, "1", 300))
    for back in range(14, -1, -1):
        put(room, back, one_day(back, "2", 300))
    room.service.refresh()

    view = room.service.drift("m", version="1")

    assert view.signal.state is Health.UNKNOWN
    assert "15 days ago" in view.signal.sentence
    assert [day for day, _ in amount(view).history][-1] == TODAY - timedelta(days=15)
    assert [item.version for item in room.service.drift_versions("m")] == ["2", "1"]


def test_changes_unusual_days_and_distribution_are_those_of_the_version(canary: Room) -> None:
    shape = canary.service.distribution("m", "amount", version="2")
    kinds = {change.kind for change in canary.service.changes("m", version="2")}

    assert shape.current_n == 500
    assert "column" in kinds
    assert "volume" not in kinds
    assert all(event.n <= 100 for event in canary.service.events("m", version="2"))


def test_a_version_nobody_recorded_is_refused_in_words(canary: Room) -> None:
    with pytest.raises(InputError, match="No prediction of version 7"):
        canary.service.drift("m", version="7")


def test_predictions_that_name_no_version_leave_none_to_choose(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.reference()
    put(room, 0, one_day(0, "1", 300).assign(version=None))
    room.service.refresh()

    assert room.service.drift_versions("m") == ()
    assert room.service.drift("m").signal.n == 300


def test_rows_without_a_version_are_in_no_version_and_in_the_whole(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.reference()
    unnamed = one_day(0, "1", 50)
    unnamed["version"] = None
    put(room, 0, one_day(0, "1", 300), unnamed, apart=True)
    room.service.refresh()

    assert amount(room.service.drift("m")).n == 350
    assert amount(room.service.drift("m", version="1")).n == 300


def test_a_large_day_of_several_versions_is_split_as_a_small_one(tmp_path: Path) -> None:
    """Days of many rows are counted by quick keys, unless every row has to say its version."""
    room = Room(tmp_path)
    n = 120_000
    write_reference(room.facts, "m", rows(300_000, seed=9).assign(score=scores(300_000, 9), label=0.0))
    put(room, 1, one_day(1, "1", n))
    put(room, 0, one_day(0, "1", n), one_day(0, "2", n // 2, shift=1.0))
    room.service.refresh()

    yesterday = TODAY - timedelta(days=1)
    counted = {
        version: {
            item.day: int(item.counts.sum())
            for item in room.service._drift._profiles("m", Question(version=version), yesterday, TODAY, "amount")
        }
        for version in ("1", "2")
    }

    assert counted == {"1": {yesterday: n, TODAY: n}, "2": {TODAY: n // 2}}
    assert np.isfinite(amount(room.service.drift("m", version="2")).latest.value)  # type: ignore[union-attr]
