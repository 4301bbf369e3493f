"""Every statement for a Databricks SQL warehouse also runs on a real Spark, and answers what DuckDB answers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from services.adapters.warehouse.cells import NUMBER, TEXT, reference_of, sketches
from services.adapters.warehouse.statements.counting import DAY, profile_counts
from services.adapters.warehouse.statements.dialects import (
    compiled,
    databricks_dialect,
    duckdb_dialect,
    relation,
)
from services.monitoring.profile import DayProfile, FeatureReference, Reference
from tests.contract.spark_warehouse import a_spark

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
