"""Tables of lineage and sensitive data: the graph of each version, counted small cells, checked feature tables."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

version_lineage = Table(
    "version_lineage",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("document", Text, nullable=False),
    Column("built_at", UtcDateTime, nullable=False),
)

cell_count = Table(
    "cell_count",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("basis", String(64), nullable=False),
    Column("document", Text, nullable=False),  # JSON: people, combinations as read and as served, problem
    Column("counted_at", UtcDateTime, nullable=False),
)

feature_table = Table(
    "feature_table",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("document", Text, nullable=False),  # JSON: the declared table
    Column("results", Text, nullable=False),  # JSON: one result per rule, in the order of the rules
    Column("checked_at", UtcDateTime, nullable=True),
    Index("ix_feature_table_position", "position"),
)
