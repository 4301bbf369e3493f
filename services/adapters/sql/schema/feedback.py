"""Reviews counted by day and reason, and single corrections as ids and codes: no text about a person."""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, Integer, String, Table

from services.adapters.sql.schema.base import UtcDateTime, metadata

review_day = Table(
    "review_day",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("reason_code", String(60), primary_key=True),
    Column("reviewed", Integer, nullable=False),
    Column("corrected", Integer, nullable=False),
)

correction = Table(
    "correction",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("prediction_id", String(200), nullable=False),
    Column("version", String(40), nullable=False),
    Column("corrected", String(200), nullable=False),
    Column("reason_code", String(60), nullable=False),
    Column("reviewer", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_correction_model_at", "model", "at"),
)
