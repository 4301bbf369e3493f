"""Changes of keys and roles as ceremonies: asked for, signed by administrators, recorded. Values and pure rules.

Outside the embedded profile two administrators sign, neither of them the person concerned; the law of the ledger asks
for it again when the entry is added.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from services.attestation.canonical import is_sha256
from services.attestation.keys import key_document
from services.kernel.clock import utc_text
from services.kernel.errors import InputError, MissingReasonError, RefusalError
from services.kernel.identity import Role
from services.kernel.secret import Secret
from services.people.models import Person

PROPOSAL_LIFE = timedelta(days=7)
LONGEST_AUDIT = timedelta(days=365)
RENEW_AFTER = timedelta(days=365)
"""A signing key older than this is due for renewal; it goes on signing, and its owner is reminded."""
_SUBJECT = re.compile(r"[a-z0-9][a-z0-9._@-]{1,98}[a-z0-9]")
_LONGEST_NAME = 80
_REASON_MIN = 3


class CeremonyKind(StrEnum):
    GRANT = "grant"
    WITHDRAW = "withdraw"
    ENROL = "enrol"
    ROTATE = "rotate"
    LOSS = "loss"
    COMPROMISE = "compromise"
    PASSKEY = "passkey"
    PASSKEY_LOSS = "passkey-loss"
    DISABLE = "disable"
    ENABLE = "enable"
    ROTATE_SERVICE = "rotate-service"
    ROTATE_LOG = "rotate-log"
    ROTATE_MACHINE = "rotate-machine"

    @property
    def is_about_a_person(self) -> bool:
        return self not in {CeremonyKind.ROTATE_SERVICE, CeremonyKind.ROTATE_LOG, CeremonyKind.ROTATE_MACHINE}


class CeremonyState(StrEnum):
    ASKED = "asked"
    """The person made a key; no administrator has signed yet."""
    SIGNED = "signed"
    """One administrator signed; another one has to."""
    DONE = "done"
    WITHDRAWN = "withdrawn"

    @property
    def is_open(self) -> bool:
        return self in {CeremonyState.ASKED, CeremonyState.SIGNED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceremony:
    id: str
    kind: CeremonyKind
    state: CeremonyState
    issuer: str
    subject: str
    name: str
    """Of the person concerned; empty for keys of the deployment."""
    detail: Mapping[str, str]
    asked_by: tuple[str, str]
    asked_by_name: str
    asked_at: datetime
    envelopes: tuple[str, ...] = ()
    signed_by: tuple[tuple[str, str, str], ...] = ()
    """(issuer, subject, name) of the administrators who signed."""
    valid_until: datetime | None = None
    seq: int | None = None

    @property
    def who(self) -> tuple[str, str]:
        return (self.issuer, self.subject)

    def is_expired(self, now: datetime) -> bool:
        return self.state.is_open and self.valid_until is not None and now > self.valid_until


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeChange:
    """Command of an administrator. `role`, `until`, `since_entry` and `reason` as the kind needs them."""

    command_id: str
    kind: CeremonyKind
    subject: str = ""
    name: str = ""
    role: Role | None = None
    until: datetime | None = None
    since_entry: int | None = None
    reason: str = ""
    key_id: str = ""
    """The passkey to revoke."""
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class AskForKey:
    """Command of a person: a new key under a passphrase only that person knows; `old` opens the key to be replaced."""

    command_id: str
    new: Secret
    repeated: Secret
    old: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignCeremony:
    command_id: str
    ceremony_id: str
    passphrase: Secret


def require_sound(command: ProposeChange, *, now: datetime, log_size: int) -> None:
    """The fields the kind needs are there and make sense. Raises InputError, MissingReasonError."""
    if command.kind in {CeremonyKind.ENROL, CeremonyKind.ROTATE, CeremonyKind.PASSKEY}:
        raise InputError("A key is asked for by its owner.", hint="The person chooses “Make my key” when signed in.")
    if command.kind.is_about_a_person and not _SUBJECT.fullmatch(command.subject):
        raise InputError(
            "The sign-in name is not usable.", hint="Use 3 to 100 small letters, digits, dots, dashes, _ or @."
        )
    if command.kind is CeremonyKind.GRANT:
        _require_grant(command, now)
    if command.kind is CeremonyKind.WITHDRAW and command.role is None:
        raise InputError("Choose the role to take away.")
    if (
        command.kind is CeremonyKind.COMPROMISE
        and not 0 <= (-1 if command.since_entry is None else command.since_entry) < log_size
    ):
        raise InputError(
            f"Name the entry from which the key was in other hands, 0 to {log_size - 1}.",
            hint="Signatures from that entry on become suspect.",
        )
    needs_reason = {CeremonyKind.DISABLE, CeremonyKind.WITHDRAW, CeremonyKind.COMPROMISE, CeremonyKind.LOSS}
    needs_reason |= {CeremonyKind.PASSKEY_LOSS}
    if command.kind is CeremonyKind.PASSKEY_LOSS and not is_sha256(command.key_id):
        raise InputError("Choose the passkey to revoke.")
    if command.kind in needs_reason and len(command.reason.strip()) < _REASON_MIN:
        raise MissingReasonError("This change needs a reason in a sentence.", hint="It is part of what you sign.")


def _require_grant(command: ProposeChange, now: datetime) -> None:
    name = command.name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InputError("Write the printed name of the person, at most 80 characters.")
    if command.role is None:
        raise InputError("Choose the role to give.")
    if command.until is not None and command.until <= now:
        raise InputError("The end date is in the past.")
    if command.role is Role.AUDITOR and command.until is None:
        raise InputError("Access of an auditor has an end date.", hint="Choose one, at most a year from now.")
    if command.role is Role.AUDITOR and command.until is not None and command.until > now + LONGEST_AUDIT:
        raise InputError("Access of an auditor lasts at most a year.", hint="It can be given again.")


def require_possible(
    kind: CeremonyKind,
    person: Person | None,
    role: Role | None,
    *,
    admins: tuple[tuple[str, str], ...],
    signers_needed: int,
) -> None:
    """The change fits the person as they are now. Raises RefusalError."""
    asked_for = {CeremonyKind.GRANT, CeremonyKind.ENROL, CeremonyKind.ROTATE, CeremonyKind.PASSKEY}
    if not kind.is_about_a_person or kind in asked_for:
        return
    if person is None:
        raise RefusalError("Nobody of this sign-in name is known here.", hint="Choose a person of the list.")
    if kind is CeremonyKind.WITHDRAW and role not in person.roles:
        raise RefusalError(f"{person.name} does not hold this role.", hint="Reload the page.")
    if kind in {CeremonyKind.LOSS, CeremonyKind.COMPROMISE} and person.key_id is None:
        raise RefusalError(f"{person.name} has no key in use.", hint="There is nothing to revoke.")
    if kind is CeremonyKind.DISABLE and not person.active:
        raise RefusalError(f"{person.name} is disabled already.", hint="Reload the page.")
    if kind is CeremonyKind.ENABLE and person.active:
        raise RefusalError(f"{person.name} is active already.", hint="Reload the page.")
    leaves = kind is CeremonyKind.DISABLE or (kind is CeremonyKind.WITHDRAW and role is Role.ADMIN)
    if leaves and person.who in admins and len(admins) - 1 < signers_needed:
        raise RefusalError(
            "Too few administrators would be left to sign any later change.",
            hint="Give somebody else the role of administrator first.",
        )


def require_other(ceremony_person: tuple[str, str], signer: tuple[str, str], *, embedded: bool) -> None:
    """Nobody signs a change of his own keys or roles, where there is somebody else to do it."""
    if not embedded and ceremony_person == signer:
        raise RefusalError(
            "Administrators do not change their own keys or roles.", hint="Two other administrators have to sign."
        )


def operations(ceremony: Ceremony) -> tuple[dict[str, Any], ...]:
    """The keyring entries of a ceremony, in the order they are recorded, without signer and time."""
    if not ceremony.kind.is_about_a_person:
        return (_deployment_operation(ceremony),)
    person = {"person": {"issuer": ceremony.issuer, "sub": ceremony.subject, "name": ceremony.name}}
    return tuple({**operation, **person} for operation in _operations(ceremony.kind, ceremony.detail))


def _operations(kind: CeremonyKind, detail: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    done: dict[str, Any] = {"op": kind.value}
    for name in ("role", "until", "reason"):
        if name in detail:
            done[name] = detail[name]
    if kind in {CeremonyKind.ENROL, CeremonyKind.ROTATE}:
        fresh = {"op": "enrol", "keyid": detail["keyid"], "key": _key(detail), "level": "L2"}
        if kind is CeremonyKind.ENROL:
            return (fresh,)
        return (fresh, {"op": "revoke", "keyid": detail["replaces"], "reason": "rotated"})
    if kind is CeremonyKind.PASSKEY:
        at = {"id": detail["rp"], "origin": detail["origin"], "credential": detail["credential"]}
        key = {
            "keytype": detail["keytype"],
            "scheme": detail["scheme"],
            "keyval": {"public": detail["public"]},
        }
        return ({"op": "enrol-passkey", "keyid": detail["keyid"], "key": key, "level": "L3", "relyingParty": at},)
    if kind in {CeremonyKind.LOSS, CeremonyKind.PASSKEY_LOSS}:
        level = {"level": "L3"} if kind is CeremonyKind.PASSKEY_LOSS else {}
        return ({"op": "revoke", "keyid": detail["keyid"], "reason": "lost", **level},)
    if kind is CeremonyKind.COMPROMISE:
        since = int(detail["since"])
        return ({"op": "revoke", "keyid": detail["keyid"], "reason": "compromised", "sinceIndex": since},)
    return (done,)


def _deployment_operation(ceremony: Ceremony) -> dict[str, Any]:
    if ceremony.kind is CeremonyKind.ROTATE_MACHINE:
        return {"op": "enrol-machine", "keyid": ceremony.detail["keyid"], "key": _key(ceremony.detail)}
    return {"op": ceremony.kind.value, "key": _key(ceremony.detail)}


def _key(detail: Mapping[str, str]) -> dict[str, Any]:
    return key_document(detail["public"])


def words(ceremony: Ceremony) -> str:
    """What the ceremony does, for lists and dialogs."""
    detail, name = ceremony.detail, ceremony.name
    role = detail.get("role", "").replace("_", " ")
    until = f" until {detail['until'][:10]}" if "until" in detail else ""
    return {
        CeremonyKind.GRANT: f"Give {name} the role {role}{until}",
        CeremonyKind.WITHDRAW: f"Take the role {role} from {name}",
        CeremonyKind.ENROL: f"Enrol the signing key {name} made",
        CeremonyKind.ROTATE: f"Replace the signing key of {name} by a new one",
        CeremonyKind.LOSS: f"Revoke the signing key of {name}, which was lost",
        CeremonyKind.COMPROMISE: f"Revoke the signing key of {name} as compromised from entry {detail.get('since')} on",
        CeremonyKind.PASSKEY: f"Enrol the passkey {name} made for {detail.get('rp')}",
        CeremonyKind.PASSKEY_LOSS: f"Revoke the passkey {detail.get('keyid', '')[:12]} of {name}",
        CeremonyKind.DISABLE: f"Disable {name}",
        CeremonyKind.ENABLE: f"Enable {name} again",
        CeremonyKind.ROTATE_SERVICE: "Replace the service key",
        CeremonyKind.ROTATE_LOG: "Replace the log key",
        CeremonyKind.ROTATE_MACHINE: "Replace the key of the machine",
    }[ceremony.kind]


def detail_of(command: ProposeChange, person: Person | None) -> dict[str, str]:
    detail = {"reason": command.reason.strip()} if command.reason.strip() else {}
    if command.role is not None:
        detail["role"] = command.role.value
    if command.until is not None:
        detail["until"] = utc_text(command.until)
    if command.since_entry is not None:
        detail["since"] = str(command.since_entry)
    if command.kind is CeremonyKind.PASSKEY_LOSS:
        detail["keyid"] = command.key_id
    if command.kind in {CeremonyKind.LOSS, CeremonyKind.COMPROMISE} and person is not None and person.key_id:
        detail["keyid"] = person.key_id
    return detail
