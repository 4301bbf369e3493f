"""What was known on any past day: cubes of label changes against the same question asked of the raw rows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.performance import SqlPerformance
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.adapters.warehouse.performance import DuckDbPerformanceFacts
from services.inventory.models import Task
from services.kernel.errors import TelemetryUnavailableError
from services.monitoring import statistics
from services.monitoring.cube_refresh import CubeRefresh
from services.monitoring.cubes import UNMATCHED, Cube, cube_of, scores_of
from services.monitoring.ports import SliceColumn
from tests.unit.monitoring.facts_on_disk import ACatalog, a_database, a_model, labels, predictions, write

START = date(2031, 1, 6)
DAYS = 20
LATER = date(2031, 6, 1)


class AClock:
    def now(self) -> datetime:
        return datetime(2031, 3, 1, 12, tzinfo=UTC)


class Room:
    """A folder of facts, a store, and the refresh between them."""

    def __init__(self, folder: Path, *, task: Task = Task.CLASSIFICATION) -> None:
        self.folder = folder
        self.database = a_database(folder)
        self.store = SqlPerformance(self.database)
        self.facts = DuckDbPerformanceFacts(folder)
        self.scored = task is Task.CLASSIFICATION
        self.refresh = CubeRefresh(
            facts=self.facts,
            store=self.store,
            monitoring=SqlMonitoring(self.database),
            catalog=ACatalog(a_model(task=task)),
            clock=AClock(),
        )

    def cube(self, *, version: str = "", slice_key: str = "") -> Cube:
        found = self.store.arrivals("m", date(2030, 1, 1), before=LATER, slice_key=slice_key)
        chosen = [item for item in found if item.version != UNMATCHED and version in {"", item.version}]
        return cube_of(chosen, scored=self.scored)

    def write_labels(self, arrival: date, frame: pd.DataFrame, name: str = "part-0") -> None:
        write(self.folder, "labels", "m", arrival, frame, name=name)


def features(n: int) -> pd.DataFrame:
    return pd.DataFrame({"carrier": np.where(np.arange(n) % 3 == 0, "AA", "BB"), "miles": np.arange(n, dtype=float)})


def a_history(room: Room, *, seed: int = 4, per_day: int = 400) -> None:
    """Twenty days of predictions; labels trickle in for twelve days, and one in twenty is stated anew a week later."""
    rng = np.random.default_rng(seed)
    filed: dict[date, list[pd.DataFrame]] = {}
    for number in range(DAYS):
        day = START + timedelta(days=number)
        scores = rng.beta(2, 5, per_day)
        frame = predictions(day, features(per_day), scores, version="1" if number < 12 else "2")
        write(room.folder, "predictions", "m", day, frame)
        truth = (rng.random(per_day) < scores).astype(float)
        delays = rng.integers(0, 13, per_day)
        told = rng.random(per_day) < 0.9
        for delay in range(13):
            chosen = told & (delays == delay)
            arrival = day + timedelta(days=delay)
            filed.setdefault(arrival, []).append(labels(frame[chosen], truth[chosen], delay_days=delay))
            again = chosen & (rng.random(per_day) < 0.05)
            later = arrival + timedelta(days=7)
            filed.setdefault(later, []).append(labels(frame[again], 1 - truth[again], delay_days=delay + 7))
    for arrival, parts in filed.items():
        room.write_labels(arrival, pd.concat(parts, ignore_index=True))


def raw(folder: Path, first: date, last: date, at: date, *, version: str = "", carrier: str = "") -> pd.DataFrame:
    """The question asked of the rows: the last label of every prediction that was filed before `at`."""
    files = {name: f"{folder}/{name}/model=m/*/*.parquet" for name in ("predictions", "labels")}
    chosen = (f" AND version = '{version}'" if version else "") + (f" AND carrier = '{carrier}'" if carrier else "")
    return duckdb.sql(f"""
        SELECT p.score, l.label FROM read_parquet('{files["predictions"]}', hive_partitioning = true) p
        JOIN (SELECT prediction_id, arg_max(label, date) AS label
              FROM read_parquet('{files["labels"]}', hive_partitioning = true)
              WHERE date < DATE '{at}' GROUP BY 1) l USING (prediction_id)
        WHERE p.date BETWEEN DATE '{first}' AND DATE '{last}' AND p.date < DATE '{at}'{chosen}
    """).df()


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Room:
    room = Room(tmp_path_factory.mktemp("lived"))
    a_history(room)
    room.refresh.run()
    return room


@pytest.mark.parametrize("after", [1, 4, 9, 15, 24, 33, 60])
@pytest.mark.parametrize("version", ["", "2"])
def test_the_cube_as_known_on_a_day_equals_the_raw_join_of_that_day(lived: Room, after: int, version: str) -> None:
    first, last, at = START, START + timedelta(days=DAYS), START + timedelta(days=after)

    known = lived.cube(version=version).known(first, last, at=at)

    rows = raw(lived.folder, first, last, at, version=version)
    errors = rows["score"] - rows["label"]
    assert (known.labelled, known.n) == (len(rows), len(rows))
    assert (known.positives.sum(), known.negatives.sum()) == (int(rows["label"].sum()), int((1 - rows["label"]).sum()))
    assert (known.positives >= 0).all()
    assert (known.negatives >= 0).all()
    sums = (errors.sum(), errors.abs().sum(), (errors**2).sum(), (errors**4).sum())
    assert (known.error, known.absolute, known.square, known.fourth) == pytest.approx(sums, abs=1e-9)


def test_area_under_the_curve_from_a_thousand_bins_is_that_of_the_rows(lived: Room) -> None:
    last = START + timedelta(days=DAYS)

    known = lived.cube().known(START, last, at=LATER)
    area = statistics.auc(known.positives, known.negatives)

    rows = raw(lived.folder, START, last, LATER)
    assert area is not None
    assert area.value == pytest.approx(roc_auc_score(rows["label"], rows["score"]), abs=3e-4)


def test_reading_twice_changes_nothing_and_reads_nothing(lived: Room) -> None:
    before = lived.cube().known(START, LATER, at=LATER)

    assert lived.refresh.run() == 0

    assert lived.cube().known(START, LATER, at=LATER).labelled == before.labelled


def test_equal_age_counts_only_labels_that_came_soon_enough(lived: Room) -> None:
    day = START + timedelta(days=2)

    early = lived.cube().known(day, day, at=LATER, age=3)

    assert early.labelled == len(raw(lived.folder, day, day, day + timedelta(days=4)))


def test_scores_of_a_day_are_counted_and_summed_per_bin(lived: Room) -> None:
    found = scores_of(lived.store.scores("m", START, before=LATER), first=START, last=START + timedelta(days=3))

    rows = duckdb.sql(
        f"SELECT score FROM read_parquet('{lived.folder}/predictions/model=m/*/*.parquet', hive_partitioning = true)"
        f" WHERE date <= DATE '{START + timedelta(days=3)}'"
    ).df()
    assert (found.predicted, found.n, int(found.counts.sum())) == (len(rows), len(rows), len(rows))
    assert found.sums.sum() == pytest.approx(rows["score"].sum())
    assert lived.store.choices("m", before=LATER) == (("1", "2"), ())


def test_order_of_reading_does_not_matter(tmp_path: Path, lived: Room) -> None:
    """Labels are read in three visits, the middle days last: restatements are then counted anew."""
    room = Room(tmp_path)
    (tmp_path / "kept").mkdir()
    a_history(room)
    folder = tmp_path / "labels" / "model=m"
    days = sorted(folder.iterdir())
    middle = days[8:12]
    for place in middle:
        place.rename(tmp_path / "kept" / place.name)
    room.refresh.run()
    for place in middle:
        (tmp_path / "kept" / place.name).rename(place)

    room.refresh.run()

    for after in (10, 18, 40):
        at = START + timedelta(days=after)
        ours, theirs = (item.cube().known(START, LATER, at=at) for item in (room, lived))
        assert (ours.positives == theirs.positives).all()
        assert (ours.negatives == theirs.negatives).all()
        assert ours.labelled == theirs.labelled


def test_a_run_that_was_interrupted_goes_on_where_it_stopped(tmp_path: Path, lived: Room) -> None:
    room = Room(tmp_path)
    a_history(room)
    room.refresh = CubeRefresh(
        facts=Stumbling(room.facts, after=1),
        store=room.store,
        monitoring=SqlMonitoring(room.database),
        catalog=ACatalog(a_model()),
        clock=AClock(),
    )
    with pytest.raises(TelemetryUnavailableError):
        room.refresh.run()

    room.refresh.run()

    ours, theirs = (item.cube().known(START, LATER, at=LATER) for item in (room, lived))
    assert (ours.positives == theirs.positives).all()


class Stumbling:
    """Facts that become unreadable once, after some answers."""

    def __init__(self, facts: DuckDbPerformanceFacts, *, after: int) -> None:
        self._facts = facts
        self._left = after
        self.partitions = facts.partitions
        self.scored = facts.scored
        self.counted_as = facts.counted_as

    def arrived(self, *given: object, **named: object) -> object:
        self._left -= 1
        if self._left == -1:
            raise TelemetryUnavailableError("The disk is away.")
        return self._facts.arrived(*given, **named)  # type: ignore[arg-type]


def gone(room: Room, source: str, day: date) -> None:
    shutil.rmtree(room.folder / source / "model=m" / f"date={day}")


def same_as_raw(room: Room) -> None:
    """What is known after the run is what the rows that are left say, as known on any day."""
    room.refresh.run()
    for after in (12, 18, 40):
        at = START + timedelta(days=after)
        known, rows = room.cube().known(START, LATER, at=at), raw(room.folder, START, LATER, at)
        assert (known.n, int(known.positives.sum())) == (len(rows), int(rows["label"].sum()))


def test_predictions_that_their_source_deleted_lose_their_scores_and_labels(tmp_path: Path) -> None:
    room = Room(tmp_path)
    a_history(room)
    room.refresh.run()
    day = START + timedelta(days=5)

    gone(room, "predictions", day)
    same_as_raw(room)

    assert day not in {item.day for item in room.store.scores("m", START, before=LATER)}
    assert room.refresh.run() == 0


def test_labels_that_their_source_deleted_are_taken_back_also_where_they_were_stated_anew(tmp_path: Path) -> None:
    room = Room(tmp_path)
    a_history(room)
    room.refresh.run()

    gone(room, "labels", START + timedelta(days=9))
    same_as_raw(room)

    assert room.refresh.run() == 0


def test_a_source_that_keeps_its_rows_for_a_while_only_takes_nothing_back(tmp_path: Path, lived: Room) -> None:
    room = Room(tmp_path)
    a_history(room)
    room.refresh.run()

    for number in range(10):
        gone(room, "predictions", START + timedelta(days=number))
        gone(room, "labels", START + timedelta(days=number))
    room.refresh.run()

    ours, theirs = (item.cube().known(START, LATER, at=LATER) for item in (room, lived))
    assert (ours.positives == theirs.positives).all()
    assert len(room.store.scores("m", START, before=LATER)) == len(lived.store.scores("m", START, before=LATER))


def kept(room: Room, days: int) -> None:
    """As after a restart with this setting."""
    room.refresh = CubeRefresh(
        facts=room.facts, store=room.store, monitoring=SqlMonitoring(room.database), catalog=ACatalog(a_model()),
        clock=AClock(), keep_days=days,
    )  # fmt: skip
    room.refresh.run()
    assert room.refresh.run() == 0


def test_predictions_older_than_the_setting_go_with_their_labels_and_come_back_with_a_longer_one(
    tmp_path: Path, lived: Room
) -> None:
    room = Room(tmp_path)
    a_history(room)
    room.refresh.run()
    first = START + timedelta(days=8)
    days = (AClock().now().date() - first).days

    kept(room, days)

    told = room.store.arrivals("m", date(2030, 1, 1), before=LATER)
    assert min(item.day for item in room.store.scores("m", START, before=LATER)) == first
    assert {bool((item.days[:, 0] >= first.toordinal()).all()) for item in told} == {True}
    assert min(day for _, _, day in room.store.seen()) == first
    known, rows = room.cube().known(START, LATER, at=LATER), raw(room.folder, first, LATER, LATER)
    assert (known.n, int(known.positives.sum())) == (len(rows), int(rows["label"].sum()))

    room.write_labels(START + timedelta(days=12), told_late(room), "late")
    room.refresh.run()
    assert {bool((item.days[:, 0] >= first.toordinal()).all()) for item in room.store.arrivals(
        "m", date(2030, 1, 1), before=LATER)} == {True}  # fmt: skip

    kept(room, 0)

    ours, rows = room.cube().known(START, LATER, at=LATER), raw(room.folder, START, LATER, LATER)
    assert (ours.n, int(ours.positives.sum())) == (len(rows), int(rows["label"].sum()))
    assert len(room.store.scores("m", START, before=LATER)) == len(lived.store.scores("m", START, before=LATER))


def told_late(room: Room) -> pd.DataFrame:
    """One more statement about the first day, which is older than what is kept."""
    made = pd.read_parquet(room.folder / "predictions" / "model=m" / f"date={START}" / "part-0.parquet")
    return labels(made.head(20), np.ones(20), delay_days=12)


def test_labels_that_came_after_what_was_kept_are_counted_again_when_more_is(tmp_path: Path) -> None:
    """No label was filed before the first kept day, so nothing but the predictions says that these are missing."""
    room = Room(tmp_path)
    for number in (0, 30):
        day = START + timedelta(days=number)
        made = predictions(day, features(40), np.linspace(0.1, 0.9, 40))
        write(tmp_path, "predictions", "m", day, made)
        room.write_labels(START + timedelta(days=35), labels(made, [0, 1] * 20, delay_days=35 - number), f"of-{number}")
    kept(room, (AClock().now().date() - START).days - 10)
    assert room.cube().known(START, LATER, at=LATER).n == 40

    kept(room, 0)

    assert room.cube().known(START, LATER, at=LATER).n == 80


def test_labels_from_before_their_prediction_are_known_when_the_prediction_is(tmp_path: Path) -> None:
    room = Room(tmp_path)
    day = START + timedelta(days=5)
    frame = predictions(day, features(10), np.linspace(0.1, 0.9, 10))
    room.write_labels(day - timedelta(days=2), labels(frame, [0, 1] * 5, delay_days=-2))
    room.refresh.run()
    assert room.cube().known(START, LATER, at=day).n == 0
    unmatched = room.store.arrivals("m", START, before=LATER)
    assert [(item.version, int(item.days[0, 1])) for item in unmatched] == [(UNMATCHED, 10)]

    write(tmp_path, "predictions", "m", day, frame)
    room.refresh.run()

    assert room.cube().known(START, LATER, at=day).n == 0
    known = room.cube().known(START, LATER, at=day + timedelta(days=1))
    assert (known.n, known.labelled) == (10, 10)
    _, ages, told = room.cube().arrivals_by_age(at=LATER)
    assert (int(ages.max()), int(told.sum())) == (0, 10)


def test_a_label_filed_twice_counts_once_and_the_latest_statement_of_a_day_wins(tmp_path: Path) -> None:
    room = Room(tmp_path)
    frame = predictions(START, features(4), [0.1, 0.2, 0.3, 0.4])
    write(tmp_path, "predictions", "m", START, frame)
    room.write_labels(START, labels(frame, [0, 0, 0, 0], delay_days=0))
    room.write_labels(START, labels(frame, [1, 0, 0, 0], delay_days=0).assign(arrived_at=frame["event_at"].max()), "b")
    room.write_labels(START + timedelta(days=1), labels(frame, [1, 0, 0, 0]))
    room.refresh.run()

    known = room.cube().known(START, START, at=LATER)

    assert (known.labelled, int(known.positives.sum()), int(known.negatives.sum())) == (4, 1, 3)
    assert [item.day for item in room.store.arrivals("m", START, before=LATER)] == [START]


def test_scores_and_labels_that_are_no_numbers_make_no_pair_but_are_counted(tmp_path: Path) -> None:
    room = Room(tmp_path)
    frame = predictions(START, features(6), [np.nan, np.inf, 0.2, 0.4, 0.6, 0.8])
    write(tmp_path, "predictions", "m", START, frame)
    room.write_labels(START, labels(frame, [1, 0, 1, 0, np.nan, 1], delay_days=0))
    room.refresh.run()

    known = room.cube().known(START, START, at=LATER)
    scores = scores_of(room.store.scores("m", START, before=LATER), first=START, last=START)

    assert (known.labelled, known.n) == (5, 3)
    assert np.isfinite([known.error, known.square]).all()
    assert (scores.predicted, scores.unscored, int(scores.counts.sum())) == (6, 2, 4)


def test_a_day_without_labels_and_a_model_without_predictions_are_empty_not_wrong(tmp_path: Path) -> None:
    room = Room(tmp_path)

    assert room.refresh.run() == 0

    known = room.cube().known(START, LATER, at=LATER)
    assert (known.labelled, known.n, known.error) == (0, 0, 0.0)


def test_forecasts_keep_sums_of_errors(tmp_path: Path) -> None:
    room = Room(tmp_path, task=Task.REGRESSION)
    frame = predictions(START, features(3), [10.0, 20.0, 30.0])
    write(tmp_path, "predictions", "m", START, frame)
    room.write_labels(START + timedelta(days=1), labels(frame, [11.0, 18.0, 30.0]))
    room.write_labels(START + timedelta(days=3), labels(frame.head(1), [14.0], delay_days=3))
    room.refresh.run()

    before = room.cube().known(START, START, at=START + timedelta(days=3))
    after = room.cube().known(START, START, at=START + timedelta(days=4))

    assert (before.n, before.error, before.absolute, before.square) == (3, 1.0, 3.0, 5.0)
    assert (after.n, after.error, after.absolute, after.square) == (3, -2.0, 6.0, 20.0)


def test_days_are_those_of_the_folder_so_a_change_of_the_clock_loses_nothing(tmp_path: Path) -> None:
    """Local days around the change to summer time: events between 23:00 and 01:00 UTC are filed under either day."""
    room = Room(tmp_path)
    night, morning = date(2031, 3, 30), date(2031, 3, 31)
    frames = [
        predictions(day, features(5), np.linspace(0.1, 0.9, 5)).assign(
            event_at=pd.date_range(datetime(2031, 3, 29 + shift, 23, tzinfo=UTC), periods=5, freq="15min")
        )
        for shift, day in enumerate((night, morning))
    ]
    for day, frame in zip((night, morning), frames, strict=True):
        write(tmp_path, "predictions", "m", day, frame)
        room.write_labels(day, labels(frame, [0, 1, 0, 1, 1], delay_days=0))
    room.refresh.run()

    cube = room.cube()

    assert [cube.known(day, day, at=LATER).n for day in (night, morning)] == [5, 5]


def test_slices_add_up_only_rows_with_their_value(lived: Room) -> None:
    days = tuple(START + timedelta(days=number) for number in range(40))

    found = lived.facts.arrived("m", days, scores=True, slices=(SliceColumn(column="carrier", values=("AA",)),))

    cube = cube_of([item for item in found if item.slice_key == "carrier=AA"], scored=True)
    at = START + timedelta(days=18)
    known = cube.known(START, LATER, at=at)
    rows = raw(lived.folder, START, LATER, at, carrier="AA")
    assert (known.n, int(known.positives.sum())) == (len(rows), int(rows["label"].sum()))
    assert {item.slice_key for item in found} == {"", "carrier=AA"}


def test_a_slice_column_that_was_renamed_is_no_slice(lived: Room) -> None:
    gone = (SliceColumn(column="airline", values=("AA",)), SliceColumn(column="carrier", values=("BB",)))

    found = lived.facts.scored("m", (START,), scores=True, slices=gone)

    assert {item.slice_key for item in found} == {"", "carrier=BB"}


def test_other_slices_mean_counting_anew(tmp_path: Path) -> None:
    room = Room(tmp_path)
    frame = predictions(START, features(300), np.linspace(0, 1, 300))
    write(tmp_path, "predictions", "m", START, frame)
    room.refresh.run()
    (tmp_path / "reference").mkdir()
    frame.to_parquet(tmp_path / "reference" / "m.parquet")
    reference = DuckDbMonitoringFacts(tmp_path).fit_reference("m", "d", slices=("carrier",))
    assert reference is not None

    SqlMonitoring(room.database).put_reference(replace(reference, digest="d"))
    room.refresh.run()

    assert room.store.choices("m", before=LATER) == (("1",), ("carrier=AA", "carrier=BB"))
