"""Columns of imports that appear, go, are renamed or change their type are facts with a date, and stop nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from deltalake import write_deltalake

from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.monitors import SqlMonitorsInForce
from services.adapters.warehouse.mapped import MappedFacts
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.kernel.errors import TelemetryUnavailableError
from services.monitoring.monitors import Source
from services.monitoring.recorded_schema import SchemaChange, SchemaWord
from services.monitoring.service import MonitoringService
from tests.builders import MODEL, a_world
from tests.unit.monitoring.monitored import DANA, Monitored, monitored
from tests.unit.monitoring.test_sources import A_DAY, DAYS, FIRST, MAPPING, SQL, a_table, delta, fill, parquet

LAST = FIRST + timedelta(days=DAYS - 1)
NEXT = LAST + timedelta(days=1)


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return a_table(moved_from=DAYS)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Monitored]:
    made = monitored(a_world(tmp_path), tmp_path, connections={"estate": f"sqlite:///{tmp_path / 'estate.db'}"})
    yield made
    made.world.database.dispose()


def on_day(rows: pa.Table, day: date) -> pa.Table:
    """The rows of one day, moved to another one."""
    at = datetime(day.year, day.month, day.day, 6)
    first = rows.slice(0, A_DAY)
    times = pa.array([at + timedelta(seconds=n) for n in range(A_DAY)], pa.timestamp("us", tz="UTC"))
    return first.set_column(first.schema.get_field_index("scored_at"), "scored_at", times)


def renamed(table: pa.Table, old: str, new: str) -> pa.Table:
    return table.rename_columns([new if name == old else name for name in table.column_names])


def watched(room: Monitored, source: Source) -> MonitoringService:
    """Imported and read as the worker does, wired as the container does."""
    world = room.world
    room.save(room.service.propose_import(MODEL, source, MAPPING, actor=world.actor(DANA)))
    facts = MappedFacts(
        DuckDbMonitoringFacts(Path("nowhere")), estates=room.estates, in_force=SqlMonitorsInForce(world.database)
    )
    service = MonitoringService(
        facts=facts, store=SqlMonitoring(world.database), catalog=world.inventory, clock=world.clock, columns=facts
    )
    assert service.refresh() == DAYS
    assert noted(room) == []
    return service


def noted(room: Monitored) -> list[SchemaChange]:
    return list(SqlMonitoring(room.world.database).schema_changes(MODEL, FIRST))


def told(room: Monitored) -> list[tuple[date, str, SchemaWord, str, str]]:
    return [(item.day, item.column, item.change, item.before, item.after) for item in noted(room)]


def test_a_renamed_column_of_a_parquet_folder_is_told_with_its_day(
    tmp_path: Path, rows: pa.Table, room: Monitored
) -> None:
    service = watched(room, parquet(tmp_path, rows))
    pq.write_table(
        renamed(on_day(rows, NEXT), "distance", "distance_miles"), tmp_path / "imports" / "flights" / "c.parquet"
    )

    assert service.refresh() == 1
    assert told(room) == [(NEXT, "distance_miles", SchemaWord.RENAMED, "distance", "distance_miles")]
    [first, *_] = service.changes(MODEL)
    assert (first.kind, first.subject, first.since) == ("schema", "distance_miles", NEXT)
    assert "looks renamed" in first.sentence


def test_a_change_of_type_in_new_files_is_told_and_a_late_file_is_not(
    tmp_path: Path, rows: pa.Table, room: Monitored
) -> None:
    """Whole numbers and decimals are one kind; text is another. A late file with the old columns changes nothing."""
    service = watched(room, parquet(tmp_path, rows))
    folder, day = tmp_path / "imports" / "flights", on_day(rows, NEXT)
    place = day.schema.get_field_index("dep_delay")
    floats = day.set_column(place, "dep_delay", day["dep_delay"].cast(pa.float64()))
    pq.write_table(floats, folder / "c.parquet")
    pq.write_table(on_day(rows, LAST - timedelta(days=3)).slice(0, 20), folder / "d.parquet")
    assert service.refresh() == 2
    assert told(room) == []

    place = day.schema.get_field_index("carrier")
    after = on_day(rows, NEXT + timedelta(days=1))
    pq.write_table(after.set_column(place, "carrier", pa.array(range(A_DAY))), folder / "e.parquet")
    assert service.refresh() == 1
    assert told(room) == [(NEXT + timedelta(days=1), "carrier", SchemaWord.RETYPED, "text", "number")]


def test_lists_and_structures_are_one_column_each(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    service = watched(room, parquet(tmp_path, rows))
    nested = pa.array([{"a": [1, 2], "b": {"c": "x"}}] * A_DAY)
    pq.write_table(
        on_day(rows, NEXT).append_column("parts", nested).append_column("after", pa.array(range(A_DAY))),
        tmp_path / "imports" / "flights" / "c.parquet",
    )

    assert service.refresh() == 1
    assert told(room) == [
        (NEXT, "after", SchemaWord.ADDED, "", "number"),
        (NEXT, "parts", SchemaWord.ADDED, "", "other"),
    ]


def test_an_added_column_of_a_delta_table_is_told_with_its_day(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    service = watched(room, delta(tmp_path, rows))
    more = on_day(rows, NEXT).append_column("channel", pa.array(["web"] * A_DAY))
    write_deltalake(str(tmp_path / "imports" / "delta"), more, mode="append", schema_mode="merge")

    assert service.refresh() == 1
    assert told(room) == [(NEXT, "channel", SchemaWord.ADDED, "", "text")]


def asked(tmp_path: Path, *statements: str) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'estate.db'}")
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def one_more_day(*, distance: str = "distance", risk: str = "risk") -> str:
    columns = f"scored_at, {risk}, late, build, member, {distance}, dep_delay, carrier, member_age, remark"
    return (
        f"INSERT INTO scores ({columns}) SELECT '{NEXT} 06:00:00', {risk}, late, build, member, {distance}, dep_delay,"
        f" carrier, member_age, remark FROM scores WHERE date(scored_at) = '{LAST}'"
    )


@pytest.mark.parametrize(
    ("change", "distance", "expected"),
    [
        ("ADD COLUMN channel TEXT", "distance", ("channel", SchemaWord.ADDED, "", "text")),
        ("RENAME COLUMN distance TO miles", "miles", ("miles", SchemaWord.RENAMED, "distance", "miles")),
        ("DROP COLUMN remark", "distance", ("remark", SchemaWord.REMOVED, "text", "")),
    ],
)
def test_a_changed_sql_table_is_told_on_the_first_new_day(
    tmp_path: Path, rows: pa.Table, room: Monitored, change: str, distance: str, expected: tuple[Any, ...]
) -> None:
    fill(f"sqlite:///{tmp_path / 'estate.db'}", rows)
    service = watched(room, SQL)
    insert = one_more_day(distance=distance)
    if "remark" in change:
        insert = insert.replace(", remark", "")
    asked(tmp_path, f"ALTER TABLE scores {change}", insert)

    assert service.refresh() == 1
    assert told(room) == [(NEXT, *expected)]


def test_late_rows_of_an_old_day_do_not_bring_a_change_to_that_day(
    tmp_path: Path, rows: pa.Table, room: Monitored
) -> None:
    """The table has its columns as a whole: what is read again of a day that is over has those of today."""
    fill(f"sqlite:///{tmp_path / 'estate.db'}", rows)
    service, late = watched(room, SQL), str(LAST - timedelta(days=3))
    asked(tmp_path, "ALTER TABLE scores ADD COLUMN channel TEXT", one_more_day().replace(str(NEXT), late))
    assert service.refresh() == 1
    assert told(room) == []

    asked(tmp_path, one_more_day())
    assert service.refresh() == 1
    assert told(room) == [(NEXT, "channel", SchemaWord.ADDED, "", "text")]


def test_a_change_is_not_lost_when_every_day_is_read_again(tmp_path: Path, rows: pa.Table, room: Monitored) -> None:
    """Rows of the reference window that come late make a new reference, and all days are compared with it anew."""
    fill(f"sqlite:///{tmp_path / 'estate.db'}", rows)
    service = watched(room, SQL)
    asked(tmp_path, "ALTER TABLE scores ADD COLUMN channel TEXT", one_more_day().replace(str(NEXT), str(FIRST)))

    assert service.refresh() == DAYS
    assert told(room) == [(LAST, "channel", SchemaWord.ADDED, "", "text")]


def test_a_column_of_the_mapping_that_is_gone_is_said_and_stops_no_other(
    tmp_path: Path, rows: pa.Table, room: Monitored
) -> None:
    fill(f"sqlite:///{tmp_path / 'estate.db'}", rows)
    service = watched(room, SQL)
    asked(tmp_path, "ALTER TABLE scores RENAME COLUMN risk TO probability")

    with pytest.raises(TelemetryUnavailableError, match=r"no column 'risk' any more.*probability.*monitor"):
        service.refresh()
    assert SqlMonitoring(room.world.database).last_day(MODEL) == LAST, "what was known stays"


def test_a_monitor_that_is_pointed_elsewhere_has_no_change_to_tell(
    tmp_path: Path, rows: pa.Table, room: Monitored
) -> None:
    """Another source has other columns, and that is nobody's change."""
    service = watched(room, parquet(tmp_path, rows))
    other = parquet(tmp_path, renamed(rows, "remark", "note"), "elsewhere")
    room.save(room.service.propose_import(MODEL, other, MAPPING, actor=room.world.actor(DANA)))

    assert service.refresh() == DAYS
    assert told(room) == []


def test_recorded_models_are_noted_as_before(tmp_path: Path, room: Monitored) -> None:
    folder = tmp_path / "inference"
    for day, table in (("2031-03-01", {"a": [1.0]}), ("2031-03-02", {"b": [1.0]})):
        place = folder / "predictions" / "model=m" / f"date={day}"
        place.mkdir(parents=True)
        pq.write_table(pa.table(table), place / "part-0.parquet")
    facts = MappedFacts(
        DuckDbMonitoringFacts(folder), estates=room.estates, in_force=SqlMonitorsInForce(room.world.database)
    )

    assert facts.columns_by_day("m", (date(2031, 3, 1), date(2031, 3, 2))) == (
        (date(2031, 3, 1), {"a": "number"}),
        (date(2031, 3, 2), {"b": "number"}),
    )
