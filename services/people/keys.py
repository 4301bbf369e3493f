"""Key ceremonies: who may sign here with which key, changed only by administrators, always in the ledger.

A person makes the own key and is the only one who ever knows its passphrase; administrators put their names to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from services.attestation import authentication, statement
from services.attestation.keys import PublicKey
from services.attestation.models import Kind, Receipt, Subject
from services.attestation.ports import SigningDesk
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import ConflictError, InputError, RefusalError, RoleMissingError, UnknownRequestError
from services.kernel.identity import Actor, Permission, Role
from services.kernel.ids import new_id
from services.kernel.secret import Secret
from services.ledger.founding import identity_sha256
from services.ledger.keyring import MACHINE, Keyring
from services.ledger.service import LedgerService
from services.people import ceremonies as rules
from services.people.ceremonies import AskForKey, Ceremony, CeremonyKind, CeremonyState, ProposeChange, SignCeremony
from services.people.models import Person
from services.people.ports import PeopleRecords, PeopleUnits
from services.people.service import PeopleService


class KeyMaker(Protocol):
    """What only the key desk can do: make keys, and put new key files of the deployment into use."""

    def prepare_key(self, *, issuer: str, subject: str, name: str, passphrase: Secret) -> PublicKey:
        """A key that opens from its keyring entry on. Raises InputError for a short passphrase."""
        ...

    def prepare_deployment_key(self, use: str) -> PublicKey:
        """A key file beside the one in use (`service`, `log` or `machine`); preparing twice gives the same key."""
        ...

    def adopt_deployment_keys(self) -> None:
        """Puts prepared keys into use that the ledger names by now."""
        ...


_USES = {
    CeremonyKind.ROTATE_SERVICE: "service",
    CeremonyKind.ROTATE_LOG: "log",
    CeremonyKind.ROTATE_MACHINE: "machine",
}


class KeyService:
    def __init__(
        self,
        *,
        units: PeopleUnits,
        people: PeopleService,
        ledger: LedgerService,
        desk: SigningDesk,
        maker: KeyMaker,
        clock: Clock,
    ) -> None:
        self._units = units
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._maker = maker
        self._clock = clock

    # looking

    def signers_needed(self) -> int:
        """How many administrators sign a change: two, or one in the embedded profile."""
        return self._ledger.keyring().signers_needed

    def ceremonies(self, *, actor: Actor, open_only: bool = True) -> tuple[Ceremony, ...]:
        """Newest first: administrators see all, others their own. Expired proposals are not open."""
        self._people.require(actor, Permission.VIEW)
        with self._units.read() as unit:
            found = unit.people.ceremonies(open_only=open_only)
        now, own = self._clock.now(), (actor.issuer, actor.subject)
        every = self._people.may(actor, Permission.MANAGE_PEOPLE)
        return tuple(
            item
            for item in found
            if (every or own in {item.who, item.asked_by}) and not (open_only and item.is_expired(now))
        )

    def deployment_keys(self) -> tuple[tuple[str, str], ...]:
        """(use, key id) of the keys the ledger names for `service`, `log` and `machine` now."""
        keyring = self._ledger.keyring()
        found = [("log", keyring.log_keys[-1].key_id)] if keyring.log_keys else []
        for key_id, key in keyring.keys.items():
            if key.revoked_at is None and key.owner in {None, MACHINE}:
                found.append(("service" if key.owner is None else "machine", key_id))
        return tuple(sorted(found))

    def renewal_due(self, person: Person) -> bool:
        """True when the key in use is older than a year."""
        made = person.key_created_at
        return person.key_id is not None and made is not None and self._clock.now() - made > rules.RENEW_AFTER

    # a person's own key

    def ask_for_key(self, command: AskForKey, *, actor: Actor) -> Receipt:
        """Makes the actor's new key and asks administrators to enrol it; the old one signs until then.

        Whoever has a key proves it: the old passphrase signs the request. Raises InputError, PassphraseError.
        """
        person = self._people.require(actor, Permission.VIEW)
        self._ledger.require_trustworthy()
        idem = _idem("key-asked", actor, command.command_id)
        earlier = self._earlier(idem)
        if earlier is not None:
            return earlier
        if actor.role is Role.AUDITOR:
            raise RoleMissingError("An auditor signs nothing here, so no key is made.", hint="Auditors read.")
        if command.new.reveal() != command.repeated.reveal():
            raise InputError("The two new passphrases differ.", hint="Type the same one twice.")
        if person.key_id is not None and command.old is None:
            raise InputError("Enter the passphrase of the key you use now; it signs the request for the new one.")
        if command.old is not None and command.old.reveal() == command.new.reveal():
            raise InputError("The new passphrase is the old one.", hint="Choose another one.")
        kind = CeremonyKind.ENROL if person.key_id is None else CeremonyKind.ROTATE
        replaced = {"replaces": person.key_id} if person.key_id else {}
        if command.old is not None and person.key_id is not None:
            self._ledger.record_signed_event(
                event="key-renewal-asked",
                actor=actor,
                passphrase=command.old,
                detail={
                    "sentence": f"{person.name} asked for a new signing key, with the old one.",
                    "old": person.key_id,
                },
                idem=f"{idem}:old",
            )
        key = self._maker.prepare_key(
            issuer=person.issuer, subject=person.subject, name=person.name, passphrase=command.new
        )
        detail = {"keyid": key.key_id, "public": key.public, **replaced}
        ceremony = self._new(kind, person.who, person.name, detail, actor)
        with self._units.write() as unit:
            unit.people.replace_asked(ceremony.who, by=ceremony.id, at=ceremony.asked_at)
            unit.people.add_ceremony(ceremony, idem=idem)
        sentence = f"{person.name} made a signing key; administrators have to enrol it."
        return self._ledger.record_event(
            event="key-asked", actor=actor, detail={"sentence": sentence, "keyid": key.key_id}, idem=idem
        )

    # changes by administrators

    def propose(self, command: ProposeChange, *, actor: Actor) -> Receipt:
        """Signs a change of keys or roles; recorded at once where one administrator suffices.

        Raises InputError, MissingReasonError, RefusalError (recorded), PassphraseError.
        """
        admin = self._people.require(actor, Permission.MANAGE_PEOPLE)
        self._ledger.require_trustworthy()
        idem = _idem("ceremony", actor, command.command_id)
        earlier = self._earlier(idem)
        if earlier is not None:
            return earlier
        rules.require_sound(command, now=self._clock.now(), log_size=self._ledger.head().size)
        issuer = actor.issuer if command.kind.is_about_a_person else ""
        person = self._known(issuer, command.subject)
        keyring = self._ledger.keyring()
        ceremony = self._new(
            command.kind,
            (issuer, command.subject),
            person.name if person is not None else command.name.strip(),
            rules.detail_of(command, person),
            actor,
        )
        self._require(ceremony, person, admin, keyring, actor)
        if command.kind in _USES:
            key = self._maker.prepare_deployment_key(_USES[command.kind])
            ceremony = replace(ceremony, detail={**ceremony.detail, "keyid": key.key_id, "public": key.public})
        return self._sign_first(ceremony, keyring, command.passphrase, actor, idem=idem, fresh=True)

    def sign(self, command: SignCeremony, *, actor: Actor) -> Receipt:
        """The next administrator's signature. Raises RefusalError (recorded), ConflictError, PassphraseError."""
        admin = self._people.require(actor, Permission.MANAGE_PEOPLE)
        self._ledger.require_trustworthy()
        idem = _idem("ceremony-sign", actor, command.command_id)
        earlier = self._earlier(idem)
        if earlier is not None:
            return earlier
        ceremony = self._open(command.ceremony_id)
        keyring = self._ledger.keyring()
        person = self._known(ceremony.issuer, ceremony.subject)
        self._require(ceremony, person, admin, keyring, actor)
        if ceremony.state is CeremonyState.ASKED:
            return self._sign_first(ceremony, keyring, command.passphrase, actor, idem=idem, fresh=False)
        if (actor.issuer, actor.subject) in {(issuer, subject) for issuer, subject, _ in ceremony.signed_by}:
            refused = RefusalError("You signed this change already.", hint="Another administrator has to sign it.")
            self._record_refusal(ceremony, refused, actor)
            raise refused
        signed = tuple(
            self._desk.countersign(
                data.encode(), issuer=actor.issuer, subject=actor.subject, passphrase=command.passphrase
            ).decode()
            for data in ceremony.envelopes
        )
        people = (*ceremony.signed_by, (actor.issuer, actor.subject, actor.name))
        return self._store(
            replace(ceremony, envelopes=signed, signed_by=people), keyring, actor, idem=idem, fresh=False
        )

    def withdraw(self, ceremony_id: str, *, actor: Actor) -> Receipt:
        """Takes back what is not recorded yet: by whoever asked for it, or an administrator."""
        self._people.require(actor, Permission.VIEW)
        ceremony = self._open(ceremony_id)
        if (actor.issuer, actor.subject) not in {ceremony.asked_by, ceremony.who}:
            self._people.require(actor, Permission.MANAGE_PEOPLE)
        done = replace(ceremony, state=CeremonyState.WITHDRAWN)
        with self._units.write() as unit:
            if not unit.people.save_ceremony(done, was=ceremony, at=self._clock.now()):
                raise _moved_on()
        return self._ledger.record_event(
            event="ceremony-withdrawn",
            actor=actor,
            detail={"sentence": f"{actor.name} took back: {rules.words(ceremony)}."},
            idem=f"ceremony-withdrawn:{ceremony.id}",
        )

    # steps

    def _require(
        self, ceremony: Ceremony, person: Person | None, admin: Person, keyring: Keyring, actor: Actor
    ) -> None:
        admins = tuple(person.who for person in self._people.holders(Role.ADMIN))
        role = Role(ceremony.detail["role"]) if "role" in ceremony.detail else None
        try:
            rules.require_other(ceremony.who, admin.who, embedded=keyring.embedded)
            rules.require_possible(ceremony.kind, person, role, admins=admins, signers_needed=keyring.signers_needed)
            _require_own_passkey(ceremony, keyring)
        except RefusalError as refused:
            self._record_refusal(ceremony, refused, actor)
            raise

    def _sign_first(
        self, ceremony: Ceremony, keyring: Keyring, passphrase: Secret, actor: Actor, *, idem: str, fresh: bool
    ) -> Receipt:
        now = self._clock.now()
        until = now + rules.PROPOSAL_LIFE if keyring.signers_needed > 1 else None
        head = self._ledger.head()
        envelopes = []
        for operation in rules.operations(ceremony):
            waits = {} if until is None else {"validUntil": utc_text(until)}
            payload = statement.build(
                Kind.KEYRING,
                subjects=(_subject_of(ceremony, operation),),
                predicate={
                    **operation,
                    **waits,
                    "signer": {
                        "issuer": actor.issuer,
                        "sub": actor.subject,
                        "name": actor.name,
                        "role": actor.role.value,
                    },
                    "authentication": authentication.document(actor, at=now),
                },
                at=now,
                head=head,
            )
            signed = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=passphrase)
            envelopes.append(signed.decode())
        signer = (actor.issuer, actor.subject, actor.name)
        ceremony = replace(ceremony, envelopes=tuple(envelopes), signed_by=(signer,), valid_until=until)
        return self._store(ceremony, keyring, actor, idem=idem, fresh=fresh)

    def _store(self, ceremony: Ceremony, keyring: Keyring, actor: Actor, *, idem: str, fresh: bool) -> Receipt:
        complete = len(ceremony.signed_by) >= keyring.signers_needed
        now = self._clock.now()
        if not complete:
            ceremony = replace(ceremony, state=CeremonyState.SIGNED)
            with self._units.write() as unit:
                self._save(unit.people, ceremony, idem=idem, fresh=fresh)
            missing = keyring.signers_needed - len(ceremony.signed_by)
            sentence = f"{actor.name} signed: {rules.words(ceremony)}. {missing} more administrator has to sign."
            return self._ledger.record_event(
                event="ceremony-signed", actor=actor, detail={"sentence": sentence, "ceremony": ceremony.id}, idem=idem
            )
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            last = len(ceremony.envelopes) - 1
            for place, data in enumerate(ceremony.envelopes):
                receipt = unit.ledger.append(data.encode(), idem=idem if place == last else f"{idem}:{place}")
            done = replace(ceremony, state=CeremonyState.DONE, seq=receipt.seq)
            self._save(unit.people, done, idem=idem, fresh=fresh, at=now)
        if ceremony.kind in _USES:
            self._maker.adopt_deployment_keys()
        return receipt

    def _save(
        self, store: PeopleRecords, ceremony: Ceremony, *, idem: str, fresh: bool, at: datetime | None = None
    ) -> None:
        if fresh:
            store.add_ceremony(ceremony, idem=idem)
        elif not store.save_ceremony(ceremony, was=self._expected(ceremony), at=at):
            raise _moved_on()

    def _expected(self, ceremony: Ceremony) -> Ceremony:
        # Somebody else's signature in between would be lost if this one replaced it.
        return replace(ceremony, signed_by=ceremony.signed_by[:-1])

    def _new(
        self, kind: CeremonyKind, who: tuple[str, str], name: str, detail: Mapping[str, str], actor: Actor
    ) -> Ceremony:
        now = self._clock.now()
        return Ceremony(
            id=new_id("key", now),
            kind=kind,
            state=CeremonyState.ASKED,
            issuer=who[0],
            subject=who[1],
            name=name,
            detail=detail,
            asked_by=(actor.issuer, actor.subject),
            asked_by_name=actor.name,
            asked_at=now,
        )

    def _open(self, ceremony_id: str) -> Ceremony:
        with self._units.read() as unit:
            found = unit.people.ceremony(ceremony_id)
        if found is None:
            raise UnknownRequestError("This change of keys does not exist.", hint="Reload the page.")
        if found.is_expired(self._clock.now()):
            raise ConflictError(
                "The second signature came too late; the proposal has expired.", hint="Propose it again."
            )
        if not found.state.is_open:
            raise _moved_on()
        return found

    def _known(self, issuer: str, subject: str) -> Person | None:
        return next((person for person in self._people.people() if person.who == (issuer, subject)), None)

    def _earlier(self, idem: str) -> Receipt | None:
        with self._units.read() as unit:
            found = unit.ledger.find(idem)
        return None if found is None else replace(found, repeated=True)

    def _record_refusal(self, ceremony: Ceremony, refused: RefusalError, actor: Actor) -> None:
        self._ledger.record_event(
            event="ceremony-refused", actor=actor, detail={"reason": f"{rules.words(ceremony)}. {refused.message}"}
        )


