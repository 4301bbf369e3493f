"""Letting somebody else sign in one's role: for a time, up to a riskiest tier, taken back at any moment."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from services.attestation import authentication, canonical, statement
from services.attestation.free_text import salted
from services.attestation.models import Kind, Receipt, Subject
from services.attestation.ports import SigningDesk
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import DelegationError, MissingReasonError
from services.kernel.identity import ROLE_PERMISSIONS, Actor, Permission, Role
from services.kernel.ids import new_id
from services.kernel.secret import Secret
from services.ledger.delegations import LONGEST
from services.ledger.service import LedgerService
from services.people.models import Delegation, Person
from services.people.ports import PeopleStore, PeopleUnits
from services.people.service import PeopleService

TIERS = {1: "All tiers", 2: "Tiers 2 and 3", 3: "Tier 3 only"}
_REASON_MIN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantDelegation:
    """Command: `to` signs as `role` from `since` until `until`, for tiers not riskier than `tier`."""

    command_id: str
    role: Role
    to_issuer: str
    to_subject: str
    tier: int
    since: datetime
    until: datetime
    reason: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawDelegation:
    command_id: str
    delegation_id: str
    passphrase: Secret


def require_grantable(command: GrantDelegation, giver: Person, receiver: Person | None, *, now: datetime) -> None:
    """Raises DelegationError or MissingReasonError with the reason that applies."""
    if command.role not in giver.roles:
        raise DelegationError(
            f"You do not hold the role {command.role.label.lower()} now, so you cannot lend it.",
            hint="Only a role of your own can be delegated; nothing delegated can be passed on.",
        )
    if Permission.DELEGATE not in ROLE_PERMISSIONS[command.role]:
        raise DelegationError(f"The role {command.role.label.lower()} is not delegated.")
    if receiver is None or not receiver.active or not receiver.roles:
        raise DelegationError("The person you named cannot sign here.", hint="Choose somebody of the list.")
    if receiver.who == giver.who:
        raise DelegationError("You cannot delegate to yourself.", hint="Choose somebody else.")
    if Role.AUDITOR in receiver.roles:
        raise DelegationError(f"{receiver.name} audits here and signs nothing.", hint="Choose somebody else.")
    if command.tier not in TIERS:
        raise DelegationError("Choose up to which tier it reaches.")
    _require_period(command, now)
    if len(command.reason.strip()) < _REASON_MIN:
        raise MissingReasonError("Say why in a sentence, for example the dates of your leave.")


def _require_period(command: GrantDelegation, now: datetime) -> None:
    if command.until <= command.since or command.until <= now:
        raise DelegationError("The end lies before the start, or in the past.", hint="Choose a later end date.")
    if command.until - command.since > LONGEST:
        raise DelegationError(f"A delegation lasts at most {LONGEST.days} days.", hint="Choose an earlier end date.")
    # A start in the past would cover what was signed before anybody knew of it.
    if command.since < now - timedelta(minutes=15):
        raise DelegationError("A delegation cannot start in the past.", hint="Let it start now.")


class DelegationService:
    def __init__(
        self,
        *,
        units: PeopleUnits,
        store: PeopleStore,
        people: PeopleService,
        ledger: LedgerService,
        desk: SigningDesk,
        clock: Clock,
    ) -> None:
        self._units = units
        self._store = store
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._clock = clock

    def all(self) -> tuple[Delegation, ...]:
        """Newest first; who signs for whom is no secret to anybody."""
        return self._store.delegations()

    def candidates(self, *, actor: Actor) -> tuple[Person, ...]:
        """People the actor could delegate to, by name."""
        self._people.require(actor, Permission.DELEGATE)
        return tuple(
            person
            for person in self._people.people()
            if person.active
            and person.roles
            and person.key_id is not None
            and Role.AUDITOR not in person.roles
            and person.who != (actor.issuer, actor.subject)
        )

    def grant(self, command: GrantDelegation, *, actor: Actor) -> Receipt:
        """Raises DelegationError (recorded), PassphraseError, KeyLockedError."""
        giver = self._people.require(actor, Permission.DELEGATE)
        self._ledger.require_trustworthy()
        idem = _idem("delegation", actor, command.command_id)
        earlier = self._earlier(idem)
        if earlier is not None:
            return earlier
        now = self._clock.now()
        receiver = self._people.standing(command.to_issuer, command.to_subject)
        try:
            require_grantable(command, giver, receiver, now=now)
        except DelegationError as refused:
            self._record_refusal(actor, refused)
            raise
        if receiver is None:  # said by the rules above
            raise DelegationError("The person you named cannot sign here.")
        delegation_id, reason = new_id("dlg", now), command.reason.strip()
        salt, reason_sha256 = salted(reason)
        predicate = {
            "op": "grant",
            "id": delegation_id,
            "role": command.role.value,
            "to": {"issuer": receiver.issuer, "sub": receiver.subject, "name": receiver.name},
            "tier": str(command.tier),
            "since": utc_text(command.since),
            "until": utc_text(command.until),
            "reason": {"sha256": reason_sha256},
        }
        data = self._signed(predicate, actor, command.passphrase)
        with self._units.write() as unit:
            receipt = unit.ledger.append(data, idem=idem)
            if not receipt.repeated:
                unit.people.keep_reason(delegation_id, reason=reason, salt=salt)
        return receipt

    def withdraw(self, command: WithdrawDelegation, *, actor: Actor) -> Receipt:
        """By the one who gave it, or by an administrator. Raises DelegationError (recorded), PassphraseError."""
        self._people.require(actor, Permission.VIEW)
        self._ledger.require_trustworthy()
        idem = _idem("delegation-end", actor, command.command_id)
        earlier = self._earlier(idem)
        if earlier is not None:
            return earlier
        found = next((item for item in self._store.delegations() if item.id == command.delegation_id), None)
        if found is None or found.withdrawn_at is not None:
            refused = DelegationError("This delegation does not exist, or has ended.", hint="Reload the page.")
            self._record_refusal(actor, refused)
            raise refused
        if (found.from_issuer, found.from_subject) == (actor.issuer, actor.subject):
            self._people.require(actor, Permission.DELEGATE)
        else:
            self._people.require(actor, Permission.MANAGE_PEOPLE)
        data = self._signed({"op": "withdraw", "id": found.id}, actor, command.passphrase)
        with self._units.write() as unit:
            return unit.ledger.append(data, idem=idem)

    def _signed(self, predicate: dict[str, Any], actor: Actor, passphrase: Secret) -> bytes:
        now = self._clock.now()
        sha256 = canonical.sha256_hex(canonical.to_bytes(predicate))
        signer = {"issuer": actor.issuer, "sub": actor.subject, "name": actor.name, "role": actor.role.value}
        payload = statement.build(
            Kind.DELEGATION,
            subjects=(Subject(name=f"delegation:/{predicate['id']}", sha256=sha256),),
            predicate={**predicate, "signer": signer, "authentication": authentication.document(actor, at=now)},
            at=now,
            head=self._ledger.head(),
        )
        return self._desk.sign_as_person(payload, subject=actor.subject, passphrase=passphrase)

    def _earlier(self, idem: str) -> Receipt | None:
        with self._units.read() as unit:
            found = unit.ledger.find(idem)
        return None if found is None else replace(found, repeated=True)

    def _record_refusal(self, actor: Actor, refused: DelegationError) -> None:
        self._ledger.record_event(event="delegation-refused", actor=actor, detail={"reason": refused.message})


def _idem(word: str, actor: Actor, command_id: str) -> str:
    about = f"{actor.issuer}\x1f{actor.subject}\x1f{command_id}"
    return f"{word}:{hashlib.sha256(about.encode('utf-8', 'surrogatepass')).hexdigest()}"
