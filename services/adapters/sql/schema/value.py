"""Measured use per day, and the rules that turn recorded quantities into money."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, Float, String, Table, Text

from services.adapters.sql.schema.base import metadata

usage_day = Table(
    "usage_day",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("component", String(40), primary_key=True),
    Column("cpu_seconds", Float, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("wall_seconds", Float, nullable=False),
)

value_config = Table(
    "value_config",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("document", Text, nullable=False),
)
