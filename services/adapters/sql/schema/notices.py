"""Tables of notices: what was announced to whom, who read it, what goes outside by which channel and how that went.

Everything here can be worked out again from the ledger and the state, except who read what.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, text

from services.adapters.sql.schema.base import UtcDateTime, metadata

notice = Table(
    "notice",
    metadata,
    Column("key", String(700), primary_key=True),  # base key, a hash sign and the round
    Column("notice_id", String(16), nullable=False, unique=True),  # stands in addresses and messages
    Column("base_key", String(690), nullable=False),
    Column("round", Integer, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("rank", Integer, nullable=False),  # 0 red, 1 amber, 2 info: sorts as people read
    Column("at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("done_at", UtcDateTime, nullable=True),
    Column("role", String(40), nullable=False),
    Column("issuer", String(300), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("not_for_issuer", String(300), nullable=False),
    Column("not_for_subject", String(200), nullable=False),
    Column("title", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("model", String(200), nullable=False),
    Column("version", String(40), nullable=False),
    Column("request_id", String(60), nullable=False),
    Column("tier", Integer, nullable=False),
    Column("stands_while", String(690), nullable=False),
    Column("seq", Integer, nullable=True),
    Index("ix_notice_base", "base_key", "round"),
    Index("ix_notice_role", "role", "done_at", "at"),
    Index("ix_notice_person", "subject", "done_at", "at"),
    Index(
        "ix_notice_open",
        "stands_while",
        sqlite_where=text("done_at IS NULL AND stands_while <> ''"),
        postgresql_where=text("done_at IS NULL AND stands_while <> ''"),
    ),
)

notice_read = Table(
    "notice_read",
    metadata,
    Column("key", String(700), ForeignKey("notice.key"), primary_key=True),
    Column("issuer", String(300), primary_key=True),
    Column("subject", String(200), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

notice_cursor = Table(
    "notice_cursor",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("next_seq", Integer, nullable=False),
    Column("since", UtcDateTime, nullable=False),
)

notice_delivery = Table(
    "notice_delivery",
    metadata,
    Column("key", String(700), ForeignKey("notice.key"), primary_key=True),
    Column("channel", String(60), primary_key=True),
    Column("state", String(10), nullable=False),  # waiting, sent, given-up
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_try_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=True),
    Column("error", Text, nullable=False),
    Index("ix_notice_delivery_due", "state", "next_try_at"),
)

notice_channel = Table(
    "notice_channel",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("last_success", UtcDateTime, nullable=True),
    Column("failing_since", UtcDateTime, nullable=True),
    Column("error", Text, nullable=False),
)