def _subject_of(ceremony: Ceremony, operation: Mapping[str, Any]) -> Subject:
    if not ceremony.kind.is_about_a_person:
        return Subject(name=f"key:{_USES[ceremony.kind]}", sha256=ceremony.detail["keyid"])
    sha256 = operation.get("keyid") or identity_sha256(ceremony.issuer, ceremony.subject)
    return Subject(name=f"person:{ceremony.issuer}/{ceremony.subject}", sha256=sha256)


def _require_own_passkey(ceremony: Ceremony, keyring: Keyring) -> None:
    """What is revoked as somebody's passkey is one: nothing else is revoked under that name."""
    if ceremony.kind is not CeremonyKind.PASSKEY_LOSS:
        return
    key = keyring.keys.get(ceremony.detail["keyid"])
    if key is None or key.passkey is None or key.owner != ceremony.who or key.revoked_at is not None:
        raise RefusalError(f"{ceremony.name} has no such passkey in use.", hint="Choose one of the list.")


def _moved_on() -> ConflictError:
    return ConflictError("This change was signed or taken back meanwhile.", hint="Look at the list again.")


def _idem(word: str, actor: Actor, command_id: str) -> str:
    about = f"{actor.issuer}\x1f{actor.subject}\x1f{command_id}"
    return f"{word}:{hashlib.sha256(about.encode('utf-8', 'surrogatepass')).hexdigest()}"
