"""Deciding: the review that binds what is shown, and the signature on exactly that."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.approvals import factors, parts, rules, statements
from services.approvals.completion import complete, leave_out, save, step_of, stop_retirement
from services.approvals.context import Context, known, short_digest, unsigned_change
from services.approvals.drafting import Drafted
from services.approvals.models import REASON_CODES, Decision, Review, SignOff
from services.approvals.ports import ApprovalUnit
from services.approvals.records import DecisionRecord, PromotionRequest
from services.approvals.rules import BINDING, Capacity
from services.approvals.table import Step, after
from services.attestation import statement
from services.attestation.free_text import digest_of, salted
from services.attestation.models import LogHead, Receipt
from services.kernel.errors import (
    DelegationError,
    IllegalTransitionError,
    PasskeyRefusedError,
    StaleEvidenceError,
    StaleRequestError,
)
from services.kernel.identity import ROLE_PERMISSIONS, Actor, Permission
from services.people.models import Person
from services.people.passkeys import Demand, Touched
from services.rollout import intents
from services.rollout.models import Challenge

CHALLENGE_LIFETIME = timedelta(minutes=15)
_SIGNING = (Permission.VALIDATE, Permission.ACKNOWLEDGE, Permission.APPROVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    request: PromotionRequest
    shown: str
    head: LogHead
    earlier: Receipt | None


class Deciding:
    def __init__(self, context: Context) -> None:
        self._with = context

    def open_review(self, request_id: str, *, actor: Actor, role: str, delegation: str) -> Review:
        context = self._with
        context.people.require(actor, Permission.VIEW)
        with context.units.read() as unit:
            request = known(unit, request_id)
        with context.recording("sign-off-refused", actor, request.model, request_id, request_id=request_id):
            acting = context.capacity(actor, role, delegation)
            if acting.delegation is None and acting.role != actor.role.value:
                self._refuse_foreign_step(request, acting)
        shown = statements.shown_sha256(request, context.drafting.again(request).frozen, acting)
        challenge = Challenge(
            nonce=secrets.token_hex(16),
            purpose="review",
            subject=actor.subject,
            about=_seat(request, acting),
            revision=request.revision,
            shown_sha256=shown,
            expires_at=context.clock.now() + CHALLENGE_LIFETIME,
        )
        with context.units.write() as unit:
            unit.rollouts.add_challenge(challenge)
        return Review(
            request_id=request_id, challenge=challenge.nonce, shown_sha256=shown, expires_at=challenge.expires_at
        )

    def _refuse_foreign_step(self, request: PromotionRequest, acting: Capacity) -> None:
        with self._with.units.read() as unit:
            decisions = unit.requests.decisions(request.request_id)
        rules.require_allowed(request, decisions, Decision.ABSTAIN, acting=acting, now=self._with.clock.now())

    def sign_off(self, command: SignOff, *, actor: Actor) -> Receipt:
        context = self._with
        context.people.require(actor, Permission.VIEW)
        context.ledger.require_trustworthy()
        with context.units.read() as unit:
            request = known(unit, command.request_id)
        words = {"decision": command.decision.value, "request_id": request.request_id}
        with context.recording("sign-off-refused", actor, request.model, request.request_id, **words):
            if command.decision is not Decision.WITHDRAW:
                rules.require_other_person(request, rules.own(actor))
            acting = context.capacity(actor, command.role, command.delegation)
            if acting.delegation is None and acting.role != actor.role.value:
                self._refuse_foreign_step(request, acting)
        # People records the refusal of a missing role itself; a delegate acts with the role that was lent.
        needed = Permission.VIEW if acting.delegation else _permission(command.decision, actor)
        person = context.people.require(actor, needed)
        with context.recording("sign-off-refused", actor, request.model, request.request_id, **words):
            try:
                return self._sign(command, acting, person)
            except StaleEvidenceError:
                # The page is dead, also should the evidence change back: it was not what is true when it was signed.
                with context.units.write() as unit:
                    unit.rollouts.use_challenge(command.challenge)
                raise

    def confirm_with_passkey(self, command: SignOff, *, actor: Actor) -> Demand:
        """Asks the browser for the signer's passkey over exactly the statement that `sign_off` will sign.

        The passphrase of the command is not looked at. Raises what `sign_off` raises before it.
        """
        context = self._with
        context.people.require(actor, Permission.VIEW)
        context.ledger.require_trustworthy()
        with context.units.read() as unit:
            request = known(unit, command.request_id)
        words = {"decision": command.decision.value, "request_id": request.request_id}
        with context.recording("sign-off-refused", actor, request.model, request.request_id, **words):
            acting = context.capacity(actor, command.role, command.delegation)
            context.people.require(
                actor, Permission.VIEW if acting.delegation else _permission(command.decision, actor)
            )
            ready = self._ready(command, acting)
            factors.require_fresh_login(ready.request, command.decision, actor, now=context.clock.now())
            salt, payload = self._statement(command, acting, ready, at=context.clock.now(), head=ready.head)
            return context.passkeys.demand(payload, nonce=command.challenge, about={"salt": salt}, actor=actor)

    def _ready(self, command: SignOff, acting: Capacity) -> _Ready:
        """Everything a signature rests on, looked at now. Raises when it may not be given."""
        rules.require_reason(command.decision, command.reason_code, command.comment, REASON_CODES)
        context, now = self._with, self._with.clock.now()
        with context.units.read() as unit:
            request = known(unit, command.request_id)
            decisions = unit.requests.decisions(request.request_id)
            earlier = unit.ledger.find(_idem(request, command.decision, acting, decisions))
            if earlier is not None:
                return _Ready(request=request, shown="", head=unit.ledger.head(), earlier=earlier)
            challenge = unit.rollouts.challenge(command.challenge)
            head = unit.ledger.head()
            _require_as_signed(unit, request, command.decision)
        drafted = context.drafting.again(request) if command.decision in BINDING else None
        rules.require_allowed(request, decisions, command.decision, acting=acting, now=now)
        shown = self._require_shown(request, drafted, challenge, acting)
        report = drafted.frozen.report if drafted else None
        rules.require_allowed(request, decisions, command.decision, acting=acting, now=now, report=report)
        return _Ready(request=request, shown=shown, head=head, earlier=None)

    def _statement(
        self, command: SignOff, acting: Capacity, ready: _Ready, *, at: datetime, head: LogHead, salt: str = ""
    ) -> tuple[str, bytes]:
        """(salt, payload). With the salt, time and head of an earlier one the same bytes come out again."""
        comment = command.comment.strip()
        made = salt or (salted(comment)[0] if comment else "")
        asked = factors.of(ready.request, command.decision)
        return made, statements.decision_statement(
            ready.request,
            command.decision,
            acting,
            shown=ready.shown,
            comment_sha256=digest_of(made, comment) if comment else None,
            reason_code=command.reason_code,
            zone=command.zone,
            nonce=command.challenge,
            at=at,
            head=head,
            passkey_of=self._with.passkeys.party.id if asked.passkey else "",
        )

    def _sign(self, command: SignOff, acting: Capacity, person: Person) -> Receipt:
        context, actor, now = self._with, acting.actor, self._with.clock.now()
        ready = self._ready(command, acting)
        if ready.earlier is not None:
            return replace(ready.earlier, repeated=True)
        request, comment = ready.request, command.comment.strip()
        factors.require_fresh_login(request, command.decision, actor, now=now)
        touched = self._touched(command, acting, ready)
        if touched is None:
            salt, payload = self._statement(command, acting, ready, at=now, head=ready.head)
        else:
            salt, payload = str(touched.document["salt"]), touched.payload
            now = statement.read(payload).at
        envelope = context.desk.sign_as_person(
            payload,
            subject=actor.subject,
            passphrase=command.passphrase,
            passkey=touched.signature if touched else None,
        )
        if touched is not None:
            context.passkeys.count(touched, nonce=command.challenge, actor=actor)
        given = acting.delegation
        record = DecisionRecord(
            seq=0,
            request_id=request.request_id,
            decision=command.decision,
            meaning=statements.meaning_of(request, command.decision),
            signer=actor.name,
            subject=actor.subject,
            issuer=actor.issuer,
            role=acting.role,
            at=now,
            comment=comment,
            salt=salt,
            reason_code=command.reason_code,
            key_id=person.key_id or "",
            leaf_hash="",
            revision=request.revision,
            own_role=actor.role.value if given else "",
            delegation=given.id if given else "",
            delegator=given.from_name if given else "",
            delegator_issuer=given.from_issuer if given else "",
            delegator_subject=given.from_subject if given else "",
        )
        with context.units.write() as unit:
            idem = _idem(request, command.decision, acting, unit.requests.decisions(request.request_id))
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            return self._record(unit, request, record, acting, envelope, idem, command.challenge)

    def _touched(self, command: SignOff, acting: Capacity, ready: _Ready) -> Touched | None:
        """The passkey's answer, where the policy asks for one: over these very bytes, or it is refused."""
        if not factors.of(ready.request, command.decision).passkey:
            return None
        touched = self._with.passkeys.judge(command.passkey, nonce=command.challenge, actor=acting.actor)
        said = statement.read(touched.payload)
        salt = str(touched.document["salt"])
        again = self._statement(command, acting, ready, at=said.at, head=said.head, salt=salt)[1]
        if again != touched.payload:
            raise PasskeyRefusedError(
                "What the passkey confirmed is not what would be signed now.", hint="Confirm again, then sign."
            )
        return touched

    def _record(  # noqa: PLR0917 - the one caller is just above
        self,
        unit: ApprovalUnit,
        request: PromotionRequest,
        record: DecisionRecord,
        acting: Capacity,
        envelope: bytes,
        idem: str,
        nonce: str,
    ) -> Receipt:
        """Inside the transaction everything is asked again: somebody may have been faster."""
        current = known(unit, request.request_id)
        decisions = self._of_people_in_office(unit, current, record)
        if current.revision != request.revision or current.void_cause:
            raise StaleRequestError("The request changed while you signed.", hint="Review it again.")
        if record.delegation and record.delegation not in {item.id for item in self._with.delegations(acting.actor)}:
            raise DelegationError("The delegation was taken back while you signed.", hint="Nothing was recorded.")
        rules.require_allowed(current, decisions, record.decision, acting=acting, now=record.at)
        _require_as_signed(unit, current, record.decision)
        if not unit.rollouts.use_challenge(nonce):
            raise StaleRequestError("This form was used already.", hint="Open the request again.")
        receipt = unit.ledger.append(envelope, idem=idem)
        record = replace(record, seq=receipt.seq, leaf_hash=receipt.leaf_hash)
        unit.requests.add_decision(record)
        unit.requests.add_event(current.request_id, sentence(record), seq=receipt.seq, at=record.at)
        decisions = (*decisions, record)
        step = step_of(record.decision)
        if step is not None:
            save(unit, replace(current, state=after(current.state, step)), decisions)
            if step is Step.REVOKE:
                self._stop_release(unit, current, record)
        elif record.counts and rules.is_complete(current.frozen.quorum, decisions):
            not_yet = "" if current.frozen.terms.shadow else self._with.not_yet(current)
            complete(unit, self._with.desk, current, decisions, at=record.at, not_yet=not_yet)
        else:
            save(unit, current, decisions)
        return receipt

    def _of_people_in_office(
        self, unit: ApprovalUnit, request: PromotionRequest, record: DecisionRecord
    ) -> tuple[DecisionRecord, ...]:
        """Signatures of people who left, or lost the role, turn void before anything is counted.

        A complete approval stays: it was given by people in office.
        """
        decisions = unit.requests.decisions(request.request_id)
        if not rules.is_undecided(request):
            return decisions
        for item in rules.standing(decisions):
            cause = left_office(self._with, item)
            if cause:
                leave_out(unit, self._with.desk, request, item, cause=cause, at=record.at)
        return unit.requests.decisions(request.request_id)

    def _stop_release(self, unit: ApprovalUnit, request: PromotionRequest, record: DecisionRecord) -> None:
        stop_retirement(unit, request.request_id, why=f"Stopped: the approval was revoked in entry {record.seq}.")
        for action in unit.rollouts.open_actions(request.model):
            if action.request_id == request.request_id:
                why = f"approval revoked in entry {record.seq}"
                intents.supersede(unit, self._with.desk, action, why=why, at=record.at)

    def _require_shown(
        self, request: PromotionRequest, drafted: Drafted | None, challenge: Challenge | None, acting: Capacity
    ) -> str:
        """The digest of what was shown. Raises when it is not what is true now."""
        bound = (challenge.purpose, challenge.subject, challenge.about) if challenge else None
        if challenge is None or bound != ("review", acting.actor.subject, _seat(request, acting)):
            raise IllegalTransitionError(
                "This form was not opened by you for this step of this request.", hint="Open it again."
            )
        if challenge.used or challenge.expires_at < self._with.clock.now():
            raise StaleRequestError("This form is older than 15 minutes or was used already.", hint="Open it again.")
        if challenge.revision != request.revision:
            raise StaleRequestError("The request was submitted again since you looked.", hint="Review it again.")
        if drafted is not None:
            _require_same_evidence(request, drafted)
            if challenge.shown_sha256 != statements.shown_sha256(request, drafted.frozen, acting):
                raise StaleEvidenceError("The evidence changed since you looked.", hint="Review it again.")
        return challenge.shown_sha256


