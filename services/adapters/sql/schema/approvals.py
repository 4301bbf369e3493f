"""Tables of promotion requests: the request as frozen, decisions on it, who is waited for, challenges, facts read.

Read models: the signed entries in the ledger are the record, and each row here names its entry.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

promotion_request = Table(
    "promotion_request",
    metadata,
    Column("request_id", String(60), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("title", String(300), nullable=False),
    Column("version", String(40), nullable=False),
    Column("base", String(40), nullable=True),
    Column("tier", Integer, nullable=False),
    Column("state", String(30), nullable=False),
    Column("requester_subject", String(200), nullable=False),
    Column("requester_issuer", String(300), nullable=False),
    Column("requester", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("approved_at", UtcDateTime, nullable=True),
    Column("valid_until", UtcDateTime, nullable=True),
    Column("revision", Integer, nullable=False),
    Column("note", Text, nullable=False),
    Column("signed", Integer, nullable=False),
    Column("needed", Integer, nullable=False),
    Column("evidence_sha256", String(64), nullable=False),
    Column("manifest_sha256", String(64), nullable=False),
    Column("policy_sha256", String(64), nullable=False),
    Column("run_id", String(80), nullable=False),
    Column("document", Text, nullable=False),  # JSON: report, changes, quorum, terms and words as frozen
    Column("statement_sha256", String(64), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
    Column("action_id", String(60), nullable=True),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("purpose", String(20), nullable=False, server_default="promotion"),
    Column("submitted_at", UtcDateTime, nullable=True),
    Column("void_cause", Text, nullable=False, server_default=""),
    Column("escalate_at", UtcDateTime, nullable=True),
    Column("escalated_at", UtcDateTime, nullable=True),
    Index("ix_promotion_request_queue", "state", "due_at"),
    Index("ix_promotion_request_model", "model", "version"),
    Index("ix_promotion_request_requester", "state", "requester_subject"),
    Index("ix_promotion_request_ending", "state", "valid_until"),
)

request_waiting = Table(
    "request_waiting",
    metadata,
    Column("request_id", String(60), ForeignKey("promotion_request.request_id"), primary_key=True),
    Column("role", String(40), primary_key=True),
    Column("missing", Integer, nullable=False),
    Index("ix_request_waiting_role", "role", "request_id"),
)

request_decision = Table(
    "request_decision",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("request_id", String(60), ForeignKey("promotion_request.request_id"), nullable=False),
    Column("decision", String(30), nullable=False),
    Column("meaning", Text, nullable=False),
    Column("signer", String(200), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("issuer", String(300), nullable=False),
    Column("role", String(40), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("comment", Text, nullable=False),  # erasable: the ledger holds only its salted digest
    Column("salt", String(64), nullable=False),
    Column("reason_code", String(40), nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("leaf_hash", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("void_reason", Text, nullable=False, default=""),
    Column("void_at", UtcDateTime, nullable=True),
    Column("own_role", String(40), nullable=False, server_default=""),
    Column("delegation", String(60), nullable=False, server_default=""),
    Column("delegator", String(200), nullable=False, server_default=""),
    Column("delegator_issuer", String(300), nullable=False, server_default=""),
    Column("delegator_subject", String(200), nullable=False, server_default=""),
    Index("ix_request_decision_request", "request_id", "seq"),
    Index("ix_request_decision_subject", "subject", "request_id"),
)

# What each person has looked at: a part of the evidence as it was, by its digest. Not history, only a mark.
request_seen = Table(
    "request_seen",
    metadata,
    Column("request_id", String(60), ForeignKey("promotion_request.request_id"), primary_key=True),
    Column("issuer", String(300), primary_key=True),
    Column("subject", String(200), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("part", String(40), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

request_event = Table(
    "request_event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request_id", String(60), ForeignKey("promotion_request.request_id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("seq", Integer, nullable=True),
    Index("ix_request_event_request", "request_id", "id"),
)

signing_challenge = Table(
    "signing_challenge",
    metadata,
    Column("nonce", String(64), primary_key=True),
    Column("purpose", String(20), nullable=False),  # review, rollback, advance
    Column("subject", String(200), nullable=False),
    Column("about", String(200), nullable=False),  # request id or model
    Column("revision", Integer, nullable=False),
    Column("shown_sha256", String(64), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used", Boolean, nullable=False, default=False),
)

version_evidence = Table(
    "version_evidence",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("manifest_sha256", String(64), nullable=False),
    Column("manifest", Text, nullable=False),
    Column("evaluation_sha256", String(64), nullable=False),
    Column("evaluation", Text, nullable=False),
    Column("read_at", UtcDateTime, nullable=False),
    Column("problem", Text, nullable=False, default=""),
)
