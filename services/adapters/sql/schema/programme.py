"""The board of the first ninety days: how each task last stood, so that closing and reopening are seen once."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

programme_task = Table(
    "programme_task",
    metadata,
    Column("use_case", String(200), primary_key=True),
    Column("task", String(60), primary_key=True),
    Column("closed", Boolean, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("reopened", Integer, nullable=False),
    Column("checked_at", UtcDateTime, nullable=False),
)
