"""Tables of other estates: read where they lie, refused with a reason, and shown under the masks of their model."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable, write_deltalake
from sklearn.metrics import roc_auc_score

from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.monitors import SqlMonitorsInForce
from services.adapters.sql.performance import SqlPerformance
from services.adapters.warehouse.mapped import MappedFacts
from services.adapters.warehouse.mapped_performance import MappedPerformance
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.adapters.warehouse.performance import DuckDbPerformanceFacts
from services.adapters.warehouse.source_statements import marks
from services.adapters.warehouse.sources import OpenTable, SourceRefusedError
from services.kernel.errors import InputError, RoleMissingError, TelemetryUnavailableError
from services.kernel.health import Health
from services.monitoring import statistics
from services.monitoring.cube_refresh import CubeRefresh
from services.monitoring.cubes import cube_of
from services.monitoring.metrics import Metric
from services.monitoring.monitor_rules import ColumnKind
from services.monitoring.monitors import ColumnMapping, Feature, FeatureKind, Source, SourceKind
from services.monitoring.performance_models import PerformanceQuery, ValuePerDecision
from services.monitoring.performance_service import PerformanceService
from services.monitoring.ports import ReviewCount
from services.monitoring.profile import SCORE
from services.monitoring.service import MonitoringService
from services.monitoring.sources import suggested
from tests.builders import MODEL, a_world
from tests.contract.conftest import postgres
from tests.unit.monitoring.monitored import CLARA, DANA, Monitored, monitored

__all__ = ["postgres"]

MAPPING = ColumnMapping(timestamp="scored_at", prediction="risk", label="late", version="build", entity="member")
DAYS, A_DAY = 40, 200
FIRST = date(2029, 12, 22)


def a_table(*, days: int = DAYS, moved_from: int = 30, zone: Any = UTC) -> pa.Table:
    """Forty days of two hundred predictions; from the thirty-first day on the distance doubles."""
    made = np.random.default_rng(20)
    n = days * A_DAY
    place = np.repeat(np.arange(days), A_DAY)
    start = datetime(FIRST.year, FIRST.month, FIRST.day, 6, tzinfo=zone)
    distance = made.gamma(4.0, 200.0, n) * np.where(place >= moved_from, 2.0, 1.0)
    risk = np.clip(made.beta(2, 5, n), 0, 1)
    late = [None if day >= days - 3 else bool(value) for day, value in zip(place, made.random(n) < risk, strict=True)]
    return pa.table(
        {
            "scored_at": [start + timedelta(days=int(day), seconds=int(i % A_DAY)) for i, day in enumerate(place)],
            "risk": risk,
            "late": late,
            "build": ["7"] * n,
            "member": [f"member {i}" for i in range(n)],
            "distance": [None if i % 50 == 0 else float(value) for i, value in enumerate(distance)],
            "dep_delay": made.poisson(3.0, n),
            "carrier": made.choice(["UA", "AA", "DL"], n).tolist(),
            "member_age": made.integers(20, 80, n),
            "remark": ["call me under 555 1234"] * n,
        }
    )


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return a_table()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Monitored]:
    file = tmp_path / "estate.db"
    made = monitored(a_world(tmp_path), tmp_path, connections={"estate": f"sqlite:///{file}"})
    yield made
    made.world.database.dispose()


def parquet(room_folder: Path, table: pa.Table, name: str = "flights") -> Source:
    folder = room_folder / "imports" / name
    folder.mkdir(parents=True)
    half = table.num_rows // 2
    pq.write_table(table.slice(0, half), folder / "a.parquet")
    pq.write_table(table.slice(half), folder / "b.parquet")
    return Source(kind=SourceKind.PARQUET, folder=name)


def delta(room_folder: Path, table: pa.Table) -> Source:
    folder = room_folder / "imports" / "delta"
    write_deltalake(str(folder), table)
    write_deltalake(str(folder), table.slice(0, 1000), mode="append")
    # A glob over the files would still count these: the table does not.
    DeltaTable(str(folder)).delete("build = '7' AND scored_at < '1970-01-01'")
    write_deltalake(str(folder), table, mode="overwrite")
    return Source(kind=SourceKind.DELTA, folder="delta")


def fill(address: str, table: pa.Table) -> None:
    engine = sa.create_engine(address)
    kinds: dict[str, Any] = {
        "scored_at": sa.DateTime(timezone=True), "risk": sa.Double(), "late": sa.Boolean(), "build": sa.String(20),
        "member": sa.String(40), "distance": sa.Double(), "dep_delay": sa.Integer(), "carrier": sa.String(10),
        "member_age": sa.Integer(), "remark": sa.String(60),
    }  # fmt: skip
    made = sa.Table("scores", sa.MetaData(), *(sa.Column(name, kind) for name, kind in kinds.items()))
    with engine.begin() as connection:
        made.drop(connection, checkfirst=True)
        made.create(connection)
        connection.execute(made.insert(), table.to_pylist())
    engine.dispose()


SQL = Source(kind=SourceKind.SQL, connection="estate", table="scores")


def sketched(room: Monitored, source: Source) -> MonitoringService:
    """Imported with defaults, saved, and refreshed as the worker does."""
    world = room.world
    monitor = room.service.propose_import(MODEL, source, MAPPING, actor=world.actor(DANA))
    room.save(monitor)
    facts = MappedFacts(
        DuckDbMonitoringFacts(Path("nowhere")), estates=room.estates, in_force=SqlMonitorsInForce(world.database)
    )
    service = MonitoringService(
        facts=facts, store=SqlMonitoring(world.database), catalog=world.inventory, clock=world.clock
    )
    assert service.refresh() == DAYS
    assert service.refresh() == 0, "a day that did not change is not read again"
    return service


def monitored_by(room: Monitored, source: Source, mapping: ColumnMapping, **changes: Any) -> None:
    room.save(replace(room.service.propose_import(MODEL, source, mapping, actor=room.world.actor(DANA)), **changes))


class NoBusiness:
    def threshold(self, model: str) -> float | None:
        return None

    def reviews(self, model: str, since: date) -> tuple[ReviewCount, ...]:
        return ()

    def value(self, model: str) -> ValuePerDecision | None:
        return None


def counted(room: Monitored) -> PerformanceService:
    """Sketched and counted as the worker does, wired as the container does."""
    world, recorded = room.world, Path("nowhere")
    in_force, store = SqlMonitorsInForce(world.database), SqlMonitoring(world.database)
    MonitoringService(
        facts=MappedFacts(
            DuckDbMonitoringFacts(recorded), estates=room.estates, in_force=in_force, sketched=store.seen
        ),
        store=store, catalog=world.inventory, clock=world.clock,
    ).refresh()  # fmt: skip
    cubes = CubeRefresh(
        facts=MappedPerformance(
            DuckDbPerformanceFacts(recorded), estates=room.estates, in_force=in_force, sketched=store.seen
        ),
        store=SqlPerformance(world.database), monitoring=store, catalog=world.inventory, clock=world.clock,
    )  # fmt: skip
    assert cubes.run() > 0
    assert cubes.run() == 0, "a day that did not change is not counted again"
    return PerformanceService(
        store=SqlPerformance(world.database), monitoring=store, catalog=world.inventory, business=NoBusiness(),
        clock=world.clock,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["parquet", "delta", "sqlite", "duckdb", "postgresql"])
def test_every_kind_of_source_gives_the_same_sketches_and_finds_the_shift(
    tmp_path: Path, rows: pa.Table, kind: str, request: pytest.FixtureRequest
) -> None:
    address = f"{kind}:///{tmp_path / 'estate.db'}"
    if kind == "postgresql":
        address = request.getfixturevalue("postgres").replace("postgresql://", "postgresql+psycopg://")
    room = monitored(a_world(tmp_path), tmp_path, connections={"estate": address})
    if kind in {"parquet", "delta"}:
        source = (parquet if kind == "parquet" else delta)(tmp_path, rows)
    else:
        fill(address, rows)
        source = SQL

    service = sketched(room, source)

    reference = SqlMonitoring(room.world.database).reference(MODEL)
    assert reference is not None
    assert reference.rows == 20 * A_DAY
    columns = rows.slice(0, 20 * A_DAY)
    distance = reference.feature("distance")
    score = reference.feature(SCORE)
    assert distance is not None
    assert score is not None
    assert distance.counts[-1] == columns["distance"].null_count
    assert distance.sums.sum() == pytest.approx(sum(item for item in columns["distance"].to_pylist() if item))
    known = [item for item in columns["distance"].to_pylist() if item is not None]
    assert distance.spread == pytest.approx(float(np.std(known)))
    assert score.sums.sum() == pytest.approx(sum(columns["risk"].to_pylist()))
    assert {item.feature for item in reference.features} == {SCORE, "distance", "dep_delay"}, "as the signature says"
    view = service.drift(MODEL)
    states = {item.feature: item.state for item in view.features}
    assert states == {"distance": Health.BREACH, "dep_delay": Health.HEALTHY, SCORE: Health.HEALTHY}
    days = SqlMonitoring(room.world.database).labelled(MODEL, FIRST)
    assert (len(days), sum(item.predicted for item in days)) == (DAYS, rows.num_rows)
    assert sum(item.labelled for item in days) == rows.num_rows - rows["late"].null_count
    late = sum(bool(item) for item in rows["late"].to_pylist())
    assert sum(int(item.positives.sum()) for item in days) == late
    assert days[0].version == "7"
    assert [(item.version, item.rows) for item in service.drift_versions(MODEL)] == [("7", rows.num_rows)]
    room.world.database.dispose()


@pytest.mark.parametrize("kind", ["parquet", "sqlite"])
def test_each_build_of_an_import_is_judged_by_its_own_rows(
    tmp_path: Path, rows: pa.Table, room: Monitored, kind: str
) -> None:
    """The first fifth of each of the last days was scored by another build."""
    place = np.arange(rows.num_rows)
    other = (place // A_DAY >= DAYS - 4) & (place % A_DAY < A_DAY // 5)
    builds = pa.array(np.where(other, "8", "7").tolist())
    table = rows.set_column(rows.column_names.index("build"), "build", builds)
    if kind == "parquet":
        source = parquet(tmp_path, table)
    else:
        fill(f"sqlite:///{tmp_path / 'estate.db'}", table)
        source = SQL

    service = sketched(room, source)

    found = {item.version: item.rows for item in service.drift_versions(MODEL)}
    assert found == {"7": rows.num_rows - 4 * A_DAY // 5, "8": 4 * A_DAY // 5}
    assert {version: service.drift(MODEL, version=version).signal.n for version in ("7", "8")} == {
        "7": 7 * A_DAY - 4 * A_DAY // 5, "8": 4 * A_DAY // 5,
    }  # fmt: skip


def test_an_import_without_a_column_of_versions_has_none_and_one_that_is_not_comparable_is_told(
    tmp_path: Path, rows: pa.Table, room: Monitored
) -> None:
    nothing = pa.array([None] * rows.num_rows, type=pa.float64())
    table = rows.append_column("empty", nothing).append_column("claim", pa.array(map(str, range(rows.num_rows))))
    dana, source = room.world.actor(DANA), parquet(tmp_path, table)
    mapping = replace(MAPPING, version="")
    proposed = room.service.propose_import(MODEL, source, mapping, actor=dana)
    more = (
        Feature(column="empty", title="Empty", kind=FeatureKind.NUMERIC),
        Feature(column="claim", title="Claim", kind=FeatureKind.CATEGORICAL),
    )
    room.save(replace(proposed, features=(*proposed.features, *more)))
    facts = MappedFacts(
        DuckDbMonitoringFacts(tmp_path / "nowhere"), estates=room.estates,
        in_force=SqlMonitorsInForce(room.world.database),
    )  # fmt: skip
    service = MonitoringService(
        facts=facts, store=SqlMonitoring(room.world.database), catalog=room.world.inventory, clock=room.world.clock
    )
    service.refresh()

    view = service.drift(MODEL)

    assert service.drift_versions(MODEL) == ()
    silent = {item.title: item.sentence for item in view.uncompared}
    assert "always missing" in silent["Empty"]
    assert "4,000 different values" in silent["Claim"]
    assert {item.state for item in view.uncompared} == {Health.UNKNOWN}


def test_categories_and_slices_of_an_import_are_sketched(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    dana = room.world.actor(DANA)
    source = parquet(tmp_path, rows)
    proposed = room.service.propose_import(MODEL, source, MAPPING, actor=dana)
    carrier = Feature(column="carrier", title="Carrier", kind=FeatureKind.CATEGORICAL)
    room.save(replace(proposed, features=(*proposed.features, carrier), slices=("carrier",)))
    facts = MappedFacts(
        DuckDbMonitoringFacts(tmp_path / "nowhere"),
        estates=room.estates,
        in_force=SqlMonitorsInForce(room.world.database),
    )
    store = SqlMonitoring(room.world.database)
    MonitoringService(facts=facts, store=store, catalog=room.world.inventory, clock=room.world.clock).refresh()
    reference = store.reference(MODEL)
    assert reference is not None
    assert set(reference.slice_keys) == {"carrier=UA", "carrier=AA", "carrier=DL"}
    whole = store.profiles(MODEL, FIRST, FIRST, SCORE)[0].counts.sum()
    parts = [store.profiles(MODEL, FIRST, FIRST, SCORE, slice_key=key)[0].counts.sum() for key in reference.slice_keys]
    assert sum(parts) == whole == A_DAY


@pytest.mark.parametrize("kind", ["parquet", "sqlite"])
def test_an_import_with_labels_has_confirmed_figures_whose_arrival_is_assumed(
    tmp_path: Path, rows: pa.Table, room: Monitored, kind: str
) -> None:
    if kind == "sqlite":
        fill(f"sqlite:///{tmp_path / 'estate.db'}", rows)
    source = parquet(tmp_path, rows) if kind == "parquet" else SQL
    monitored_by(room, source, MAPPING, label_delay_hours=40.0)

    view = counted(room).decay(PerformanceQuery(model=MODEL, metric=Metric.AUC, days=60))

    known = SqlPerformance(room.world.database).arrivals(MODEL, date.min, before=date.max)
    assert {item.day - date.fromordinal(int(item.days[0, 0])) for item in known} == {timedelta(days=2)}
    cube = cube_of(known, scored=True).known(date.min, date.max, at=date.max)
    told = rows.to_pandas().dropna(subset=["late"])
    area = statistics.auc(cube.positives, cube.negatives)
    assert area is not None
    assert cube.n == len(told) == (DAYS - 3) * A_DAY
    assert area.value == pytest.approx(roc_auc_score(told["late"].astype(float), told["risk"]), abs=3e-4)
    assert (view.version, view.maturity.age) == ("7", 2)
    assert any(cohort.confirmed for cohort in view.cohorts)
    assert "Each is taken to have come 40 hours after its prediction" in view.assumption
    assert view.confirmed_explanation.source.startswith("Predictions and labels of the")


def confirmed(room: Monitored) -> tuple[int, int]:
    """(positive, negative) labels as the cubes have them."""
    known = SqlPerformance(room.world.database).arrivals(MODEL, date.min, before=date.max)
    cube = cube_of(known, scored=True).known(date.min, date.max, at=date.max)
    return int(cube.positives.sum()), int(cube.negatives.sum())


@pytest.mark.parametrize("kind", ["parquet", "sqlite", "duckdb", "postgresql"])
def test_labels_that_are_stated_anew_are_counted_anew(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """As many rows, labels, scores and times as before: only what the labels say is another thing."""
    address = f"{kind}:///{tmp_path / 'estate.db'}"
    if kind == "postgresql":
        address = request.getfixturevalue("postgres").replace("postgresql://", "postgresql+psycopg://")
    room = monitored(a_world(tmp_path), tmp_path, connections={"estate": address})
    told = a_table(days=10)
    place = told.schema.get_field_index("late")
    flipped = told.set_column(place, "late", pa.array([None if x is None else not x for x in told["late"].to_pylist()]))
    source = SQL
    if kind == "parquet":
        source = parquet(tmp_path, told)
    else:
        fill(address, told)
    monitored_by(room, source, MAPPING)
    counted(room)
    before = confirmed(room)

    if kind == "parquet":
        pq.write_table(flipped, tmp_path / "imports" / "flights" / "a.parquet")
        (tmp_path / "imports" / "flights" / "b.parquet").unlink()
    else:
        fill(address, flipped)
    counted(room)

    assert confirmed(room) == before[::-1] != before
    room.world.database.dispose()


def test_two_labels_that_change_places_are_counted_anew(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'estate.db'}"
    room = monitored(a_world(tmp_path), tmp_path, connections={"estate": address})
    fill(address, a_table(days=10))
    monitored_by(room, SQL, MAPPING)
    counted(room)
    before = SqlPerformance(room.world.database).arrivals(MODEL, date.min, before=date.max)

    rows = "SELECT rowid FROM scores WHERE date(scored_at) = '2029-12-23' AND late = {} ORDER BY risk LIMIT 1"
    run(address, f"UPDATE scores SET late = 1 - late WHERE rowid IN (SELECT * FROM ({rows.format(0)}) UNION ALL "
                 f"SELECT * FROM ({rows.format(1)}))")  # fmt: skip
    counted(room)

    after = SqlPerformance(room.world.database).arrivals(MODEL, date.min, before=date.max)
    moved = [one.day for one, other in zip(before, after, strict=True) if one.cells.tolist() != other.cells.tolist()]
    assert len(moved) == 1
    room.world.database.dispose()


@pytest.mark.parametrize("values", [(1e308, -1e308, 1e-300), (3.5, -2.25, 1e12), (float("nan"), float("inf"), 0.0)])
@pytest.mark.parametrize("kind", ["parquet", "duckdb", "postgresql"])
def test_no_label_is_too_large_or_too_small_to_be_told_apart(
    tmp_path: Path, kind: str, values: tuple[float, ...], request: pytest.FixtureRequest
) -> None:
    address = f"{kind}:///{tmp_path / 'estate.db'}"
    if kind == "postgresql":
        address = request.getfixturevalue("postgres").replace("postgresql://", "postgresql+psycopg://")
    room = monitored(a_world(tmp_path), tmp_path, connections={"estate": address})
    at = [datetime(2030, 1, 1, 6, tzinfo=UTC)] * 3
    rows = pa.table({"at": at, "risk": list(values), "paid": list(values)})
    if kind == "parquet":
        source = parquet(tmp_path, rows, "amounts")
    else:
        columns = (sa.Column("at", sa.DateTime(timezone=True)), sa.Column("risk", sa.Double()))
        made = sa.Table("amounts", sa.MetaData(), *columns, sa.Column("paid", sa.Double()))
        engine = sa.create_engine(address)
        with engine.begin() as connection:
            made.drop(connection, checkfirst=True)
            made.create(connection)
            connection.execute(made.insert(), rows.to_pylist())
        engine.dispose()
        source = replace(SQL, table="amounts")

    mapping = ColumnMapping(timestamp="at", prediction="risk", label="paid")
    with room.estates.open(source) as table:
        [(_, n, *_)] = table.rows(marks(table, mapping))
    assert n == 3
    room.world.database.dispose()


def figures(room: Monitored) -> tuple[set[date], set[date], set[date]]:
    """Days with sketches, with labels, and with scores."""
    store, cubes = SqlMonitoring(room.world.database), SqlPerformance(room.world.database)
    return (
        {item.day for item in store.profiles(MODEL, FIRST, date.max, SCORE)},
        {item.day for item in store.labelled(MODEL, FIRST)},
        {item.day for item in cubes.scores(MODEL, FIRST, before=date.max)},
    )


def test_a_day_that_a_table_deleted_loses_its_figures(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'estate.db'}"
    room = monitored(a_world(tmp_path), tmp_path, connections={"estate": address})
    fill(address, a_table())
    monitored_by(room, SQL, MAPPING)
    counted(room)
    erased = FIRST + timedelta(days=33)

    run(address, f"DELETE FROM scores WHERE date(scored_at) = '{erased}'")
    counted(room)

    left = {FIRST + timedelta(days=number) for number in range(DAYS)} - {erased}
    assert figures(room) == (left, left, left)
    assert sum(confirmed(room)) == (DAYS - 4) * A_DAY
    room.world.database.dispose()


def test_a_table_that_keeps_its_rows_for_a_while_loses_neither_reference_nor_history(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'estate.db'}"
    room = monitored(a_world(tmp_path), tmp_path, connections={"estate": address})
    fill(address, a_table())
    monitored_by(room, SQL, MAPPING)
    counted(room)
    before = confirmed(room)
    reference = SqlMonitoring(room.world.database).reference(MODEL)

    for days in (5, 15, 30):
        run(address, f"DELETE FROM scores WHERE date(scored_at) < '{FIRST + timedelta(days=days)}'")
        run(address, f"UPDATE scores SET risk = risk / 2 WHERE date(scored_at) = '{FIRST + timedelta(days=38)}'")
        counted(room)

    whole = {FIRST + timedelta(days=number) for number in range(DAYS)}
    kept = SqlMonitoring(room.world.database).reference(MODEL)
    assert figures(room) == (whole, whole, whole)
    assert confirmed(room) == before
    assert reference is not None
    assert kept is not None
    assert kept.digest == reference.digest
    assert kept.rows == reference.rows == 20 * A_DAY
    SqlMonitoring(room.world.database).forget_before(FIRST + timedelta(days=25))
    facts = MappedFacts(
        DuckDbMonitoringFacts(Path("nowhere")), estates=room.estates,
        in_force=SqlMonitorsInForce(room.world.database), sketched=SqlMonitoring(room.world.database).seen,
    )  # fmt: skip
    assert {item.source for item in facts.partitions()} == {"predictions"}, "nobody asks for a window that is gone"
    room.world.database.dispose()


def run(address: str, sql: str) -> None:
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        connection.exec_driver_sql(sql)
    engine.dispose()


def test_another_delay_has_every_label_arrive_anew(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    source = parquet(tmp_path, rows)
    monitored_by(room, source, MAPPING, label_delay_hours=24.0)
    counted(room)
    monitored_by(room, source, MAPPING, label_delay_hours=120.0)
    counted(room)

    known = SqlPerformance(room.world.database).arrivals(MODEL, date.min, before=date.max)
    assert {item.day - date.fromordinal(int(item.days[0, 0])) for item in known} == {timedelta(days=5)}
    assert sum(int(item.days[:, 1].sum()) for item in known) == (DAYS - 3) * A_DAY


def test_an_import_without_labels_says_that_nothing_can_be_confirmed(
    tmp_path: Path, rows: pa.Table, room: Monitored
) -> None:
    monitored_by(room, parquet(tmp_path, rows), replace(MAPPING, label="", version=""))

    view = counted(room).decay(PerformanceQuery(model=MODEL))

    assert view.signal.state is Health.UNKNOWN
    assert "has no column of labels" in view.signal.sentence
    assert "Map one on the monitor" in view.assumption
    assert view.version == "unknown"
    assert not any(cohort.confirmed for cohort in view.cohorts)
    assert sum(cohort.predicted for cohort in view.cohorts) == DAYS * A_DAY


def test_a_preview_shows_aggregates_and_at_most_twenty_masked_rows(
    tmp_path: Path, rows: pa.Table, room: Monitored
) -> None:
    found = room.service.preview(MODEL, parquet(tmp_path, rows), MAPPING, actor=room.world.actor(DANA))
    assert (found.rows, found.days, len(found.samples), found.faults) == (rows.num_rows, DAYS, 20, ())
    shown = {name: {row[place] for row in found.samples} for place, name in enumerate(found.sampled)}
    summary = {item.name: item for item in found.columns}
    assert shown["member"] == {"hidden"}
    assert shown["remark"] == {"hidden"}, "text that nobody tagged and no version reads"
    assert all(value.endswith("0") and " up to " in value for value in shown["member_age"])
    assert (summary["member_age"].low, summary["member_age"].mask) == ("", "in bands of 10")
    assert summary["distance"].missing == pytest.approx(0.02)
    assert float(summary["risk"].high) <= 1.0
    assert found.first is not None
    assert found.first.astimezone(UTC).date() == FIRST


def test_an_import_keeps_what_does_not_depend_on_the_source(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    room.save(replace(room.default(), label_delay_hours=5.0, minimum_rows=300))
    found = room.service.propose_import(MODEL, parquet(tmp_path, rows), MAPPING, actor=room.world.actor(DANA))
    assert (found.label_delay_hours, found.minimum_rows) == (5.0, 300)
    assert (found.mapping, found.reference.start) == (MAPPING, FIRST)
    assert room.service.check(found) == ()


def test_a_preview_needs_the_right_to_save(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    source = parquet(tmp_path, rows)
    for question in (
        lambda who: room.service.preview(MODEL, source, MAPPING, actor=who),
        lambda who: room.service.columns(source, actor=who),
        lambda who: room.service.propose_import(MODEL, source, MAPPING, actor=who),
    ):
        with pytest.raises(RoleMissingError):
            question(room.world.actor(CLARA))


@pytest.mark.parametrize(
    "folder", ["..", "../keys", "flights/../../keys", "/etc", "/", "link", "", "gone", "~", "flights\x00"]
)
def test_nothing_outside_the_allowed_folders_is_read(
    tmp_path: Path, rows: pa.Table, room: Monitored, folder: str
) -> None:
    parquet(tmp_path, rows)
    (tmp_path / "imports" / "link").symlink_to(tmp_path / "keys")
    with pytest.raises(SourceRefusedError, match=r"not a folder|no Parquet file"):
        room.service.columns(Source(kind=SourceKind.PARQUET, folder=folder), actor=room.world.actor(DANA))


def test_a_linked_file_inside_an_allowed_folder_is_refused(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    secret = tmp_path / "secret.parquet"
    pq.write_table(rows.slice(0, 5), secret)
    folder = tmp_path / "imports" / "mixed"
    folder.mkdir()
    (folder / "a.parquet").symlink_to(secret)
    with pytest.raises(SourceRefusedError, match="lies outside"):
        room.service.columns(Source(kind=SourceKind.PARQUET, folder="mixed"), actor=room.world.actor(DANA))


def test_a_delta_log_that_names_files_elsewhere_is_refused(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    source = delta(tmp_path, rows)
    log = tmp_path / "imports" / "delta" / "_delta_log"
    newest = max(log.glob("*.json"))
    pq.write_table(rows.slice(0, 5), tmp_path / "secret.parquet")
    text = newest.read_text()
    lines = [line for line in text.splitlines() if '"add"' in line]
    path = json.loads(lines[0])["add"]["path"]
    newest.write_text(re.sub(re.escape(path), str(tmp_path / "secret.parquet"), text))
    with pytest.raises((SourceRefusedError, TelemetryUnavailableError)):
        room.service.columns(source, actor=room.world.actor(DANA))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"delta.enableDeletionVectors": "true"}, "deletion vectors"),
        ({"delta.columnMapping.mode": "name"}, "column mapping"),
    ],
)
def test_delta_tables_that_files_alone_do_not_tell_are_refused(
    tmp_path: Path, rows: pa.Table, room: Monitored, settings: dict[str, str], says: str
) -> None:
    source = delta(tmp_path, rows)
    log = tmp_path / "imports" / "delta" / "_delta_log"
    for file in sorted(log.glob("*.json")):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        for line in lines:
            if "metaData" in line:
                line["metaData"]["configuration"] = settings
        file.write_text("\n".join(json.dumps(line) for line in lines))
    with pytest.raises(SourceRefusedError, match=says):
        room.service.columns(source, actor=room.world.actor(DANA))


def test_a_delta_table_is_not_read_as_a_folder_of_files(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    delta(tmp_path, rows)
    with pytest.raises(SourceRefusedError, match="is a Delta table"):
        room.service.columns(Source(kind=SourceKind.PARQUET, folder="delta"), actor=room.world.actor(DANA))


def look(room: Monitored, source: Source, mapping: ColumnMapping = MAPPING) -> list[tuple[str, str]]:
    found = room.service.preview(MODEL, source, mapping, actor=room.world.actor(DANA))
    return [(item.field, item.sentence) for item in found.faults]


def test_a_source_without_rows_says_so(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    [(field, sentence)] = look(room, parquet(tmp_path, rows.slice(0, 0)))
    assert field == "source"
    assert "There are no rows" in sentence


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ("", "No time column is named."),
        ("dep_delay", "`dep_delay` holds numbers."),
        ("gone", "`gone` is not a column of the source."),
        ("never", "No row has a time in `never`."),
        ("unwritten", "`unwritten` is text, and not every value is a time."),
    ],
)
def test_a_preview_says_what_the_check_of_the_monitor_would_say_about_time(
    tmp_path: Path, rows: pa.Table, room: Monitored, column: str, says: str
) -> None:
    empty = [None] * rows.num_rows
    table = rows.append_column("never", pa.array(empty, pa.timestamp("us", tz="UTC")))
    source = parquet(tmp_path, table.append_column("unwritten", pa.array(empty, pa.string())))
    mapping = replace(MAPPING, timestamp=column)

    faults = look(room, source, mapping)

    assert [(field, sentence.startswith(says)) for field, sentence in faults] == [("timestamp", True)]
    asked = replace(room.service.propose_import(MODEL, source, MAPPING, actor=room.world.actor(DANA)), mapping=mapping)
    with contextlib.suppress(InputError):
        assert room.service.check(asked), "what the preview refuses, the check refuses too"


def test_files_with_and_without_a_zone_do_not_mix(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    folder = tmp_path / "imports" / "zones"
    folder.mkdir()
    pq.write_table(rows.slice(0, 100), folder / "a.parquet")
    pq.write_table(a_table(days=1, zone=None), folder / "b.parquet")
    faults = look(room, Source(kind=SourceKind.PARQUET, folder="zones"))
    assert [field for field, _ in faults] == ["timestamp"]
    assert "with a zone and times without one" in faults[0][1]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["2030-01-01T06:00:00Z", "2030-01-02T06:00:00"], "with a zone and times without one"),
        (["yesterday", "2030-01-02T06:00:00"], "not every value is a time"),
    ],
)
def test_times_written_as_text_are_all_times_of_one_kind(
    tmp_path: Path, rows: pa.Table, room: Monitored, values: list[str], says: str
) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'estate.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE scores (scored_at TEXT, risk REAL)")
        for value in values:
            connection.exec_driver_sql("INSERT INTO scores VALUES (?, 0.5)", (value,))
    engine.dispose()
    faults = look(room, SQL, ColumnMapping(timestamp="scored_at", prediction="risk"))
    assert says in faults[0][1]


SILENT_TEXT = ("2030-01-01", "2030-01-01 06:00", "2030-01-02T06:00:00", "2030-01-02 06:00:00.125")
ZONED_TEXT = {
    "parquet": ("Z", "+01", "-0500", "+05:30", " UTC", " Europe/Berlin", " EST"),
    "sqlite": ("Z", "+05:30", "-05:00"),
    "postgresql": ("Z", "+01", "-0500", "+05:30", " UTC", " Europe/Berlin", " EST"),
}
"""What each engine reads, with the zone as it may be written."""


@pytest.mark.parametrize("kind", ZONED_TEXT)
def test_a_zone_in_a_text_is_known_however_it_is_written(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    address = f"sqlite:///{tmp_path / 'estate.db'}"
    if kind == "postgresql":
        address = request.getfixturevalue("postgres").replace("postgresql://", "postgresql+psycopg://")
    room = monitored(a_world(tmp_path), tmp_path, connections={"estate": address})
    mapping = ColumnMapping(timestamp="at", prediction="risk")

    def seen(name: str, values: list[str]) -> tuple[list[str], list[str]]:
        source = written_times(tmp_path, address, name, values, files=kind == "parquet")
        found = room.service.preview(MODEL, source, mapping, actor=room.world.actor(DANA))
        return [item.what for item in found.faults], [item.what for item in found.notes]

    for place, zone in enumerate(ZONED_TEXT[kind]):
        zoned = [f"2030-01-01 06:00:00{zone}", f"2030-01-02 06:00:00.5{zone}"]
        assert seen(f"zoned{place}", zoned) == ([], []), f"all rows say{zone}"
        faults, _ = seen(f"mixed{place}", [*zoned, SILENT_TEXT[place % 4]])
        assert ["times without one" in item for item in faults] == [True], f"{zone} beside {SILENT_TEXT[place % 4]}"
    assert seen("silent", list(SILENT_TEXT)) == ([], ["The times in `at` name no zone."])
    room.world.database.dispose()


def written_times(folder: Path, address: str, name: str, values: list[str], *, files: bool) -> Source:
    if files:
        return parquet(folder, pa.table({"at": values, "risk": [0.5] * len(values)}), name)
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {name} (at TEXT, risk DOUBLE PRECISION)")
        connection.execute(sa.text(f"INSERT INTO {name} VALUES (:at, 0.5)"), [{"at": value} for value in values])
    engine.dispose()
    return Source(kind=SourceKind.SQL, connection="estate", table=name)


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgresql"])
def test_times_without_a_zone_are_noted_and_those_with_one_are_not(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    address = f"{kind}:///{tmp_path / 'estate.db'}"
    if kind == "postgresql":
        address = request.getfixturevalue("postgres").replace("postgresql://", "postgresql+psycopg://")
    room = monitored(a_world(tmp_path), tmp_path, connections={"estate": address})
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        kinds = ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP") if kind != "sqlite" else ("TEXT", "DATETIME")
        connection.exec_driver_sql(f"CREATE TABLE placed (placed {kinds[0]}, local {kinds[1]}, risk DOUBLE PRECISION)")
        connection.exec_driver_sql("INSERT INTO placed VALUES ('2030-01-01 06:00:00+00:00', '2030-01-01 06:00:00', 1)")
    engine.dispose()
    source = Source(kind=SourceKind.SQL, connection="estate", table="placed")

    for column, notes in (("placed", []), ("local", ["The times in `local` name no zone."])):
        mapping = ColumnMapping(timestamp=column, prediction="risk")
        found = room.service.preview(MODEL, source, mapping, actor=room.world.actor(DANA))
        assert ([item.what for item in found.faults], [item.what for item in found.notes]) == ([], notes)
    room.world.database.dispose()


def test_what_an_engine_would_read_as_some_time_is_not_written_as_one(tmp_path: Path, room: Monitored) -> None:
    """SQLite takes `now`, a lone clock and a number of days for times; nobody meant the same by them."""
    for place, value in enumerate(("now", "06:00", "2460000.5")):
        source = written_times(
            tmp_path, f"sqlite:///{tmp_path / 'estate.db'}", f"odd{place}", ["2030-01-01", value], files=False
        )
        faults = look(room, source, ColumnMapping(timestamp="at", prediction="risk"))
        assert "not every value is a time" in faults[0][1]


def test_text_that_is_no_time_is_said_for_files_too(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    source = parquet(tmp_path, rows)
    faults = look(room, source, replace(MAPPING, timestamp="carrier"))
    assert [field for field, _ in faults] == ["timestamp"]


def test_an_unreadable_file_is_away_and_not_empty(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    source = parquet(tmp_path, rows)
    (tmp_path / "imports" / "flights" / "a.parquet").write_bytes(b"half a file")
    with pytest.raises(TelemetryUnavailableError, match="not possible to read Parquet folder flights"):
        room.service.columns(source, actor=room.world.actor(DANA))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Source(kind=SourceKind.SQL, connection="postgresql://u:p@host/db", table="t"), "no connection named"),
        (Source(kind=SourceKind.SQL, connection="estate", table="nothing"), "address of connection estate"),
    ],
)
def test_connections_are_names_of_the_settings(room: Monitored, source: Source, says: str) -> None:
    with pytest.raises(SourceRefusedError, match=says):
        room.service.columns(source, actor=room.world.actor(DANA))


def test_a_table_that_is_not_there_is_named(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    fill(f"sqlite:///{tmp_path / 'estate.db'}", rows.slice(0, 2))
    with pytest.raises(SourceRefusedError, match="There is no table nothing of connection estate"):
        room.service.columns(replace(SQL, table="nothing"), actor=room.world.actor(DANA))


def test_a_table_is_only_ever_read(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    fill(f"sqlite:///{tmp_path / 'estate.db'}", rows.slice(0, 2))
    with room.estates.open(SQL) as table, pytest.raises(TelemetryUnavailableError):
        table.rows(sa.text("DELETE FROM scores"))


def test_a_source_that_went_away_is_recorded_and_the_others_are_still_read(
    tmp_path: Path, rows: pa.Table, room: Monitored
) -> None:
    service = sketched(room, parquet(tmp_path, rows))
    (tmp_path / "imports" / "flights").rename(tmp_path / "moved")
    with pytest.raises(TelemetryUnavailableError, match="flights"):
        service.refresh()
    assert SqlMonitoring(room.world.database).last_day(MODEL) is not None, "what was known stays"


def test_pointing_a_monitor_elsewhere_forgets_what_the_old_source_said(
    tmp_path: Path, rows: pa.Table, room: Monitored
) -> None:
    sketched(room, parquet(tmp_path, rows))
    store = SqlMonitoring(room.world.database)
    assert store.labelled(MODEL, FIRST)
    room.save(room.default())
    assert store.labelled(MODEL, FIRST) == ()
    assert store.last_day(MODEL) is None


def test_usual_names_are_recognised_and_nothing_is_guessed_by_position(
    tmp_path: Path, rows: pa.Table, room: Monitored
) -> None:
    columns = room.service.columns(parquet(tmp_path, rows), actor=room.world.actor(DANA))
    found = suggested(columns)
    assert (found.timestamp, found.prediction, found.label) == ("scored_at", "", "")


class AWarehouse:
    """A DBAPI connection of Databricks that has one table, whatever it is called, and notes what is asked."""

    def __init__(self) -> None:
        self.connected: list[Any] = []
        self.looked_up: list[tuple[Any, ...]] = []
        self.asked: list[str] = []
        self.description = [("n", "bigint", None, None, None, None, None)]

    def connect(self, **given: Any) -> AWarehouse:
        self.connected.append(given.get("catalog"))
        return self

    def cursor(self, *_: Any, **__: Any) -> AWarehouse:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def close(self) -> None: ...

    def rollback(self) -> None: ...

    def commit(self) -> None: ...

    def execute(self, sql: str, *_: Any, **__: Any) -> None:
        self.asked.append(sql)

    def columns(self, *, catalog_name: Any, schema_name: Any, table_name: Any) -> Any:
        self.looked_up.append((catalog_name, schema_name, table_name))
        kinds = {"scored_at": "TIMESTAMP", "local_at": "TIMESTAMP_NTZ", "risk": "DOUBLE", "tiny": "TINYINT"}
        rows = [
            SimpleNamespace(COLUMN_NAME=name, TYPE_NAME=kind, NULLABLE=1, COLUMN_DEF=None, REMARKS="")
            for name, kind in kinds.items()
        ]
        return SimpleNamespace(fetchall=lambda: rows)

    def fetchall(self) -> list[tuple[int]]:
        return [(1,)]


@pytest.mark.parametrize(
    ("table", "place", "text"),
    [
        ("main.claims.scored", ("main", "claims", "scored"), "FROM main.claims.scored"),
        ("my-lake.claims.scored", ("my-lake", "claims", "scored"), "FROM `my-lake`.claims.scored"),
        ("claims.scored", ("hive", "claims", "scored"), "FROM claims.scored"),
        ("scored", ("hive", "default", "scored"), "FROM scored"),
    ],
)
def test_a_table_of_databricks_is_found_by_one_to_three_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, place: tuple[str, ...], text: str
) -> None:
    warehouse = AWarehouse()
    monkeypatch.setattr("databricks.sql.connect", warehouse.connect)
    address = "databricks://token:secret@example.org:443?http_path=/sql/1&catalog=hive&schema=default"
    room = monitored(a_world(tmp_path), tmp_path, connections={"estate": address})

    with room.estates.open(replace(SQL, table=table)) as opened:
        opened.rows(sa.select(sa.func.count()).select_from(opened.table))

    kinds = {item.name: item.kind for item in opened.columns.values()}
    assert warehouse.looked_up == [place]
    assert set(warehouse.connected) == {place[0]}
    assert warehouse.asked[-1].replace("\n", "").endswith(text)
    assert kinds == {
        "scored_at": ColumnKind.TIME, "local_at": ColumnKind.TIME, "risk": ColumnKind.NUMBER, "tiny": ColumnKind.NUMBER
    }  # fmt: skip
    assert [item.type.endswith("TIME ZONE") for item in opened.columns.values()] == [True, False, False, False]
    room.world.database.dispose()


def test_databricks_is_asked_with_nothing_left_to_bind() -> None:
    asked: list[str] = []

    class Answer:
        def all(self) -> list[tuple[int]]:
            return [(1,)]

    class Connection:
        dialect = SimpleNamespace(name="databricks")

        def exec_driver_sql(self, sql: str) -> Answer:
            asked.append(sql)
            return Answer()

    table = OpenTable(
        connection=Connection(),
        table=sa.table("t", sa.column("origin")),
        columns={},
        files=(),
        words="t",  # type: ignore[arg-type]
    )
    values = [f"value {number}, 100 %, it's" for number in range(300)]

    assert table.rows(sa.select(sa.func.count()).where(sa.column("origin").in_(values))) == [(1,)]
    assert "value 299, 100 %, it\\'s" in asked[0]
    assert ":" not in asked[0]
