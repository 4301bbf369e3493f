"""Tables of what people decide about models: use cases, and proposals of risk tiers with the decision on each.

Read models: the signed entries in the ledger are the record. Reasons are kept here only, so that they can be erased;
the ledger holds their salted digests.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from services.adapters.sql.schema.base import UtcDateTime, metadata

use_case = Table(
    "use_case",
    metadata,
    Column("use_case_id", String(60), primary_key=True),
    Column("title", String(300), nullable=False),
    Column("document", Text, nullable=False),
)

tier_proposal = Table(
    "tier_proposal",
    metadata,
    Column("proposal_id", String(60), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("kind", String(20), nullable=False),  # assessment, override, end
    Column("document", Text, nullable=False),  # JSON: levels with evidence, tiers, score
    Column("until", UtcDateTime, nullable=True),
    Column("confirmed", Boolean, nullable=True),  # null while nobody decided
    Index("ix_tier_proposal_model", "model"),
)

tier_step = Table(
    "tier_step",
    metadata,
    Column("proposal_id", String(60), ForeignKey("tier_proposal.proposal_id"), primary_key=True),
    Column("step", String(20), primary_key=True),  # proposed, decided: each happens once
    Column("by_issuer", String(300), nullable=False),
    Column("by_subject", String(200), nullable=False),
    Column("by_name", String(200), nullable=False),
    Column("by_role", String(40), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    Column("salt", String(64), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("leaf_hash", String(64), nullable=False),
)
