"""Tables of exceptional ways: policy exceptions, and break-glass releases waiting for their review.

Read models: the signed entries in the ledger are the record, and each row names its entries. Free text is kept
here only, so that it can be erased; the ledger holds its salted digest.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from services.adapters.sql.schema.base import UtcDateTime, metadata

policy_exception = Table(
    "policy_exception",
    metadata,
    Column("exception_id", String(60), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("gate", String(200), nullable=False),
    Column("gate_title", String(300), nullable=False),
    Column("control", Text, nullable=False),
    Column("control_salt", String(64), nullable=False),
    Column("owner_issuer", String(300), nullable=False),
    Column("owner_subject", String(200), nullable=False),
    Column("owner_name", String(200), nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("granted", Boolean, nullable=True),
    Column("noticed_at", UtcDateTime, nullable=True),
    Index("ix_policy_exception_model", "model", "until"),
)

exception_step = Table(
    "exception_step",
    metadata,
    Column("exception_id", String(60), ForeignKey("policy_exception.exception_id"), primary_key=True),
    Column("step", String(20), primary_key=True),  # proposed, decided, ended: each happens once
    Column("by_issuer", String(300), nullable=False),
    Column("by_subject", String(200), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
)

emergency_review = Table(
    "emergency_review",
    metadata,
    Column("review_id", String(60), primary_key=True),
    Column("action_id", String(60), nullable=False),
    Column("model", String(200), nullable=False),
    Column("version", String(40), nullable=False),
    Column("mode", String(20), nullable=False),  # forward, skip
    Column("manifest_sha256", String(64), nullable=False),
    Column("by_issuer", String(300), nullable=False),
    Column("by_subject", String(200), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("requester_issuer", String(300), nullable=False),  # of the version's newest request; empty without one
    Column("requester_subject", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("reason_code", String(40), nullable=False),
    Column("reason", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("review_by", UtcDateTime, nullable=False),
    Column("conclusion", String(20), nullable=False),  # empty while it is open
    Column("closed_at", UtcDateTime, nullable=True),
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
    UniqueConstraint("action_id"),
    Index("ix_emergency_review_model", "model", "closed_at"),
)

review_signature = Table(
    "review_signature",
    metadata,
    Column("review_id", String(60), ForeignKey("emergency_review.review_id"), primary_key=True),
    Column("issuer", String(300), primary_key=True),
    Column("subject", String(200), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("role", String(40), nullable=False),
    Column("conclusion", String(20), nullable=False),
    Column("comment", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
)
