"""Tables of batch runs and fallback cards.

Read models: signed entries in the ledger are the record, and each row names its newest one. Free text is kept here
only, so that it can be erased; the ledger holds its salted digest.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

batch_output = Table(
    "batch_output",
    metadata,
    Column("run_id", String(60), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("job", String(250), nullable=False),
    Column("version", String(40), nullable=False),
    Column("window_start", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=True),
    Column("rows", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("first", Boolean, nullable=False),
    Column("triggers", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("rerun_of", String(60), nullable=True),
    Column("decided_by", String(200), nullable=False),
    Column("note", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("output_sha256", String(64), nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("seq", Integer, nullable=True),
    Column("incident", String(60), nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False),
    Index("ix_batch_output_window", "model", "window_start"),
    Index("ix_batch_output_state", "state"),
)

fallback_card = Table(
    "fallback_card",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("revision", Integer, primary_key=True),  # every edit is a row; the newest one counts
    Column("document", Text, nullable=False),
    Column("edited_by", String(200), nullable=False),
    Column("edited_at", UtcDateTime, nullable=False),
    Column("seq", Integer, nullable=False),
)

fallback_drill = Table(
    "fallback_drill",
    metadata,
    Column("drill_id", String(60), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("card_revision", Integer, nullable=False),
    Column("mode", String(20), nullable=False),
    Column("started_by", String(200), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("steps", Text, nullable=False),
    Column("finished_at", UtcDateTime, nullable=True),
    Column("cancelled", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Index("ix_fallback_drill_model", "model", "started_at"),
)

fallback_switch = Table(
    "fallback_switch",
    metadata,
    Column("switch_id", String(60), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("deployment", String(200), nullable=False),
    Column("mode", String(20), nullable=False),
    Column("platform_mode", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("ordered_by", String(200), nullable=False),
    Column("ordered_at", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("done_at", UtcDateTime, nullable=True),
    Column("incident", String(60), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("seq_outcome", Integer, nullable=True),
    Column("revision", Integer, nullable=False),
    Index("ix_fallback_switch_model", "model", "ordered_at"),
)
