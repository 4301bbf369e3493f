"""Who may sign at which place of the log: keys, roles and signing rules, replayed from genesis on.

Nothing outside the log is trusted here except the log itself; a key counts from the entry that enrols it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.attestation import envelope, statement
from services.attestation.envelope import Envelope
from services.attestation.fields import LEVELS
from services.attestation.keys import PublicKey, read_key
from services.attestation.models import Kind
from services.attestation.passkeys import RelyingParty
from services.attestation.statement import Statement
from services.kernel.clock import from_utc_text
from services.kernel.errors import ForeignStatementError, TrustError
from services.kernel.identity import MACHINE_ISSUER, MACHINE_NAME, MACHINE_ROLE, MACHINE_SUBJECT, Role
from services.ledger import epochs
from services.ledger.ports import StoredEntry

Who = tuple[str, str]
"""Issuer and subject: the identity of a person."""

MACHINE: Who = (MACHINE_ISSUER, MACHINE_SUBJECT)

_NEEDED = {
    "enrol": ("person", "keyid", "key"),
    "revoke": ("keyid",),
    "grant": ("person", "role"),
    "withdraw": ("person", "role"),
    "rotate-service": ("key",),
    "rotate-log": ("key",),
    "disable": ("person",),
    "enable": ("person",),
    "enrol-machine": ("keyid", "key"),
    "enrol-passkey": ("person", "keyid", "key", "relyingParty"),
}


class VoidEntryError(Exception):
    """The entry has no effect; the text says why. Reported by the replay, never fatal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledKey:
    public: PublicKey
    owner: Who | None
    """None for a service key."""
    name: str
    level: str
    revoked_at: int | None = None
    suspect_from: int | None = None
    """From this entry on its signatures are suspect: the key was compromised."""
    passkey: RelyingParty | None = None
    """Of a passkey: it signs beside its owner's own key, never in its place."""


