"""Public keys of people and of the machine, current and retired: what is needed to check old signatures."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import select

from services.adapters.sql.database import Database
from services.adapters.sql.schema.people import deployment_key, signing_key
from services.attestation.keys import PublicKey, read_key
from services.kernel.identity import MACHINE_ISSUER, MACHINE_SUBJECT
from services.rollout.attested import ReplacedKey


class SqlPublicKeys:
    """Implements rollout.attested.KnownKeys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, issuer: str, subject: str) -> Mapping[str, PublicKey]:
        own = select(signing_key.c.public).where(signing_key.c.issuer == issuer, signing_key.c.subject == subject)
        if (issuer, subject) == (MACHINE_ISSUER, MACHINE_SUBJECT):
            own = select(deployment_key.c.public).where(deployment_key.c.use == "machine")
        with self._database.read() as connection:
            rows = connection.execute(own).all()
        found = {}
        for row in rows:
            document = json.loads(row.public)
            key = PublicKey(keytype=document["keytype"], scheme=document["scheme"], public=document["keyval"]["public"])
            # The id is computed again: a row whose key was exchanged does not verify what it did not sign.
            found[key.key_id] = key
        return found

    def suspect_from(self, key_id: str) -> int | None:
        query = select(signing_key.c.suspect_from).where(signing_key.c.key_id == key_id)
        with self._database.read() as connection:
            return connection.execute(query).scalar()

    def replaced_service_keys(self) -> tuple[ReplacedKey, ...]:
        table = deployment_key
        query = select(table.c.public, table.c.seq, table.c.retired_seq).where(
            table.c.use == "service", table.c.retired_seq.is_not(None)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return tuple(
            ReplacedKey(key=read_key(json.loads(row.public)), since=row.seq, until=row.retired_seq) for row in rows
        )
