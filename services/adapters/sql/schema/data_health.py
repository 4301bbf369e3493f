"""Tables of data health: revisions of rules, facts and results per table and day, copied runs of pipelines."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, Index, Integer, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

table_rules = Table(
    "table_rules",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("document", Text, nullable=False),  # JSON of TableRules
    Column("changed_at", UtcDateTime, nullable=False),
    Column("seq", Integer, nullable=True),  # the entry in the ledger, once it is known
)

table_day = Table(
    "table_day",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("fingerprint", String(300), nullable=False),
    Column("facts", Text, nullable=False),  # JSON of TableDay
)

table_result = Table(
    "table_result",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("rows", Integer, nullable=True),
    Column("results", Text, nullable=False),  # JSON [RuleResult, ...]
    Column("judged_at", UtcDateTime, nullable=False),
)

table_check = Table(
    "table_check",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("problem", Text, nullable=False),
    Column("standings", Text, nullable=False, server_default="[]"),  # JSON [Standing, ...]: the last word on each rule
    Column("last_day", Date, nullable=True),  # the newest day with rows
)

pipeline_run = Table(
    "pipeline_run",
    metadata,
    Column("source", String(60), primary_key=True),
    Column("pipeline", String(300), primary_key=True),
    Column("run_id", String(200), primary_key=True),
    Column("title", String(300), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("on_time", Boolean, nullable=True),
    Column("error", Text, nullable=False),
    Column("writes", Text, nullable=False),  # JSON [table, ...]
    Column("models", Text, nullable=False),  # JSON [model, ...]
    Column("copied_at", UtcDateTime, nullable=False),
    Column("aside", Boolean, nullable=True),  # true: skipped or cancelled
    Column("known_to", UtcDateTime, nullable=True),
    Index("ix_pipeline_run_started_at", "started_at"),
)
