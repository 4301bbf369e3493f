"""What an entry about people or keys means for the tables: persons, roles, keys in use, delegations.

Runs in the transaction that records the entry, so that tables and ledger cannot tell two stories.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from services.adapters.sql.schema.people import (
    delegation,
    deployment_key,
    passkey,
    person,
    person_role,
    signing_key,
)
from services.attestation.keys import read_key
from services.attestation.models import Kind
from services.attestation.statement import Statement
from services.kernel.clock import from_utc_text
from services.kernel.identity import MACHINE_ROLE


def project_people(connection: Connection, statement: Statement, *, seq: int, leaf: str) -> None:
    """Brings the tables in line with a genesis, keyring or delegation entry; other kinds change nothing here."""
    if statement.kind is Kind.GENESIS:
        if seq != 0:
            return  # a second one is void
        _found(connection, statement.predicate, seq)
    elif statement.kind is Kind.KEYRING:
        _apply(connection, statement.predicate, seq)
    elif statement.kind is Kind.DELEGATION:
        _delegate(connection, statement, seq, leaf)
    project_deployment_keys(connection, statement, seq=seq)


def project_deployment_keys(connection: Connection, statement: Statement, *, seq: int) -> None:
    """The keys of service, log and machine as genesis names them and later entries replace them."""
    predicate = statement.predicate
    if statement.kind is Kind.GENESIS:
        _add_deployment_key(connection, "log", predicate["logKey"], seq)
        for item in predicate["keys"]:
            if item.get("use") in {"service", "machine"}:
                _add_deployment_key(connection, item["use"], item["key"], seq)
    elif statement.kind is Kind.KEYRING:
        use = {"rotate-service": "service", "rotate-log": "log", "enrol-machine": "machine"}.get(predicate["op"])
        if use is not None:
            _add_deployment_key(connection, use, predicate["key"], seq)


def _add_deployment_key(connection: Connection, use: str, document: Mapping[str, Any], seq: int) -> None:
    table = deployment_key
    connection.execute(update(table).where(table.c.use == use, table.c.retired_seq.is_(None)).values(retired_seq=seq))
    public = json.dumps(dict(document), sort_keys=True)
    connection.execute(insert(table).values(key_id=read_key(document).key_id, use=use, public=public, seq=seq))


def _found(connection: Connection, predicate: Mapping[str, Any], seq: int) -> None:
    for item in predicate["keys"]:
        if "person" in item and item.get("use") != "machine":
            _enrol(connection, item["person"], item["keyid"], seq)
    for role, people in predicate["roles"].items():
        for somebody in people if role != MACHINE_ROLE else ():
            _grant(connection, {"person": somebody, "role": role}, seq)


def _apply(connection: Connection, predicate: Mapping[str, Any], seq: int) -> None:
    somebody = predicate.get("person")
    match predicate["op"]:
        case "enrol":
            _enrol(connection, somebody, predicate["keyid"], seq)
        case "enrol-passkey":
            connection.execute(update(passkey).where(passkey.c.key_id == predicate["keyid"]).values(seq=seq))
        case "revoke":
            _revoke(connection, predicate)
            connection.execute(update(passkey).where(passkey.c.key_id == predicate["keyid"]).values(revoked_seq=seq))
        case "grant":
            _grant(connection, predicate, seq)
        case "withdraw":
            connection.execute(
                delete(person_role).where(_is(person_role, somebody), person_role.c.role == predicate["role"])
            )
        case "disable" | "enable":
            reason = predicate.get("reason", "") if predicate["op"] == "disable" else None
            values = {"active": predicate["op"] == "enable", "disabled_reason": reason}
            connection.execute(update(person).where(_is(person, somebody)).values(**values))


def _enrol(connection: Connection, somebody: Any, key_id: str, seq: int) -> None:
    _introduce(connection, somebody, seq, key_id=key_id)
    # From its entry on this key opens, and no other one of the same person.
    own = _is(signing_key, {"issuer": somebody["issuer"], "sub": somebody["sub"]})
    connection.execute(update(signing_key).where(own).values(retired=signing_key.c.key_id != key_id))


def _revoke(connection: Connection, predicate: Mapping[str, Any]) -> None:
    key_id = predicate["keyid"]
    connection.execute(update(person).where(person.c.key_id == key_id).values(key_id=None))
    since = predicate.get("sinceIndex", 0) if predicate.get("reason") == "compromised" else None
    connection.execute(
        update(signing_key).where(signing_key.c.key_id == key_id).values(retired=True, suspect_from=since)
    )


def _introduce(connection: Connection, somebody: Any, seq: int, **values: Any) -> None:
    """The person's row; somebody disabled stays so, whatever else is recorded about them."""
    named = {"name": somebody["name"], **values}
    if connection.execute(update(person).where(_is(person, somebody)).values(**named)).rowcount == 0:
        connection.execute(
            insert(person).values(issuer=somebody["issuer"], subject=somebody["sub"], seq=seq, active=True, **named)
        )


def _grant(connection: Connection, predicate: Mapping[str, Any], seq: int) -> None:
    somebody, role = predicate["person"], predicate["role"]
    _introduce(connection, somebody, seq)
    until = from_utc_text(predicate["until"]) if "until" in predicate else None
    held = and_(_is(person_role, somebody), person_role.c.role == role)
    if connection.execute(update(person_role).where(held).values(until=until)).rowcount == 0:
        connection.execute(
            insert(person_role).values(
                issuer=somebody["issuer"], subject=somebody["sub"], role=role, seq=seq, until=until
            )
        )


def _delegate(connection: Connection, statement: Statement, seq: int, leaf: str) -> None:
    predicate, table = statement.predicate, delegation
    if predicate["op"] == "withdraw":
        connection.execute(
            update(table)
            .where(table.c.id == predicate["id"], table.c.withdrawn_at.is_(None))
            .values(withdrawn_at=statement.at, withdrawn_by=predicate["signer"]["name"])
        )
        return
    giver, receiver = predicate["signer"], predicate["to"]
    connection.execute(
        insert(table).values(
            id=predicate["id"],
            role=predicate["role"],
            from_issuer=giver["issuer"],
            from_subject=giver["sub"],
            from_name=giver["name"],
            to_issuer=receiver["issuer"],
            to_subject=receiver["sub"],
            to_name=receiver["name"],
            tier=int(predicate["tier"]),
            since=from_utc_text(predicate["since"]),
            until=from_utc_text(predicate["until"]),
            seq=seq,
            leaf_hash=leaf,
        )
    )


def deployment_keys_known(connection: Connection) -> bool:
    return connection.execute(select(func.count()).select_from(deployment_key)).scalar_one() > 0


def _is(table: Any, somebody: Any) -> Any:
    return and_(table.c.issuer == somebody["issuer"], table.c.subject == somebody["sub"])
