"""What is asked of the system tables of Databricks, one statement per table, with the columns our copies have.

Times are asked for as microseconds and decimals as text: drivers differ in what they make of both. Fields of structs
are written as their paths; the only things that vary are days and the words of the scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, Select, case, cast, func, literal_column, or_, select

from services.adapters.warehouse.statements.dialects import text_of, whole

Columns = tuple[str, ...]
USAGE: Columns = (
    "record_id", "record_type", "workspace_id", "sku_name", "cloud", "usage_unit", "usage_quantity", "usage_type",
    "usage_start_time", "usage_end_time", "usage_date", "ingestion_date", "billing_origin_product", "custom_tags",
)  # fmt: skip
PRICES: Columns = ("sku_name", "cloud", "currency_code", "usage_unit", "price_start_time", "price_end_time")
ENTITIES: Columns = (
    "served_entity_id", "workspace_id", "endpoint_name", "entity_type", "entity_name", "entity_version",
    "endpoint_config_version", "change_time", "endpoint_delete_time",
)  # fmt: skip
REQUESTS: Columns = (
    "workspace_id",
    "served_entity_id",
    "status_code",
    "request_time",
    "input_token_count",
    "output_token_count",
)
TABLES: Columns = ("workspace_id", "entity_type", "source_table_full_name", "target_table_full_name", "event_date")
COLUMNS: Columns = (
    "source_table_full_name",
    "source_column_name",
    "target_table_full_name",
    "target_column_name",
    "event_date",
)
TAGS: Columns = ("catalog_name", "schema_name", "table_name", "column_name", "tag_name", "tag_value")
AUDIT: Columns = ("event_id", "event_time", "event_date", "workspace_id", "service_name", "action_name")

_REGISTRY = (
    "createRegisteredModel", "updateRegisteredModel", "deleteRegisteredModel", "createModelVersion",
    "finalizeModelVersion", "updateModelVersion", "deleteModelVersion", "setRegisteredModelAlias",
    "deleteRegisteredModelAlias", "updateTagSecurableAssignments", "updateTagSubentityAssignments",
    "createEntityTagAssignment", "updateEntityTagAssignment", "deleteEntityTagAssignment", "updatePermissions",
)  # fmt: skip
_SERVING = "serverlessRealTimeInference"


def usage(rows: FromClause, first: date, last: date, *, products: Sequence[str], tag: str) -> Select[Any]:
    """Originals, retractions and restatements alike, by the day they arrived. `products`, or whatever has the tag."""
    c = rows.c
    tagged = func.coalesce(func.map_contains_key(c.custom_tags, tag), literal_column("false"))
    return select(
        c.record_id.label("key"), c.record_type, c.workspace_id, c.sku_name.label("sku"), c.cloud,
        c.usage_unit.label("unit"), text_of(c.usage_quantity).label("quantity"), c.usage_type.label("kind"),
        _micros(c.usage_start_time).label("started_at"), _micros(c.usage_end_time).label("ended_at"),
        c.usage_date.label("day"), c.ingestion_date.label("ingested"), c.billing_origin_product.label("product"),
        _path("usage_metadata.endpoint_name").label("endpoint"), _path("usage_metadata.job_id").label("job_id"),
        _path("usage_metadata.job_run_id").label("job_run_id"),
        _path("product_features.serving_type").label("serving_type"), func.to_json(c.custom_tags).label("tags"),
    ).where(*_between(c.ingestion_date, first, last), or_(c.billing_origin_product.in_(products), tagged))  # fmt: skip


def prices(rows: FromClause) -> Select[Any]:
    """The list price in force; `default` alone where no effective price is given."""
    c = rows.c
    price = func.coalesce(_path("pricing.effective_list.`default`"), _path("pricing.`default`"))
    return select(
        c.sku_name.label("sku"), c.cloud, c.usage_unit.label("unit"), c.currency_code.label("currency"),
        _micros(c.price_start_time).label("starts_at"), _micros(c.price_end_time).label("ends_at"),
        text_of(price).label("price"),
    )  # fmt: skip


def served_entities(rows: FromClause) -> Select[Any]:
    c = rows.c
    return select(
        c.served_entity_id, c.workspace_id, c.endpoint_name.label("endpoint"), c.entity_type,
        c.entity_name.label("entity"), text_of(c.entity_version).label("version"),
        c.endpoint_config_version.label("config_version"), _micros(c.change_time).label("changed_at"),
        _micros(c.endpoint_delete_time).label("deleted_at"),
    )  # fmt: skip


def endpoint_usage(rows: FromClause, first: date, last: date) -> Select[Any]:
    """Requests per day and served entity: counts, never who asked or what."""
    c = rows.c
    on: ColumnElement[Any] = literal_column("CAST(request_time AS DATE)")
    failed = func.sum(case((c.status_code >= whole(400), whole(1)), else_=whole(0)))
    tokens = [
        cast(func.coalesce(func.sum(column), whole(0)), BigInteger()).label(name)
        for column, name in ((c.input_token_count, "input_tokens"), (c.output_token_count, "output_tokens"))
    ]
    return (
        select(on.label("day"), c.workspace_id, c.served_entity_id, func.count().label("requests"),
               failed.label("failed"), *tokens)
        .where(*_between(on, first, last))
        .group_by(on, c.workspace_id, c.served_entity_id)
    )  # fmt: skip


def table_lineage(rows: FromClause, first: date, last: date) -> Select[Any]:
    """Which table was made of which, once a day, by which job or pipeline."""
    c = rows.c
    return (
        select(
            c.event_date.label("day"), c.workspace_id, c.entity_type,
            _path("entity_metadata.job_info.job_id").label("job_id"),
            _path("entity_metadata.dlt_pipeline_info.dlt_pipeline_id").label("pipeline_id"),
            c.source_table_full_name.label("source"), c.target_table_full_name.label("target"),
        )
        .distinct()
        .where(*_between(c.event_date, first, last), c.target_table_full_name.is_not(None))
    )  # fmt: skip


def column_lineage(rows: FromClause, first: date, last: date) -> Select[Any]:
    c = rows.c
    named = (c.source_table_full_name, c.source_column_name, c.target_table_full_name, c.target_column_name)
    names = ("source", "source_column", "target", "target_column")
    return (
        select(c.event_date.label("day"), *(column.label(name) for column, name in zip(named, names, strict=True)))
        .distinct()
        .where(
            *_between(c.event_date, first, last),
            *(column.is_not(None) for column in named),
            c.source_table_full_name != c.target_table_full_name,
        )
    )


def column_tags(rows: FromClause) -> Select[Any]:
    c = rows.c
    table = func.concat_ws(".", c.catalog_name, c.schema_name, c.table_name)
    return select(table.label("table_name"), c.column_name, c.tag_name, c.tag_value)


def audit(rows: FromClause, first: date, last: date) -> Select[Any]:
    """Changes of models, versions, aliases, tags and endpoints. Reads and requests to a model are not changes."""
    c = rows.c
    registry = (c.service_name == "unityCatalog") & c.action_name.in_(_REGISTRY)
    reading = or_(*(c.action_name.like(f"{word}%") for word in ("get", "list", "query", "score")))
    return select(
        c.event_id.label("key"), c.event_date.label("day"), _micros(c.event_time).label("at"), c.workspace_id,
        c.service_name.label("service"), c.action_name.label("action"), _path("user_identity.email").label("actor"),
        _path("identity_metadata.run_by").label("run_by"), _path("identity_metadata.run_as").label("run_as"),
        _path("identity_metadata.acting_resource").label("acting_resource"),
        _path("response.status_code").label("status"), _path("response.error_message").label("error"),
        func.to_json(literal_column("request_params")).label("parameters"),
    ).where(
        *_between(c.event_date, first, last),
        or_(registry, (c.service_name == _SERVING) & ~reading),
    )  # fmt: skip


def _micros(column: ColumnElement[Any]) -> ColumnElement[int]:
    return func.unix_micros(column)


def _path(path: str) -> ColumnElement[Any]:
    return literal_column(path)


def _between(day: ColumnElement[Any], first: date, last: date) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return day >= literal_column(f"DATE '{first}'"), day <= literal_column(f"DATE '{last}'")
