"""A warehouse that is a real Apache Spark in this process, behind the same few methods as a DBAPI connection."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def a_spark() -> Iterator[Any]:
    """A session on 127.0.0.1 only, without a web page, in UTC and strict as Databricks SQL is."""
    from pyspark.sql import SparkSession

    folder = Path(tempfile.mkdtemp(prefix="spark-"))
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "true")
        .config("spark.sql.shuffle.partitions", "1")
        # Compiling each of these small statements to bytecode would take longer than running it.
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.sql.adaptive.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .config("spark.driver.memory", "1g")
        .config("spark.driver.extraJavaOptions", f"-Dderby.system.home={folder}")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()
        shutil.rmtree(folder, ignore_errors=True)


class SparkConnection:
    """What the warehouse adapter uses of a connection: a cursor that executes, fetches, describes and closes."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.asked: list[str] = []

    def cursor(self) -> SparkCursor:
        return SparkCursor(self._session, self.asked)

    def close(self) -> None:
        pass


class SparkCursor:
    def __init__(self, session: Any, asked: list[str]) -> None:
        self._session = session
        self._asked = asked
        self._frame: Any = None

    def execute(self, sql: str) -> SparkCursor:
        self._asked.append(sql)
        self._frame = self._session.sql(sql)
        return self

    @property
    def description(self) -> list[tuple[Any, ...]]:
        """Of settings, too: Spark answers `SET` with the pair that was set."""
        return [(name, kind, None, None, None, None, None) for name, kind in self._frame.dtypes]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._frame.collect()]

    def close(self) -> None:
        pass
