"""Tables of alerts: each as it stands, what happened to it, and when each source was last asked.

`standing_key` repeats the key while an alert is not over and is empty afterwards: the database itself refuses a second
one. What people wrote is kept here only, so that it can be erased; the ledger holds its salted digest.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from services.adapters.sql.schema.base import UtcDateTime, metadata

alert = Table(
    "alert",
    metadata,
    Column("alert_id", String(40), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("model", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("standing_key", String(600), nullable=True),
    Column("thread", String(40), nullable=False),  # empty while it is only watched
    Column("tier", Integer, nullable=False),
    Column("impact", String(10), nullable=False),
    Column("severity", Integer, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("state_seen", String(20), nullable=False),
    Column("title", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("value", Float(53), nullable=True),
    Column("unit", String(80), nullable=False),
    Column("window_name", String(80), nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    Column("as_of", UtcDateTime, nullable=True),
    Column("repeats", Integer, nullable=False),
    Column("healthy", Integer, nullable=False),
    Column("bad", Integer, nullable=False),
    Column("unknown_since", UtcDateTime, nullable=True),
    Column("opened_at", UtcDateTime, nullable=True),
    Column("told_from", UtcDateTime, nullable=True),
    Column("closed_at", UtcDateTime, nullable=True),
    Column("reopened", Integer, nullable=False),
    Column("owner_issuer", String(300), nullable=False),
    Column("owner_subject", String(200), nullable=False),
    Column("owner_name", String(200), nullable=False),
    Column("owner_role", String(40), nullable=False),
    Column("acknowledged_at", UtcDateTime, nullable=True),
    Column("acknowledged_issuer", String(300), nullable=False),
    Column("acknowledged_subject", String(200), nullable=False),
    Column("acknowledged_name", String(200), nullable=False),
    Column("snoozed_until", UtcDateTime, nullable=True),
    Column("snoozed_issuer", String(300), nullable=False),
    Column("snoozed_subject", String(200), nullable=False),
    Column("snoozed_name", String(200), nullable=False),
    Column("incident_id", String(40), nullable=False),
    Column("incident_key", String(300), nullable=False),
    Column("at_risk", Text, nullable=False, server_default=""),
    Column("parts", Text, nullable=False, server_default="[]"),  # JSON [Part, ...]
    Column("revision", Integer, nullable=False),
    UniqueConstraint("number"),
    UniqueConstraint("standing_key"),
    Index("ix_alert_model", "model", "number"),
    Index("ix_alert_closed", "closed_at"),
)

alert_event = Table(
    "alert_event",
    metadata,
    Column("alert_id", String(40), ForeignKey("alert.alert_id", name="fk_alert_event_alert"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("happening", String(20), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by_issuer", String(300), nullable=False),  # empty: a rule
    Column("by_subject", String(200), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("seq", Integer, nullable=True),
    Column("window_name", String(80), nullable=False),
)

alert_look = Table(
    "alert_look",
    metadata,
    Column("source", String(80), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("last_success", UtcDateTime, nullable=True),
    Column("error", Text, nullable=False),
)
