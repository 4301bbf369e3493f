"""Every statement for a Databricks SQL warehouse also runs on a real Spark, and answers what DuckDB answers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from services.adapters.warehouse.cells import NUMBER, TEXT, reference_of, sketches
from services.adapters.warehouse.databricks_performance import DatabricksPerformanceFacts
from services.adapters.warehouse.databricks_profiling import DatabricksProfiling
from services.adapters.warehouse.databricks_sql import DatabricksMonitoringFacts, WarehouseTable
from services.adapters.warehouse.monitoring import DuckDbMonitoringFacts
from services.adapters.warehouse.performance import DuckDbPerformanceFacts, arrivals_of, score_days_of
from services.adapters.warehouse.routed import RoutedFacts
from services.adapters.warehouse.sql_warehouse import SqlWarehouse
from services.adapters.warehouse.statements import performance
from services.adapters.warehouse.statements.counting import DAY, profile_counts
from services.adapters.warehouse.statements.dialects import (
    compiled,
    databricks_dialect,
    duckdb_dialect,
    relation,
)
from services.inventory.facts import Partition
from services.kernel.errors import TelemetryUnavailableError
from services.monitoring.ports import SliceColumn
from services.monitoring.profile import DayProfile, FeatureReference, LabelledDay, Reference
from services.monitoring.versions import ROWS as ROWS_BY_VERSION
from services.monitoring.versions import version_key
from tests.contract.spark_warehouse import SparkConnection, a_spark
from tests.unit.monitoring.facts_on_disk import labels, predictions, write, write_reference

ROWS = 2000
ODD = [
    "it's",
    'say "hi"',
    "back\\slash",
    "100 %",
    "\\%_",
    "naïve, 東京 🚆",
    "",
    " ",
    "a\nb",
    ":name",
    "--",
    "\\'; DROP",
]
KINDS = {
    "normal": NUMBER, "zeros": NUMBER, "tiny": NUMBER, "broken": NUMBER, "code": NUMBER, "whole": NUMBER,
    "all missing": NUMBER, "it's \"odd\" `name`": TEXT, "many": TEXT, "flag": TEXT,
}  # fmt: skip


def odd_rows(seed: int) -> pd.DataFrame:
    """Everything that ever made two engines disagree, in a few thousand rows over the days a clock was moved."""
    random = np.random.default_rng(seed)
    start = datetime(2031, 3, 29, tzinfo=UTC)
    broken = random.normal(0, 1, ROWS)
    broken[:40] = [np.nan, np.inf, -np.inf, -0.0] * 10
    frame = pd.DataFrame(
        {
            "event_at": [start + timedelta(minutes=2 * n) for n in range(ROWS)],
            "normal": random.normal(seed, 2.5, ROWS),
            "zeros": np.where(random.random(ROWS) < 0.6, np.where(random.random(ROWS) < 0.5, 0.0, -0.0), broken * 7),
            "tiny": random.choice([5e-324, -5e-324, 1e-300, 1.7976931348623157e308, 0.1 + 0.2, -2.5], ROWS)
            * random.choice([1.0, 0.5], ROWS),
            "broken": broken,
            "code": random.choice([1.0, 2.0, 1e20, 0.1, -0.0, 0.0], ROWS),
            "whole": random.integers(-(2**40), 2**40, ROWS),
            "all missing": np.full(ROWS, None, dtype=object),
            "money": np.round(random.gamma(2, 20, ROWS), 0),
            'it\'s "odd" `name`': random.choice(ODD, ROWS),
            "many": [f"value {number}" for number in random.integers(0, 900, ROWS)],
            "flag": random.random(ROWS) < 0.3,
        }
    )
    frame["all missing"] = frame["all missing"].astype("Float64")
    frame.loc[::17, ["normal", 'it\'s "odd" `name`']] = None
    return frame


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    if shutil.which("java") is None and not os.environ.get("COUNTERSIGN_TEST_NO_SKIP"):
        pytest.skip("Spark needs a Java runtime")
    with a_spark() as session:
        yield session


class Both:
    """The same rows in both engines."""

    def __init__(self, spark: Any, folder: Path) -> None:
        self.duck = duckdb.connect(config={"threads": 2})
        self.duck.execute("SET TimeZone = 'UTC'")
        self.spark = spark
        for name, seed in (("before", 0), ("after", 1)):
            frame = odd_rows(seed)
            table = f"odd_{name}"
            self.duck.register("given", frame)
            columns = ", ".join('"' + c.replace('"', '""') + '"' for c in frame.columns)
            self.duck.execute(f'CREATE TABLE {table} AS SELECT CAST(event_at AS DATE) AS "{DAY}", {columns} FROM given')
            self.duck.execute(f"COPY {table} TO '{folder / table}.parquet'")
            spark.read.parquet(str(folder / f"{table}.parquet")).createOrReplaceTempView(table)

    def ask_duck(self, statement: Any) -> list[Any]:
        return self.duck.execute(compiled(statement, duckdb_dialect())).fetchall()

    def ask_spark(self, statement: Any) -> list[Any]:
        return [tuple(row) for row in self.spark.sql(compiled(statement, databricks_dialect())).collect()]

    def source(self, name: str, dialect: Any) -> Any:
        return relation((f"odd_{name}",), (DAY, *KINDS), dialect)


@dataclass(frozen=True)
class Answer:
    """What one engine said: the reference it fitted itself, and days in the cells that DuckDB fitted."""

    reference: Reference
    days: dict[tuple[date, str, str], DayProfile]


ENGINES = ("DuckDB", "Spark")
SPLITS = [("flag", ("true", "false"))]


@pytest.fixture(scope="module")
def answers(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """Every engine is asked once; the tests look at the answers."""
    both = Both(spark, tmp_path_factory.mktemp("both"))
    cells: tuple[FeatureReference, ...] = ()
    found: dict[str, Answer] = {}
    for engine, ask, dialect in zip(
        ENGINES, (both.ask_duck, both.ask_spark), (duckdb_dialect(), databricks_dialect()), strict=True
    ):
        before, after = both.source("before", dialect), both.source("after", dialect)
        reference = reference_of(ask, before, KINDS, model="m", digest="d", slices=("flag",))
        assert reference is not None
        cells = cells or reference.features
        days = {(one.day, one.feature, one.slice_key): one for one in sketches(ask, after, cells, SPLITS)}
        found[engine] = Answer(reference, days)
    return found


def test_a_reference_is_fitted_alike_and_filled_alike(answers: dict[str, Answer]) -> None:
    duck, spark = answers["DuckDB"].reference, answers["Spark"].reference

    assert [feature.feature for feature in duck.features] == [feature.feature for feature in spark.features]
    assert {feature.feature for feature in duck.features} == set(KINDS) - {"all missing"}
    for one, other in zip(duck.features, spark.features, strict=True):
        assert one.edges == other.edges, one.feature
        assert one.values == other.values, one.feature  # noqa: PD011 - our own tuple
        assert one.counts.tolist() == other.counts.tolist(), one.feature
        assert one.spread == (other.spread if one.spread is None else pytest.approx(other.spread, rel=1e-12)), (
            one.feature
        )
        np.testing.assert_allclose(one.sums, other.sums, rtol=1e-12, atol=1e-9)
    assert set(duck.slice_keys) == set(spark.slice_keys) == {"flag=true", "flag=false"}


def test_every_day_cell_and_slice_counts_the_same_and_sums_to_1e_12(answers: dict[str, Answer]) -> None:
    duck, spark = answers["DuckDB"].days, answers["Spark"].days

    assert duck.keys() == spark.keys()
    assert len({day for day, _, _ in duck}) == 3
    assert {key for _, _, key in duck} == {"", "flag=true", "flag=false"}
    for key, one in duck.items():
        assert one.counts.tolist() == spark[key].counts.tolist(), key
        np.testing.assert_allclose(one.sums, spark[key].sums, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["broken", "normal", "tiny", "zeros", "whole"])
def test_numbers_land_where_the_rows_say(answers: dict[str, Answer], engine: str, name: str) -> None:
    feature = answers["DuckDB"].reference.feature(name)
    assert feature is not None
    counts = _whole(answers[engine], name)
    values = odd_rows(1)[name].dropna().to_numpy(float)

    cells = np.searchsorted(np.array(feature.edges), values, side="left")

    expected = np.bincount(cells, minlength=len(feature.edges) + 1)
    assert counts[: len(feature.edges) + 1].tolist() == expected.tolist()
    assert counts[-2:].sum() == ROWS - len(values)


@pytest.mark.parametrize("engine", ENGINES)
def test_texts_with_quotes_and_backslashes_stay_themselves(answers: dict[str, Answer], engine: str) -> None:
    feature = answers["DuckDB"].reference.feature('it\'s "odd" `name`')
    assert feature is not None
    counts = _whole(answers[engine], feature.feature)
    texts = odd_rows(1)[feature.feature]

    assert {value: counts[place] for place, value in enumerate(feature.values)} == {
        value: int((texts == value).sum()) for value in ODD
    }
    assert counts[-1] == texts.isna().sum()


@pytest.mark.parametrize("engine", ENGINES)
def test_days_are_cut_in_utc_when_clocks_move(answers: dict[str, Answer], engine: str) -> None:
    found = answers[engine].days

    assert {day: int(one.counts.sum()) for (day, name, key), one in found.items() if (name, key) == ("code", "")} == {
        date(2031, 3, 29): 720,
        date(2031, 3, 30): 720,
        date(2031, 3, 31): 560,
    }


def _whole(answer: Answer, name: str) -> Any:
    return sum(one.counts for (_, feature, key), one in answer.days.items() if (feature, key) == (name, ""))


def test_a_statement_has_nothing_left_to_bind_however_many_edges_it_has(answers: dict[str, Answer]) -> None:
    features = answers["DuckDB"].reference.features
    for dialect in (duckdb_dialect(), databricks_dialect()):
        statement = profile_counts(relation(("t",), (DAY, *KINDS), dialect), features)
        assert statement is not None
        made = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        assert made.params == {}
        assert "%%" not in str(made)
    assert sum(len(feature.edges) for feature in features) > 256


DAYS = (date(2031, 3, 29), date(2031, 3, 30))
TABLE = ("spark_catalog", "default", "scored")
MAPPED = WarehouseTable(
    model="m", name=TABLE, at="scored_at", score="probability", label="outcome", version="version",
    prediction_id="prediction_id", reference=("spark_catalog", "default", "scored_before"),
)  # fmt: skip


def _inputs(n: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    amount = np.where(random.random(n) < 0.05, np.nan, random.normal(seed, 1, n))
    return pd.DataFrame({"amount": amount, "origin": random.choice(["EWR", "O'Hare", "LGA"], n)})


@pytest.fixture(scope="module")
def estate(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[DuckDbMonitoringFacts, SparkConnection]:
    """The same predictions as our own folder and as a table by its three names, with other column names."""
    folder = tmp_path_factory.mktemp("estate")
    random = np.random.default_rng(5)
    write_reference(folder, "m", _inputs(900, 0).assign(score=random.random(900), label=0.0))
    together = []
    for number, day in enumerate(DAYS):
        frame = predictions(day, _inputs(300, number + 1), random.random(300), version=str(number))
        known = labels(frame.head(200), random.integers(0, 2, 200), delay_days=0)
        write(folder, "predictions", "m", day, frame)
        write(folder, "predictions", "m", day, frame.tail(20), name="again")
        write(folder, "labels", "m", day, known)
        together.append(pd.concat([frame, frame.tail(20)]).merge(known[["prediction_id", "label"]], how="left"))
    names = {"event_at": "scored_at", "score": "probability", "label": "outcome"}
    kept = ["prediction_id", "version", "scored_at", "probability", "outcome", "amount", "origin"]
    pd.concat(together).rename(columns=names)[kept].to_parquet(folder / "all.parquet")
    before = pd.read_parquet(folder / "reference" / "m.parquet").rename(columns=names)
    before.assign(scored_at=datetime(2031, 1, 1, tzinfo=UTC), prediction_id="", version="").to_parquet(
        folder / "before.parquet"
    )
    for table, file in ((TABLE, "all"), (MAPPED.reference, "before")):
        spark.read.parquet(str(folder / f"{file}.parquet")).write.mode("overwrite").saveAsTable(".".join(table))
    return DuckDbMonitoringFacts(folder), SparkConnection(spark)


def warehouse(connection: SparkConnection, *tables: WarehouseTable) -> DatabricksMonitoringFacts:
    return DatabricksMonitoringFacts(
        SqlWarehouse(lambda: connection), tables or (MAPPED,), since=lambda: date(2031, 1, 1)
    )


@dataclass(frozen=True)
class Told:
    """What the table of the warehouse answered, asked once for all tests, and what was asked for it."""

    expected: Reference
    found: Reference
    profiles: tuple[DayProfile, ...]
    days: tuple[Partition, ...]
    labelled: tuple[LabelledDay, ...]
    asked: tuple[str, ...]


@pytest.fixture(scope="module")
def told(estate: tuple[DuckDbMonitoringFacts, SparkConnection]) -> Told:
    own, connection = estate
    table, before = warehouse(connection), len(connection.asked)
    expected, found = (facts.fit_reference("m", "d", slices=("origin",)) for facts in (own, table))
    assert expected is not None
    assert found is not None
    profiles, days = table.profile(expected, DAYS), table.partitions()
    labelled = table.labelled_days("m", DAYS, scores=True)
    return Told(expected, found, profiles, days, labelled, tuple(connection.asked[before:]))


def test_a_table_by_three_names_gives_the_sketches_that_our_own_folder_gives(
    estate: tuple[DuckDbMonitoringFacts, SparkConnection], told: Told
) -> None:
    own, expected, found = estate[0], told.expected, told.found
    assert {f.feature for f in found.features} == {f.feature for f in expected.features}
    assert set(found.slice_keys) == set(expected.slice_keys) == {"origin=EWR", "origin=O'Hare", "origin=LGA"}
    one, other = (
        {(p.day, p.feature, p.slice_key): p for p in profiles}
        for profiles in (own.profile(expected, DAYS), told.profiles)
    )
    # The same column has another name there: cells of `score` are filled from `probability`.
    assert one.keys() == other.keys()
    for key, profile in one.items():
        assert profile.counts.tolist() == other[key].counts.tolist(), key
        np.testing.assert_allclose(profile.sums, other[key].sums, rtol=1e-12, atol=1e-9)
    days = [(item.source, item.day) for item in told.days]
    assert sorted(days) == [("predictions", DAYS[0]), ("predictions", DAYS[1]), ("reference", date(1970, 1, 1))]
    for one_day, other_day in zip(own.labelled_days("m", DAYS, scores=True), told.labelled, strict=True):
        assert (one_day.day, one_day.version) == (other_day.day, other_day.version)
        assert (one_day.predicted, one_day.labelled) == (other_day.predicted, other_day.labelled) == (300, 200)
        assert one_day.positives.tolist() == other_day.positives.tolist()
        assert one_day.negatives.tolist() == other_day.negatives.tolist()
        assert one_day.sum_square == pytest.approx(other_day.sum_square, rel=1e-12)


def test_each_version_of_a_day_is_told_apart_as_in_our_own_folder(spark: Any, tmp_path: Path) -> None:
    write_reference(tmp_path, "m", _inputs(900, 0).assign(score=0.5, label=0.0))
    frames = [
        predictions(DAYS[day], _inputs(n, seed), np.full(n, 0.4), version=version)
        for day, version, n, seed in ((0, "1", 200, 1), (1, "1", 150, 2), (1, "2", 50, 3))
    ]
    frames.append(predictions(DAYS[1], _inputs(10, 4), np.full(10, 0.4), version="").assign(version=None))
    for number, frame in enumerate(frames):
        write(tmp_path, "predictions", "m", DAYS[min(number, 1)], frame, name=f"part-{number}")
    names = {"event_at": "scored_at", "score": "probability"}
    kept = ["prediction_id", "version", "scored_at", "probability", "amount", "origin"]
    together = pd.concat(frames).rename(columns=names)[kept].assign(outcome=0.0)
    together.to_parquet(tmp_path / "versions.parquet")
    table = replace(MAPPED, name=(*MAPPED.name[:-1], "versions"))
    spark.read.parquet(str(tmp_path / "versions.parquet")).write.mode("overwrite").saveAsTable(".".join(table.name))
    own, other = DuckDbMonitoringFacts(tmp_path), warehouse(SparkConnection(spark), table)
    reference = own.fit_reference("m", "d")
    assert reference is not None

    one, two = (
        {(p.day, p.feature, p.slice_key): p.counts.tolist() for p in facts.profile(reference, DAYS)}
        for facts in (own, other)
    )

    assert one == two
    assert one[DAYS[1], ROWS_BY_VERSION, version_key("2")] == [50, 160]
    assert sum(one[DAYS[1], "amount", version_key("1")]) == 150
    assert not [key for key in one if key[0] == DAYS[0] and key[1] != ROWS_BY_VERSION and key[2]], (
        "one version alone is the whole"
    )


def test_days_of_the_table_are_the_reference_where_a_monitor_names_them(
    estate: tuple[DuckDbMonitoringFacts, SparkConnection],
) -> None:
    own, connection = estate
    window = (DAYS[0], DAYS[0])

    one, two = (facts.fit_reference("m", "d", window=window) for facts in (own, warehouse(connection)))

    assert one is not None
    assert two is not None
    assert one.rows == two.rows == 320
    for feature in one.features:
        other = two.feature(feature.feature)
        assert other is not None
        assert (feature.edges, list(feature.values)) == (other.edges, list(other.values))
        assert feature.counts.tolist() == other.counts.tolist()


def test_no_row_leaves_the_warehouse(told: Told) -> None:
    """Every question is a setting, a count, a group, or a description that returns nothing."""
    assert len(told.asked) > 10
    for sql in told.asked:
        assert (
            sql.startswith("SET ")
            or "GROUP BY" in sql
            or "count(" in sql
            or "percentile" in sql
            or "WHERE false" in sql
        )


def test_a_column_that_is_not_there_is_named_with_what_there_is(
    estate: tuple[DuckDbMonitoringFacts, SparkConnection],
) -> None:
    wrong = replace(MAPPED, score="skore")

    with pytest.raises(TelemetryUnavailableError, match="skore") as refused:
        warehouse(estate[1], wrong).fit_reference("m", "d")

    assert "probability" in (refused.value.hint or "")


def test_a_table_that_is_not_there_is_telemetry_unavailable(
    estate: tuple[DuckDbMonitoringFacts, SparkConnection],
) -> None:
    with pytest.raises(TelemetryUnavailableError, match="TABLE_OR_VIEW_NOT_FOUND"):
        warehouse(estate[1], replace(MAPPED, name=("spark_catalog", "default", "nobody"))).partitions()


def test_a_warehouse_that_does_not_answer_is_telemetry_unavailable() -> None:
    def refuse() -> Any:
        raise ConnectionError("token expired")

    facts = DatabricksMonitoringFacts(SqlWarehouse(refuse), (MAPPED,), since=lambda: date(2031, 1, 1))

    with pytest.raises(TelemetryUnavailableError, match="token expired"):
        facts.partitions()


LABELLED = ("spark_catalog", "default", "labelled")
ARRIVALS = (date(2031, 3, 30), date(2031, 3, 31), date(2031, 4, 1), date(2031, 4, 2))
ORIGINS = (SliceColumn(column="origin", values=("EWR", "O'Hare")), SliceColumn(column="gone", values=("x",)))


@pytest.fixture(scope="module")
def labelled_table(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> DuckDbPerformanceFacts:
    """Labels that came one or three days later, thirty of them stated anew, as our folder and as one table."""
    folder, random, together = tmp_path_factory.mktemp("labelled"), np.random.default_rng(8), []
    for number, day in enumerate(DAYS):
        scores = random.random(120)
        scores[:3] = [np.nan, 1.0, 0.0]
        frame = predictions(day, _inputs(120, number), scores, version=str(number))
        write(folder, "predictions", "m", day, frame)
        for delay, some in ((1, frame[:60]), (3, frame[60:100])):
            known = labels(some, random.integers(0, 2, len(some)), delay_days=delay)
            write(folder, "labels", "m", day + timedelta(days=delay), known, name=f"of-{number}")
            together.append(some.merge(known[["prediction_id", "label", "arrived_at"]]))
        anew = labels(frame[:30], random.integers(0, 2, 30), delay_days=2)
        write(folder, "labels", "m", day + timedelta(days=2), anew, name=f"anew-{number}")
        together.append(frame[:30].merge(anew[["prediction_id", "label", "arrived_at"]]).assign(anew=True))
        together.append(frame[100:])
    names = {"event_at": "scored_at", "score": "probability", "label": "outcome", "arrived_at": "outcome_at"}
    kept = [*names.values(), "prediction_id", "version", "origin", "anew"]
    pd.concat(together).assign(anew=lambda given: given["anew"].eq(True)).rename(columns=names)[kept].to_parquet(
        folder / "all.parquet"
    )
    everything = spark.read.parquet(str(folder / "all.parquet"))
    everything.write.mode("overwrite").saveAsTable(".".join(LABELLED))
    everything.where("NOT anew").write.mode("overwrite").saveAsTable(".".join((*LABELLED[:2], "labelled_once")))
    return DuckDbPerformanceFacts(folder)


def mapped_labels(spark: Any, delay_hours: float | None = None, **changes: Any) -> DatabricksPerformanceFacts:
    table = replace(MAPPED, **{"name": LABELLED, "arrived_at": "outcome_at", **changes})
    return DatabricksPerformanceFacts(
        SqlWarehouse(lambda: SparkConnection(spark)), table, delay_hours=lambda: delay_hours,
        sketched=lambda: {("predictions", owner, day): f"{day}" for owner in ("m", "other") for day in DAYS},
        since=lambda: date(2031, 1, 1), today=lambda: date(2031, 4, 20),
    )  # fmt: skip


def test_labels_of_a_mapped_table_count_on_the_day_they_came_as_those_of_our_folder_do(
    spark: Any, labelled_table: DuckDbPerformanceFacts
) -> None:
    found = mapped_labels(spark)

    days = [(item.source, item.owner, item.day) for item in found.partitions()]
    arrived = found.arrived("m", ARRIVALS, scores=True, slices=ORIGINS)

    assert days == [*(("predictions", "m", day) for day in DAYS), *(("labels", "m", day) for day in ARRIVALS)]
    same(arrived, labelled_table.arrived("m", ARRIVALS, scores=True, slices=ORIGINS))
    assert any((item.days[:, 1] < 0).any() or (item.cells[:, 2] < 0).any() for item in arrived), "taken back"
    assert found.arrived("m", (date(2031, 4, 9),), scores=True, slices=()) == ()
    for one, other in zip(
        found.scored("m", DAYS, scores=True, slices=ORIGINS),
        labelled_table.scored("m", DAYS, scores=True, slices=ORIGINS),
        strict=True,
    ):
        assert (one.version, one.slice_key, one.day, one.predicted, one.unscored) == (
            other.version, other.slice_key, other.day, other.predicted, other.unscored,
        )  # fmt: skip
        assert (one.bins.tolist(), one.counts.tolist()) == (other.bins.tolist(), other.counts.tolist())


def test_a_mapped_table_without_ids_counts_every_row_and_without_arrivals_assumes_the_stated_delay(
    spark: Any, labelled_table: DuckDbPerformanceFacts
) -> None:
    once = (*LABELLED[:2], "labelled_once")
    by_id = mapped_labels(spark, name=once).arrived("m", ARRIVALS, scores=True, slices=ORIGINS)
    by_row = mapped_labels(spark, name=once, prediction_id="").arrived("m", ARRIVALS, scores=True, slices=ORIGINS)
    same(by_row, by_id)

    assumed = mapped_labels(spark, 30.0, name=once, arrived_at="")
    filed = [item.day for item in assumed.partitions() if item.source == "labels"]
    assert filed == [day + timedelta(days=2) for day in DAYS], "30 hours are two whole days"
    found = assumed.arrived("m", tuple(filed), scores=True, slices=())
    assert {(item.day - date.fromordinal(int(row[0]))).days for item in found for row in item.days} == {2}
    assert sum(int(item.days[:, 1].sum()) for item in found) == 200
    assert assumed.counted_as("m") != mapped_labels(spark, 60.0, name=once, arrived_at="").counted_as("m")
    assert mapped_labels(spark, label="").arrived("m", ARRIVALS, scores=True, slices=()) == ()


def same(found: Sequence[Any], expected: Sequence[Any]) -> None:
    assert expected
    for one, other in zip(found, expected, strict=True):
        assert (one.version, one.slice_key, one.day) == (other.version, other.slice_key, other.day)
        assert (one.days.tolist(), one.cells.tolist()) == (other.days.tolist(), other.cells.tolist())
        np.testing.assert_allclose(one.sums, other.sums, rtol=1e-12, atol=1e-12)


def test_labels_that_arrive_late_or_are_stated_anew_are_counted_the_same_on_both_engines(
    spark: Any, tmp_path: Path
) -> None:
    random = np.random.default_rng(3)
    slices = (SliceColumn(column="origin", values=("EWR", "O'Hare")), SliceColumn(column="gone", values=("x",)))
    for number, day in enumerate(DAYS):
        scores = random.random(120)
        scores[:3] = [np.nan, 1.0, 0.0]
        frame = predictions(day, _inputs(120, number), scores, version=str(number))
        write(tmp_path, "predictions", "m", day, frame)
        write(tmp_path, "predictions", "m", day, frame.tail(9), name="again")
        write(tmp_path, "labels", "m", day, labels(frame.head(100), random.integers(0, 2, 100), delay_days=0))
        anew = labels(frame.head(30), random.integers(0, 2, 30), delay_days=1)
        write(tmp_path, "labels", "m", DAYS[-1], anew.assign(prediction_id=[*anew["prediction_id"][:29], "nobody's"]),
              name=f"anew-{number}")  # fmt: skip
    own = DuckDbPerformanceFacts(tmp_path)
    for table in ("labels", "predictions"):
        spark.read.parquet(str(tmp_path / table / "model=m")).createOrReplaceTempView(f"filed_{table}")

    def ask(asked: Any) -> list[Any]:
        return [tuple(row) for row in spark.sql(compiled(asked, databricks_dialect())).collect()]

    filed = relation(("filed_labels",), performance.LABELS, databricks_dialect())
    scored = relation(("filed_predictions",), (*performance.PREDICTIONS, "origin"), databricks_dialect())
    known = performance.made(scored, ["origin", None]).subquery()
    asked = performance.changes(performance.told(filed).subquery(), known, DAYS, 2)
    spark.sql(compiled(asked, databricks_dialect())).cache().createOrReplaceTempView("label_changes")
    changed = relation(("label_changes",), performance.change_columns(2), databricks_dialect())
    there = (slices[0], SliceColumn(column=""))
    arrived = list(arrivals_of(ask, changed, scores=True, slices=there))
    expected = own.arrived("m", DAYS, scores=True, slices=slices)

    assert {item.slice_key for item in expected} == {"", "origin=EWR", "origin=O'Hare"}
    assert [(a.version, a.slice_key, a.day) for a in arrived] == [(a.version, a.slice_key, a.day) for a in expected]
    assert any((item.days[:, 1] < 0).any() or (item.cells[:, 2] < 0).any() for item in expected)
    for one, other in zip(expected, arrived, strict=True):
        assert one.days.tolist() == other.days.tolist()
        assert one.cells.tolist() == other.cells.tolist()
        np.testing.assert_allclose(one.sums, other.sums, rtol=1e-12, atol=1e-12)
    for one_day, other_day in zip(
        own.scored("m", DAYS, scores=True, slices=slices),
        score_days_of(ask, known, scores=True, slices=there),
        strict=True,
    ):
        assert (one_day.version, one_day.slice_key, one_day.day) == (
            other_day.version,
            other_day.slice_key,
            other_day.day,
        )
        assert (one_day.predicted, one_day.unscored) == (other_day.predicted, other_day.unscored)
        assert one_day.bins.tolist() == other_day.bins.tolist()
        assert one_day.counts.tolist() == other_day.counts.tolist()
        np.testing.assert_allclose(one_day.sums, other_day.sums, rtol=1e-12)


def test_figures_of_databricks_itself_keep_its_name(spark: Any) -> None:
    spark.sql(
        "SELECT named_struct('start', TIMESTAMP '2031-03-29 00:00:00', 'end', TIMESTAMP '2031-03-30 00:00:00')"
        " AS window, '1 day' AS granularity, c AS column_name, k AS slice_key, 'CONSECUTIVE' AS drift_type,"
        " 0.25D AS js_distance, named_struct('statistic', 0.5D, 'pvalue', 0.01D) AS ks_test,"
        " CAST(NULL AS DOUBLE) AS wasserstein_distance, CAST(NULL AS DOUBLE) AS population_stability_index,"
        " CAST(NULL AS STRUCT<statistic: DOUBLE, pvalue: DOUBLE>) AS chi_squared_test,"
        " CAST(NULL AS DOUBLE) AS tv_distance, CAST(NULL AS DOUBLE) AS l_infinity_distance"
        " FROM VALUES ('amount', NULL), (':table', NULL), ('amount', 'origin') AS t(c, k)"
    ).write.mode("overwrite").saveAsTable("spark_catalog.default.scored_drift_metrics")
    own = DatabricksProfiling(SqlWarehouse(lambda: SparkConnection(spark)), TABLE)

    found = own.drift(datetime(2031, 3, 1, tzinfo=UTC))

    assert [(item.column, item.statistic, item.value, item.p_value) for item in found] == [
        ("amount", "Jensen-Shannon distance", 0.25, None),
        ("amount", "Kolmogorov-Smirnov statistic", 0.5, 0.01),
    ]
    assert all(item.sentence.startswith("Databricks' own") for item in found)
    assert found[0].start == datetime(2031, 3, 29, tzinfo=UTC)
    with pytest.raises(TelemetryUnavailableError, match="own profile table"):
        own.profiles(datetime(2031, 3, 1, tzinfo=UTC))


def test_counts_of_databricks_itself_are_those_of_the_table_and_not_of_its_baseline(spark: Any) -> None:
    spark.sql(
        "SELECT named_struct('start', TIMESTAMP '2031-03-29 00:00:00', 'end', TIMESTAMP '2031-03-30 00:00:00')"
        " AS window, '1 day' AS granularity, 'amount' AS column_name, CAST(NULL AS STRING) AS slice_key, t AS log_type,"
        " n AS count, 3L AS num_nulls, 5.5D AS avg FROM VALUES ('INPUT', 851L), ('BASELINE', 9L) AS v(t, n)"
    ).write.mode("overwrite").saveAsTable("spark_catalog.default.counted_profile_metrics")
    own = DatabricksProfiling(SqlWarehouse(lambda: SparkConnection(spark)), (*TABLE[:2], "counted"))

    [found] = own.profiles(datetime(2031, 3, 1, tzinfo=UTC))

    assert (found.column, found.rows, found.missing, found.mean) == ("amount", 851, 3, 5.5)


def test_columns_of_a_mapped_table_are_noted_for_its_newest_day(spark: Any, tmp_path: Path) -> None:
    """What the table has now says nothing about days that are over; what the mapping names is part of it."""
    name = ("spark_catalog", "default", "noted")
    frame = pd.DataFrame({"at": [datetime(2031, 3, 30, 6), datetime(2031, 3, 31, 6)], "risk": [0.1, 0.2], "n": [1, 2]})
    frame.to_parquet(tmp_path / "noted.parquet", coerce_timestamps="us")
    spark.read.parquet(str(tmp_path / "noted.parquet")).write.mode("overwrite").saveAsTable(".".join(name))
    table = warehouse(SparkConnection(spark), WarehouseTable(model="m", name=name, at="at", score="risk"))
    facts = RoutedFacts(DuckDbMonitoringFacts(tmp_path), {"m": table})

    assert facts.columns_by_day("m", (date(2031, 3, 30),)) == ()
    [before] = facts.columns_by_day("m", (date(2031, 3, 30), date(2031, 3, 31)))
    assert before == (date(2031, 3, 31), {"at": "time", "risk": "number", "n": "number"})

    spark.sql(f"ALTER TABLE {'.'.join(name)} ADD COLUMNS (channel STRING, parts ARRAY<INT>)")
    [after] = facts.columns_by_day("m", (date(2031, 3, 31),))
    assert after[1] == {**before[1], "channel": "text", "parts": "other"}
    assert facts.columns_by_day("another", (date(2031, 3, 31),)) == ()


def test_a_mapped_table_is_asked_no_more_often_than_its_mapping_says(
    spark: Any, estate: tuple[DuckDbMonitoringFacts, SparkConnection]
) -> None:
    """The worker looks every half minute; each question would keep a warehouse awake that has nothing new to say."""
    connection = SparkConnection(spark)
    seldom = replace(MAPPED, every_seconds=600.0)
    facts, labelled = warehouse(connection, seldom), replace(seldom, arrived_at="scored_at")
    cubes = DatabricksPerformanceFacts(
        SqlWarehouse(lambda: connection), labelled, delay_hours=lambda: 0.0, sketched=dict,
        since=lambda: date(2031, 1, 1), today=lambda: date(2031, 4, 1),
    )  # fmt: skip
    first = (facts.partitions(), cubes.partitions())
    assert connection.asked
    connection.asked.clear()

    assert (facts.partitions(), cubes.partitions()) == first
    assert connection.asked == []

    always = warehouse(connection, MAPPED)
    assert set(always.partitions()) == set(always.partitions()) == set(first[0])
    assert len([sql for sql in connection.asked if "scored`" in sql]) == 2
