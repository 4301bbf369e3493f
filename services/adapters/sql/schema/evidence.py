"""Documents kept under their digest: what a signed statement cites must be readable years later."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, String, Table

from services.adapters.sql.schema.base import UtcDateTime, metadata

evidence_document = Table(
    "evidence_document",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("media_type", String(80), nullable=False),
    Column("title", String(300), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("kept_at", UtcDateTime, nullable=False),
    Index("ix_evidence_document_model", "model"),
)
