"""Texts of delegations and open key ceremonies, on the connection of a unit of work. Implements people.ports."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, select, update

from services.adapters.sql.schema.people import delegation, key_ceremony
from services.people.ceremonies import Ceremony, CeremonyKind, CeremonyState

_OPEN = (CeremonyState.ASKED.value, CeremonyState.SIGNED.value)
_LONGEST = 200


class SqlPeopleRecords:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep_reason(self, delegation_id: str, *, reason: str, salt: str) -> None:
        change = update(delegation).where(delegation.c.id == delegation_id).values(reason=reason, salt=salt)
        self._connection.execute(change)

    def add_ceremony(self, ceremony: Ceremony, *, idem: str) -> None:
        if self._connection.execute(select(key_ceremony.c.id).where(key_ceremony.c.idem == idem)).first():
            return  # the same command again, after its answer was lost
        self._connection.execute(
            insert(key_ceremony).values(
                id=ceremony.id,
                kind=ceremony.kind.value,
                issuer=ceremony.issuer,
                subject=ceremony.subject,
                name=ceremony.name,
                asked_by_issuer=ceremony.asked_by[0],
                asked_by=ceremony.asked_by[1],
                asked_by_name=ceremony.asked_by_name,
                asked_at=ceremony.asked_at,
                idem=idem,
                **_changing(ceremony),
            )
        )

    def ceremony(self, ceremony_id: str) -> Ceremony | None:
        row = self._connection.execute(select(key_ceremony).where(key_ceremony.c.id == ceremony_id)).first()
        return _ceremony(row) if row else None

    def ceremonies(self, *, open_only: bool) -> tuple[Ceremony, ...]:
        query = select(key_ceremony).order_by(key_ceremony.c.asked_at.desc(), key_ceremony.c.id.desc()).limit(_LONGEST)
        if open_only:
            query = query.where(key_ceremony.c.state.in_(_OPEN))
        return tuple(map(_ceremony, self._connection.execute(query).all()))

    def save_ceremony(self, ceremony: Ceremony, *, was: Ceremony, at: datetime | None) -> bool:
        change = (
            update(key_ceremony)
            .where(
                key_ceremony.c.id == ceremony.id,
                key_ceremony.c.state.in_(_OPEN),
                key_ceremony.c.signed_by == _people(was),
            )
            .values(closed_at=at, **_changing(ceremony))
        )
        return self._connection.execute(change).rowcount == 1

    def replace_asked(self, who: tuple[str, str], *, by: str, at: datetime) -> None:
        own = and_(key_ceremony.c.issuer == who[0], key_ceremony.c.subject == who[1], key_ceremony.c.id != by)
        keys = key_ceremony.c.kind.in_((CeremonyKind.ENROL.value, CeremonyKind.ROTATE.value))
        self._connection.execute(
            update(key_ceremony)
            .where(own, keys, key_ceremony.c.state.in_(_OPEN))
            .values(state=CeremonyState.WITHDRAWN.value, closed_at=at)
        )


def _changing(ceremony: Ceremony) -> dict[str, Any]:
    return {
        "state": ceremony.state.value,
        "detail": json.dumps(dict(ceremony.detail), sort_keys=True),
        "envelopes": json.dumps(list(ceremony.envelopes)),
        "signed_by": _people(ceremony),
        "valid_until": ceremony.valid_until,
        "seq": ceremony.seq,
    }


def _people(ceremony: Ceremony) -> str:
    return json.dumps([list(who) for who in ceremony.signed_by])


def _ceremony(row: Row[Any]) -> Ceremony:
    return Ceremony(
        id=row.id,
        kind=CeremonyKind(row.kind),
        state=CeremonyState(row.state),
        issuer=row.issuer,
        subject=row.subject,
        name=row.name,
        detail=json.loads(row.detail),
        asked_by=(row.asked_by_issuer, row.asked_by),
        asked_by_name=row.asked_by_name,
        asked_at=row.asked_at,
        envelopes=tuple(json.loads(row.envelopes)),
        signed_by=tuple((issuer, subject, name) for issuer, subject, name in json.loads(row.signed_by)),
        valid_until=row.valid_until,
        seq=row.seq,
    )
