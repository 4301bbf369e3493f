"""Public keys of people, current and retired, as `rollout.attested` needs them to check old signatures."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import select

from services.adapters.sql.database import Database
from services.adapters.sql.schema.people import signing_key
from services.attestation.keys import PublicKey


class SqlPublicKeys:
    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, issuer: str, subject: str) -> Mapping[str, PublicKey]:
        with self._database.read() as connection:
            rows = connection.execute(
                select(signing_key.c.key_id, signing_key.c.public).where(
                    signing_key.c.issuer == issuer, signing_key.c.subject == subject
                )
            ).all()
        found = {}
        for row in rows:
            document = json.loads(row.public)
            key = PublicKey(keytype=document["keytype"], scheme=document["scheme"], public=document["keyval"]["public"])
            # The id is computed again: a row whose key was exchanged does not verify what it did not sign.
            found[key.key_id] = key
        return found
