"""Copies of system tables that outlive the platform's retention, how far each reaches, and what was lost.

A row is a record of the platform in one of its states: `revision` 1 as first copied, further ones when it reads
otherwise there. Nothing is overwritten or deleted. Amounts are decimal text, so that no digit depends on the database.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Integer, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata


def _text(name: str) -> Column[Any]:
    """Names of the platform have no length that we could count on."""
    return Column(name, Text, nullable=False, default="")


def _copy(name: str, *columns: Column[Any]) -> Table:
    return Table(
        f"mirror_{name}",
        metadata,
        Column("key", String(64), primary_key=True),  # the platform's id of the record, or a digest of its names
        Column("revision", Integer, primary_key=True),
        *columns,
        Column("gone", Boolean, nullable=False),  # not there any more when the whole table was read
        Column("digest", String(64), nullable=False),
        Column("copied_at", UtcDateTime, nullable=False),
    )


mirror_usage = _copy(
    "usage",
    _text("record_type"), _text("workspace_id"), _text("sku"), _text("cloud"), _text("unit"), _text("quantity"),
    _text("kind"), Column("started_at", UtcDateTime), Column("ended_at", UtcDateTime),
    Column("day", Date, nullable=False), Column("ingested", Date), _text("product"), _text("endpoint"),
    _text("job_id"), _text("job_run_id"), _text("serving_type"), _text("tags"),
)  # fmt: skip
Index("ix_mirror_usage_day", mirror_usage.c.day)
mirror_price = _copy(
    "price",
    _text("sku"), _text("cloud"), _text("unit"), _text("currency"), Column("starts_at", UtcDateTime),
    Column("ends_at", UtcDateTime), _text("price"),
)  # fmt: skip
mirror_served_entity = _copy(
    "served_entity",
    _text("served_entity_id"), _text("workspace_id"), _text("endpoint"), _text("entity_type"), _text("entity"),
    _text("version"), Column("config_version", Integer), Column("changed_at", UtcDateTime),
    Column("deleted_at", UtcDateTime),
)  # fmt: skip
mirror_endpoint_usage = _copy(
    "endpoint_usage",
    Column("day", Date, nullable=False), _text("workspace_id"), _text("served_entity_id"),
    Column("requests", BigInteger, nullable=False), Column("failed", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False), Column("output_tokens", BigInteger, nullable=False),
)  # fmt: skip
Index("ix_mirror_endpoint_usage_day", mirror_endpoint_usage.c.day)
mirror_table_lineage = _copy(
    "table_lineage",
    Column("day", Date, nullable=False), _text("workspace_id"), _text("entity_type"), _text("job_id"),
    _text("pipeline_id"), _text("source"), _text("target"),
)  # fmt: skip
mirror_column_lineage = _copy(
    "column_lineage",
    Column("day", Date, nullable=False), _text("source"), _text("source_column"), _text("target"),
    _text("target_column"),
)  # fmt: skip
mirror_column_tag = _copy(
    "column_tag", _text("table_name"), _text("column_name"), _text("tag_name"), _text("tag_value")
)
mirror_audit = _copy(
    "audit",
    Column("day", Date, nullable=False), Column("at", UtcDateTime, nullable=False), _text("workspace_id"),
    _text("service"), _text("action"), _text("actor"), _text("run_by"), _text("run_as"), _text("acting_resource"),
    Column("status", Integer), _text("error"), _text("parameters"),
)  # fmt: skip

mirror_state = Table(
    "mirror_state",
    metadata,
    Column("source", String(40), primary_key=True),
    Column("scope", Text, nullable=False, default=""),
    Column("since", Date),
    Column("through", Date),
    Column("newest", UtcDateTime),
    Column("copied_at", UtcDateTime),
    Column("attempted_at", UtcDateTime),
    Column("error", Text, nullable=False, default=""),
)

mirror_gap = Table(
    "mirror_gap",
    metadata,
    Column("source", String(40), primary_key=True),
    Column("first", Date, primary_key=True),
    Column("last", Date, nullable=False),
    Column("found_at", UtcDateTime, nullable=False),
)
