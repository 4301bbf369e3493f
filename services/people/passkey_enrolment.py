"""Enrolling passkeys: a person makes one, the own key signs the request, administrators put their names to it."""

from __future__ import annotations

import secrets

from services.attestation.models import Receipt
from services.attestation.passkeys import padded, unpadded
from services.kernel.clock import Clock
from services.kernel.errors import InputError, PasskeyRefusedError, RefusalError, RoleMissingError
from services.kernel.identity import Actor, Permission, Role
from services.kernel.ids import new_id
from services.ledger.service import LedgerService
from services.people.ceremonies import Ceremony, CeremonyKind, CeremonyState
from services.people.passkey_gate import PasskeyGate, bounded
from services.people.passkeys import Demand, EnrolPasskey, Passkey, PasskeyProtocol, PasskeyStore
from services.people.ports import PeopleUnits
from services.people.service import PeopleService

_LONGEST_LABEL = 80


class PasskeyService:
    def __init__(
        self,
        *,
        units: PeopleUnits,
        people: PeopleService,
        ledger: LedgerService,
        store: PasskeyStore,
        protocol: PasskeyProtocol,
        clock: Clock,
        gate: PasskeyGate,
    ) -> None:
        self._units = units
        self._people = people
        self._ledger = ledger
        self._store = store
        self._protocol = protocol
        self._clock = clock
        self._gate = gate
        self.party = gate.party

    # looking

    def own(self, *, actor: Actor) -> tuple[Passkey, ...]:
        """The actor's passkeys, newest first, also those that wait or were revoked."""
        self._people.require(actor, Permission.VIEW)
        return self._store.passkeys(actor.issuer, actor.subject)

    def all_counting(self, *, actor: Actor) -> tuple[Passkey, ...]:
        """Everybody's, for administrators, who may revoke one."""
        self._people.require(actor, Permission.MANAGE_PEOPLE)
        return self._store.every_passkey()

    # enrolling

    def begin(self, *, actor: Actor) -> Demand:
        """Asks the browser for a new passkey. It counts once administrators enrolled it."""
        person = self._people.require(actor, Permission.VIEW)
        _require_signer(actor)
        if person.key_id is None:
            raise RefusalError(
                "A passkey signs beside your own key, and you have none yet.", hint="Make your signing key first."
            )
        challenge, nonce = secrets.token_bytes(32), secrets.token_hex(16)
        known = tuple(item.credential_id for item in self._store.passkeys(actor.issuer, actor.subject))
        options = self._protocol.creation(
            party=self.party, who=f"{actor.issuer} {actor.subject}", name=person.name, challenge=challenge, known=known
        )
        return self._gate.ask(
            nonce, "enrol", kind="create", options=options, document={"challenge": unpadded(challenge)}, actor=actor
        )

    def enrol(self, command: EnrolPasskey, *, actor: Actor) -> Receipt:
        """Judges the new passkey and asks administrators to enrol it; the actor's key signs that.

        Raises InputError, PasskeyRefusedError (recorded), PassphraseError.
        """
        person = self._people.require(actor, Permission.VIEW)
        _require_signer(actor)
        self._ledger.require_trustworthy()
        label = command.label.strip()
        if not label or len(label) > _LONGEST_LABEL or not label.isprintable():
            raise InputError("Give the passkey a name of at most 80 characters.", hint="For example: key in the safe.")
        asked = self._gate.asked(command.nonce, "enrol", actor)
        try:
            made = self._protocol.created(
                bounded(command.answer), party=self.party, challenge=padded(asked.document["challenge"])
            )
        except PasskeyRefusedError as refused:
            self._gate.record_refusal(actor, refused)
            raise
        item = Passkey(
            key_id=made.public.key_id,
            issuer=actor.issuer,
            subject=actor.subject,
            credential_id=made.credential_id,
            public=made.public,
            party=self.party,
            label=label,
            sign_count=made.sign_count,
            created_at=self._clock.now(),
        )
        sentence = f"{person.name} made a passkey for {self.party.id}; administrators have to enrol it."
        receipt = self._ledger.record_signed_event(
            event="passkey-asked",
            actor=actor,
            passphrase=command.passphrase,
            detail={"sentence": sentence, "keyid": item.key_id},
            idem=f"passkey-asked:{command.nonce}",
        )
        if self._store.answer(command.nonce, at=self._clock.now()):
            self._add(item, actor)
        return receipt

    def _add(self, item: Passkey, actor: Actor) -> None:
        if not self._store.add_passkey(item):
            raise InputError("This passkey is known here already.", hint="Use another authenticator.")
        ceremony = Ceremony(
            id=new_id("cer", self._clock.now()),
            kind=CeremonyKind.PASSKEY,
            state=CeremonyState.ASKED,
            issuer=item.issuer,
            subject=item.subject,
            name=actor.name,
            detail={
                "keyid": item.key_id,
                "keytype": item.public.keytype,
                "scheme": item.public.scheme,
                "public": item.public.public,
                "rp": item.party.id,
                "origin": item.party.origin,
                "credential": item.credential_id,
            },
            asked_by=(actor.issuer, actor.subject),
            asked_by_name=actor.name,
            asked_at=self._clock.now(),
        )
        with self._units.write() as unit:
            unit.people.add_ceremony(ceremony, idem=f"passkey:{item.key_id}")


def _require_signer(actor: Actor) -> None:
    if actor.role is Role.AUDITOR:
        raise RoleMissingError("An auditor signs nothing here, so no passkey is made.", hint="Auditors read.")
