"""Measured use per day, the rules that turn recorded quantities into money, and what people signed about both."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, Float, Integer, String, Table, Text, UniqueConstraint

from services.adapters.sql.schema.base import Money, UtcDateTime, metadata

usage_day = Table(
    "usage_day",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("component", String(40), primary_key=True),
    Column("cpu_seconds", Float, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("wall_seconds", Float, nullable=False),
    Column("billed", Money),  # what the platform charged; empty where use was measured
    Column("unpriced", Text, nullable=False, server_default="", default=""),  # billed use without a price
)

value_config = Table(
    "value_config",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("document", Text, nullable=False),
)

# Insert-only like the log: against what a model was measured on any day can be read for ever.
value_statement = Table(
    "value_statement",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("text", Text, nullable=False),  # canonical document, as signed
    Column("at", UtcDateTime, nullable=False),
    Column("by_issuer", String(300), nullable=False),
    Column("by_subject", String(200), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("live", String(40), nullable=False),  # version that served when it was signed
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
    UniqueConstraint("seq"),
)

value_period = Table(
    "value_period",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("period", String(7), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("act", String(20), nullable=False),
    Column("amount", String(40), nullable=False),  # decimal text
    Column("text", Text, nullable=False),  # the claim, canonical
    Column("sha256", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by_issuer", String(300), nullable=False),
    Column("by_subject", String(200), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
    UniqueConstraint("seq"),
)

# What was read before a day was read again with other figures: nothing that was shown once disappears.
usage_superseded = Table(
    "usage_superseded",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("component", String(40), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("cpu_seconds", Float, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("wall_seconds", Float, nullable=False),
    Column("billed", Money),  # what the platform charged; empty where use was measured
    Column("unpriced", Text, nullable=False, server_default="", default=""),  # billed use without a price
)
