"""What the copy of a large registry remembers about each model: when it was read, and what it was read from."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

registry_model = Table(
    "registry_model",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("mark", String(80), nullable=False),  # what the list said when it was last read
    Column("read_at", UtcDateTime, nullable=True),  # null: listed, never read
    Column("document", Text, nullable=False),  # JSON: tags of the model, its deployment job
    Column("error", Text, nullable=False),  # of the last attempt to read it
    Column("gone_at", UtcDateTime, nullable=True),
    Index("ix_registry_model_read_at", "read_at"),
)
