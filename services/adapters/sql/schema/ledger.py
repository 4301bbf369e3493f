"""Tables of the ledger. `log_entry`, `log_checkpoint` and `log_anchor` only ever grow; triggers see to it.

`ledger_index` is a read model: it can be built again from `log_entry` alone. `registry_anchor_copy` is one line: the
registry's tags as the worker last read them.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

log_entry = Table(
    "log_entry",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary(32), nullable=False, unique=True),
    Column("frontier", LargeBinary, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("idem", String(200), nullable=False, unique=True),
    Column("appended_at", UtcDateTime, nullable=False),
)

log_checkpoint = Table(
    "log_checkpoint",
    metadata,
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
)

log_anchor = Table(
    "log_anchor",
    metadata,
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(40), primary_key=True),
    Column("place", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

registry_anchor_copy = Table(
    "registry_anchor_copy",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("tags", Text, nullable=False),
    Column("read_at", UtcDateTime, nullable=True),
    Column("tried_at", UtcDateTime, nullable=True),
    Column("problem", Text, nullable=False),
)

ledger_index = Table(
    "ledger_index",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("event", String(80), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("actor_subject", String(200), nullable=False),
    Column("role", String(40), nullable=False),
    Column("model", String(200), nullable=False),
    Column("subject", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("searched", Text, nullable=False),  # lower case: sentence, people, subject, event
    Column("leaf_hash", String(64), nullable=False),
    Index("ix_ledger_index_model", "model", "seq"),
    Index("ix_ledger_index_kind", "kind", "seq"),
)
