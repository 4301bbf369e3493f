"""Passkeys with their counters, and what browsers were asked for. Enrolling and revoking is projected from entries."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.adapters.sql.database import Database
from services.adapters.sql.schema.people import passkey, passkey_ceremony
from services.attestation.keys import read_key
from services.attestation.passkeys import RelyingParty
from services.people.passkeys import Asked, Passkey

_KEPT_PAST_ITS_END = timedelta(days=1)


class SqlPasskeys:
    """Implements people.passkeys.PasskeyStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_passkey(self, item: Passkey) -> bool:
        values = {
            "key_id": item.key_id,
            "issuer": item.issuer,
            "subject": item.subject,
            "credential_id": item.credential_id,
            "public": json.dumps(item.public.document(), sort_keys=True),
            "rp_id": item.party.id,
            "origin": item.party.origin,
            "label": item.label,
            "sign_count": item.sign_count,
            "created_at": item.created_at,
        }
        with self._database.write() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(insert(passkey).values(values))
            except IntegrityError:
                return False
        return True

    def passkeys(self, issuer: str, subject: str) -> tuple[Passkey, ...]:
        return self._found(passkey.c.issuer == issuer, passkey.c.subject == subject)

    def every_passkey(self) -> tuple[Passkey, ...]:
        return self._found(passkey.c.seq.is_not(None), passkey.c.revoked_seq.is_(None))

    def _found(self, *conditions: Any) -> tuple[Passkey, ...]:
        query = select(passkey).where(*conditions).order_by(passkey.c.created_at.desc(), passkey.c.key_id)
        with self._database.read() as connection:
            return tuple(_passkey(row) for row in connection.execute(query).all())

    def ask(self, asked: Asked) -> None:
        table = passkey_ceremony
        with self._database.write() as connection:
            # What nobody answered in time is of no use to anybody.
            old = table.c.expires_at < asked.expires_at - _KEPT_PAST_ITS_END
            connection.execute(delete(table).where(old))
            connection.execute(delete(table).where(table.c.nonce == asked.nonce, table.c.used_at.is_(None)))
            connection.execute(
                insert(table).values(
                    nonce=asked.nonce,
                    purpose=asked.purpose,
                    issuer=asked.issuer,
                    subject=asked.subject,
                    document=json.dumps(dict(asked.document)),
                    expires_at=asked.expires_at,
                )
            )

    def asked(self, nonce: str) -> Asked | None:
        with self._database.read() as connection:
            row = connection.execute(select(passkey_ceremony).where(passkey_ceremony.c.nonce == nonce)).first()
        if row is None:
            return None
        return Asked(
            nonce=row.nonce,
            purpose=row.purpose,
            issuer=row.issuer,
            subject=row.subject,
            document=json.loads(row.document),
            expires_at=row.expires_at,
            used=row.used_at is not None,
        )

    def answer(self, nonce: str, *, at: datetime, key_id: str = "", was: int = 0, count: int = 0) -> bool:
        table = passkey_ceremony
        use = update(table).where(table.c.nonce == nonce, table.c.used_at.is_(None)).values(used_at=at)
        move = (
            update(passkey)
            .where(passkey.c.key_id == key_id, passkey.c.sign_count == was, passkey.c.revoked_seq.is_(None))
            .values(sign_count=count, last_used_at=at)
        )
        with self._database.write() as connection:
            if connection.execute(use).rowcount != 1:
                return False
            if key_id and connection.execute(move).rowcount != 1:
                # Somebody else's signature moved the counter in between: this answer stays used up.
                return False
        return True


def _passkey(row: Row[Any]) -> Passkey:
    return Passkey(
        key_id=row.key_id,
        issuer=row.issuer,
        subject=row.subject,
        credential_id=row.credential_id,
        public=read_key(json.loads(row.public)),
        party=RelyingParty(id=row.rp_id, origin=row.origin),
        label=row.label,
        sign_count=row.sign_count,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        seq=row.seq,
        revoked_seq=row.revoked_seq,
    )
