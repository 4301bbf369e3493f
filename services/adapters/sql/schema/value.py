"""Measured use per day, the rules that turn recorded quantities into money, and what people signed about both."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, Float, Index, Integer, String, Table, Text, UniqueConstraint

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

# One prepared line per model: columns to sort, filter and add up by, amounts in cents; the document is the line itself.
value_portfolio = Table(
    "value_portfolio",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("kind", String(12), nullable=False),  # model, unallocated, or empty: looked at, nothing to show
    Column("day", Date, nullable=False),  # the last one of the window
    Column("head", Integer, nullable=False),  # of monitoring_head, part value, when it was computed
    Column("basis", String(64), nullable=False),
    Column("computed_at", UtcDateTime, nullable=False),
    Column("rank", Integer, nullable=False),  # of its state, the worst first
    Column("cost", BigInteger, nullable=False),
    Column("benefit", BigInteger, nullable=True),
    Column("net", BigInteger, nullable=True),
    Column("setup", BigInteger, nullable=True),
    Column("monthly_net", BigInteger, nullable=True),
    Column("attested", BigInteger, nullable=False),
    Column("claimed", BigInteger, nullable=False),
    Column("attested_months", Integer, nullable=False),
    Column("waiting_months", Integer, nullable=False),
    Column("multiple", Float, nullable=True),
    Column("payback", Float, nullable=True),
    Column("has_problem", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Index("ix_value_portfolio_attention", "kind", "rank", "net", "model"),
)
