"""Retention use cases: the state of every class, legal holds, and disposal with its signed certificate.

Erasing touches only text outside the ledger. The certificate and the erasure are one transaction; a hold wins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.attestation import authentication, canonical, statement
from services.attestation.models import Kind, Receipt, Subject
from services.attestation.ports import SigningDesk
from services.audit import retention
from services.audit.chronicle import Chronicle
from services.audit.counting import Counting
from services.audit.ports import AccessLog, DisposalUnit, DisposalUnits, PredictionLog
from services.audit.retention import Certificate, ClassState, Erasable, Hold, RetentionRule, Schedule
from services.kernel.clock import Clock
from services.kernel.errors import ConflictError, InputError, MissingReasonError, RefusalError
from services.kernel.identity import Actor, Permission
from services.kernel.secret import Secret
from services.ledger.service import LedgerService
from services.people.service import PeopleService

_LONGEST = 500
_SHORTEST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHold:
    """Command. `scope_kind` is `model` or `class`."""

    command_id: str
    scope_kind: str
    scope: str
    reason: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHold:
    command_id: str
    hold_id: str
    reason: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispose:
    """Command. `expected` is the number of texts the person saw; another number is refused."""

    command_id: str
    class_id: str
    expected: int
    passphrase: Secret


class RetentionService:
    def __init__(
        self,
        *,
        chronicle: Chronicle,
        units: DisposalUnits,
        predictions: PredictionLog,
        access: AccessLog,
        people: PeopleService,
        ledger: LedgerService,
        desk: SigningDesk,
        clock: Clock,
        profiles: frozenset[str],
        schedule: Schedule | None = None,
    ) -> None:
        self._chronicle = chronicle
        self._units = units
        self._predictions = predictions
        self._access = access
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._clock = clock
        self.profiles = profiles
        self.schedule = schedule or retention.load()

    # looking

    def holds(self) -> tuple[Hold, ...]:
        return retention.holds(self._chronicle.history())

    def certificates(self) -> tuple[Certificate, ...]:
        return retention.certificates(self._chronicle.history())

    def classes(self) -> tuple[ClassState, ...]:
        """Counts, oldest record and next due date of every class."""
        history = self._chronicle.history()
        with self._units.read() as unit:
            items = unit.disposal.erasable()
        counting = Counting(
            history=history,
            items=items,
            predictions=self._predictions,
            access=self._access,
            schedule=self.schedule,
            profiles=self.profiles,
            today=self._clock.now().date(),
        )
        return tuple(counting.state(rule) for rule in self.schedule.rules)

    # holds

    def place_hold(self, command: PlaceHold, *, actor: Actor) -> Receipt:
        """Raises RoleMissingError, InputError, MissingReasonError, PassphraseError, KeyLockedError."""
        self._people.require(actor, Permission.MANAGE_RETENTION)
        self._ledger.require_trustworthy()
        scope, reason = command.scope.strip(), _reason(command.reason)
        if command.scope_kind == "class" and self.schedule.rule(scope) is None:
            raise InputError(f"There is no retention class {scope!r}.", hint="Choose one of the list.")
        if command.scope_kind not in {"class", "model"} or not scope:
            raise InputError("A hold needs a model or a class as its scope.", hint="Choose one.")
        hold_id = f"hold-{_digest(actor.subject, command.command_id)[:16]}"
        with self._recording("hold-refused", actor, scope):
            return self._ledger.record_signed_event(
                event=retention.PLACED,
                actor=actor,
                passphrase=command.passphrase,
                model=scope if command.scope_kind == "model" else "",
                detail={
                    "id": hold_id,
                    "scopeKind": command.scope_kind,
                    "scope": scope,
                    "reason": reason,
                    "sentence": f"{actor.name} placed a legal hold on the {command.scope_kind} {scope}: {reason}",
                },
                idem=f"hold:{hold_id}",
            )

    def release_hold(self, command: ReleaseHold, *, actor: Actor) -> Receipt:
        """Raises RoleMissingError, InputError, ConflictError when it was released before, PassphraseError."""
        self._people.require(actor, Permission.MANAGE_RETENTION)
        self._ledger.require_trustworthy()
        reason = _reason(command.reason)
        hold = next((item for item in self.holds() if item.id == command.hold_id), None)
        if hold is None:
            raise InputError(f"There is no legal hold {command.hold_id!r}.", hint="Choose one of the list.")
        if not hold.stands:
            raise ConflictError(f"This hold was released by {hold.released_by} before.", hint="Reload the page.")
        with self._recording("hold-release-refused", actor, hold.scope):
            return self._ledger.record_signed_event(
                event=retention.RELEASED,
                actor=actor,
                passphrase=command.passphrase,
                model=hold.scope if hold.scope_kind == "model" else "",
                detail={
                    "id": hold.id,
                    "scopeKind": hold.scope_kind,
                    "scope": hold.scope,
                    "reason": reason,
                    "sentence": f"{actor.name} released the legal hold on the {hold.scope_kind} {hold.scope}: {reason}",
                },
                idem=f"hold-release:{hold.id}",
            )

    # disposal

    def dispose(self, command: Dispose, *, actor: Actor) -> Receipt:
        """Erases what is due in one class and not held, and leaves a certificate signed by this person.

        Raises RoleMissingError, InputError, RefusalError when nothing may be erased, ConflictError when it is not
        what was shown, PassphraseError, KeyLockedError.
        """
        self._people.require(actor, Permission.MANAGE_RETENTION)
        self._ledger.require_trustworthy()
        rule = self.schedule.rule(command.class_id)
        if rule is None:
            raise InputError(f"There is no retention class {command.class_id!r}.", hint="Choose one of the list.")
        with self._recording("disposal-refused", actor, rule.id):
            return self._dispose(rule, command, actor)

    def _dispose(self, rule: RetentionRule, command: Dispose, actor: Actor) -> Receipt:
        idem = f"disposal:{_digest(actor.subject, command.command_id)}"
        with self._units.read() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return earlier
            items = self._due(unit, rule)
            head = unit.ledger.head()
        if len(items) != command.expected:
            raise ConflictError(
                f"{len(items)} texts are due now, not the {command.expected} you saw.", hint="Look at the list again."
            )
        now = self._clock.now()
        predicate = {
            "event": retention.CERTIFICATE,
            "model": "",
            "detail": {
                "class": rule.id,
                "items": str(len(items)),
                "rule": f"{rule.period(self.profiles)} years from {rule.start}; {rule.source}",
                "profiles": ",".join(sorted(self.profiles)),
                "schedule": self.schedule.version,
                "list": _list_digest(items),
                "sentence": f"{actor.name} erased {len(items)} texts of the class {rule.id}, whose time was over.",
            },
            "actor": _signer(actor),
            "signer": _signer(actor),
            "authentication": authentication.document(actor, at=now),
        }
        payload = statement.build(
            Kind.EVENT,
            subjects=(Subject(name=f"event:{retention.CERTIFICATE}", sha256=_list_digest(items)),),
            predicate=predicate,
            at=now,
            head=head,
        )
        data = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return earlier
            if self._due(unit, rule) != items:
                raise ConflictError("What is due changed while you signed.", hint="Look at the list again.")
            receipt = unit.ledger.append(data, idem=idem)
            words = f"[erased on {now:%Y-%m-%d}, disposal certificate in ledger entry {receipt.seq}]"
            unit.disposal.erase(items, words=words)
        return receipt

    def _due(self, unit: DisposalUnit, rule: RetentionRule) -> tuple[Erasable, ...]:
        """Raises RefusalError when nothing may be erased, naming the holds in the way."""
        history = self._chronicle.history()
        standing = tuple(hold for hold in retention.holds(history) if hold.stands)
        free, held = retention.disposable(
            rule,
            unit.disposal.erasable(),
            years=rule.period(self.profiles),
            retired=retention.retired_on(history),
            standing=standing,
            today=self._clock.now().date(),
        )
        if not free and held:
            raise RefusalError(
                f"{len(held)} texts are due, and a legal hold keeps all of them.", hint="Release the hold first."
            )
        if not free:
            raise RefusalError(f"Nothing of the class {rule.title.lower()} is due.", hint="See the next due date.")
        return free

    @contextmanager
    def _recording(self, event: str, actor: Actor, what: str) -> Iterator[None]:
        """A refused attempt becomes a ledger entry before the person reads why."""
        try:
            yield
        except RefusalError as refused:
            self._ledger.record_event(event=event, actor=actor, detail={"target": what, "code": refused.code})
            raise


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if len(reason) < _SHORTEST:
        raise MissingReasonError("A legal hold needs its reason in a sentence.", hint="Name the matter and its basis.")
    if len(reason) > _LONGEST:
        raise InputError(f"The reason is longer than {_LONGEST} characters.", hint="Shorten it.")
    return reason


def _list_digest(items: tuple[Erasable, ...]) -> str:
    listed = [{"kind": item.kind, "ref": item.ref, "model": item.model} for item in items]
    return hashlib.sha256(canonical.to_bytes({"items": listed})).hexdigest()


def _signer(actor: Actor) -> dict[str, str]:
    return {"issuer": actor.issuer, "sub": actor.subject, "name": actor.name, "role": actor.role.value}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
