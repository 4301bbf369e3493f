"""A feature table in a SQL warehouse is judged like one in files: the same rows in DuckDB and in a real Spark."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from services.adapters.sql.lineage import SqlLineage
from services.adapters.warehouse.catalog_tables import CatalogTableFacts, CatalogTableRows
from services.adapters.warehouse.routed import RoutedTableFacts, RoutedTableRows
from services.adapters.warehouse.sql_warehouse import SqlWarehouse
from services.adapters.warehouse.table_checks import DuckDbTableFacts
from services.adapters.warehouse.table_rows import DuckDbTableRows
from services.data_health.models import HealthDay, RuleKind
from services.data_health.service import KEEP_DAYS
from services.doctor.feature_tables import feature_tables
from services.doctor.models import State
from services.inventory import tables as declared
from services.inventory.handling import DataHandling
from services.inventory.tables import ASKED_EVERY, FeatureTable, QualityRule
from services.kernel.clock import FrozenClock
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Health
from services.settings import Settings
from tests.contract.spark_warehouse import SparkConnection, a_spark
from tests.unit.data_health.world import RULES, TABLE, World, quiet_weeks, rows
from tests.unit.monitoring.facts_on_disk import NOON, TODAY, write

YESTERDAY = TODAY - timedelta(days=1)
NAME = "spark_catalog.features.claims"
IN_CATALOG = replace(TABLE, recorded="", table=NAME, time="event_at")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    if shutil.which("java") is None and not os.environ.get("COUNTERSIGN_TEST_NO_SKIP"):
        pytest.skip("Spark needs a Java runtime")
    with a_spark() as session:
        session.sql("CREATE DATABASE IF NOT EXISTS features")
        yield session


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quiet_weeks(tmp_path_factory.mktemp("weeks"))


class Both:
    """One table twice: as files of recorded predictions, and as a table of a catalog. Rules are derived already."""

    def __init__(self, spark: Any, weeks: Path, place: Path) -> None:
        self.spark, self.place = spark, place
        shutil.copytree(weeks, place / "inference")
        (place / "files").mkdir()
        (place / "catalog").mkdir()
        self.fill()
        self.asked = SparkConnection(spark)
        self.warehouse = SqlWarehouse(lambda: self.asked)
        self.files = World(place / "inference", place / "files")
        self.catalog = self.world(NOON, IN_CATALOG, place / "catalog")
        for world in (self.files, self.catalog):
            world.service.refresh()

    def world(self, now: datetime, table: FeatureTable, home: Path) -> World:
        return World(self.place / "inference", home, now=now, table=table, read=self.reader(now))

    def reader(self, now: datetime) -> CatalogTableRows:
        return CatalogTableRows(self.warehouse, now=lambda: now, since=lambda: now.date() - timedelta(days=KEEP_DAYS))

    def fill(self, columns: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame) -> None:
        """Writes what the files hold as the table of the catalog."""
        found = sorted((self.place / "inference" / "predictions").rglob("*.parquet"))
        frame = columns(pd.concat([pd.read_parquet(file) for file in found], ignore_index=True))
        kept = self.place / f"{len(list(self.place.iterdir()))}.parquet"
        frame.to_parquet(kept, coerce_timestamps="us", allow_truncated_timestamps=True)
        self.spark.sql(f"DROP TABLE IF EXISTS {NAME}")
        self.spark.read.parquet(str(kept)).write.saveAsTable(NAME)

    def yesterday(self, frame: pd.DataFrame) -> None:
        for file in (self.place / "inference" / "predictions" / "model=m" / f"date={YESTERDAY}").glob("*"):
            file.unlink()
        write(self.place / "inference", "predictions", "m", YESTERDAY, frame)

    def judged(self, *, hours: int = 1) -> dict[str, list[HealthDay]]:
        """What both say a while later."""
        later = NOON + timedelta(hours=hours)
        self.files.at(later).refresh()
        self.catalog.read = self.reader(later)
        self.catalog.at(later).refresh()
        return {
            name: list(world.service.days(world.table.name, back=200))
            for name, world in (("files", self.files), ("catalog", self.catalog))
        }


@pytest.fixture
def both(spark: Any, weeks: Path, tmp_path: Path) -> Both:
    return Both(spark, weeks, tmp_path)


def said(days: list[HealthDay]) -> list[Any]:
    """Everything but the names of types, which engines have of their own."""
    return [
        (day.day, day.rows, [(r.kind, r.state, r.n, r.value, re.sub(r" \(\w+\)", "", r.sentence)) for r in day.results])
        for day in days
    ]


def test_a_quiet_table_of_the_catalog_keeps_every_rule(both: Both) -> None:
    [table] = both.catalog.service.tables()

    assert {item.result.kind: item.result.state for item in table.standings} == dict.fromkeys(RuleKind, Health.HEALTHY)
    assert table.last_day == YESTERDAY
    assert both.catalog.service.rules(IN_CATALOG.name) is not None


HALF_EMPTY = rows(YESTERDAY)
HALF_EMPTY.loc[::2, "age"] = None
OUTSIDE = rows(YESTERDAY)
OUTSIDE.loc[3:5, "age"] = [float("inf"), 99.0, float("nan")]
REPEATED = pd.concat([rows(YESTERDAY), rows(YESTERDAY).head(3)], ignore_index=True)
NOT_YET = rows(YESTERDAY)
NOT_YET.loc[0, "region"] = None


@pytest.mark.parametrize(
    ("frame", "kind", "state"),
    [
        (rows(YESTERDAY, 20), RuleKind.VOLUME, Health.BREACH),
        (HALF_EMPTY, RuleKind.NULLS, Health.BREACH),
        (NOT_YET, RuleKind.NULLS, Health.WATCH),
        (OUTSIDE, RuleKind.RANGE, Health.BREACH),
        (REPEATED, RuleKind.UNIQUE, Health.BREACH),
    ],
)
def test_a_broken_day_is_judged_the_same_on_both(
    both: Both, frame: pd.DataFrame, kind: RuleKind, state: Health
) -> None:
    both.yesterday(frame)
    both.fill()
    found = both.judged()

    assert said(found["catalog"]) == said(found["files"])
    last = next(day for day in found["catalog"] if day.day == YESTERDAY).result(kind)
    assert last is not None
    assert last.state is state


def test_a_table_without_new_rows_grows_stale_on_both(both: Both) -> None:
    found = both.judged(hours=72)

    assert said(found["catalog"]) == said(found["files"])
    last = found["catalog"][-1].result(RuleKind.FRESHNESS)
    assert last is not None
    assert last.state is Health.BREACH


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        (lambda f: f.rename(columns={"region": "area"}), Health.BREACH, "region is gone and area is new"),
        (lambda f: f.assign(age=f["age"].map("{:g} years".format)), Health.BREACH, "age is text"),
        (lambda f: f.assign(agent="x"), Health.WATCH, "agent is new"),
    ],
)
def test_a_change_of_columns_is_judged_the_same_on_both(
    both: Both, change: Callable[[pd.DataFrame], pd.DataFrame], state: Health, words: str
) -> None:
    """The table was written anew as a whole, so it is read as a whole; the files changed yesterday."""
    both.fill(change)
    both.yesterday(change(rows(YESTERDAY)))
    found = both.judged()

    assert said(found["catalog"])[-2:] == said(found["files"])[-2:]
    last = next(day for day in found["catalog"] if day.day == YESTERDAY).result(RuleKind.SCHEMA)
    assert last is not None
    assert (last.state, words in last.sentence) == (state, True)


def test_a_column_that_is_added_to_a_table_is_told_on_its_newest_day(both: Both) -> None:
    """A table of a catalog has one set of columns; days whose rows nobody wrote again stay as they were judged."""
    both.spark.sql(f"ALTER TABLE {NAME} ADD COLUMNS (agent STRING)")
    days = both.judged()["catalog"]
    schema = {day.day: result for day in days if (result := day.result(RuleKind.SCHEMA))}

    assert schema[YESTERDAY].state is Health.WATCH
    assert schema[YESTERDAY].sentence == "agent is new."
    assert schema[YESTERDAY - timedelta(days=1)].state is Health.HEALTHY


def test_only_days_that_changed_are_read_again(both: Both) -> None:
    both.judged()
    both.asked.asked.clear()
    both.judged(hours=2)

    assert not [sql for sql in both.asked.asked if "GROUP BY" in sql and "__day" in sql]


def test_a_warehouse_is_not_asked_more_often_than_every_quarter_of_an_hour(both: Both) -> None:
    both.asked.asked.clear()
    both.catalog.at(NOON + ASKED_EVERY - timedelta(seconds=1)).refresh()
    assert both.asked.asked == []

    both.catalog.at(NOON + ASKED_EVERY).refresh()
    assert both.asked.asked


def test_rows_of_no_day_are_told_on_the_newest_one(both: Both) -> None:
    """Times that are missing or lie ahead say nothing about age, and are no reason for a day that is not yet."""

    def odd(frame: pd.DataFrame) -> pd.DataFrame:
        extra = rows(YESTERDAY, 3).assign(event_at=pd.to_datetime([None, *[NOON + timedelta(days=40)] * 2], utc=True))
        return pd.concat([frame, extra.astype({"event_at": frame["event_at"].dtype})])

    both.fill(odd)
    days = both.judged()["catalog"]

    assert max(day.day for day in days) == TODAY
    last = next(day for day in days if day.day == YESTERDAY).result(RuleKind.FRESHNESS)
    assert last is not None
    assert last.state is Health.WATCH
    assert last.sentence.startswith("2 rows carry a time in the future and 1 rows carry no time")


@pytest.mark.parametrize("kept", ["text", "date", "silent"])
def test_times_are_read_however_they_are_kept(both: Both, kept: str) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        at = frame["event_at"]
        return frame.assign(
            event_at=at.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
            if kept == "text"
            else at.dt.date
            if kept == "date"
            else at.dt.tz_localize(None)
        )

    both.fill(change)
    days = {part.day for part in both.reader(NOON).partitions(IN_CATALOG)}
    [last] = both.reader(NOON).profile(IN_CATALOG, (YESTERDAY,), both.catalog.service.rules(IN_CATALOG.name), now=NOON)

    assert days == {YESTERDAY - timedelta(days=n) for n in range(42)}
    assert (last.rows, last.undated, last.future, last.repeated) == (60, 0, 0, 0)
    assert last.newest is not None
    assert last.newest.date() == YESTERDAY


def test_a_table_without_a_column_of_times_is_looked_at_as_a_whole(both: Both) -> None:
    whole, home = replace(IN_CATALOG, time=""), both.place / "whole"
    home.mkdir()
    world = both.world(NOON, whole, home)
    world.service.refresh()
    [day] = world.service.days(whole.name, back=200)

    assert (day.day, day.rows) == (TODAY, 42 * 60)
    assert {result.kind for result in day.results} == {
        RuleKind.SCHEMA, RuleKind.NULLS, RuleKind.RANGE, RuleKind.UNIQUE,
    }  # fmt: skip
    assert day.state is Health.HEALTHY


@pytest.mark.parametrize(
    ("change", "what", "next_step"),
    [
        ({"table": "spark_catalog.features.nowhere"}, "nowhere", "SELECT"),
        ({"time": "when_made"}, "has no column when_made", "catalog file"),
        ({"time": "age"}, "age of spark_catalog.features.claims is number", "catalog file"),
    ],
)
def test_a_table_that_cannot_be_read_could_not_be_checked(
    both: Both, change: dict[str, str], what: str, next_step: str
) -> None:
    """Also where every rule was kept until then."""
    both.catalog.table = replace(IN_CATALOG, **change)  # type: ignore[arg-type]
    service = both.catalog.at(NOON + timedelta(hours=1))
    with pytest.raises(TelemetryUnavailableError):
        service.refresh()
    [table] = service.tables()

    assert table.state is Health.UNKNOWN
    assert what in table.problem
    assert next_step in table.problem
    assert service.signal("m").state is Health.UNKNOWN


def test_without_a_warehouse_the_table_says_that_nobody_can_ask(tmp_path: Path) -> None:
    read = CatalogTableRows(None, now=lambda: NOON, since=lambda: date(2031, 1, 1))
    world = World(tmp_path, tmp_path, table=IN_CATALOG, read=RoutedTableRows(DuckDbTableRows(tmp_path), read))
    with pytest.raises(TelemetryUnavailableError):
        world.service.refresh()
    [table] = world.service.tables()

    assert table.state is Health.UNKNOWN
    assert "COUNTERSIGN_DATABRICKS_WAREHOUSE" in table.problem


MEASURED = (
    *RULES,
    QualityRule(id="fresh", kind=declared.RuleKind.FRESHNESS, columns=("event_at",), limit=36),
    QualityRule(id="known", kind=declared.RuleKind.NULLS, columns=("age",), limit=0.1),
    QualityRule(id="placed", kind=declared.RuleKind.NULLS, columns=("region",)),
    QualityRule(id="dated", kind=declared.RuleKind.NULLS, columns=("event_at",)),
    QualityRule(id="gone", kind=declared.RuleKind.NULLS, columns=("nothing",)),
)


def test_declared_rules_are_measured_the_same_on_both(both: Both) -> None:
    both.yesterday(pd.concat([OUTSIDE, HALF_EMPTY.head(10), rows(YESTERDAY, 5, region=None)], ignore_index=True))
    both.fill()
    facts = RoutedTableFacts(DuckDbTableFacts(both.place / "inference"), CatalogTableFacts(both.warehouse))
    files, catalog = (
        facts.measure(replace(table, rules=MEASURED), now=NOON) for table in (TABLE, IN_CATALOG)
    )  # fmt: skip

    assert catalog == files
    assert next(item for item in catalog if item.rule == "gone").problem == "The table has no column nothing."


def test_a_rule_about_a_column_of_another_kind_is_told_and_not_judged(both: Both) -> None:
    odd = (
        QualityRule(id="late", kind=declared.RuleKind.RANGE, columns=("event_at",), low=1, high=2),
        QualityRule(id="old", kind=declared.RuleKind.FRESHNESS, columns=("age",), limit=2),
    )
    found = CatalogTableFacts(both.warehouse).measure(replace(IN_CATALOG, rules=odd), now=NOON)

    assert [item.problem for item in found] == [
        "event_at is time (timestamp), not a number.",
        "age is number (double), not a time.",
    ]


def test_an_old_table_tells_its_age_by_its_newest_day(both: Both) -> None:
    later = NOON + timedelta(days=300)
    [fresh] = CatalogTableFacts(both.warehouse).measure(replace(IN_CATALOG, rules=MEASURED[2:3]), now=later)

    assert fresh.rows == 60
    assert fresh.newest == datetime(2031, 3, 30, 6, 59, tzinfo=UTC)
    assert [part.day for part in both.reader(later).partitions(IN_CATALOG)] == [YESTERDAY]


def test_checked_tables_of_a_warehouse_keep_what_was_found_some_minutes_ago(both: Both, tmp_path: Path) -> None:
    clock = FrozenClock(NOON)
    handling = DataHandling(
        inventory=SimpleNamespace(models=tuple),
        store=SqlLineage(both.files.database),
        access=SimpleNamespace(),
        lineage=SimpleNamespace(),
        tables=SimpleNamespace(tables=lambda: (IN_CATALOG,)),
        facts=CatalogTableFacts(both.warehouse),
        counter=SimpleNamespace(),
        clock=clock,
    )
    handling.refresh_tables()
    assert [table.state for table in handling.tables()] == [Health.HEALTHY]

    both.asked.asked.clear()
    clock.set(NOON + ASKED_EVERY - timedelta(seconds=1))
    handling.refresh_tables()
    assert (both.asked.asked, [table.state for table in handling.tables()]) == ([], [Health.HEALTHY])

    clock.set(NOON + ASKED_EVERY)
    handling.refresh_tables()
    assert both.asked.asked


CATALOG = """
feature_tables:
  - name: features.claims
    title: Claims features
    models: [m]
    rows: {rows}
"""


def _looked(both: Both, folder: Path, rows_at: str) -> list[tuple[State, str, str]]:
    file = folder / "catalog.yaml"
    file.write_text(CATALOG.replace("{rows}", rows_at), encoding="utf-8")
    settings = Settings(catalog_file=file)
    found = feature_tables(settings, FrozenClock(NOON), warehouse=both.warehouse)
    return [(item.state, item.found, item.fix) for item in found]


def test_the_doctor_looks_at_declared_tables_and_names_the_right_it_takes(both: Both, tmp_path: Path) -> None:
    [fine] = _looked(both, tmp_path, f"{{table: {NAME}, time: event_at}}")
    assert fine == (State.OK, f"{NAME} answers; its newest rows are of 30 Mar 2031.", "")

    [(state, found, fix)] = _looked(both, tmp_path, "{table: spark_catalog.features.nowhere, time: event_at}")
    assert state is State.FAULT
    assert "nowhere" in found
    assert "SELECT" in fix

    [(state, found, _)] = _looked(both, tmp_path, f"{{table: {NAME}, time: nothing}}")
    assert (state, "no column nothing" in found) == (State.FAULT, True)
