"""What the platform's own monitoring said last, as copied; one document per model."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

vendor_reading = Table(
    "vendor_reading",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("source", Text, nullable=False),  # the table it is about
    Column("read_at", UtcDateTime),  # null: never
    Column("document", Text, nullable=False),  # JSON: drift and profiles
    Column("error", Text, nullable=False),  # of the last attempt
)
