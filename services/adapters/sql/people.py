"""Persons, roles and delegations as the ledger leaves them, sealed signing keys, sessions, and who looked at what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Insert, Row, and_, case, func, insert, null, or_, select, update
from sqlalchemy.exc import IntegrityError

from services.adapters.sql.database import Database
from services.adapters.sql.schema.ledger import log_entry
from services.adapters.sql.schema.people import (
    access_view,
    delegation,
    deployment_key,
    person,
    person_account,
    person_login,
    person_role,
    person_session,
    signing_key,
)
from services.attestation.ports import Attempt, SealedKey
from services.kernel.clock import from_utc_text, utc_text
from services.kernel.identity import Login, Role
from services.kernel.page import Page
from services.people.models import Delegation, Person, ViewRecord
from services.people.ports import EndedSession, Session


class SqlPeople:
    """Implements people.ports.PeopleStore and people.sign_in.LoginStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def person(self, issuer: str, subject: str) -> Person | None:
        found = self._people(and_(person.c.issuer == issuer, person.c.subject == subject))
        return found[0] if found else None

    def people(self) -> tuple[Person, ...]:
        return self._people(None)

    def _people(self, condition: Any) -> tuple[Person, ...]:
        query = (
            select(
                person,
                signing_key.c.locked_until,
                signing_key.c.created_at.label("key_created_at"),
                person_role.c.role,
                person_role.c.until,
            )
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
                    last_seen_at=session.last_seen_at,
                    login=_login_text(session.login),
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
            last_seen_at=row.last_seen_at or row.signed_in_at,
            login=_login(row.login),
        )

    def touch_session(self, token_sha256: str, *, at: datetime) -> None:
        table = person_session
        with self._database.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.token_sha256 == token_sha256, table.c.ended_at.is_(None))
                .values(last_seen_at=at)
            )

    def renew_session(self, token_sha256: str, *, signed_in_at: datetime, expires_at: datetime, login: Login) -> None:
        table = person_session
        values = {"signed_in_at": signed_in_at, "expires_at": expires_at, "login": _login_text(login)}
        with self._database.write() as connection:
            connection.execute(
                update(table).where(table.c.token_sha256 == token_sha256, table.c.ended_at.is_(None)).values(values)
            )

    def use_login(self, sha256: str, *, at: datetime) -> bool:
        return self._inserted(insert(person_login).values(sha256=sha256, used_at=at))

    def login_was_used(self, sha256: str) -> bool:
        with self._database.read() as connection:
            query = select(func.count()).select_from(person_login).where(person_login.c.sha256 == sha256)
            return connection.execute(query).scalar_one() > 0

    def bound(self, issuer: str, claimed: str) -> str:
        table = person_account
        query = select(table.c.subject).where(table.c.issuer == issuer, table.c.claimed == claimed)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none() or ""

    def bind(self, issuer: str, claimed: str, *, subject: str, at: datetime) -> bool:
        values = {"issuer": issuer, "claimed": claimed, "subject": subject, "bound_at": at}
        return self._inserted(insert(person_account).values(values))

    def _inserted(self, statement: Insert) -> bool:
        """False when the row, or one that excludes it, was there: the database decides between two at once."""
        with self._database.write() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(statement)
            except IntegrityError:
                return False
        return True

    def end_session(self, token_sha256: str, *, at: datetime, because: str) -> None:
        table = person_session
        with self._database.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.token_sha256 == token_sha256, table.c.ended_at.is_(None))
                .values(ended_at=at, ended_because=because)
            )

    def ended_session(self, token_sha256: str, *, now: datetime) -> EndedSession | None:
        table = person_session
        with self._database.read() as connection:
            row = connection.execute(select(table).where(table.c.token_sha256 == token_sha256)).first()
        if row is None or (row.ended_at is None and row.expires_at > now):
            return None
        because = "expired" if row.ended_at is None else row.ended_because or "signed-out"
        return EndedSession(subject=row.subject, because=because)

    def delegations(self, *, in_force_at: datetime | None = None) -> tuple[Delegation, ...]:
        table = delegation
        query = select(table).order_by(table.c.seq.desc())
        if in_force_at is not None:
            query = query.where(
                table.c.since <= in_force_at, table.c.until > in_force_at, table.c.withdrawn_at.is_(None)
            )
        with self._database.read() as connection:
            return tuple(_delegation(row) for row in connection.execute(query).all())

    def add_view(self, view: ViewRecord, *, session_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(
                insert(access_view).values(
                    at=view.at,
                    issuer=view.issuer,
                    subject=view.subject,
                    name=view.name,
                    session_id=session_id,
                    screen=view.screen,
                    about=view.about,
                )
            )

    def views(self, *, issuer: str, subject: str, limit: int, offset: int) -> Page[ViewRecord]:
        table = access_view
        own = [table.c.issuer == issuer, table.c.subject == subject] if subject else []
        lines = select(table).where(*own).order_by(table.c.id.desc()).limit(limit).offset(offset)
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).select_from(table).where(*own)).scalar_one()
            rows = connection.execute(lines).all()
        items = tuple(
            ViewRecord(
                at=row.at, issuer=row.issuer, subject=row.subject, name=row.name, screen=row.screen, about=row.about
            )
            for row in rows
        )
        return Page(items=items, total=total, offset=offset, limit=limit)


