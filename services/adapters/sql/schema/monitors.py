"""Versions of monitors. Insert-only like the log: how a model was watched on any day can be read for ever."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, String, Table, Text, UniqueConstraint

from services.adapters.sql.schema.base import UtcDateTime, metadata

monitor_version = Table(
    "monitor_version",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("text", Text, nullable=False),  # canonical document, as signed
    Column("at", UtcDateTime, nullable=False),
    Column("by_issuer", String(300), nullable=False),  # empty for the monitors a deployment began with
    Column("by_subject", String(200), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("signed", Boolean, nullable=False),
    Column("guards", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
    UniqueConstraint("seq"),
)

monitor_proposal = Table(
    "monitor_proposal",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("text", Text, nullable=False),  # canonical document; nobody signed it and nothing obeys it
    Column("at", UtcDateTime, nullable=False),
)