class Keyring:
    def __init__(self) -> None:
        self.keys: dict[str, EnrolledKey] = {}
        self.log_keys: list[PublicKey] = []
        self.roles: dict[Who, set[str]] = {}
        self.ends: dict[tuple[Who, str], datetime] = {}
        """When a role given for a time ends."""
        self.disabled: set[Who] = set()
        self.embedded = False
        self.signers_needed = 1
        self._least_level = "L2"

    @property
    def has_machine(self) -> bool:
        """True from the entry that first enrolled a key of the machine."""
        return any(key.owner == MACHINE for key in self.keys.values())

    def holds(self, who: Who, role: str, *, at: datetime) -> bool:
        ends = self.ends.get((who, role))
        held = who not in self.disabled and role in self.roles.get(who, set())
        return held and (ends is None or at < ends)

    # checking signatures

    def signed_by(self, read: Envelope) -> tuple[EnrolledKey, ...]:
        """The keys behind all signatures of the envelope. Raises VoidEntryError unless every single one holds."""
        known = {key_id: key for key_id, key in self.keys.items() if key.revoked_at is None}
        verified = read.verified_by({key_id: key.public for key_id, key in known.items() if key.passkey is None})
        verified |= read.passkeys_verified_by(
            {key_id: (key.public, key.passkey) for key_id, key in known.items() if key.passkey is not None}
        )
        for signature in read.signatures:
            if signature.key_id not in known:
                raise VoidEntryError("it is signed with a key that is not enrolled, or no longer")
            if signature.key_id not in verified:
                raise VoidEntryError("a signature does not match what is signed")
        keys = tuple(self.keys[signature.key_id] for signature in read.signatures)
        if sum(key.owner is None for key in keys) != 1:
            raise VoidEntryError("the signature of the service is missing")
        return keys

    def require_signer(self, statement: Statement, keys: tuple[EnrolledKey, ...]) -> Who | None:
        """The person who signed, or None for an entry of the service alone. Raises VoidEntryError for a mismatch."""
        people = [key for key in keys if key.owner is not None and key.passkey is None]
        touched = [key for key in keys if key.passkey is not None]
        signer = statement.predicate.get("signer")
        if signer is None:
            if people or touched:
                raise VoidEntryError("it carries a person's signature but names no signer")
            return None
        who = (signer["issuer"], signer["sub"])
        own = next((key for key in people if key.owner == who), None)
        if own is None or own.name != signer["name"]:
            raise VoidEntryError(f"{signer['name']} is named as signer, but did not sign it")
        if who == MACHINE and statement.kind is not Kind.ACTION:
            raise VoidEntryError("the machine signs nothing but its own actions")
        if who != MACHINE and not self._reaches(own):
            raise VoidEntryError(f"the key of {signer['name']} does not reach level {self._least_level}")
        if who in self.disabled:
            raise VoidEntryError(f"{signer['name']} was disabled at this point")
        if not self.holds(who, signer["role"], at=statement.at):
            raise VoidEntryError(f"{signer['name']} did not hold the role {signer['role']} at this point")
        if len(people) > 1 and statement.kind is not Kind.KEYRING and not _states_loss(statement):
            raise VoidEntryError("it carries signatures of people it does not name")
        _require_declared(statement, touched, who)
        return who

    def require_stated(self, statement: Statement, keys: tuple[EnrolledKey, ...]) -> None:
        """A genesis after a loss is signed by the administrators it names, over a checkpoint of the log before.

        Raises VoidEntryError.
        """
        previous = statement.predicate["previous"]
        if previous is None:
            return
        self._require_admins(statement.predicate, keys, at=statement.at)
        signed = {key.owner for key in keys if key.owner is not None}
        if signed != {_who(item) for item in previous["statedBy"]}:
            raise VoidEntryError("the loss is stated by others than those who signed it")
        if previous["origin"] == statement.predicate["origin"]:
            raise VoidEntryError("a log does not go on from itself")
        try:
            epochs.require_vouched(previous)
        except TrustError as wrong:
            raise VoidEntryError("the log before does not vouch for the checkpoint that is named") from wrong

    # applying entries

    def found(self, statement: Statement) -> None:
        """Takes over what genesis names. Raises VoidEntryError or ForeignStatementError when it is no genesis."""
        if statement.kind is not Kind.GENESIS:
            raise VoidEntryError("the first entry is not a genesis")
        predicate = statement.predicate
        self.embedded = predicate["profile"] == "embedded"
        self.log_keys = [read_key(predicate["logKey"])]
        self._set_policy(predicate["policy"])
        for item in predicate["keys"]:
            self._add(item["keyid"], read_key(item["key"]), item.get("person"), item.get("level", "L1"))
        for role, people in predicate["roles"].items():
            for somebody in people:
                self.roles.setdefault(_who(somebody), set()).add(role)

    def admit(self, read: Envelope, said: Statement, *, seq: int) -> None:
        """Checks signatures and signer of a keyring entry, then applies it. Raises VoidEntryError."""
        keys = self.signed_by(read)
        self.require_signer(said, keys)
        self.apply_keyring(said, keys, seq=seq)

    def apply_keyring(self, statement: Statement, keys: tuple[EnrolledKey, ...], *, seq: int) -> None:
        predicate = statement.predicate
        operation = predicate["op"]
        if not self._is_first_machine(operation, keys):
            self._require_admins(predicate, keys, at=statement.at)
        lacking = [name for name in _NEEDED[operation] if name not in predicate]
        if lacking:
            raise VoidEntryError(f"it lacks the field {lacking[0]}")
        match operation:
            case "enrol" | "revoke" | "enrol-passkey":
                self._apply_to_key(predicate, seq)
            case "rotate-service":
                self._replace_service_key(read_key(predicate["key"]), seq)
            case "rotate-log":
                self.log_keys.append(read_key(predicate["key"]))
            case "enrol-machine":
                self._replace_machine_key(predicate, seq)
            case _:
                self._apply_to_person(predicate, _who(predicate["person"]))

    def _apply_to_key(self, predicate: Mapping[str, Any], seq: int) -> None:
        if predicate["op"] == "revoke":
            self._revoke(predicate, seq)
            return
        if _who(predicate["person"]) == MACHINE:
            raise VoidEntryError("the machine's key is enrolled by an operation of its own")
        party = None
        if predicate["op"] == "enrol-passkey":
            party = RelyingParty(id=predicate["relyingParty"]["id"], origin=predicate["relyingParty"]["origin"])
        level = predicate.get("level", "L2" if party is None else "L3")
        self._add(predicate["keyid"], read_key(predicate["key"]), predicate["person"], level, passkey=party)

    def _apply_to_person(self, predicate: Mapping[str, Any], who: Who) -> None:
        match predicate["op"]:
            case "grant":
                self._grant(predicate, who)
            case "withdraw":
                self.roles.get(who, set()).discard(predicate["role"])
            case "disable":
                self._disable(who)
            case "enable":
                self.disabled.discard(who)

    def apply_policy(self, statement: Statement) -> None:
        """Only an administrator's signature changes the signing rules; any other entry records a document."""
        signer = statement.predicate.get("signer")
        if signer is not None and signer["role"] == Role.ADMIN.value:
            self._set_policy(statement.predicate)

    def _set_policy(self, document: Mapping[str, Any]) -> None:
        self.signers_needed = max(1, int(document.get("keyringSigners", self.signers_needed)))
        level = document.get("minLevel", self._least_level)
        self._least_level = level if level in LEVELS else self._least_level

    def _require_admins(self, predicate: Mapping[str, Any], keys: tuple[EnrolledKey, ...], *, at: datetime) -> None:
        admins = {
            key.owner
            for key in keys
            if key.owner and not key.passkey and self._reaches(key) and self.holds(key.owner, Role.ADMIN.value, at=at)
        }
        if len(admins) < self.signers_needed:
            raise VoidEntryError(f"{len(admins)} of {self.signers_needed} administrators signed it")
        if not self.embedded and self._subject(predicate) in admins:
            raise VoidEntryError("administrators do not change their own keys or roles")

    def _subject(self, predicate: Mapping[str, Any]) -> Who | None:
        """Whose keys or roles change; a revocation may name the key alone."""
        person, key = predicate.get("person"), self.keys.get(predicate.get("keyid", ""))
        if person is not None:
            return _who(person)
        return key.owner if key is not None else None

    def _reaches(self, key: EnrolledKey) -> bool:
        return LEVELS.index(key.level) >= LEVELS.index(self._least_level)

    def _is_first_machine(self, operation: str, keys: tuple[EnrolledKey, ...]) -> bool:
        # The service may name its machine once, in a log founded before machines had keys: that key can do less
        # than the service's own. Every later one needs administrators.
        return operation == "enrol-machine" and not self.has_machine and all(key.owner is None for key in keys)

    def _grant(self, predicate: Mapping[str, Any], who: Who) -> None:
        role = predicate["role"]
        if role == MACHINE_ROLE or who == MACHINE:
            raise VoidEntryError("the machine and its role are not given to anybody")
        self.roles.setdefault(who, set()).add(role)
        self.ends.pop((who, role), None)
        if "until" in predicate:
            self.ends[who, role] = from_utc_text(predicate["until"])

    def _disable(self, who: Who) -> None:
        if who not in self.roles and all(key.owner != who for key in self.keys.values()):
            raise VoidEntryError("nobody of this identity is known")
        self.disabled.add(who)

    def _replace_machine_key(self, predicate: Mapping[str, Any], seq: int) -> None:
        machine = {"issuer": MACHINE_ISSUER, "sub": MACHINE_SUBJECT, "name": MACHINE_NAME}
        self._add(predicate["keyid"], read_key(predicate["key"]), machine, "L1")
        for key_id, key in list(self.keys.items()):
            if key.owner == MACHINE and key.revoked_at is None and key_id != predicate["keyid"]:
                self.keys[key_id] = replace(key, revoked_at=seq)
        self.roles[MACHINE] = {MACHINE_ROLE}

    def _add(
        self,
        key_id: str,
        public: PublicKey,
        person: Mapping[str, str] | None,
        level: str,
        *,
        passkey: RelyingParty | None = None,
    ) -> None:
        if public.key_id != key_id:
            raise VoidEntryError("the id of an enrolled key is not the digest of its description")
        if key_id in self.keys:
            raise VoidEntryError("this key was enrolled before")
        owner, name = (None, "Countersign") if person is None else (_who(person), person["name"])
        self.keys[key_id] = EnrolledKey(public=public, owner=owner, name=name, level=level, passkey=passkey)

    def _replace_service_key(self, fresh: PublicKey, seq: int) -> None:
        # Added first: a key that cannot be added must not cost the one in use.
        self._add(fresh.key_id, fresh, None, "L1")
        for key_id, key in list(self.keys.items()):
            if key.owner is None and key.revoked_at is None and key_id != fresh.key_id:
                self.keys[key_id] = replace(key, revoked_at=seq)

    def _revoke(self, predicate: Mapping[str, Any], seq: int) -> None:
        key = self.keys.get(predicate["keyid"])
        if key is None or key.owner is None:
            raise VoidEntryError("it revokes a key that no person has")
        # Without a place from which it was compromised nothing it signed can be relied on.
        since = predicate.get("sinceIndex", 0) if predicate.get("reason") == "compromised" else None
        revoked_at = seq if key.revoked_at is None else key.revoked_at
        self.keys[predicate["keyid"]] = replace(key, revoked_at=revoked_at, suspect_from=since)


def replayed(entries: Iterable[StoredEntry]) -> Keyring:
    """The keyring after genesis and the keyring entries given, in order; void ones leave no trace."""
    keyring = Keyring()
    for stored in entries:
        with suppress(VoidEntryError, ForeignStatementError):
            read = envelope.read(stored.envelope)
            said = statement.read(read.payload)
            if stored.seq == 0:
                keyring.found(said)
            else:
                keyring.admit(read, said, seq=stored.seq)
    return keyring


def _states_loss(statement: Statement) -> bool:
    return statement.kind is Kind.GENESIS and statement.predicate["previous"] is not None


def _require_declared(statement: Statement, touched: list[EnrolledKey], who: Who) -> None:
    """A statement that says it was signed with a passkey carries one, of its signer; any other carries none."""
    declared = "component3" in statement.predicate.get("authentication", {})
    if len(touched) != int(declared):
        raise VoidEntryError("it names a passkey and carries none, or carries one it does not name")
    if any(key.owner != who for key in touched):
        raise VoidEntryError("the passkey belongs to somebody else")


def _who(person: Mapping[str, str]) -> Who:
    return (person["issuer"], person["sub"])
