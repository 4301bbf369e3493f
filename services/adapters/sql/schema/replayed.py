"""Files with the answers to replayed requests, for processes that share no disk."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, String, Table

from services.adapters.sql.schema.base import UtcDateTime, metadata

replayed_file = Table(
    "replayed_file",
    metadata,
    Column("path", String(400), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
