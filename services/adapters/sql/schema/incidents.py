"""Tables of incidents: each as it stands, its steps, and the traffic changes that belong to it.

Read models: the entries in the ledger are the record, and each step names its own. What people wrote is kept here
only, so that it can be erased; the ledger holds its salted digest.
"""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from services.adapters.sql.schema.base import UtcDateTime, metadata

incident = Table(
    "incident",
    metadata,
    Column("incident_id", String(40), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("key", String(300), nullable=False),  # empty for one that a person opened
    Column("model", String(200), nullable=False),
    Column("version", String(40), nullable=False),
    Column("severity", Integer, nullable=False),
    Column("state", String(20), nullable=False),  # open, acknowledged, mitigated, closed
    Column("title", String(300), nullable=False),
    Column("text", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("measured", Text, nullable=False),
    Column("release_id", String(80), nullable=False),
    Column("earlier", String(40), nullable=False),
    Column("cause", String(200), nullable=True),  # what a person opened it from: one incident of each
    Column("assignee_issuer", String(300), nullable=False),
    Column("assignee_subject", String(200), nullable=False),
    Column("assignee_name", String(200), nullable=False),
    Column("impact_start", UtcDateTime, nullable=True),
    Column("detected_at", UtcDateTime, nullable=False),
    Column("acknowledged_at", UtcDateTime, nullable=True),
    Column("mitigated_at", UtcDateTime, nullable=True),
    Column("closed_at", UtcDateTime, nullable=True),
    Column("opened_seq", Integer, nullable=False),
    Column("mitigated_seq", Integer, nullable=True),
    Column("recurred_seq", Integer, nullable=True),
    Column("post_mortem", Text, nullable=False),  # JSON
    Column("revision", Integer, nullable=False),
    UniqueConstraint("number"),
    UniqueConstraint("opened_seq"),
    Index("ix_incident_model", "model", "opened_seq"),
    Index("ix_incident_state", "state", "severity"),
    Index("ix_incident_key", "key", "number"),
    Index("ix_incident_cause", "cause", unique=True),
)

incident_event = Table(
    "incident_event",
    metadata,
    Column(
        "incident_id",
        String(40),
        ForeignKey("incident.incident_id", name="fk_incident_event_incident"),
        primary_key=True,
    ),
    Column("seq", Integer, primary_key=True),
    Column("leaf_hash", String(64), nullable=False),
    Column("step", String(20), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by_issuer", String(300), nullable=False),  # empty: the service
    Column("by_subject", String(200), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("facts", Text, nullable=False),  # JSON object, as in the entry
    Column("text", Text, nullable=False),
    Column("salt", String(64), nullable=False),
)

incident_owed = Table(
    "incident_owed",
    metadata,
    # Follow-ups of closed incidents that are not done; what they say stands in the post-mortem.
    Column(
        "incident_id",
        String(40),
        ForeignKey("incident.incident_id", name="fk_incident_owed_incident"),
        primary_key=True,
    ),
    Column("number", Integer, primary_key=True),
    Column("owner_subject", String(200), nullable=False),
    Column("due", Date, nullable=False),
    Index("ix_incident_owed_owner", "owner_subject", "due"),
)

incident_action = Table(
    "incident_action",
    metadata,
    Column(
        "incident_id",
        String(40),
        ForeignKey("incident.incident_id", name="fk_incident_action_incident"),
        primary_key=True,
    ),
    Column("action_id", String(60), primary_key=True),
    Column("position", Integer, nullable=False),
    Index("ix_incident_action_action", "action_id"),
)
