"""Keeps what was judged, under its digest, in the transaction that signs it; and reads it for audit packs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, insert, select

from services.adapters.sql.database import Database
from services.adapters.sql.lineage import lineage_text
from services.adapters.sql.schema import approvals, inventory
from services.adapters.sql.schema.evidence import evidence_document
from services.attestation.statement import Statement
from services.audit.pack.contents import cited_documents
from services.audit.pack.ports import FreeText, KeptDocument
from services.ledger.summary import model_and_version


class SqlEvidence:
    """Adds documents on the caller's connection; the same bytes are kept once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep(self, data: bytes, *, model: str, media_type: str, title: str, at: datetime) -> str:
        """The digest under which the document is found again."""
        sha256 = hashlib.sha256(data).hexdigest()
        known = select(evidence_document.c.sha256).where(evidence_document.c.sha256 == sha256)
        if self._connection.execute(known).first() is None:
            values = {"sha256": sha256, "model": model, "media_type": media_type, "title": title[:300], "kept_at": at}
            self._connection.execute(insert(evidence_document).values(data=data, **values))
        return sha256


def freeze_cited(connection: Connection, said: Statement) -> None:
    """Keeps evaluation report, file list and lineage a request rests on, as they are now: they are read again later."""
    model, version = model_and_version(said)
    cited = {sha256 for _, sha256 in cited_documents(said)}
    facts = approvals.version_evidence
    query = select(facts).where(facts.c.model == model, facts.c.version == version)
    row = connection.execute(query).first()
    if row is None:
        return
    keeper, about = SqlEvidence(connection), f"{model} version {version}"
    lineage_sha256, lineage = lineage_text(connection, model, version)
    for title, sha256, text in (
        (f"Evaluation report of {about}", row.evaluation_sha256, row.evaluation),
        (f"List of the files of {about}", row.manifest_sha256, row.manifest),
        (f"Lineage of {about}", lineage_sha256, lineage),
    ):
        if text and sha256 in cited:
            keeper.keep(text.encode(), model=model, media_type="application/json", title=title, at=said.at)


class SqlPackFacts:
    """Implements audit.pack.ports.PackFacts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def texts(self, model: str) -> Mapping[int, FreeText]:
        decisions, requests = approvals.request_decision, approvals.promotion_request
        query = select(decisions.c.seq, decisions.c.comment, decisions.c.salt).join(
            requests, requests.c.request_id == decisions.c.request_id
        )
        if model:
            query = query.where(requests.c.model == model)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {row.seq: FreeText(text=row.comment, salt=row.salt) for row in rows}

    def frozen_requests(self, model: str) -> Mapping[str, str]:
        table = approvals.promotion_request
        query = select(table.c.request_id, table.c.revision, table.c.document).order_by(table.c.request_id)
        if model:
            query = query.where(table.c.model == model)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {f"{row.request_id}-{row.revision}": row.document for row in rows}

    def documents(self, model: str) -> tuple[KeptDocument, ...]:
        table, facts = evidence_document, approvals.version_evidence
        kept = select(table).order_by(table.c.sha256)
        read = select(facts).order_by(facts.c.model, facts.c.version)
        if model:
            kept, read = kept.where(table.c.model.in_((model, ""))), read.where(facts.c.model == model)
        with self._database.read() as connection:
            rows, versions = connection.execute(kept).all(), connection.execute(read).all()
        found = [
            KeptDocument(sha256=row.sha256, media_type=row.media_type, title=row.title, data=row.data) for row in rows
        ]
        for row in versions:
            about = f"{row.model} version {row.version}"
            for title, sha256, text in (
                (f"Evaluation report of {about}", row.evaluation_sha256, row.evaluation),
                (f"List of the files of {about}", row.manifest_sha256, row.manifest),
            ):
                if text:
                    data = text.encode()
                    found.append(KeptDocument(sha256=sha256, media_type="application/json", title=title, data=data))
        return tuple(found)

    def inventory(self, model: str) -> Mapping[str, str]:
        table = inventory.governed_model
        query = select(table.c.name, table.c.document).order_by(table.c.name)
        if model:
            query = query.where(table.c.name == model)
        with self._database.read() as connection:
            return {row.name: row.document for row in connection.execute(query)}
