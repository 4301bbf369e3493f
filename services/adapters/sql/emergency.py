"""Emergency releases and their reviews in the governance database; works on the caller's connection."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from services.adapters.sql.schema.approvals import promotion_request
from services.adapters.sql.schema.exceptions import emergency_review, review_signature
from services.rollout.emergency_models import Asked, Conclusion, Emergency, EmergencyMode, ReviewSignature

_REVIEW_COLUMNS = [column.name for column in emergency_review.columns]
_SIGNATURE_COLUMNS = [column.name for column in review_signature.columns if column.name != "review_id"]


class SqlEmergencies:
    """Implements rollout.emergency_ports.EmergencyStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, emergency: Emergency) -> None:
        values = {name: getattr(emergency, name) for name in _REVIEW_COLUMNS}
        values |= {"mode": emergency.mode.value, "conclusion": "", "closed_at": None}
        self._connection.execute(insert(emergency_review).values(**values))

    def get(self, review_id: str) -> Emergency | None:
        found = self._read(select(emergency_review).where(emergency_review.c.review_id == review_id))
        return found[0] if found else None

    def all(self, model: str = "", *, open_only: bool = False) -> tuple[Emergency, ...]:
        query = select(emergency_review).order_by(emergency_review.c.seq.desc())
        if model:
            query = query.where(emergency_review.c.model == model)
        if open_only:
            query = query.where(emergency_review.c.closed_at.is_(None))
        return tuple(self._read(query))

    def sign(self, review_id: str, signature: ReviewSignature) -> bool:
        table = review_signature.c
        mine = (
            table.review_id == review_id,
            table.issuer == signature.issuer,
            table.subject == signature.subject,
        )
        if self._connection.execute(select(table.seq).where(*mine)).first():
            return False
        values = {name: getattr(signature, name) for name in _SIGNATURE_COLUMNS}
        values |= {"review_id": review_id, "conclusion": signature.conclusion.value}
        self._connection.execute(insert(review_signature).values(**values))
        return True

    def close(self, review_id: str, conclusion: Conclusion, *, at: datetime) -> None:
        self._connection.execute(
            update(emergency_review)
            .where(emergency_review.c.review_id == review_id, emergency_review.c.closed_at.is_(None))
            .values(conclusion=conclusion.value, closed_at=at)
        )

    def asked(self, model: str, version: str) -> Asked | None:
        table = promotion_request.c
        row = self._connection.execute(
            select(
                table.request_id,
                table.requester_issuer,
                table.requester_subject,
                table.state,
                table.manifest_sha256,
            )
            .where(table.model == model, table.version == version)
            .order_by(table.seq.desc())
            .limit(1)
        ).first()
        return Asked(**row._mapping) if row else None  # noqa: SLF001 - public in SQLAlchemy

    def _read(self, query: Select[Any]) -> list[Emergency]:
        rows = list(self._connection.execute(query))
        if not rows:
            return []
        signatures: dict[str, list[ReviewSignature]] = {row.review_id: [] for row in rows}
        given = self._connection.execute(
            select(review_signature)
            .where(review_signature.c.review_id.in_(list(signatures)))
            .order_by(review_signature.c.seq)
        )
        for row in given:
            signatures[row.review_id].append(_signature(row))
        return [_emergency(row, tuple(signatures[row.review_id])) for row in rows]


def _signature(row: Row[Any]) -> ReviewSignature:
    values = {name: getattr(row, name) for name in _SIGNATURE_COLUMNS}
    return ReviewSignature(**values | {"conclusion": Conclusion(row.conclusion)})


def _emergency(row: Row[Any], signatures: tuple[ReviewSignature, ...]) -> Emergency:
    values = {name: getattr(row, name) for name in _REVIEW_COLUMNS}
    values |= {
        "mode": EmergencyMode(row.mode),
        "conclusion": Conclusion(row.conclusion) if row.conclusion else None,
        "signatures": signatures,
    }
    return Emergency(**values)