def _require_as_signed(unit: ApprovalUnit, request: PromotionRequest, decision: Decision) -> None:
    """What serves now is part of what is signed: while somebody changed it outside, only adopting it can be signed."""
    finding = unsigned_change(request, unit.rollouts.deployment(request.model))
    if decision in BINDING and finding:
        raise StaleEvidenceError(
            f"What serves is not what was signed last. {finding}", hint="Put it back or adopt it, then review again."
        )


def _require_same_evidence(request: PromotionRequest, drafted: Drafted) -> None:
    missing = parts.unknown(drafted.frozen.parts)
    if missing:
        raise StaleEvidenceError(
            f"Not everything could be found out just now: {', '.join(missing)}. {drafted.unknown}".strip(),
            hint="Nothing was signed. Open the request again in a minute.",
        )
    causes = parts.changed(request.frozen.parts, drafted.frozen.parts, complete=False)
    if causes or request.void_cause or parts.digest(drafted.frozen.parts) != request.evidence_sha256:
        words = " ".join(causes) or request.void_cause or "The evidence is not the one that was submitted."
        raise StaleEvidenceError(
            f"The evidence changed since it was submitted. {words}",
            hint=f"{request.requester} has to submit it again.",
        )


def left_office(context: Context, item: DecisionRecord) -> str:
    """Why a signature no longer counts because of who gave it, or for whom; empty when it does."""
    own = item.own_role or item.role
    cause = _left(context, item.issuer, item.subject, item.signer, own)
    if not cause and item.delegation:
        cause = _left(context, item.delegator_issuer, item.delegator_subject, item.delegator, item.role)
    return f"Void: {cause}" if cause else ""


