"""Reviews counted by day and reason, and single corrections as ids and codes: no text about a person."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

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

review_batch = Table(
    "review_batch",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("via", String(10), nullable=False),
    Column("name", String(200), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("corrected", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by_issuer", String(300), nullable=False),
    Column("by_subject", String(200), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
    Column("published_at", UtcDateTime, nullable=True),  # when it joined the recorded reviews, where all is counted
    Index("ix_review_batch_model_at", "model", "at"),
    UniqueConstraint("seq"),
)

review_row = Table(
    "review_row",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("prediction_id", String(200), primary_key=True),  # one review of a prediction is counted, once
    Column("batch_id", String(60), nullable=False, index=True),
    Column("version", String(40), nullable=False),
    Column("predicted", Float(53), nullable=True),
    Column("predicted_at", UtcDateTime, nullable=False),
    Column("value", Float(53), nullable=True),
    Column("corrected", Boolean, nullable=False),
    Column("reason_code", String(60), nullable=False),
    Column("reviewer", String(200), nullable=False),
    Column("reviewed_at", UtcDateTime, nullable=False),
    Column("note", Text, nullable=False),
)

review_cohort = Table(
    "review_cohort",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("day", Date, primary_key=True),  # of the review
    Column("predicted_day", Date, primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("slice_key", String(250), primary_key=True),
    Column("reason_code", String(60), primary_key=True),
    Column("reviewed", Integer, nullable=False),
    Column("corrected", Integer, nullable=False),
    Index("ix_review_cohort_model_predicted_day", "model", "predicted_day"),
)

retraining_set = Table(
    "retraining_set",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),  # compressed; its digest is the one that was signed
    Column("lineage", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by_issuer", String(300), nullable=False),
    Column("by_subject", String(200), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
    Column("run_id", String(100), nullable=False),  # empty while it waits for the registry
    Column("logged_at", UtcDateTime, nullable=True),
    Column("error", Text, nullable=False),
    UniqueConstraint("seq"),
)

retraining_skip = Table(
    "retraining_skip",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("month", String(7), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by_issuer", String(300), nullable=False),
    Column("by_subject", String(200), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("seq", Integer, nullable=False),
)

retraining_round = Table(
    "retraining_round",
    metadata,
    Column("id", String(60), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("cause", String(20), nullable=False),
    Column("subject", String(300), nullable=False),  # the month or the alert that called for it
    Column("sentence", Text, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("due", Date, nullable=False),
    Column("version", String(40), nullable=False),  # empty until a new version is registered
    Column("finished_at", UtcDateTime, nullable=True),
    Column("evaluation", String(60), nullable=False),
    Column("draft_at", UtcDateTime, nullable=True),
    Column("evidence", String(64), nullable=False),
    Column("blocked", Text, nullable=False),
    Column("closed_at", UtcDateTime, nullable=True),
    Column("closed_why", Text, nullable=False),
    UniqueConstraint("model", "cause", "subject"),
)
