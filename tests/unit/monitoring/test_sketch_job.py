"""Days are sketched once, after a kill only what is missing; late rows replace their day; odd data stops nothing."""

from __future__ import annotations

import os
import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import func, select

from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.schema.base import metadata
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.kernel.clock import FrozenClock
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Health
from services.monitoring import service as monitoring
from services.monitoring.profile import DayProfile, Reference
from services.monitoring.recorded_schema import SchemaWord
from services.monitoring.service import MonitoringService
from tests.unit.monitoring.facts_on_disk import (
    NOON,
    TODAY,
    ACatalog,
    a_database,
    a_model,
    at,
    labels,
    predictions,
    write,
    write_reference,
)


class KilledError(BaseException):
    """What a kill looks like from inside: nothing catches it."""


class CountingFacts(DuckDbMonitoringFacts):
    """Notes which days were scanned; dies in the middle when told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.scanned: list[date] = []
        self.dies_at: date | None = None

    def profile(self, reference: Reference, days: tuple[date, ...]) -> tuple[DayProfile, ...]:
        if self.dies_at in days:
            raise KilledError
        self.scanned.extend(days)
        return super().profile(reference, days)


class Job:
    def __init__(self, folder: Path, *, keep_days: int = 0) -> None:
        self.folder = folder / "inference"
        self.facts = CountingFacts(self.folder)
        self.database = a_database(folder)
        self.store = SqlMonitoring(self.database)
        self.keep(keep_days)
        self.random = np.random.default_rng(3)
        write_reference(self.folder, "m", self.inputs(2000).assign(score=self.random.random(2000), label=0.0))

    def keep(self, days: int) -> None:
        """As after a restart with this setting."""
        self.service = MonitoringService(
            facts=self.facts, store=self.store, catalog=ACatalog(a_model()), clock=FrozenClock(NOON),
            columns=self.facts, keep_days=days,
        )  # fmt: skip

    def inputs(self, n: int, **columns: Any) -> pd.DataFrame:
        made = {"amount": self.random.normal(0, 1, n), "origin": self.random.choice(["EWR", "JFK"], n)}
        return pd.DataFrame(made | columns)

    def day(self, back: int, frame: pd.DataFrame, *, name: str = "part-0") -> pd.DataFrame:
        day = TODAY - timedelta(days=back)
        given = predictions(day, frame, self.random.random(len(frame)))
        write(self.folder, "predictions", "m", day, given, name=name)
        return given

    def counts(self, feature: str = "amount") -> dict[int, int]:
        stored = self.store.profiles("m", date.min, date.max, feature)
        return {(TODAY - profile.day).days: int(profile.counts.sum()) for profile in stored}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def test_every_day_is_scanned_once_and_a_late_row_scans_its_day_again(job: Job) -> None:
    for back in (2, 1, 0):
        job.day(back, job.inputs(50))
    job.service.refresh()
    job.service.refresh()
    assert sorted(job.facts.scanned) == [TODAY - timedelta(days=back) for back in (2, 1, 0)]

    job.day(1, job.inputs(5), name="late")
    job.service.refresh()

    assert job.facts.scanned[3:] == [TODAY - timedelta(days=1)]
    assert job.counts() == {2: 50, 1: 55, 0: 50}


def test_after_a_kill_what_was_committed_stays_and_only_the_rest_is_done(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "DAYS_AT_ONCE", 2)
    for back in range(5):
        job.day(back, job.inputs(20))
    job.facts.dies_at = TODAY - timedelta(days=1)
    with pytest.raises(KilledError):
        job.service.refresh()
    assert set(job.counts()) == {4, 3}

    job.facts.dies_at = None
    job.facts.scanned.clear()
    job.service.refresh()

    assert set(job.counts()) == {4, 3, 2, 1, 0}
    assert job.facts.scanned == [TODAY - timedelta(days=back) for back in (2, 1, 0)]


def test_a_new_reference_has_sketches_made_anew_while_the_predictions_stay_read(job: Job) -> None:
    """What the watcher of a release tells apart from a monitor that is gone."""
    job.day(1, job.inputs(20))
    job.service.refresh()
    assert job.store.last_day("m") == job.store.last_recorded("m") == TODAY - timedelta(days=1)

    write_reference(job.folder, "m", job.inputs(900).assign(score=job.random.random(900), label=0.0))
    job.facts.dies_at = TODAY - timedelta(days=1)
    with pytest.raises(KilledError):
        job.service.refresh()

    assert (job.store.last_day("m"), job.store.last_recorded("m")) == (None, TODAY - timedelta(days=1))


def test_rows_that_were_delivered_twice_in_one_day_are_counted_as_delivered(job: Job) -> None:
    frame = job.inputs(30)
    job.day(0, frame)
    job.day(0, frame, name="again")
    job.service.refresh()

    assert job.counts() == {0: 60}
    assert sum(day.predicted for day in job.store.labelled("m", date.min)) == 30


def test_a_renamed_a_new_and_a_retyped_column_are_facts_and_nothing_stops(job: Job) -> None:
    job.day(2, job.inputs(40))
    job.day(1, job.inputs(40).rename(columns={"amount": "amount_eur"}).assign(height=1.0))
    job.day(0, job.inputs(40, amount=[f"{n} EUR" for n in range(40)]).assign(height=1.0))
    job.service.refresh()

    found = [(change.day, change.column, change.change) for change in job.service.schema_changes("m")]

    yesterday = TODAY - timedelta(days=1)
    assert (yesterday, "amount_eur", SchemaWord.RENAMED) in found
    assert (yesterday, "height", SchemaWord.ADDED) in found
    assert (TODAY, "amount", SchemaWord.ADDED) in found, "a text does not follow a number"
    assert set(job.counts()) == {2, 0}
    amount = next(profile for profile in job.store.profiles("m", TODAY, TODAY, "amount"))
    assert amount.counts[-1] == 40, "a text is no number: it counts as missing"
    sentences = [change.sentence for change in job.service.changes("m") if change.kind == "schema"]
    assert any("amount_eur" in sentence and "renamed" in sentence for sentence in sentences)


def test_a_day_that_is_written_again_as_it_was_takes_its_change_back(job: Job) -> None:
    job.day(1, job.inputs(10))
    job.day(0, job.inputs(10).assign(height=1.0))
    job.service.refresh()
    assert [change.column for change in job.service.schema_changes("m")] == ["height"]

    job.day(0, job.inputs(10))
    job.service.refresh()

    assert job.service.schema_changes("m") == ()


def test_sketches_older_than_the_setting_are_deleted_and_not_made_again(tmp_path: Path) -> None:
    job = Job(tmp_path, keep_days=10)
    for back in (12, 9, 0):
        job.day(back, job.inputs(10))
    job.service.refresh()
    job.service.refresh()
    assert set(job.counts()) == {9, 0}
    assert TODAY - timedelta(days=12) not in job.facts.scanned

    job.store.forget_before(TODAY)

    assert set(job.counts()) == {0}


DAILY = ("feature_day", "labelled_day", "schema_day", "batch_run", "drift_verdict", "facts_seen")


def oldest(job: Job) -> dict[str, int]:
    """Days back of the oldest row of each table of daily figures."""
    with job.database.read() as connection:
        found = {name: connection.scalar(select(func.min(metadata.tables[name].c.day))) for name in DAILY}
    return {name: (TODAY - day).days for name, day in found.items()}


def test_every_daily_figure_older_than_the_setting_goes_and_comes_back_with_a_longer_one(tmp_path: Path) -> None:
    job = Job(tmp_path)
    for back in (60, 45, 29, 0):
        given = job.day(back, job.inputs(300))
        write(job.folder, "labels", "m", TODAY - timedelta(days=back), labels(given, [0.0, 1.0] * 150, delay_days=0))
        write(job.folder, "jobs", "m", TODAY - timedelta(days=back), a_run(TODAY - timedelta(days=back)))
    job.service.refresh()
    assert oldest(job) == dict.fromkeys(DAILY, 60)

    job.keep(30)
    job.service.refresh()
    assert oldest(job) == dict.fromkeys(DAILY, 29)
    assert job.service.refresh() == 0

    job.keep(50)
    job.service.refresh()
    assert oldest(job) == dict.fromkeys(DAILY, 45)
    assert {(TODAY - day.day).days: day.labelled for day in job.store.labelled("m", date.min)} == {
        45: 300,
        29: 300,
        0: 300,
    }
    assert set(job.counts()) == {45, 29, 0}


def test_a_label_about_a_day_that_is_no_longer_kept_brings_nothing_back(tmp_path: Path) -> None:
    job = Job(tmp_path, keep_days=30)
    given = job.day(31, job.inputs(20))
    job.day(29, job.inputs(20))
    write(job.folder, "labels", "m", TODAY, labels(given, [0.0, 1.0] * 10, delay_days=31))
    job.service.refresh()

    assert {(TODAY - day.day).days for day in job.store.labelled("m", date.min)} == {29}


def a_run(day: date) -> pd.DataFrame:
    noon = pd.Timestamp(day, tz="UTC") + pd.Timedelta(hours=12)
    return pd.DataFrame(
        {"job": ["nightly"], "model": ["m"], "version": ["1"], "window_start": [noon], "started_at": [noon],
         "finished_at": [noon], "rows": [300], "ok": [True], "on_time": [True], "error": [""]}
    )  # fmt: skip


def gone(job: Job, back: int, source: str = "predictions") -> None:
    shutil.rmtree(job.folder / source / "model=m" / f"date={TODAY - timedelta(days=back)}")


def test_a_day_that_its_source_deleted_loses_all_its_figures(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    for back in range(6):
        given = job.day(back, job.inputs(20, **({"height": 1.0} if back == 3 else {})))
        write(job.folder, "labels", "m", TODAY - timedelta(days=back), labels(given, [0.0, 1.0] * 10, delay_days=0))
    job.service.refresh()
    assert len(job.service.schema_changes("m")) == 2

    gone(job, 3)
    assert job.service.refresh() == 1
    assert job.service.refresh() == 0

    assert set(job.counts()) == {5, 4, 2, 1, 0}
    assert TODAY - timedelta(days=3) not in {day.day for day in job.store.labelled("m", date.min)}
    assert job.service.schema_changes("m") == (), "the column that was there on that day alone"
    assert "1 days of predictions of m" in caplog.text

    job.day(3, job.inputs(7))
    job.service.refresh()
    assert job.counts()[3] == 7, "a day that comes back is read again"


def test_labels_that_were_deleted_are_taken_back(job: Job) -> None:
    for back in range(4):
        given = job.day(back, job.inputs(20))
        write(job.folder, "labels", "m", TODAY - timedelta(days=back), labels(given, [0.0, 1.0] * 10, delay_days=0))
    job.service.refresh()

    gone(job, 2, "labels")
    job.service.refresh()

    labelled = {(TODAY - day.day).days: day.labelled for day in job.store.labelled("m", date.min)}
    assert labelled == {3: 20, 2: 0, 1: 20, 0: 20}


@pytest.mark.parametrize("left", [(), (0,), (2, 1, 0), (5, 0), (5, 4, 3)], ids=str)
def test_no_outage_and_no_window_of_the_source_deletes_history(
    job: Job, left: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing, today alone, the last three days, two of six days, or all but the newest: none was deleted for sure."""
    for back in range(6):
        job.day(back, job.inputs(20))
    job.service.refresh()

    for back in set(range(6)) - set(left):
        gone(job, back)
    job.service.refresh()
    job.service.refresh()

    assert set(job.counts()) == set(range(6))
    assert len(job.store.labelled("m", date.min)) == 6
    assert caplog.text.count("looks like half an answer") == (1 if left == (5, 0) else 0)


