"""The first entries of a log: genesis names the keys everything rests on, then each person's key and role.

The fingerprint of genesis is the one thing an auditor has to hold on paper.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.attestation import canonical, statement
from services.attestation.keys import PublicKey
from services.attestation.models import Kind, LogHead, Subject
from services.attestation.ports import LedgerWriter
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import ConflictError, InputError
from services.kernel.identity import MACHINE_ISSUER, MACHINE_NAME, MACHINE_ROLE, MACHINE_SUBJECT, Role
from services.kernel.secret import Secret
from services.ledger import epochs
from services.ledger.epochs import Loss
from services.ledger.ports import FoundingDesk

Writing = Callable[[], AbstractContextManager[LedgerWriter]]

EMBEDDED_PROFILE = "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPerson:
    """Somebody enrolled with the log itself. One of them must be an administrator."""

    issuer: str
    subject: str
    name: str
    roles: tuple[Role, ...]
    passphrase: Secret
    until: datetime | None = None
    """When the roles end, for access given for a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The span of replayed history: entries in it were written later than the time they state, and genesis says so."""

    start: datetime
    end: datetime


def found_log(
    desk: FoundingDesk,
    writing: Writing,
    *,
    clock: Clock,
    profile: str,
    people: tuple[NewPerson, ...],
    replay: Replay | None = None,
    policy: dict[str, Any] | None = None,
    after: Loss | None = None,
) -> str:
    """Writes genesis and the keyring; the leaf hash of genesis.

    Outside the embedded profile two administrators sign everything after genesis, and genesis itself when it states
    the loss of the log before (`after`). Raises ConflictError when the log
    has entries, InputError when administrators are missing.
    """
    needed = 1 if profile == EMBEDDED_PROFILE else 2
    admins = [somebody for somebody in people if Role.ADMIN in somebody.roles][:needed]
    if len(admins) < needed:
        raise InputError(f"A deployment needs {needed} administrator(s) among its first people.")
    admin = admins[0]
    with writing() as ledger:
        head = ledger.head()
    if head.size:
        raise ConflictError("This log is already founded; nothing was changed.")
    keys = {
        (somebody.issuer, somebody.subject): desk.enrol(
            somebody.subject, somebody.name, somebody.passphrase, issuer=somebody.issuer
        )
        for somebody in people
    }
    genesis = _sign_together(
        desk,
        admins if after is not None else [admin],
        statement.build(
            Kind.GENESIS,
            subjects=(Subject(name=f"log:{desk.origin}", sha256=desk.log_key.key_id),),
            predicate={
                "origin": desk.origin,
                "profile": profile,
                "logKey": desk.log_key.document(),
                "keys": [
                    {"keyid": desk.service_key.key_id, "key": desk.service_key.document(), "use": "service"},
                    *(_person_key(somebody, keys[somebody.issuer, somebody.subject]) for somebody in admins),
                    *_machine_keys(desk.machine_key),
                ],
                "roles": {
                    **{
                        role.value: [identity(somebody) for somebody in admins if role in somebody.roles]
                        for role in {held: None for somebody in admins for held in somebody.roles}
                    },
                    **({MACHINE_ROLE: [machine_identity()]} if desk.machine_key is not None else {}),
                },
                "policy": policy or {"keyringSigners": needed, "minLevel": "L2"},
                "previous": None if after is None else epochs.document(after, stated_by=[*map(identity, admins)]),
                "replay": None if replay is None else {"from": utc_text(replay.start), "to": utc_text(replay.end)},
                "signer": _signer(admin),
                "authentication": _authentication(admin, clock.now()),
            },
            at=clock.now(),
            head=head,
        ),
    )
    with writing() as ledger:
        receipt = ledger.append(genesis, idem="genesis")
    others = [somebody for somebody in people if somebody not in admins]
    _enrol_others(desk, writing, admins=admins, others=others, keys=keys, clock=clock)
    return receipt.leaf_hash


def enrol_machine(desk: FoundingDesk, writing: Writing, *, clock: Clock) -> None:
    """The first machine key of a log founded without one, on the word of the service alone.

    The law of the log allows that once: the key can do less than the service's own. Doing it twice changes nothing.
    """
    key = desk.machine_key
    if key is None:
        raise InputError("There is no machine key to enrol.")
    with writing() as ledger:
        head = ledger.head()
    payload = statement.build(
        Kind.KEYRING,
        subjects=(Subject(name="key:machine", sha256=key.key_id),),
        predicate={"op": "enrol-machine", "keyid": key.key_id, "key": key.document()},
        at=clock.now(),
        head=head,
    )
    data = desk.sign_as_service(payload)
    with writing() as ledger:
        ledger.append(data, idem=f"enrol-machine:{key.key_id}")


def _enrol_others(
    desk: FoundingDesk,
    writing: Writing,
    *,
    admins: list[NewPerson],
    others: list[NewPerson],
    keys: dict[tuple[str, str], PublicKey],
    clock: Clock,
) -> None:
    with writing() as ledger:
        head = ledger.head()
    # All are signed at one head and added together: a person's key opens slowly, the log must not wait for it.
    signed = []
    for somebody in others:
        key = keys[somebody.issuer, somebody.subject]
        operations: list[dict[str, Any]] = [
            {"op": "enrol", "keyid": key.key_id, "key": key.document(), "level": "L2"},
            *({"op": "grant", "role": role.value, **_ends(somebody)} for role in somebody.roles),
        ]
        for operation in operations:
            data = _keyring(desk, operation, admins=admins, somebody=somebody, head=head, at=clock.now())
            signed.append((f"{operation['op']}:{key.key_id}:{operation.get('role', '')}", data))
    with writing() as ledger:
        for idem, data in signed:
            ledger.append(data, idem=idem)


def _keyring(
    desk: FoundingDesk,
    operation: dict[str, Any],
    *,
    admins: list[NewPerson],
    somebody: NewPerson,
    head: LogHead,
    at: datetime,
) -> bytes:
    # An enrolment is about the key, everything else about the person.
    sha256 = operation.get("keyid") or identity_sha256(somebody.issuer, somebody.subject)
    payload = statement.build(
        Kind.KEYRING,
        subjects=(Subject(name=f"person:{somebody.issuer}/{somebody.subject}", sha256=sha256),),
        predicate={
            **operation,
            "person": identity(somebody),
            "signer": _signer(admins[0]),
            "authentication": _authentication(admins[0], at),
        },
        at=at,
        head=head,
    )
    return _sign_together(desk, admins, payload)


def _sign_together(desk: FoundingDesk, admins: list[NewPerson], payload: bytes) -> bytes:
    data = _sign(desk, admins[0], payload)
    for second in admins[1:]:
        data = desk.countersign(data, issuer=second.issuer, subject=second.subject, passphrase=second.passphrase)
    return data


def identity(somebody: NewPerson) -> dict[str, str]:
    return {"issuer": somebody.issuer, "sub": somebody.subject, "name": somebody.name}


def identity_sha256(issuer: str, subject: str) -> str:
    return canonical.sha256_hex(canonical.to_bytes({"issuer": issuer, "sub": subject}))


def _person_key(somebody: NewPerson, key: PublicKey) -> dict[str, Any]:
    return {
        "keyid": key.key_id,
        "key": key.document(),
        "use": "person",
        "level": "L2",
        "person": identity(somebody),
    }


def _ends(somebody: NewPerson) -> dict[str, str]:
    return {} if somebody.until is None else {"until": utc_text(somebody.until)}


def machine_identity() -> dict[str, str]:
    return {"issuer": MACHINE_ISSUER, "sub": MACHINE_SUBJECT, "name": MACHINE_NAME}


def _machine_keys(key: PublicKey | None) -> list[dict[str, Any]]:
    if key is None:
        return []
    return [{"keyid": key.key_id, "key": key.document(), "use": "machine", "level": "L1", "person": machine_identity()}]


def _signer(admin: NewPerson) -> dict[str, str]:
    return {**identity(admin), "role": Role.ADMIN.value}


def _authentication(admin: NewPerson, at: datetime) -> dict[str, Any]:
    return {
        "component1": {"kind": "local", "issuer": admin.issuer, "authTime": utc_text(at)},
        "component2": {"kind": "passphrase-key"},
        "level": "L2",
    }


def _sign(desk: FoundingDesk, admin: NewPerson, payload: bytes) -> bytes:
    return desk.sign_as_person(payload, subject=admin.subject, passphrase=admin.passphrase)