def _left(context: Context, issuer: str, subject: str, name: str, role: str) -> str:
    person = context.people.standing(issuer, subject)
    if person is None:
        return f"{name} is disabled."
    if role not in {held.value for held in person.roles}:
        return f"{name} no longer holds the role {rules.title(role)}."
    return ""


def sentence(record: DecisionRecord) -> str:
    words = {
        Decision.APPROVE: "approved",
        Decision.ACKNOWLEDGE: "acknowledged",
        Decision.REQUEST_CHANGES: "asked for changes",
        Decision.REJECT: "rejected",
        Decision.ABSTAIN: "abstained",
        Decision.WITHDRAW: "withdrew the request",
        Decision.REVOKE: "revoked the approval",
    }
    reason = f" ({REASON_CODES[record.reason_code]})" if record.reason_code else ""
    place = f" for {record.delegator} by delegation" if record.delegation else ""
    return f"{record.signer} ({rules.title(record.role).capitalize()}){place} {words[record.decision]}{reason}."


def _seat(request: PromotionRequest, acting: Capacity) -> str:
    """What a review is opened for: a request and the step of it, in the own role or by one delegation."""
    given = acting.delegation
    return f"{request.request_id}/{acting.role}" + (f"/{given.id}" if given else "")


def _idem(
    request: PromotionRequest, decision: Decision, acting: Capacity, decisions: tuple[DecisionRecord, ...]
) -> str:
    """One entry per person, decision and revision: a double click and a second tab get the same receipt.

    In another role or by delegation it is another decision, judged as such. A signature that turned void is none: who
    signs after it makes a new one.
    """
    me = (acting.actor.issuer, acting.actor.subject)
    given = acting.delegation.id if acting.delegation else ""
    void = sum(
        (item.issuer, item.subject, item.role, item.delegation) == (*me, acting.role, given)
        for item in decisions
        if item.void_reason and item.revision == request.revision and item.decision is decision
    )
    again = f":{void}" if void else ""
    who = short_digest(*me, given) if given else short_digest(*me)
    return f"decision:{request.request_id}:{request.revision}:{decision.value}:{acting.role}:{who}{again}"


def _permission(decision: Decision, actor: Actor) -> Permission:
    if decision is Decision.WITHDRAW:
        return Permission.WITHDRAW
    if decision is Decision.REVOKE:
        return Permission.APPROVE
    held = ROLE_PERMISSIONS[actor.role]
    return next((permission for permission in _SIGNING if permission in held), Permission.APPROVE)
