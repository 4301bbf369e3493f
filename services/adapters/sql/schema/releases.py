"""Tables of releases: where each approved version is on its way, what happened to it, and what was measured meanwhile.

`release` is a record of signed entries and changes by revision; looks are thinned, so that a week of them stays small.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from services.adapters.sql.schema.base import UtcDateTime, metadata

_MOVING = "state in ('planned', 'shadow', 'canary', 'paused')"

release = Table(
    "release",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("release_id", String(60), nullable=False),
    Column("model", String(200), nullable=False),
    Column("deployment", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("request_id", String(60), nullable=False),
    Column("candidate", String(40), nullable=False),
    Column("candidate_sha256", String(64), nullable=False),
    Column("base", String(40), nullable=True),
    Column("base_sha256", String(64), nullable=False, default=""),
    Column("state", String(20), nullable=False),
    Column("share", Integer, nullable=False),
    Column("plan", Text, nullable=False),  # JSON [5, 10, 20, 100]
    Column("shadow", Text, nullable=False, default=""),  # JSON {"min_days": 3, "min_records": 5000}, or empty
    Column("stage_since", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("resumes_to", String(20), nullable=True),
    Column("shadow_since", UtcDateTime, nullable=True),
    Column("shadow_closed_seq", Integer, nullable=True),
    Column("shadow_closed_leaf", String(64), nullable=False, default=""),
    Column("hold", String(20), nullable=True),
    Column("hold_reason", Text, nullable=False, default=""),
    Column("accepted", Text, nullable=False, default="[]"),  # JSON [["scores", 0.41]]
    Column("latched", Boolean, nullable=False, default=False),
    Column("analysis", Text, nullable=False, default=""),
    Column("revision", Integer, nullable=False, default=0),
    UniqueConstraint("release_id", name="uq_release_release_id"),
    Index("ix_release_model", "model", "id"),
    Index("uq_release_request", "request_id", unique=True),
    # Two versions of one model never go forward at once; the one before stays `full` until it is retired, and a
    # rollback may take both back in one transaction.
    Index("uq_release_moving", "model", unique=True, sqlite_where=text(_MOVING), postgresql_where=text(_MOVING)),
)

release_event = Table(
    "release_event",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column(
        "release_id",
        String(60),
        ForeignKey("release.release_id", name="fk_release_event_release"),
        nullable=False,
    ),
    Column("at", UtcDateTime, nullable=False),
    Column("state", String(20), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("seq", Integer, nullable=True),
    Index("ix_release_event_release", "release_id", "id"),
)

release_look = Table(
    "release_look",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column(
        "release_id",
        String(60),
        ForeignKey("release.release_id", name="fk_release_look_release"),
        nullable=False,
    ),
    Column("at", UtcDateTime, nullable=False),
    Column("stage_since", UtcDateTime, nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("kept", Boolean, nullable=False),
    Column("document", Text, nullable=False),  # JSON of the analysis
    Index("ix_release_look_release", "release_id", "id"),
)
