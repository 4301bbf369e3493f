"""Searching the ledger's read model. Implements audit.ports.LedgerIndex."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Row, func, select

from services.adapters.sql.database import Database
from services.adapters.sql.schema.ledger import ledger_index
from services.audit.models import LedgerQuery, LedgerRow
from services.kernel.page import Page

_LONGEST = 500


class SqlLedgerIndex:
    def __init__(self, database: Database) -> None:
        self._database = database

    def search(self, query: LedgerQuery) -> Page[LedgerRow]:
        conditions = list(_conditions(query))
        limit = max(1, min(query.limit, _LONGEST))
        lines = (
            select(ledger_index)
            .where(*conditions)
            .order_by(ledger_index.c.seq.desc())
            .limit(limit)
            .offset(max(0, query.offset))
        )
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).select_from(ledger_index).where(*conditions)).scalar_one()
            rows = connection.execute(lines).all()
        return Page(items=tuple(map(_row, rows)), total=total, offset=query.offset, limit=limit)

    def row(self, seq: int) -> LedgerRow | None:
        with self._database.read() as connection:
            row = connection.execute(select(ledger_index).where(ledger_index.c.seq == seq)).first()
        return _row(row) if row else None

    def rows(self, *, start: int, limit: int) -> tuple[LedgerRow, ...]:
        query = select(ledger_index).where(ledger_index.c.seq >= start).order_by(ledger_index.c.seq).limit(limit)
        with self._database.read() as connection:
            return tuple(map(_row, connection.execute(query).all()))


def _conditions(query: LedgerQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        ledger_index.c.searched.contains(word, autoescape=True) for word in query.text.casefold().split()
    ]
    if query.kinds:
        conditions.append(ledger_index.c.kind.in_(query.kinds))
    if query.model:
        conditions.append(ledger_index.c.model == query.model)
    if query.until is not None:
        conditions.append(ledger_index.c.at <= query.until)
    return conditions


def _row(row: Row[Any]) -> LedgerRow:
    return LedgerRow(
        seq=row.seq,
        at=row.at,
        kind=row.kind,
        event=row.event,
        actor=row.actor,
        role=row.role,
        subject=row.subject,
        sentence=row.sentence,
        leaf_hash=row.leaf_hash,
    )
