"""The same rows in DuckDB and in a real Spark, and the answers of both in one shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pandas as pd
import sqlalchemy as sa

from services.adapters.warehouse.sources import OpenTable
from services.adapters.warehouse.statements.dialects import compiled, databricks_dialect, duckdb_dialect, relation
from services.monitoring.monitor_rules import ColumnKind
from services.monitoring.sources import SourceColumn

DIALECTS = {"DuckDB": duckdb_dialect, "Spark": databricks_dialect}


class TwoEngines:
    """`engine` is DuckDB or Spark; a table has the columns of its frame in both."""

    def __init__(self, spark: Any, folder: Path) -> None:
        self.spark = spark
        self.duck = duckdb.connect(config={"threads": 1})
        self.duck.execute("SET TimeZone = 'UTC'")
        self._folder = folder
        self._columns: dict[str, tuple[str, ...]] = {}

    def add(self, name: str, frame: pd.DataFrame) -> None:
        file = str(self._folder / f"{name}.parquet")
        self.duck.register("given", frame)
        self.duck.execute(f"CREATE TABLE {name} AS FROM given")
        self.duck.unregister("given")
        self.duck.execute(f"COPY {name} TO '{file}'")
        self.spark.read.parquet(file).createOrReplaceTempView(name)
        self._columns[name] = tuple(frame.columns)

    def keep(self, name: str, engine: str, statement: Any) -> None:
        """An answer that later statements build on, in one engine."""
        text = compiled(statement, DIALECTS[engine]())
        if engine == "DuckDB":
            self.duck.execute(f"CREATE OR REPLACE TABLE {name} AS {text}")
        else:
            self.spark.sql(text).createOrReplaceTempView(name)
        self._columns[name] = tuple(str(column.name) for column in statement.selected_columns)

    def table(self, name: str, engine: str) -> Any:
        return relation((name,), self._columns[name], DIALECTS[engine]())

    def ask(self, engine: str, statement: Any) -> list[tuple[Any, ...]]:
        text = compiled(statement, DIALECTS[engine]())
        if engine == "DuckDB":
            return list(map(tuple, self.duck.execute(text).fetchall()))
        return [tuple(row) for row in self.spark.sql(text).collect()]

    def open(self, name: str, engine: str, kinds: dict[str, ColumnKind]) -> OpenTable:
        """The table as an imported one."""
        columns = {column: SourceColumn(name=column, kind=kind, type=kind.value) for column, kind in kinds.items()}
        return OpenTable(
            connection=AsConnection(self, engine),  # type: ignore[arg-type]
            table=sa.table(name, *(sa.column(column) for column in columns)),
            columns=columns,
            files=(),
            words=f"table {name}",
        )


class AsConnection:
    """What an opened import uses of an SQLAlchemy connection, answered by either engine."""

    def __init__(self, engines: TwoEngines, engine: str) -> None:
        self._engines, self._engine = engines, engine
        self.dialect = SimpleNamespace(name="databricks" if engine == "Spark" else "duckdb")

    def execute(self, statement: Any) -> Any:
        return SimpleNamespace(all=lambda: self._engines.ask(self._engine, statement))

    def exec_driver_sql(self, text: str) -> Any:
        return SimpleNamespace(all=lambda: [tuple(row) for row in self._engines.spark.sql(text).collect()])


def plain(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows in one order and of one type: a sum of integers is a HUGEINT here and a BIGINT there."""
    return sorted((tuple(map(_plain, row)) for row in rows), key=lambda row: tuple(map(_sortable, row)))


def alike(one: Any, other: Any) -> bool:
    """Equal, numbers to 1e-9: sums are added in another order."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (one != one and other != other) or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)  # Spark answers times in UTC without saying so
    return tuple(map(_plain, value)) if isinstance(value, list) else value


def _sortable(value: Any) -> str:
    return f"{value:+.9e}" if isinstance(value, float) else repr(value)
