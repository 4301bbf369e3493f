"""Evaluations: what was asked for, how far it is, and every finished step, so that a crash costs one check at most."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from services.adapters.sql.schema.base import UtcDateTime, metadata

harness_run = Table(
    "harness_run",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("version", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("command", String(200), nullable=False),
    Column("basis", String(64), nullable=False, server_default=""),
    Column("owner", String(200), nullable=False, server_default=""),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("beat_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("error", Text, nullable=False, server_default=""),
    Column("report_sha256", String(64), nullable=False, server_default=""),
    Column("entry", Integer),
    UniqueConstraint("command"),
    Index("ix_harness_run_model_version", "model", "version"),
    Index("ix_harness_run_state", "state"),
)

harness_step = Table(
    "harness_step",
    metadata,
    Column("run_id", String(40), ForeignKey(harness_run.c.id), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("check_id", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("seconds", String(20), nullable=False),
    Column("document", Text, nullable=False),
)
