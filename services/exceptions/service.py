"""Use cases of exceptions: propose, grant or refuse, end, and what counts at this moment.

Every step is a person's signature in the ledger. An exception counts only while its signed proposal and grant say
what is stored, its day has not come and its owner is an active person; nobody has to switch it off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from services.attestation.free_text import salted
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.exceptions import rules, statements
from services.exceptions.models import (
    ActiveException,
    DecideException,
    EndException,
    ExceptionState,
    ExceptionTerms,
    ExceptionView,
    PolicyException,
    ProposeException,
    Signed,
    Who,
)
from services.exceptions.ports import ExceptionUnit, ExceptionUnits, SignedEntries, TermsOf
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import (
    AlreadyDecidedError,
    ControlRoomError,
    ExceptionRefusedError,
    InputError,
    RefusalError,
    TrustError,
)
from services.kernel.identity import Actor, Permission
from services.ledger.service import LedgerService
from services.people.models import Person
from services.people.service import PeopleService


class ExceptionService:
    def __init__(
        self,
        *,
        units: ExceptionUnits,
        people: PeopleService,
        ledger: LedgerService,
        desk: SigningDesk,
        attestations: SignedEntries,
        terms_of: TermsOf,
        clock: Clock,
    ) -> None:
        self._units = units
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._attestations = attestations
        self._terms_of = terms_of
        self._clock = clock

    # looking

    def terms(self, model: str) -> ExceptionTerms:
        """Gates of the model's policy with what can never be excepted, and the longest time.

        Raises UnknownModelError, InvalidPolicyError.
        """
        return self._terms_of(model)

    def owners(self) -> tuple[Person, ...]:
        """People who may own an exception, by name."""
        return tuple(person for person in self._people.people() if self._stands(person.issuer, person.subject))

    def active(self, model: str, *, now: datetime | None = None) -> tuple[ActiveException, ...]:
        """What counts for this model now, each checked against its signed entries."""
        at = now or self._clock.now()
        with self._units.read() as unit:
            found = unit.exceptions.undecided_or_granted(model)
        return tuple(
            ActiveException(
                id=item.exception_id,
                gate=item.gate,
                until=item.until,
                granted_by=item.decided.by.name,
                control=item.control,
                seq=item.decided.seq,
                leaf_hash=item.decided.leaf_hash,
            )
            for item in found
            if item.decided is not None and self._state(item, at) is ExceptionState.ACTIVE and self._is_signed(item)
        )

    def all(self, model: str = "", states: tuple[ExceptionState, ...] = ()) -> tuple[ExceptionView, ...]:
        """Newest first; of every model when `model` is empty, in every state when `states` is."""
        now = self._clock.now()
        with self._units.read() as unit:
            found = unit.exceptions.all(model)
        views = (self._view(item, now) for item in found)
        return tuple(view for view in views if not states or view.state in states)

    def get(self, exception_id: str) -> ExceptionView:
        """Raises InputError for an unknown one."""
        with self._units.read() as unit:
            return self._view(_known(unit, exception_id), self._clock.now())

    def refusal_to_decide(self, exception_id: str, *, actor: Actor) -> str:
        """Why this person may not grant or refuse it, in words; empty when they may."""
        with self._units.read() as unit:
            item = _known(unit, exception_id)
        return _refusal(lambda: rules.require_decidable(item, self._state(item), _who(actor), actor.role))

    def refusal_to_end(self, exception_id: str, *, actor: Actor) -> str:
        """Why this person may not end it, in words; empty when they may."""
        with self._units.read() as unit:
            item = _known(unit, exception_id)
        return _refusal(lambda: rules.require_endable(item, self._state(item), _who(actor), actor.role))

    # deciding

    def propose(self, command: ProposeException, *, actor: Actor) -> Receipt:
        """Signs the proposal; nothing is excepted by it.

        Raises MissingReasonError, InputError, NotExceptableError, ExceptionRefusedError, PassphraseError.
        """
        self._people.require(actor, Permission.PROPOSE_EXCEPTION)
        self._ledger.require_trustworthy()
        with self._recording(actor, command.model, f"propose {command.gate}"):
            return self._propose(command, actor)

    def _propose(self, command: ProposeException, actor: Actor) -> Receipt:
        exception_id = "exc-" + _digest(actor.issuer, actor.subject, command.command_id)[:20]
        idem = f"exception:{exception_id}:propose"
        now = self._clock.now()
        with self._units.read() as unit:
            earlier = unit.ledger.find(idem)
            head = unit.ledger.head()
        if earlier is not None:
            return replace(earlier, repeated=True)
        rules.require_words(command)
        gate = rules.require_exceptable(self.terms(command.model), command, now=now)
        owner = self._owner(command.owner_subject)
        reason, control = command.reason.strip(), command.control.strip()
        salt, reason_sha256 = salted(reason)
        control_salt, control_sha256 = salted(control)
        item = PolicyException(
            exception_id=exception_id,
            model=command.model,
            gate=command.gate,
            gate_title=gate.title,
            control=control,
            control_salt=control_salt,
            owner=owner,
            until=command.until.replace(microsecond=0),
            proposed=Signed(by=_who(actor), at=now, reason=reason, salt=salt, seq=0, leaf_hash=""),
        )
        payload = statements.proposal(
            item, reason=reason_sha256, control=control_sha256, signed=statements.signed_by(actor, at=now), head=head
        )
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            self._require_single(unit, item, now)
            receipt = unit.ledger.append(envelope, idem=idem)
            signed = replace(item.proposed, seq=receipt.seq, leaf_hash=receipt.leaf_hash)
            unit.exceptions.add(replace(item, proposed=signed))
        return receipt

    def decide(self, command: DecideException, *, actor: Actor) -> Receipt:
        """Grants or refuses a proposal.

        Raises ExceptionRefusedError (own proposal, own exception), AlreadyDecidedError, IllegalTransitionError,
        MissingReasonError, PassphraseError.
        """
        self._people.require(actor, Permission.GRANT_EXCEPTION)
        self._ledger.require_trustworthy()
        operation = "grant" if command.grant else "refuse"
        with self._units.read() as unit:
            model = _known(unit, command.exception_id).model
        with self._recording(actor, model, f"{operation} {command.exception_id}"):
            if not command.grant:
                rules.require_reason(command.reason, "A refusal")
            return self._step(command.exception_id, operation, command.reason, command, actor)

    def end(self, command: EndException, *, actor: Actor) -> Receipt:
        """Ends an exception early, takes a proposal back, or closes one that ran out.

        Raises ExceptionRefusedError, AlreadyDecidedError, IllegalTransitionError, MissingReasonError, PassphraseError.
        """
        self._people.require(actor, Permission.VIEW)
        with self._units.read() as unit:
            model = _known(unit, command.exception_id).model
        with self._recording(actor, model, f"end {command.exception_id}"):
            rules.require_reason(command.reason, "Ending an exception")
            return self._step(command.exception_id, "end", command.reason, command, actor)

    def _step(
        self, exception_id: str, operation: str, reason: str, command: DecideException | EndException, actor: Actor
    ) -> Receipt:
        who, now = _who(actor), self._clock.now()
        idem = f"exception:{exception_id}:{operation}:{_digest(who.issuer, who.subject)[:20]}"
        with self._units.read() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            item = _known(unit, exception_id)
            head = unit.ledger.head()
        self._require(item, operation, actor, now)
        if not self._says(item.proposed, item, "propose"):
            raise TrustError(
                "The stored proposal differs from the signed one; nothing was signed.",
                hint="Verify the ledger on the audit screen.",
            )
        salt, digest = salted(reason.strip())
        payload = statements.step(
            item, operation, reason=digest, signed=statements.signed_by(actor, at=now), at=now, head=head
        )
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            # Asked again inside the transaction: somebody may have been faster.
            self._require(_known(unit, exception_id), operation, actor, now)
            receipt = unit.ledger.append(envelope, idem=idem)
            signed = Signed(
                by=who, at=now, reason=reason.strip(), salt=salt, seq=receipt.seq, leaf_hash=receipt.leaf_hash
            )
            if operation == "end":
                kept = unit.exceptions.end(exception_id, signed)
            else:
                kept = unit.exceptions.decide(exception_id, signed, granted=operation == "grant")
            if not kept:
                raise AlreadyDecidedError("Somebody was faster with this exception.", hint="Reload the page.")
        return receipt

    def expire_due(self) -> int:
        """Worker: records those that ran out since it last looked; the number recorded.

        They stopped counting at that moment, whether or not the worker was running.
        """
        now, count = self._clock.now(), 0
        with self._units.read() as unit:
            found = unit.exceptions.undecided_or_granted()
        for item in found:
            state = self._state(item, now)
            if state is not ExceptionState.EXPIRED or item.noticed_at is not None:
                continue
            why = rules.why_it_ended(item, state, now=now)
            self._ledger.record_event(
                event="exception-expired",
                actor=None,
                model=item.model,
                detail={
                    "exception": item.exception_id,
                    "gate": item.gate,
                    "sentence": f"The exception for {item.gate_title} of {item.model} no longer counts. {why}",
                },
                idem=f"exception:{item.exception_id}:expired",
            )
            with self._units.write() as unit:
                unit.exceptions.notice(item.exception_id, at=now)
            count += 1
        return count

    # guards

    def _require(self, item: PolicyException, operation: str, actor: Actor, now: datetime) -> None:
        state = self._state(item, now)
        if operation == "end":
            rules.require_endable(item, state, _who(actor), actor.role)
        else:
            rules.require_decidable(item, state, _who(actor), actor.role)

    def _require_single(self, unit: ExceptionUnit, item: PolicyException, now: datetime) -> None:
        for other in unit.exceptions.undecided_or_granted(item.model):
            state = self._state(other, now)
            if other.gate == item.gate and state in {ExceptionState.PROPOSED, ExceptionState.ACTIVE}:
                raise ExceptionRefusedError(
                    f"An exception for {item.gate_title} of {item.model} is {rules.STATE_WORDS[state]} already, "
                    f"until {utc_text(other.until)}.",
                    hint="End that one first, or wait for it.",
                )

    def _owner(self, subject: str) -> Who:
        found = [person for person in self.owners() if person.subject == subject]
        if len(found) != 1:
            raise InputError(
                f"{subject or 'Nobody'} is not an active person who can own an exception.",
                hint="Name one person of the list as owner.",
            )
        return Who(issuer=found[0].issuer, subject=found[0].subject, name=found[0].name)

    def _stands(self, issuer: str, subject: str) -> bool:
        found = self._people.standing(issuer, subject)
        return found is not None and bool(found.roles)

    def _state(self, item: PolicyException, now: datetime | None = None) -> ExceptionState:
        stands = self._stands(item.owner.issuer, item.owner.subject) if item.granted else True
        return rules.state_of(item, now=now or self._clock.now(), owner_stands=stands)

    def _is_signed(self, item: PolicyException) -> bool:
        """Proposal and grant are in the ledger and say what the row says: the row alone excepts nothing."""
        return (
            item.decided is not None
            and self._says(item.proposed, item, "propose")
            and self._says(item.decided, item, "grant")
        )

    def _says(self, step: Signed, item: PolicyException, operation: str) -> bool:
        try:
            said = self._attestations.require_valid(step.seq, step.leaf_hash)
        except TrustError:
            return False
        return statements.says(said, item, operation)

    def _view(self, item: PolicyException, now: datetime) -> ExceptionView:
        state = self._state(item, now)
        newest = item.ended or item.decided or item.proposed
        return ExceptionView(
            id=item.exception_id,
            model=item.model,
            gate=item.gate,
            gate_title=item.gate_title,
            reason=item.proposed.reason,
            control=item.control,
            owner_subject=item.owner.subject,
            owner_name=item.owner.name,
            proposed_by=item.proposed.by.name,
            granted_by=item.decided.by.name if item.decided else "",
            state=state,
            proposed_at=item.proposed.at,
            granted_at=item.decided.at if item.decided else None,
            until=item.until,
            ended_at=_ended_at(item, state, now),
            ended_why=rules.why_it_ended(item, state, now=now),
            seq=newest.seq,
            late=rules.is_late(item, state, now=now),
        )

    @contextmanager
    def _recording(self, actor: Actor, model: str, what: str) -> Iterator[None]:
        """A refused attempt becomes a ledger entry before the person reads why."""
        try:
            yield
        except RefusalError as refused:
            self._ledger.record_event(
                event="exception-refused",
                actor=actor,
                model=model,
                detail={"target": what, "code": refused.code},
            )
            raise


def _ended_at(item: PolicyException, state: ExceptionState, now: datetime) -> datetime | None:
    if item.ended is not None:
        return item.ended.at
    if state is ExceptionState.REFUSED and item.decided is not None:
        return item.decided.at
    if state is ExceptionState.EXPIRED:
        return item.until if now >= item.until else item.noticed_at
    return None


def _refusal(ask: Callable[[], None]) -> str:
    try:
        ask()
    except ControlRoomError as refused:
        return str(refused)
    return ""


def _known(unit: ExceptionUnit, exception_id: str) -> PolicyException:
    found = unit.exceptions.get(exception_id)
    if found is None:
        raise InputError(f"There is no exception {exception_id!r}.", hint="Choose one from the list.")
    return found


def _who(actor: Actor) -> Who:
    return Who(issuer=actor.issuer, subject=actor.subject, name=actor.name)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