class SqlKeyStore:
    """Implements attestation.ports.KeyStore; each method is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_key(self, key: SealedKey, *, at: datetime, waiting: bool = False) -> None:
        table = signing_key
        own = and_(table.c.issuer == key.issuer, table.c.subject == key.subject)
        with self._database.write() as connection:
            if not waiting:
                connection.execute(update(table).where(own).values(retired=True))
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
                    retired=waiting,
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

    def begin_attempt(self, key_id: str, *, now: datetime, limit: int, lock_until: datetime) -> Attempt:
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
        state = select(table.c.failures, table.c.locked_until).where(table.c.key_id == key_id)
        with self._database.write() as connection:
            allowed = connection.execute(attempt).rowcount == 1
            row = connection.execute(state).one()
        return Attempt(allowed=allowed, number=row.failures, locked_until=row.locked_until)

    def attempt_succeeded(self, key_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(
                update(signing_key).where(signing_key.c.key_id == key_id).values(failures=0, locked_until=None)
            )

    def deployment_keys(self) -> Mapping[str, str]:
        table = deployment_key
        with self._database.read() as connection:
            rows = connection.execute(select(table.c.use, table.c.key_id).where(table.c.retired_seq.is_(None))).all()
        return {row.use: row.key_id for row in rows}

    def log_is_empty(self) -> bool:
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(log_entry)).scalar_one() == 0


def _person(lines: list[Row[Any]]) -> Person:
    first = lines[0]
    known = {role.value: role for role in Role}
    held = [line for line in lines if line.role in known]
    return Person(
        issuer=first.issuer,
        subject=first.subject,
        name=first.name,
        roles=tuple(known[line.role] for line in held),
        active=first.active,
        key_id=first.key_id,
        key_locked_until=first.locked_until,
        key_created_at=first.key_created_at,
        role_ends=tuple((known[line.role], line.until) for line in held if line.until is not None),
        disabled_reason=first.disabled_reason or "",
    )


def _login_text(login: Login | None) -> str | None:
    if login is None:
        return None
    said = {"issuedAt": utc_text(login.issued_at), "acr": login.acr, "token": login.token_sha256}
    return json.dumps(said | ({"authTime": utc_text(login.auth_time)} if login.auth_time else {}))


def _login(text: str | None) -> Login | None:
    if not text:
        return None
    said = json.loads(text)
    return Login(
        issued_at=from_utc_text(said["issuedAt"]),
        auth_time=from_utc_text(said["authTime"]) if "authTime" in said else None,
        acr=said["acr"],
        token_sha256=said["token"],
    )


def _delegation(row: Row[Any]) -> Delegation:
    return Delegation(
        id=row.id,
        role=row.role,
        from_issuer=row.from_issuer,
        from_subject=row.from_subject,
        from_name=row.from_name,
        to_issuer=row.to_issuer,
        to_subject=row.to_subject,
        to_name=row.to_name,
        tier=row.tier,
        since=row.since,
        until=row.until,
        reason=row.reason,
        seq=row.seq,
        leaf_hash=row.leaf_hash,
        withdrawn_at=row.withdrawn_at,
        withdrawn_by=row.withdrawn_by or "",
    )
