"""Published policies. Insert-only like the log: what a request was judged by can be read for ever."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text, UniqueConstraint

from services.adapters.sql.schema.base import UtcDateTime, metadata

published_policy = Table(
    "published_policy",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("tier", Integer, nullable=False),
    Column("name", String(40), nullable=False),
    Column("version", String(6), nullable=False),
    Column("text", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by_issuer", String(300), nullable=False),  # empty for the documents a deployment began with
    Column("by_subject", String(200), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("note", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
    UniqueConstraint("tier", "version"),
    UniqueConstraint("seq"),
    Index("ix_published_policy_tier", "tier", "seq"),
)
