"""Text that may be erased one day: comments, notes, reasons, unused forms. Implements audit.ports.DisposalUnits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from services.adapters.sql.database import Database, lock_writers
from services.adapters.sql.facts import fetched
from services.adapters.sql.schema.approvals import promotion_request, request_decision, signing_challenge
from services.adapters.sql.schema.people import access_view
from services.adapters.sql.schema.rollout import rollout_action, traffic_change
from services.attestation.ports import LedgerWriter
from services.audit.retention import Erasable

_ERASED = "[erased on %"


class SqlDisposal:
    """Works on the caller's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def erasable(self) -> tuple[Erasable, ...]:
        found = [*self._comments(), *self._notes(), *self._reasons(), *self._forms()]
        return tuple(sorted(found, key=lambda item: (item.at, item.kind, item.ref)))

    def erase(self, items: tuple[Erasable, ...], *, words: str) -> int:
        return sum(self._erase(item, words) for item in items)

    def _erase(self, item: Erasable, words: str) -> int:
        table = request_decision.c
        if item.kind == "decision-comment":
            change: Any = update(request_decision).where(table.seq == int(item.ref)).values(comment=words, salt="")
        elif item.kind == "request-note":
            change = update(promotion_request).where(promotion_request.c.request_id == item.ref).values(note=words)
        elif item.kind == "action-reason":
            # The timeline of production repeats the reason.
            self._connection.execute(
                update(traffic_change).where(traffic_change.c.action_id == item.ref).values(reason=words)
            )
            change = update(rollout_action).where(rollout_action.c.action_id == item.ref).values(reason=words)
        else:
            change = delete(signing_challenge).where(signing_challenge.c.nonce == item.ref)
        return int(self._connection.execute(change).rowcount)

    def _comments(self) -> Iterator[Erasable]:
        table = request_decision.c
        query = (
            select(table.seq, table.at, promotion_request.c.model)
            .join(promotion_request, promotion_request.c.request_id == table.request_id)
            .where(table.comment != "", table.comment.not_like(_ERASED))
        )
        for seq, at, model in fetched(self._connection, query):
            yield _item("decision-comment", str(seq), model, at)

    def _notes(self) -> Iterator[Erasable]:
        table = promotion_request.c
        query = select(table.request_id, table.created_at, table.model).where(
            table.note != "", table.note.not_like(_ERASED)
        )
        for request_id, at, model in fetched(self._connection, query):
            yield _item("request-note", request_id, model, at)

    def _reasons(self) -> Iterator[Erasable]:
        # Only people's own words: the machine's sentences about a release name nobody's reasons.
        table = rollout_action.c
        query = select(table.action_id, table.created_at, table.model).where(
            table.reason_code != "", table.reason != "", table.reason.not_like(_ERASED)
        )
        for action_id, at, model in fetched(self._connection, query):
            yield _item("action-reason", action_id, model, at)

    def _forms(self) -> Iterator[Erasable]:
        table = signing_challenge.c
        query = select(table.nonce, table.expires_at).where(table.used.is_(False))
        for nonce, at in fetched(self._connection, query):
            yield Erasable(kind="unused-form", ref=nonce, model="", at=at, class_id="drafts")


class SqlDisposalUnit:
    def __init__(self, connection: Connection, ledger: LedgerWriter) -> None:
        self.ledger = ledger
        self.disposal = SqlDisposal(connection)


class SqlDisposalUnits:
    def __init__(self, database: Database, ledger_on: Callable[[Connection], LedgerWriter]) -> None:
        self._database = database
        self._ledger_on = ledger_on

    @contextmanager
    def write(self) -> Iterator[SqlDisposalUnit]:
        with self._database.write() as connection:
            lock_writers(connection)
            yield SqlDisposalUnit(connection, self._ledger_on(connection))

    @contextmanager
    def read(self) -> Iterator[SqlDisposalUnit]:
        with self._database.read() as connection:
            yield SqlDisposalUnit(connection, self._ledger_on(connection))


class SqlAccessLog:
    """Implements audit.ports.AccessLog: what auditors looked at; sign-ins are ledger entries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def view_count(self) -> tuple[int, datetime | None]:
        with self._database.read() as connection:
            found = fetched(connection, select(func.count(), func.min(access_view.c.at)))
        count, first = found[0]
        return int(count), first


def _item(kind: str, ref: str, model: str, at: datetime) -> Erasable:
    return Erasable(kind=kind, ref=ref, model=model, at=at, class_id="decisions")