def test_a_folder_that_cannot_be_listed_deletes_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    for back in range(6):
        job.day(back, job.inputs(20))
    job.service.refresh()

    def away(_folder: object) -> Any:
        raise PermissionError("the share is away")

    gone(job, 3)
    monkeypatch.setattr(os, "scandir", away)
    with pytest.raises(TelemetryUnavailableError):
        job.service.refresh()
    monkeypatch.undo()

    assert set(job.counts()) == set(range(6))


ODD: dict[str, Any] = {
    "not a number": lambda n: np.full(n, np.nan),
    "infinite": lambda n: np.where(np.arange(n) % 2 == 0, np.inf, -np.inf),
    "all missing": lambda n: pd.Series([None] * n, dtype=object),
    "all missing in a number column": lambda n: pd.Series([None] * n, dtype="Float64"),
    "ten thousand categories": lambda n: [f"c{number}" for number in np.arange(n) * 10_000 // n],
    "beyond 1e300": lambda n: np.full(n, 1.7976931348623157e308),
    "smallest there is": lambda n: np.full(n, -5e-324),
    "negative zero": lambda n: np.full(n, -0.0),
    "dates": lambda n: pd.Series([datetime(2031, 3, 1)] * n),
    "flags": lambda n: np.arange(n) % 2 == 0,
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("where", ["in the reference", "afterwards"])
def test_no_value_stops_the_job_or_makes_it_green(job: Job, name: str, where: str) -> None:
    n = 10_000 if "thousand" in name else 400
    odd = job.inputs(n).assign(amount=ODD[name](n))
    if where == "in the reference":
        write_reference(job.folder, "m", odd.assign(score=job.random.random(n), label=0.0))
        job.day(0, job.inputs(400))
    else:
        job.day(0, odd)

    assert job.service.refresh() == 1

    view = job.service.drift("m")
    [amount] = [feature for feature in view.features if feature.feature == "amount"]
    assert amount.state is not Health.HEALTHY
    assert amount.latest is None or np.isfinite(amount.latest.value)
    assert view.signal.state is not Health.HEALTHY
    stored = job.store.profiles("m", TODAY, TODAY, "amount")
    assert all(int(profile.counts.sum()) == (400 if where == "in the reference" else n) for profile in stored)
    assert all(np.isfinite(profile.sums).all() for profile in stored if "1e300" not in name)


def test_one_row_a_day_is_too_few_on_every_day(job: Job) -> None:
    for back in range(7):
        job.day(back, job.inputs(1))
    job.service.refresh()

    assert job.counts() == dict.fromkeys(range(7), 1)
    assert {feature.state for feature in job.service.drift("m").features} == {Health.UNKNOWN}


def test_labels_are_found_on_their_day_when_clocks_move_and_zones_differ(job: Job) -> None:
    """On 30 March 2031 Berlin has no time between two and three; a folder's day is local, its times are UTC."""
    day, berlin = date(2031, 3, 30), ZoneInfo("Europe/Berlin")
    frame = predictions(day, job.inputs(48), job.random.random(48))
    local = [datetime(2031, 3, 30, n // 2, 30 * (n % 2), tzinfo=berlin) for n in range(48)]
    frame["event_at"] = pd.to_datetime(local, utc=True)
    write(job.folder, "predictions", "m", day, frame)
    known = pd.DataFrame(
        {
            "prediction_id": frame["prediction_id"],
            "event_at": frame["event_at"],
            "arrived_at": at(TODAY, 48),
            "label": 1.0,
        }
    )
    write(job.folder, "labels", "m", TODAY, known)
    job.service.refresh()

    assert frame["event_at"].dt.date.min() == day - timedelta(days=1)
    assert job.counts() == {1: 48}
    assert [(item.day, item.labelled) for item in job.store.labelled("m", date.min)] == [(day, 48)]
