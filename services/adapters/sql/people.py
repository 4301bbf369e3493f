"""Persons and roles as the ledger's keyring entries leave them, sealed signing keys, and sessions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, case, delete, func, insert, null, or_, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.schema.ledger import log_entry
from services.adapters.sql.schema.people import person, person_role, person_session, signing_key
from services.attestation.models import Kind
from services.attestation.ports import SealedKey
from services.attestation.statement import Statement
from services.kernel.identity import MACHINE_ROLE, Role
from services.people.models import Person
from services.people.ports import Session


class SqlPeople:
    """Implements people.ports.PeopleStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def person(self, issuer: str, subject: str) -> Person | None:
        found = self._people(and_(person.c.issuer == issuer, person.c.subject == subject))
        return found[0] if found else None

    def people(self) -> tuple[Person, ...]:
        return self._people(None)

    def _people(self, condition: Any) -> tuple[Person, ...]:
        query = (
            select(person, signing_key.c.locked_until, person_role.c.role)
            .outerjoin(signing_key, signing_key.c.key_id == person.c.key_id)
            .outerjoin(
                person_role, and_(person_role.c.issuer == person.c.issuer, person_role.c.subject == person.c.subject)
            )
            .order_by(person.c.name, person.c.issuer, person.c.subject, person_role.c.role)
        )
        with self._database.read() as connection:
            rows = connection.execute(query if condition is None else query.where(condition)).all()
        grouped: dict[tuple[str, str], list[Row[Any]]] = {}
        for row in rows:
            grouped.setdefault((row.issuer, row.subject), []).append(row)
        return tuple(_person(lines) for lines in grouped.values())

    def add_session(self, session: Session, *, token_sha256: str) -> None:
        with self._database.write() as connection:
            connection.execute(
                insert(person_session).values(
                    token_sha256=token_sha256,
                    session_id=session.session_id,
                    issuer=session.issuer,
                    subject=session.subject,
                    role=session.role.value,
                    method=session.method,
                    signed_in_at=session.signed_in_at,
                    expires_at=session.expires_at,
                )
            )

    def session(self, token_sha256: str, *, now: datetime) -> Session | None:
        table = person_session
        query = select(table).where(
            table.c.token_sha256 == token_sha256, table.c.ended_at.is_(None), table.c.expires_at > now
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        return Session(
            session_id=row.session_id,
            issuer=row.issuer,
            subject=row.subject,
            role=Role(row.role),
            method=row.method,
            signed_in_at=row.signed_in_at,
            expires_at=row.expires_at,
        )

    def end_session(self, token_sha256: str, *, at: datetime) -> None:
        table = person_session
        with self._database.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.token_sha256 == token_sha256, table.c.ended_at.is_(None))
                .values(ended_at=at)
            )


class SqlKeyStore:
    """Implements attestation.ports.KeyStore; each method is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_key(self, key: SealedKey, *, at: datetime) -> None:
        table = signing_key
        with self._database.write() as connection:
            connection.execute(
                update(table).where(table.c.issuer == key.issuer, table.c.subject == key.subject).values(retired=True)
            )
            connection.execute(
                insert(table).values(
                    key_id=key.key_id,
                    issuer=key.issuer,
                    subject=key.subject,
                    public=json.dumps(dict(key.public), sort_keys=True),
                    pkcs8=key.pkcs8,
                    salt=key.salt,
                    kdf=json.dumps(dict(key.kdf), sort_keys=True),
                    failures=0,
                    retired=False,
                    created_at=at,
                )
            )

    def key_of(self, issuer: str, subject: str) -> SealedKey | None:
        table = signing_key
        query = select(table).where(table.c.issuer == issuer, table.c.subject == subject, table.c.retired.is_(False))
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        return SealedKey(
            key_id=row.key_id,
            issuer=row.issuer,
            subject=row.subject,
            public=json.loads(row.public),
            pkcs8=row.pkcs8,
            salt=row.salt,
            kdf=json.loads(row.kdf),
        )

    def begin_attempt(self, key_id: str, *, now: datetime, limit: int, lock_until: datetime) -> datetime | None:
        table = signing_key
        free = or_(table.c.locked_until.is_(None), table.c.locked_until <= now)
        # After a lock has run out, counting starts again at one.
        counted = case((table.c.locked_until.is_(None), table.c.failures + 1), else_=1)
        locks = and_(table.c.locked_until.is_(None), table.c.failures + 1 >= limit)
        attempt = (
            update(table)
            .where(table.c.key_id == key_id, free)
            .values(failures=counted, locked_until=case((locks, lock_until), else_=null()))
        )
        with self._database.write() as connection:
            if connection.execute(attempt).rowcount == 1:
                return None
            until: datetime | None = connection.execute(
                select(table.c.locked_until).where(table.c.key_id == key_id)
            ).scalar()
            return until or lock_until

    def attempt_succeeded(self, key_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(
                update(signing_key).where(signing_key.c.key_id == key_id).values(failures=0, locked_until=None)
            )

    def log_is_empty(self) -> bool:
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(log_entry)).scalar_one() == 0


def project_keyring(connection: Connection, statement: Statement, *, seq: int) -> None:
    """Brings persons and roles in line with a genesis or keyring entry, in the transaction that records it."""
    predicate = statement.predicate
    if statement.kind is Kind.GENESIS:
        for item in predicate["keys"]:
            if "person" in item and item.get("use") != "machine":
                _enrol(connection, item["person"], item["keyid"], seq)
        for role, people in predicate["roles"].items():
            for somebody in people if role != MACHINE_ROLE else ():
                _grant(connection, somebody, role, seq)
    elif statement.kind is Kind.KEYRING:
        _apply(connection, predicate, seq)


def _apply(connection: Connection, predicate: Mapping[str, Any], seq: int) -> None:
    somebody = predicate.get("person")
    match predicate["op"]:
        case "enrol":
            _enrol(connection, somebody, predicate["keyid"], seq)
        case "revoke":
            connection.execute(update(person).where(person.c.key_id == predicate["keyid"]).values(key_id=None))
            connection.execute(
                update(signing_key).where(signing_key.c.key_id == predicate["keyid"]).values(retired=True)
            )
        case "grant":
            _grant(connection, somebody, predicate["role"], seq)
        case "withdraw":
            connection.execute(
                delete(person_role).where(_is(person_role, somebody), person_role.c.role == predicate["role"])
            )


def _enrol(connection: Connection, somebody: Any, key_id: str, seq: int) -> None:
    values = {"name": somebody["name"], "key_id": key_id, "active": True}
    if connection.execute(update(person).where(_is(person, somebody)).values(**values)).rowcount == 0:
        connection.execute(insert(person).values(issuer=somebody["issuer"], subject=somebody["sub"], seq=seq, **values))


def _grant(connection: Connection, somebody: Any, role: str, seq: int) -> None:
    held = select(person_role.c.role).where(_is(person_role, somebody), person_role.c.role == role)
    if connection.execute(held).first() is None:
        connection.execute(
            insert(person_role).values(issuer=somebody["issuer"], subject=somebody["sub"], role=role, seq=seq)
        )


def _is(table: Any, somebody: Any) -> Any:
    return and_(table.c.issuer == somebody["issuer"], table.c.subject == somebody["sub"])


def _person(lines: list[Row[Any]]) -> Person:
    first = lines[0]
    known = {role.value: role for role in Role}
    return Person(
        issuer=first.issuer,
        subject=first.subject,
        name=first.name,
        roles=tuple(known[line.role] for line in lines if line.role in known),
        active=first.active,
        key_id=first.key_id,
        key_locked_until=first.locked_until,
    )
