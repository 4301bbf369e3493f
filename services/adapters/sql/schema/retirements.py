"""Models that are taken out of service, and reviews of models that stayed under their return gate."""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, Integer, String, Table, Text, UniqueConstraint

from services.adapters.sql.schema.base import UtcDateTime, metadata

retirement = Table(
    "retirement",
    metadata,
    Column("retirement_id", String(40), primary_key=True),
    Column("request_id", String(60), nullable=False),
    Column("model", String(200), nullable=False),
    Column("deployment", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("version", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason_code", String(40), nullable=False),
    Column("consumers", Text, nullable=False),  # JSON list
    Column("quiet_days", Integer, nullable=False),
    Column("ordered_at", UtcDateTime, nullable=False),
    Column("ordered_seq", Integer, nullable=False),
    Column("off_since", UtcDateTime, nullable=True),
    Column("looked_at", UtcDateTime, nullable=True),
    Column("counted", Integer, nullable=True),
    Column("counted_until", UtcDateTime, nullable=True),
    Column("detail", Text, nullable=False),
    Column("retired_at", UtcDateTime, nullable=True),
    Column("seq", Integer, nullable=True),
    Column("revision", Integer, nullable=False),
    UniqueConstraint("request_id"),
    Index("ix_retirement_model", "model", "ordered_seq"),
    Index("ix_retirement_state", "state"),
)

# Both insert-only like the log: what a review was opened on, and every answer, can be read for ever.
value_review = Table(
    "value_review",
    metadata,
    Column("review_id", String(60), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("period", String(7), nullable=False),  # the last closed month it was opened on
    Column("at", UtcDateTime, nullable=False),
    Column("due", Date, nullable=False),
    Column("owner_subject", String(200), nullable=False),  # empty: nobody is named
    Column("owner_name", String(200), nullable=False),
    Column("text", Text, nullable=False),  # the figures, canonical
    Column("sha256", String(64), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
    UniqueConstraint("model", "period"),
)

value_review_answer = Table(
    "value_review_answer",
    metadata,
    Column("review_id", String(60), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("answer", String(20), nullable=False),
    Column("reason_code", String(40), nullable=False),
    Column("reason", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("next_period", String(7), nullable=False),  # of keep: the first month judged again
    Column("request_id", String(60), nullable=False),  # of retire
    Column("at", UtcDateTime, nullable=False),
    Column("by_issuer", String(300), nullable=False),
    Column("by_subject", String(200), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
    UniqueConstraint("seq"),
)
