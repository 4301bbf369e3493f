"""An inference table of the documented shape in DuckDB or in a real Spark, and what the platform may write into it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
from sqlalchemy import FromClause

from services.adapters.warehouse.payload_tables import PayloadTable
from services.adapters.warehouse.sql_warehouse import SqlWarehouse
from services.adapters.warehouse.statements.dialects import compiled, duckdb_dialect, relation
from services.kernel.errors import TelemetryUnavailableError
from tests.contract.spark_warehouse import SparkConnection

MODEL = "main.claims.score"
NOON = datetime(2031, 3, 31, 12, tzinfo=UTC)
TABLE = PayloadTable(model=MODEL, name=("payload",), every_seconds=600.0)
ENTITIES = ("served_entities",)
_TYPES = {
    "databricks_request_id": "STRING", "request_date": "DATE", "client_request_id": "STRING",
    "request_time": "TIMESTAMP", "status_code": "INT", "sampling_fraction": "DOUBLE", "execution_duration_ms": "BIGINT",
    "request": "STRING", "response": "STRING", "logging_error_codes": "ARRAY<STRING>", "served_entity_id": "STRING",
    "requester": "STRING",
}  # fmt: skip
_SERVED = {
    "served_entity_id": "STRING", "entity_name": "STRING", "entity_version": "STRING", "change_time": "TIMESTAMP"
}  # fmt: skip


def row(number: int, *, at: datetime = NOON, **changes: Any) -> dict[str, Any]:
    """One request as AI Gateway writes it."""
    at = changes.pop("request_time", at)
    return {
        "databricks_request_id": f"r{number}", "request_date": at.date() if at else NOON.date(),
        "client_request_id": None, "request_time": at, "status_code": 200, "sampling_fraction": 1.0,
        "execution_duration_ms": 10, "request": json.dumps({"dataframe_records": [{"x": number}]}),
        "response": json.dumps({"predictions": [0.5]}), "logging_error_codes": [], "served_entity_id": "se1",
        "requester": "someone",
    } | changes  # fmt: skip


def hostile() -> list[dict[str, Any]]:
    """Everything that the platform, or a caller, may put into such a table, over two days."""
    day = timedelta(days=1)
    return [
        row(1, sampling_fraction=0.25, response='{"predictions": [0.1, 0.9, 0.55]}'),
        row(1, sampling_fraction=0.25, response='{"predictions": [0.1, 0.9, 0.55]}'),
        row(2, response="<html>it's no JSON \\ 100 %</html>", at=NOON + timedelta(seconds=1)),
        row(3, response=None, logging_error_codes=["MAX_RESPONSE_SIZE_EXCEEDED"], execution_duration_ms=0),
        row(4, request=None, status_code=503, response=None, execution_duration_ms=None, sampling_fraction=0.0),
        row(5, status_code=400, response='{"error_code": "BAD_REQUEST"}', sampling_fraction=None),
        row(6, status_code=None, sampling_fraction=float("nan"), served_entity_id=None),
        row(7, client_request_id="countersign-probe-ab12", execution_duration_ms=5000),
        row(8, client_request_id="countersign-replay-r1", served_entity_id="se2", response='{"predictions": [0.7]}'),
        row(9, served_entity_id="nobody's", response='{"predictions": {"score": 0.2}}', sampling_fraction=7.0),
        row(10, response='{"predictions": [{"risk": 0.3}, {"risk": "high"}, {}]}', client_request_id="claim's 10"),
        row(11, response='{"predictions": [[0.9, 0.1], [0.4, 0.6]]}', at=NOON - day),
        row(12, response='{"predictions": []}', at=NOON - day, client_request_id="c12"),
        row(13, response='["predictions"]', at=NOON - day + timedelta(minutes=7), sampling_fraction=-1.0),
        row(14, request_time=None),
        row(15, databricks_request_id=None),
        row(16, databricks_request_id=None),
    ]


def served() -> list[dict[str, Any]]:
    """`se1` was renewed; `se3` belongs to another model on the same endpoint."""
    return [
        {"served_entity_id": ident, "entity_name": model, "entity_version": version, "change_time": NOON - age}
        for ident, model, version, age in (
            ("se1", MODEL, "2", timedelta(days=9)), ("se1", MODEL, "3", timedelta(days=1)),
            ("se2", MODEL, "4", timedelta(days=1)), ("se3", "main.claims.other", "7", timedelta(days=1)),
        )
    ]  # fmt: skip


class DuckWarehouse:
    """Answers in the place of a SQL warehouse; `down` is what it says when it does not."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        self.asked: list[str] = []
        self.down = ""

    @contextmanager
    def asking(self, about: str) -> Iterator[DuckWarehouse]:
        self.asked.append(about)
        if self.down:
            raise TelemetryUnavailableError(f"{self.down} about {about}")
        yield self

    def __call__(self, statement: Any) -> list[Sequence[Any]]:
        return list(self.connection.execute(compiled(statement, duckdb_dialect())).fetchall())

    def relation(self, name: tuple[str, ...], columns: tuple[str, ...]) -> FromClause:
        return relation(name, columns, duckdb_dialect())

    def kinds(self, statement: Any) -> dict[str, str]:
        described = self.connection.execute(compiled(statement, duckdb_dialect())).description or ()
        return {str(name): str(kind) for name, kind, *_ in described}


class PayloadLog:
    """The table in one engine: rows are written anew each time, as late ones appear."""

    def __init__(self, engine: str, spark: Any = None) -> None:
        self._spark = spark if engine == "Spark" else None
        self.duck = DuckWarehouse()
        self.warehouse: Any = self.duck if self._spark is None else SqlWarehouse(lambda: SparkConnection(spark))
        self._write(ENTITIES[0], _SERVED, served())

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        self._write(TABLE.name[0], _TYPES, rows)

    def _write(self, name: str, types: dict[str, str], rows: Sequence[dict[str, Any]]) -> None:
        values = [tuple(item[column] for column in types) for item in rows]
        if self._spark is not None:
            schema = ", ".join(f"{column} {kind}" for column, kind in types.items())
            self._spark.createDataFrame(values, schema).createOrReplaceTempView(name)
            return
        columns = ", ".join(f"{column} {_in_duckdb(kind)}" for column, kind in types.items())
        self.duck.connection.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
        if values:
            self.duck.connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(types))})", values)


def _in_duckdb(kind: str) -> str:
    return {"STRING": "VARCHAR", "TIMESTAMP": "TIMESTAMPTZ", "ARRAY<STRING>": "VARCHAR[]"}.get(kind, kind)
