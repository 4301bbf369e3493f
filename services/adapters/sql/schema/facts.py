"""Which partitions of recorded facts were read, by whom, and what they looked like then."""

from __future__ import annotations

from sqlalchemy import Column, Date, String, Table

from services.adapters.sql.schema.base import metadata

facts_seen = Table(
    "facts_seen",
    metadata,
    Column("consumer", String(40), primary_key=True),
    Column("source", String(40), primary_key=True),
    Column("owner", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
)
