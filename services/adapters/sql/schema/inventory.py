"""Tables of the inventory: governance facts, the copy of the registry, one prepared line per model for searching."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, Float, Index, Integer, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

governed_model = Table(
    "governed_model",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("tier", Integer, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("document", Text, nullable=False),
)

registry_version = Table(
    "registry_version",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("document", Text, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime, nullable=True),
    Index("ix_registry_version_model_number", "model", "number"),
)

model_summary = Table(
    "model_summary",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("title", String(300), nullable=False),
    Column("search_text", Text, nullable=False),
    Column("use_case", String(300), nullable=False),
    Column("tier", Integer, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("team", String(200), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("severity", Integer, nullable=False),  # 0 breach, 1 watch, 2 unknown, 3 healthy
    Column("in_production", Boolean, nullable=False),
    Column("live_as_of", UtcDateTime, nullable=True),
    Column("versions", Integer, nullable=False),
    Column("newest_version", String(40), nullable=False),
    Column("drift_value", Float, nullable=True),
    Column("open_requests", Integer, nullable=False),
    Column("findings", Integer, nullable=False),
    Column("next_review", Date, nullable=False),
    Column("completeness", Integer, nullable=True),  # percent of required metadata
    Column("document", Text, nullable=False),  # JSON: live shares, drift, trend, service level
    Column("digest", String(64), nullable=False),
    Index("ix_model_summary_severity_name", "severity", "name"),
    Index("ix_model_summary_tier_name", "tier", "name"),
    Index("ix_model_summary_owner_name", "owner", "name"),
    Index("ix_model_summary_next_review_name", "next_review", "name"),
    Index("ix_model_summary_drift_value", "drift_value"),
)
