"""Text that may be erased one day: comments, notes, reasons, unused forms. Implements audit.ports.DisposalUnits.

Each place names its table, its key, its text with the salt beside it, and how to find the model it is about.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, delete, func, select, update

from services.adapters.sql.database import Database, lock_writers
from services.adapters.sql.facts import fetched
from services.adapters.sql.incidents import NO_POST_MORTEM
from services.adapters.sql.schema.alerts import alert, alert_event
from services.adapters.sql.schema.approvals import promotion_request, request_decision, signing_challenge
from services.adapters.sql.schema.batch import batch_output, fallback_switch
from services.adapters.sql.schema.exceptions import (
    emergency_review,
    exception_step,
    policy_exception,
    review_signature,
)
from services.adapters.sql.schema.feedback import retraining_set, retraining_skip
from services.adapters.sql.schema.governance import tier_proposal, tier_step
from services.adapters.sql.schema.incidents import incident, incident_event
from services.adapters.sql.schema.monitors import monitor_version
from services.adapters.sql.schema.people import access_view
from services.adapters.sql.schema.retirements import value_review, value_review_answer
from services.adapters.sql.schema.rollout import rollout_action, traffic_change
from services.adapters.sql.schema.value import value_period, value_statement
from services.attestation.free_text import ERASED
from services.attestation.ports import LedgerWriter
from services.audit.retention import Erasable

_ERASED = f"{ERASED}%"
_FORM = "unused-form"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where people's own words stand. `about` leads to the table that names the model, where it is another one."""

    table: Table
    text: Column[Any]
    at: Column[Any]
    salt: Column[Any] | None = None
    about: tuple[Table, Column[Any], Column[Any]] | None = None
    only: ColumnElement[bool] | None = None
    also: tuple[Column[Any], ...] = ()
    """Columns that repeat the words, erased with them."""

    @property
    def keys(self) -> list[Column[Any]]:
        return list(self.table.primary_key.columns)

    @property
    def model(self) -> Column[Any]:
        return (self.about[0] if self.about else self.table).c.model


def _place(
    table: Table,
    text: str = "reason",
    at: str = "at",
    *,
    salt: str = "salt",
    of: tuple[Table, str] | None = None,
    only: ColumnElement[bool] | None = None,
) -> _Place:
    """Words with their salt beside them; `of` is the table that names the model, and the key that leads there."""
    about = (of[0], of[0].c[of[1]], table.c[of[1]]) if of else None
    return _Place(table=table, text=table.c[text], at=table.c[at], salt=table.c[salt], about=about, only=only)


PLACES = {
    "decision-comment": _place(request_decision, "comment", of=(promotion_request, "request_id")),
    "request-note": _Place(table=promotion_request, text=promotion_request.c.note, at=promotion_request.c.created_at),
    # Only people's own words: the machine's sentences about a release carry no reason code.
    "action-reason": _Place(
        table=rollout_action,
        text=rollout_action.c.reason,
        at=rollout_action.c.created_at,
        only=rollout_action.c.reason_code != "",
    ),
    # The timeline of production repeats the reasons.
    "timeline-reason": _Place(
        table=traffic_change,
        text=traffic_change.c.reason,
        at=traffic_change.c.at,
        only=traffic_change.c.action_id.in_(
            select(rollout_action.c.action_id).where(rollout_action.c.reason_code != "")
        ),
    ),
    # What the service wrote for the first versions is no person's text.
    "monitor-reason": _place(monitor_version, only=monitor_version.c.by_subject != ""),
    "exception-control": _place(policy_exception, "control", "until", salt="control_salt"),
    "exception-reason": _place(exception_step, of=(policy_exception, "exception_id")),
    "emergency-reason": _place(emergency_review),
    "review-comment": _place(review_signature, "comment", of=(emergency_review, "review_id")),
    # A rule's words are the machine's and stand in the ledger too.
    "incident-text": _Place(
        table=incident,
        text=incident.c.text,
        at=incident.c.detected_at,
        only=incident.c.key == "",
        also=(incident.c.title, incident.c.search_text),
    ),
    "incident-post-mortem": _Place(
        table=incident,
        text=incident.c.post_mortem,
        at=incident.c.detected_at,
        only=incident.c.post_mortem != NO_POST_MORTEM,
    ),
    "incident-words": _place(incident_event, "text", of=(incident, "incident_id")),
    "alert-words": _place(alert_event, "text", of=(alert, "alert_id")),
    "value-review-reason": _place(value_review_answer, of=(value_review, "review_id")),
    "value-statement-reason": _place(value_statement),
    "value-period-reason": _place(value_period),
    "retraining-set-reason": _place(retraining_set),
    "retraining-skip-reason": _place(retraining_skip),
    "tier-reason": _place(tier_step, of=(tier_proposal, "proposal_id")),
    "fallback-reason": _place(fallback_switch, at="ordered_at"),
    "batch-note": _place(batch_output, "note", "updated_at"),
}


class SqlDisposal:
    """Works on the caller's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def erasable(self) -> tuple[Erasable, ...]:
        found = [item for kind, place in PLACES.items() for item in self._texts(kind, place)]
        return tuple(sorted([*found, *self._forms()], key=lambda item: (item.at, item.kind, item.ref)))

    def erase(self, items: tuple[Erasable, ...], *, words: str) -> int:
        return sum(self._erase(item, words) for item in items)

    def _erase(self, item: Erasable, words: str) -> int:
        if item.kind == _FORM:
            change: Any = delete(signing_challenge).where(signing_challenge.c.nonce == item.ref)
        else:
            place = PLACES[item.kind]
            values = {place.text.name: words} | ({place.salt.name: ""} if place.salt is not None else {})
            given = json.loads(item.ref)
            values |= dict.fromkeys((column.name for column in place.also), words)
            same = [column == value for column, value in zip(place.keys, given, strict=True)]
            change = update(place.table).where(and_(*same)).values(**values)
        return int(self._connection.execute(change).rowcount)

    def _texts(self, kind: str, place: _Place) -> Iterator[Erasable]:
        query = select(place.at, place.model, *place.keys).where(place.text != "", place.text.not_like(_ERASED))
        if place.about is not None:
            parent, theirs, ours = place.about
            query = query.join_from(place.table, parent, theirs == ours)
        if place.only is not None:
            query = query.where(place.only)
        for at, model, *key in fetched(self._connection, query):
            yield Erasable(kind=kind, ref=json.dumps(key), model=model, at=at, class_id="decisions")

    def _forms(self) -> Iterator[Erasable]:
        table = signing_challenge.c
        query = select(table.nonce, table.expires_at).where(table.used.is_(False))
        for nonce, at in fetched(self._connection, query):
            yield Erasable(kind=_FORM, ref=nonce, model="", at=at, class_id="drafts")


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
