"""Tables of releases: what should serve, what was read back, queued actions with their steps, served periods.

Only `deployment` and `rollout_action` change; everything that decides is also in the ledger.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, text

from services.adapters.sql.schema.base import UtcDateTime, metadata

deployment = Table(
    "deployment",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("deployment", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("desired", Text, nullable=False, default="[]"),  # JSON [["3", 90], ["4", 10]]
    Column("champion", String(40), nullable=False, default=""),
    Column("alias_pending", Boolean, nullable=False, default=False),
    Column("candidate", String(40), nullable=True),
    Column("base", String(40), nullable=True),
    Column("plan", Text, nullable=False, default="[]"),  # JSON [10, 100]
    Column("release_action", String(60), nullable=True),
    Column("epoch", Integer, nullable=False, default=0),
    Column("observed", Text, nullable=True),  # JSON routes as last read back
    Column("observed_ready", Text, nullable=False, default="[]"),
    Column("observed_generation", Integer, nullable=True),
    Column("observed_op", String(80), nullable=False, default=""),
    Column("observed_at", UtcDateTime, nullable=True),
    Column("problem", Text, nullable=False, default=""),
    Column("alias_champion", String(40), nullable=True),
    Column("alias_read_at", UtcDateTime, nullable=True),
    Column("finding", Text, nullable=False, default=""),
    Column("finding_digest", String(64), nullable=False, default=""),
    Column("finding_kind", String(20), nullable=False, server_default=""),
    Column("finding_since", UtcDateTime, nullable=True),
    Column("finding_seq", Integer, nullable=True),
    Column("finding_leaf", String(64), nullable=False, server_default=""),
    Column("finding_round", Integer, nullable=False, server_default="0"),
    Column("changes", Text, nullable=False, server_default="[]"),  # JSON [{"kind": ..., "signed": ..., ...}]
    Column("live_since", UtcDateTime, nullable=True),
    Column("updated_at", UtcDateTime, nullable=False),
)

rollout_action = Table(
    "rollout_action",
    metadata,
    Column("action_id", String(60), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("deployment", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("from_version", String(40), nullable=True),
    Column("to_version", String(40), nullable=False),
    Column("routes", Text, nullable=False),
    Column("champion", String(40), nullable=False),
    Column("plan", Text, nullable=False, default="[]"),
    Column("request_id", String(60), nullable=True),
    Column("requested_by", String(200), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("reason_code", String(40), nullable=False, default=""),
    Column("reason", Text, nullable=False, default=""),
    Column("manifest_sha256", String(64), nullable=False, default=""),
    Column("decisions", Text, nullable=False, default="[]"),  # JSON [[seq, leaf hash], ...]
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=True),
    Column("switched_at", UtcDateTime, nullable=True),
    Column("restored_seconds", Float, nullable=True),
    Column("seq_intent", Integer, nullable=False),
    Column("leaf_intent", String(64), nullable=False, default=""),
    Column("seq_outcome", Integer, nullable=True),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_try_at", UtcDateTime, nullable=False),
    Column("lease_owner", String(120), nullable=False, default=""),
    Column("lease_until", UtcDateTime, nullable=True),
    Column("alias_done", Boolean, nullable=False, default=False),
    Column("detail", Text, nullable=False, default=""),
    Index("ix_rollout_action_open", "state", "seq_intent"),
    Index("ix_rollout_action_model", "model", "seq_intent"),
    Index(
        "uq_rollout_action_running",
        "model",
        unique=True,
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
)

action_step = Table(
    "action_step",
    metadata,
    Column(
        "action_id",
        String(60),
        ForeignKey("rollout_action.action_id", name="fk_action_step_rollout_action"),
        primary_key=True,
    ),
    Column("step", String(40), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

served_period = Table(
    "served_period",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("action_id", String(60), primary_key=True),
    Column("share", Integer, nullable=False),
    Column("from_at", UtcDateTime, nullable=False),
    Column("to_at", UtcDateTime, nullable=True),
    Index("ix_served_period_model", "model", "from_at"),
)

traffic_change = Table(
    "traffic_change",
    metadata,
    Column("action_id", String(60), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("routes", Text, nullable=False),
    Column("champion", String(40), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("seq", Integer, nullable=True),
    Index("ix_traffic_change_model", "model", "at"),
)
