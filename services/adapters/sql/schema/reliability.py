"""Requests per hour and per day by version, with latency in logarithmic buckets that add up; five-minute counters."""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, Integer, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

request_slot = Table(
    "request_slot",
    metadata,
    Column("deployment", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("start", UtcDateTime, primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("requests", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("injected", Integer, nullable=False),
    Column("buckets", Text, nullable=False),  # JSON [[bucket, requests], ...]
    Column("estimated", Integer, nullable=True),  # requests that a sample of rows stands for
    Index("ix_request_slot_deployment_start", "deployment", "start"),
)

request_count = Table(
    "request_count",
    metadata,
    Column("deployment", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("start", UtcDateTime, primary_key=True),
    Column("requests", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Index("ix_request_count_deployment_start", "deployment", "start"),
)

request_day = Table(
    "request_day",
    metadata,
    Column("deployment", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("start", UtcDateTime, primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("requests", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("injected", Integer, nullable=False),
    Column("buckets", Text, nullable=False),  # JSON [[bucket, requests], ...]
    Column("estimated", Integer, nullable=True),  # requests that a sample of rows stands for
    Index("ix_request_day_start", "start"),
)
