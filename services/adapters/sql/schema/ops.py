"""Tables about the machinery itself: heartbeat and lease of the worker, age of copies, facts of the workspace."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

worker_heartbeat = Table(
    "worker_heartbeat",
    metadata,
    Column("worker_id", String(120), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("host", String(200), nullable=False, default=""),
    Column("pid", Integer, nullable=False, default=0),
)

worker_lease = Table(
    "worker_lease",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("owner", String(120), nullable=False),
    Column("until", UtcDateTime, nullable=False),
)

sync_state = Table(
    "sync_state",
    metadata,
    Column("source", String(120), primary_key=True),
    Column("last_success", UtcDateTime, nullable=True),
    Column("last_attempt", UtcDateTime, nullable=True),
    Column("error", Text, nullable=False, default=""),
)

workspace_fact = Table(
    "workspace_fact",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
