"""What is asked of the system tables runs on a real Spark over tables of the documented shape."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from services.adapters.sql.mirror import SqlMirror
from services.adapters.warehouse.sql_warehouse import SqlWarehouse
from services.adapters.warehouse.system_tables import DatabricksSystemTables, Wanted
from services.kernel.clock import FrozenClock
from services.kernel.errors import TelemetryUnavailableError
from services.mirror.models import Record, Source
from services.mirror.service import MirrorService
from services.mirror.sources import GROUPS, SOURCES, chosen
from tests.contract.spark_warehouse import SparkConnection, a_spark
from tests.unit.monitoring.facts_on_disk import a_database

NOW = datetime(2031, 3, 31, 12, tzinfo=UTC)
FIRST, LAST = date(2031, 3, 29), date(2031, 3, 31)
TABLES = {
    "billing.usage": """SELECT * FROM VALUES
      ('u1', 'ORIGINAL', '1', 'SERVING', 'AWS', 'DBU', CAST(1.5 AS DECIMAL(38,18)), 'COMPUTE_TIME',
       TIMESTAMP '2031-03-30 10:00:00', TIMESTAMP '2031-03-30 11:00:00', DATE '2031-03-30', DATE '2031-03-30',
       'MODEL_SERVING', map('team', 'x', 'env', 'prod'),
       named_struct('endpoint_name', 'delay', 'job_id', NULL, 'job_run_id', NULL),
       named_struct('serving_type', 'MODEL')),
      ('u2', 'RETRACTION', '1', 'SERVING', 'AWS', 'DBU', CAST(-1.5 AS DECIMAL(38,18)), 'COMPUTE_TIME',
       TIMESTAMP '2031-01-30 10:00:00', TIMESTAMP '2031-01-30 11:00:00', DATE '2031-01-30', DATE '2031-03-31',
       'MODEL_SERVING', NULL, named_struct('endpoint_name', 'delay', 'job_id', NULL, 'job_run_id', NULL), NULL),
      ('u3', 'ORIGINAL', '1', 'ALL', 'AWS', 'DBU', CAST(2 AS DECIMAL(38,18)), 'COMPUTE_TIME',
       TIMESTAMP '2031-03-30 10:00:00', TIMESTAMP '2031-03-30 11:00:00', DATE '2031-03-30', DATE '2031-03-30',
       'SQL', map('countersign_model', 'm.a.b'), named_struct('endpoint_name', NULL, 'job_id', '7',
       'job_run_id', '8'),
       NULL),
      ('u4', 'ORIGINAL', '1', 'ALL', 'AWS', 'DBU', CAST(2 AS DECIMAL(38,18)), 'COMPUTE_TIME',
       TIMESTAMP '2031-03-30 10:00:00', TIMESTAMP '2031-03-30 11:00:00', DATE '2031-03-30', DATE '2031-03-30',
       'SQL', map('team', 'x'), named_struct('endpoint_name', NULL, 'job_id', '7', 'job_run_id', '8'), NULL)
      AS t(record_id, record_type, workspace_id, sku_name, cloud, usage_unit, usage_quantity, usage_type,
           usage_start_time, usage_end_time, usage_date, ingestion_date, billing_origin_product, custom_tags,
           usage_metadata, product_features)""",
    "billing.list_prices": """SELECT * FROM VALUES
      ('SERVING', 'AWS', 'USD', 'DBU', TIMESTAMP '2030-01-01 00:00:00', CAST(NULL AS TIMESTAMP),
       named_struct('default', CAST(0.08 AS DECIMAL(38,18)),
                    'effective_list', named_struct('default', CAST(0.07 AS DECIMAL(38,18))))),
      ('OLD', 'AWS', 'USD', 'DBU', TIMESTAMP '2029-01-01 00:00:00', TIMESTAMP '2030-01-01 00:00:00',
       named_struct('default', CAST(0.08 AS DECIMAL(38,18)),
                    'effective_list', named_struct('default', CAST(NULL AS DECIMAL(38,18)))))
      AS t(sku_name, cloud, currency_code, usage_unit, price_start_time, price_end_time, pricing)""",
    "serving.served_entities": """SELECT * FROM VALUES
      ('se1', '1', 'delay', 'CUSTOM_MODEL', 'm.a.b', '3', 4, TIMESTAMP '2031-03-01 00:00:00', CAST(NULL AS TIMESTAMP))
      AS t(served_entity_id, workspace_id, endpoint_name, entity_type, entity_name, entity_version,
           endpoint_config_version, change_time, endpoint_delete_time)""",
    "serving.endpoint_usage": """SELECT * FROM VALUES
      ('1', 'se1', 200, TIMESTAMP '2031-03-30 23:59:59', 5L, 7L), ('1', 'se1', 500,
       TIMESTAMP '2031-03-30 01:00:00', 5L, NULL),
      ('1', 'se1', 200, TIMESTAMP '2031-03-31 00:00:00', NULL, NULL), ('1', 'se1', 200,
       TIMESTAMP '2031-03-28 00:00:00', 1L, 1L)
      AS t(workspace_id, served_entity_id, status_code, request_time, input_token_count, output_token_count)""",
    "access.table_lineage": """SELECT * FROM VALUES
      ('1', 'JOB', 'm.a.raw', 'm.a.features', DATE '2031-03-30',
       named_struct('job_info', named_struct('job_id', '7'), 'dlt_pipeline_info',
       named_struct('dlt_pipeline_id', NULL))),
      ('1', 'JOB', 'm.a.raw', 'm.a.features', DATE '2031-03-30',
       named_struct('job_info', named_struct('job_id', '7'), 'dlt_pipeline_info',
       named_struct('dlt_pipeline_id', NULL))),
      ('1', 'NOTEBOOK', 'm.a.raw', NULL, DATE '2031-03-30', NULL)
      AS t(workspace_id, entity_type, source_table_full_name, target_table_full_name, event_date, entity_metadata)""",
    "access.column_lineage": """SELECT * FROM VALUES
      ('m.a.raw', 'birthday', 'm.a.features', 'age', DATE '2031-03-30'), ('m.a.raw', NULL, 'm.a.features',
       'n', DATE '2031-03-30'),
      ('m.a.raw', 'birthday', 'm.a.features', 'age', DATE '2031-03-30'), ('m.a.raw', 'x', 'm.a.raw', 'y',
       DATE '2031-03-30')
      AS t(source_table_full_name, source_column_name, target_table_full_name, target_column_name, event_date)""",
    "information_schema.column_tags": """SELECT * FROM VALUES ('m', 'a', 'raw', 'birthday', 'pii', 'true')
      AS t(catalog_name, schema_name, table_name, column_name, tag_name, tag_value)""",
    "access.audit": """SELECT * FROM VALUES
      ('a1', TIMESTAMP '2031-03-30 10:00:00.123456', DATE '2031-03-30', '0', 'unityCatalog',
       'setRegisteredModelAlias',
       named_struct('email', 'dana@example.org'), named_struct('run_by', 'app', 'run_as', 'dana',
       'acting_resource', NULL),
       named_struct('status_code', 200, 'error_message', NULL), map('full_name_arg', 'm.a.b', 'token', 'secret')),
      ('a2', TIMESTAMP '2031-03-30 10:00:00', DATE '2031-03-30', '0', 'unityCatalog', 'getRegisteredModel',
       NULL, NULL, NULL, NULL),
      ('a3', TIMESTAMP '2031-03-30 10:00:00', DATE '2031-03-30', '1', 'serverlessRealTimeInference',
       'updateEndpointConfig',
       NULL, NULL, NULL, NULL),
      ('a4', TIMESTAMP '2031-03-30 10:00:00', DATE '2031-03-30', '1', 'serverlessRealTimeInference',
       'queryServingEndpoint',
       NULL, NULL, NULL, NULL)
      AS t(event_id, event_time, event_date, workspace_id, service_name, action_name, user_identity, identity_metadata,
           response, request_params)""",
}


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    if shutil.which("java") is None and not os.environ.get("COUNTERSIGN_TEST_NO_SKIP"):
        pytest.skip("Spark needs a Java runtime")
    with a_spark() as session:
        yield session


@pytest.fixture(scope="module")
def tables(spark: Any) -> Iterator[DatabricksSystemTables]:
    schemas = sorted({name.partition(".")[0] for name in TABLES})
    for schema in schemas:
        spark.sql(f"CREATE DATABASE IF NOT EXISTS {schema}")
    for name, rows in TABLES.items():
        spark.sql(f"CREATE VIEW {name} AS {rows}")
    yield DatabricksSystemTables(
        SqlWarehouse(lambda: SparkConnection(spark)),
        wanted=lambda: Wanted(products=("MODEL_SERVING",), tag="countersign_model"),
        catalog="spark_catalog",
    )
    for schema in schemas:
        spark.sql(f"DROP DATABASE {schema} CASCADE")


@pytest.fixture(scope="module")
def read(tables: DatabricksSystemTables) -> dict[str, tuple[Record, ...]]:
    """Every table is asked once; the tests look at the answers."""
    return {source.name: tables.read(source, FIRST, LAST) for source in SOURCES}


def test_usage_is_copied_with_its_corrections_by_the_day_it_arrived(read: dict[str, tuple[Record, ...]]) -> None:
    found = {record.key: record.values for record in read["usage"]}

    assert sorted(found) == ["u1", "u2", "u3"]
    assert found["u1"]["quantity"] == "1.5"
    assert found["u1"]["ended_at"] == datetime(2031, 3, 30, 11, tzinfo=UTC)
    assert (found["u1"]["tags"], found["u1"]["serving_type"]) == ('{"env": "prod", "team": "x"}', "MODEL")
    assert (found["u2"]["record_type"], found["u2"]["quantity"]) == ("RETRACTION", "-1.5")
    assert (found["u2"]["day"], found["u2"]["tags"]) == (date(2031, 1, 30), "{}")
    assert (found["u3"]["job_id"], found["u3"]["job_run_id"], found["u3"]["product"]) == ("7", "8", "SQL")


def test_prices_are_the_effective_ones_and_the_default_where_there_is_none(
    read: dict[str, tuple[Record, ...]],
) -> None:
    found = {record.values["sku"]: record.values for record in read["price"]}

    assert (found["SERVING"]["price"], found["SERVING"]["ends_at"]) == ("0.07", None)
    assert (found["OLD"]["price"], found["OLD"]["ends_at"]) == ("0.08", datetime(2030, 1, 1, tzinfo=UTC))


def test_requests_are_counted_by_day_of_utc(read: dict[str, tuple[Record, ...]]) -> None:
    found = {str(record.values["day"]): record.values for record in read["endpoint_usage"]}

    assert {day: (v["requests"], v["failed"], v["input_tokens"], v["output_tokens"]) for day, v in found.items()} == {
        "2031-03-30": (2, 1, 10, 7), "2031-03-31": (1, 0, 0, 0)
    }  # fmt: skip
    [entity] = [record.values for record in read["served_entity"]]
    assert (entity["entity"], entity["version"], entity["config_version"]) == ("m.a.b", "3", 4)


def test_lineage_is_kept_once_a_day_and_tags_by_column(read: dict[str, tuple[Record, ...]]) -> None:
    [table] = [record.values for record in read["table_lineage"]]
    [column] = [record.values for record in read["column_lineage"]]
    [tag] = [record.values for record in read["column_tag"]]

    assert (table["source"], table["target"], table["job_id"], table["pipeline_id"]) == (
        "m.a.raw", "m.a.features", "7", ""
    )  # fmt: skip
    assert (column["source_column"], column["target_column"]) == ("birthday", "age")
    assert (tag["table_name"], tag["column_name"], tag["tag_name"], tag["tag_value"]) == (
        "m.a.raw", "birthday", "pii", "true"
    )  # fmt: skip


def test_changes_are_copied_and_no_secret_parameter_with_them(read: dict[str, tuple[Record, ...]]) -> None:
    found = {record.key: record.values for record in read["audit"]}

    assert sorted(found) == ["a1", "a3"]
    assert found["a1"]["parameters"] == '{"full_name_arg": "m.a.b"}'
    assert (found["a1"]["actor"], found["a1"]["run_by"], found["a1"]["status"]) == ("dana@example.org", "app", 200)
    assert found["a1"]["at"] == datetime(2031, 3, 30, 10, 0, 0, 123456, tzinfo=UTC)
    assert (found["a3"]["actor"], found["a3"]["status"]) == ("", None)


def test_everything_read_fits_our_tables_and_the_same_again_is_nothing_new(
    read: dict[str, tuple[Record, ...]], tmp_path: Path
) -> None:
    class Again:
        """Answers what Spark answered, on the days it was asked about."""

        def scope(self, source: Source) -> str:
            return source.name

        def read(self, source: Source, first: date, last: date) -> tuple[Record, ...]:
            return read[source.name] if last >= LAST else ()

    database = a_database(tmp_path)
    service = MirrorService(tables=Again(), store=SqlMirror(database), sources=chosen(GROUPS), clock=FrozenClock(NOW))

    first, second = service.refresh(), service.refresh()

    assert (first, second) == (sum(len(records) for records in read.values()), 0)
    assert {item.source.name: item.rows for item in service.standing()} == {
        name: len(records) for name, records in read.items()
    }
    database.dispose()


def test_a_table_that_may_not_be_read_is_telemetry_unavailable(tables: DatabricksSystemTables) -> None:
    elsewhere = DatabricksSystemTables(tables._warehouse, wanted=tables._wanted, catalog="nowhere")

    with pytest.raises(TelemetryUnavailableError, match=r"nowhere\.billing\.usage"):
        elsewhere.read(SOURCES[0], FIRST, LAST)
