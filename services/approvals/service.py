"""Use cases of deciding: draft, submit, look, sign. Every decision is a person's signature in the ledger.

What is shown is what is signed: evidence is collected again at the moment of signing. The transaction that
completes a quorum also records the intended action and queues it. Refused attempts are recorded.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from services.approvals import rules, statements
from services.approvals.completion import complete, save, step_of
from services.approvals.drafting import Drafting, as_draft, blocked_by
from services.approvals.excepted import Exceptions, documents, fallen
from services.approvals.models import (
    MEANINGS,
    REASON_CODES,
    ApprovalStatus,
    Decision,
    EndingApproval,
    Purpose,
    QueueCounts,
    QueueQuery,
    QueueRow,
    RequestDraft,
    RequestState,
    RequestView,
    Review,
    SignOff,
    SubmitRequest,
)
from services.approvals.ports import ApprovalUnit, ApprovalUnits
from services.approvals.records import DecisionRecord, PromotionRequest
from services.approvals.standing import approval_status
from services.approvals.table import Step, after
from services.approvals.views import queue_row, request_view
from services.attestation.canonical import sha256_hex
from services.attestation.free_text import salted
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.evaluation.service import EvaluationService
from services.inventory.service import InventoryService
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import (
    DuplicateSignerError,
    GateNotPassedError,
    IllegalTransitionError,
    RefusalError,
    SelfApprovalError,
    StaleEvidenceError,
    StaleRequestError,
    TrustError,
    UnknownRequestError,
)
from services.kernel.identity import ROLE_PERMISSIONS, Actor, Permission
from services.kernel.ids import new_id
from services.kernel.page import Page
from services.ledger.service import LedgerService
from services.people.models import Person
from services.people.service import PeopleService
from services.policy.models import GateReport
from services.policy.service import PolicyService
from services.rollout import intents
from services.rollout.guards import require_reviewed
from services.rollout.models import Challenge
from services.rollout.ports import Attestations

CHALLENGE_LIFETIME = timedelta(minutes=15)
_COUNTED = 1000
_SIGNING = (Permission.VALIDATE, Permission.ACKNOWLEDGE, Permission.APPROVE)
_BINDING = {Decision.APPROVE, Decision.ACKNOWLEDGE}


class ApprovalService:
    def __init__(
        self,
        *,
        units: ApprovalUnits,
        people: PeopleService,
        ledger: LedgerService,
        inventory: InventoryService,
        evaluation: EvaluationService,
        policy: PolicyService,
        desk: SigningDesk,
        attestations: Attestations,
        clock: Clock,
        exceptions: Exceptions,
        benefit: Callable[[str], str] = lambda _model: "",
    ) -> None:
        self._units = units
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._attestations = attestations
        self._clock = clock
        self._exceptions = exceptions
        self._drafting = Drafting(
            inventory=inventory, evaluation=evaluation, policy=policy, benefit=benefit, exceptions=exceptions
        )

    # asking

    def draft(self, model: str, version: str, *, actor: Actor, purpose: Purpose = Purpose.PROMOTION) -> RequestDraft:
        """What would be submitted. Writes nothing. Raises UnknownModelError, UnknownVersionError."""
        self._people.require(actor, Permission.VIEW)
        if purpose is not Purpose.PROMOTION:
            raise IllegalTransitionError(
                f"A {purpose.value} cannot be asked for here yet.", hint="Ask for a promotion."
            )
        drafted = self._drafting.collect(model, version)
        with self._units.read() as unit:
            return as_draft(
                drafted,
                open_request=self._undecided(unit, model, version),
                deployment=unit.rollouts.deployment(model),
            )

    def submit(self, command: SubmitRequest, *, actor: Actor) -> Receipt:
        """Signs the request; submitting again after changes voids the signatures given before.

        Raises StaleEvidenceError when the draft that was looked at is no longer true, GateNotPassedError.
        """
        self._people.require(actor, Permission.REQUEST_PROMOTION)
        self._ledger.require_trustworthy()
        with self._recording("request-refused", actor, command.model, f"version {command.version}"):
            return self._submit(command, actor)

    def _submit(self, command: SubmitRequest, actor: Actor) -> Receipt:
        idem = f"request:{_digest(actor.issuer, actor.subject, command.command_id)}"
        drafted = self._drafting.collect(command.model, command.version)
        evidence, frozen, now = drafted.evidence, drafted.frozen, self._clock.now()
        with self._units.read() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            known = self._undecided(unit, command.model, command.version)
            reasons = blocked_by(drafted, open_request=known, deployment=unit.rollouts.deployment(command.model))
            base_manifest = dict(unit.rollouts.manifests(command.model)).get(evidence.base or "", "")
            head = unit.ledger.head()
            require_reviewed(unit.rollouts, command.model, now=now)
        if command.seen_evidence != drafted.sha256:
            raise StaleEvidenceError("The evidence changed since you looked.", hint="Look at the draft again.")
        if reasons:
            raise GateNotPassedError(f"This version cannot be submitted. {' '.join(reasons)}", hint="Fix these first.")
        revision = known.revision + 1 if known else 1
        expires = now + timedelta(days=frozen.terms.request_days)
        request_id = known.request_id if known else new_id("req", now)
        _, note_sha256 = salted(command.note)
        payload = statements.request_statement(
            request_id=request_id,
            revision=revision,
            title=drafted.governed.title,
            tier=int(drafted.governed.tier),
            evidence=evidence,
            base_manifest=base_manifest,
            frozen=frozen,
            exceptions=documents(drafted.resting_on),
            note_sha256=note_sha256,
            expires=expires,
            actor=actor,
            at=now,
            head=head,
        )
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        request = PromotionRequest(
            request_id=request_id,
            model=command.model,
            title=drafted.governed.title,
            version=command.version,
            base=evidence.base,
            tier=int(drafted.governed.tier),
            state=after(known.state, Step.RESUBMIT) if known else RequestState.OPEN,
            requester=actor.name,
            requester_subject=actor.subject,
            requester_issuer=actor.issuer,
            created_at=known.created_at if known else now,
            due_at=now + timedelta(days=max(1, frozen.terms.request_days // 2)),
            expires_at=expires,
            revision=revision,
            note=command.note.strip(),
            evidence_sha256=drafted.sha256,
            manifest_sha256=evidence.manifest_sha256,
            policy_sha256=frozen.report.policy.sha256,
            run_id=evidence.run_id,
            frozen=frozen,
            statement_sha256=sha256_hex(payload),
            seq=0,
            leaf_hash="",
        )
        return self._store_request(request, known, envelope, idem)

    def _store_request(
        self, request: PromotionRequest, known: PromotionRequest | None, envelope: bytes, idem: str
    ) -> Receipt:
        now = self._clock.now()
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            current = self._undecided(unit, request.model, request.version)
            if (current.revision if current else 0) != (known.revision if known else 0):
                raise StaleRequestError("A request for this version was just made.", hint="Look at the queue.")
            receipt = unit.ledger.append(envelope, idem=idem)
            request = replace(request, seq=receipt.seq, leaf_hash=receipt.leaf_hash)
            lines = rules.progress(request.frozen.quorum, ())
            if current is None:
                needed = sum(line.rule.needed for line in lines)
                unit.requests.add(request, waiting=rules.waiting(lines), needed=needed)
                sentence = f"{request.requester} asked to promote version {request.version}."
            else:
                cause = f"Void: {request.requester} submitted again with new evidence on {utc_text(now)}."
                voided = unit.requests.void_decisions(request.request_id, reason=cause)
                save(unit, request, ())
                sentence = f"{request.requester} submitted again; {voided} earlier signatures are void."
            unit.requests.add_event(request.request_id, sentence, seq=receipt.seq, at=now)
        return receipt

    # looking

    def queue(self, query: QueueQuery, *, actor: Actor) -> Page[QueueRow]:
        self._people.require(actor, Permission.VIEW)
        now = self._clock.now()
        with self._units.read() as unit:
            found, total = unit.requests.find(query, role=actor.role.value, subject=actor.subject, now=now)
            items = tuple(
                queue_row(item, unit.requests.decisions(item.request_id), actor=actor, now=now) for item in found
            )
        return Page(items=items, total=total, offset=query.offset, limit=query.limit)

    def counts(self, actor: Actor) -> QueueCounts:
        """The headline: what waits for this person, how much of it is late, and what waits for each role."""
        now = self._clock.now()
        with self._units.read() as unit:
            own, mine = unit.requests.find(
                QueueQuery(mine_only=True, limit=_COUNTED), role=actor.role.value, subject=actor.subject, now=now
            )
            by_role = unit.requests.waiting_by_role(now)
        return QueueCounts(mine=mine, overdue=sum(item.due_at < now for item in own), by_role=by_role)

    def ending(self, now: datetime, within: timedelta) -> tuple[EndingApproval, ...]:
        """Approvals that end within this time or have ended, earliest first; `serving` says whether it matters."""
        with self._units.read() as unit:
            found = unit.requests.ending(now + within)
            return tuple(
                EndingApproval(
                    model=item.model,
                    version=item.version,
                    request_id=item.request_id,
                    valid_until=until,
                    ended=until < now,
                    serving=_serves(unit, item),
                )
                for item in found
                if (until := item.valid_until) is not None
            )

    def mark_seen(self, request_id: str, part: str, *, actor: Actor) -> None:
        """Remembers that this person looked at a part of the evidence of the present revision."""
        self._people.require(actor, Permission.VIEW)
        with self._units.write() as unit:
            unit.requests.mark_seen(_known(unit, request_id), part, actor=actor, at=self._clock.now())

    def requests_of(self, model: str) -> tuple[QueueRow, ...]:
        """All requests of a model, newest first."""
        now = self._clock.now()
        with self._units.read() as unit:
            return tuple(
                queue_row(item, unit.requests.decisions(item.request_id), actor=None, now=now)
                for item in unit.requests.of_model(model)
            )

    def get(self, request_id: str, *, actor: Actor) -> RequestView:
        """Raises UnknownRequestError."""
        self._people.require(actor, Permission.VIEW)
        with self._units.read() as unit:
            request = _known(unit, request_id)
            decisions = unit.requests.decisions(request_id)
            trail = unit.requests.trail(request_id)
        undecided = request.state in {RequestState.OPEN, RequestState.CHANGES_REQUESTED}
        report = self._drafting.report(request) if undecided else request.frozen.report
        stale = ""
        if request.state is RequestState.OPEN and report.evidence_sha256 != request.evidence_sha256:
            stale = f"The evidence changed since it was submitted. {request.requester} has to submit it again."
        elif not undecided:
            stale = self._fallen(request)
        return request_view(
            request,
            decisions,
            trail,
            report=report,
            actor=actor,
            now=self._clock.now(),
            is_valid=self._is_valid,
            stale=stale,
            columns=self._drafting.columns(request) if undecided else (),
        )

    def open_review(self, request_id: str, *, actor: Actor, role: str = "", delegation: str = "") -> Review:
        """A single-use challenge, bound to this person, this revision and what is shown now; 15 minutes.

        `role` is the step that would be filled. Raises DuplicateSignerError for a step of somebody else, recorded.
        """
        self._people.require(actor, Permission.VIEW)
        with self._units.read() as unit:
            request = _known(unit, request_id)
        with self._recording("sign-off-refused", actor, request.model, request_id):
            _require_own_step(actor, role, delegation)
        shown = statements.shown_sha256(request, self._drafting.report(request))
        challenge = Challenge(
            nonce=secrets.token_hex(16),
            purpose="review",
            subject=actor.subject,
            about=request_id,
            revision=request.revision,
            shown_sha256=shown,
            expires_at=self._clock.now() + CHALLENGE_LIFETIME,
        )
        with self._units.write() as unit:
            unit.rollouts.add_challenge(challenge)
        return Review(
            request_id=request_id,
            challenge=challenge.nonce,
            shown_sha256=shown,
            expires_at=challenge.expires_at,
        )

    def approved(self, model: str, version: str) -> ApprovalStatus:
        """Whether a complete, unexpired, unrevoked approval stands for exactly these files, checked entry by entry."""
        with self._units.read() as unit:
            request = unit.requests.latest(model, version)
            decisions = unit.requests.decisions(request.request_id) if request else ()
            manifest = dict(unit.rollouts.manifests(model)).get(version, "")
        return approval_status(
            model,
            version,
            request=request,
            decisions=decisions,
            manifest_now=manifest,
            now=self._clock.now(),
            attestations=self._attestations,
            exceptions=self._exceptions.active(model),
        )

    def _fallen(self, request: PromotionRequest) -> str:
        """Why a complete approval has to be confirmed again, or empty."""
        try:
            asked = self._attestations.require_valid(request.seq, request.leaf_hash)
        except TrustError:
            return ""
        return fallen(asked, self._exceptions.active(request.model))

    # deciding

    def sign_off(self, command: SignOff, *, actor: Actor) -> Receipt:
        """Records this person's signed decision; the one that completes the quorum also queues the release.

        Raises MissingReasonError, StaleEvidenceError, StaleRequestError, SelfApprovalError, RoleMissingError,
        DuplicateSignerError, AlreadyDecidedError, GateNotPassedError, IllegalTransitionError, PassphraseError.
        """
        self._people.require(actor, Permission.VIEW)
        self._ledger.require_trustworthy()
        with self._units.read() as unit:
            request = _known(unit, command.request_id)
        with self._recording("sign-off-refused", actor, request.model, request.request_id, command.decision.value):
            if command.decision is not Decision.WITHDRAW and rules.is_requester(request, actor):
                raise SelfApprovalError(
                    "The person who asked for a promotion may not decide on it.",
                    hint="Another person has to decide.",
                )
            _require_own_step(actor, command.role, command.delegation)
        # People records the refusal of a missing role itself.
        person = self._people.require(actor, _permission(command.decision, actor))
        with self._recording("sign-off-refused", actor, request.model, request.request_id, command.decision.value):
            return self._sign_off(command, actor, person)

    def _sign_off(self, command: SignOff, actor: Actor, person: Person) -> Receipt:
        rules.require_reason(command.decision, command.reason_code, command.comment, REASON_CODES)
        now = self._clock.now()
        with self._units.read() as unit:
            request = _known(unit, command.request_id)
            idem = _idem(request, command.decision, actor)
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            decisions = unit.requests.decisions(request.request_id)
            challenge = unit.rollouts.challenge(command.challenge)
            head = unit.ledger.head()
        report = self._drafting.report(request) if command.decision in _BINDING else None
        rules.require_allowed(request, decisions, command.decision, actor=actor, now=now)
        shown = self._require_shown(request, report, challenge, actor)
        rules.require_allowed(request, decisions, command.decision, actor=actor, now=now, report=report)
        comment = command.comment.strip()
        salt, digest = salted(comment) if comment else ("", None)
        payload = statements.decision_statement(
            request,
            command.decision,
            shown=shown,
            comment_sha256=digest,
            reason_code=command.reason_code,
            nonce=command.challenge,
            actor=actor,
            at=now,
            head=head,
        )
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        record = DecisionRecord(
            seq=0,
            request_id=request.request_id,
            decision=command.decision,
            meaning=MEANINGS[command.decision],
            signer=actor.name,
            subject=actor.subject,
            issuer=actor.issuer,
            role=actor.role.value,
            at=now,
            comment=comment,
            salt=salt,
            reason_code=command.reason_code,
            key_id=person.key_id or "",
            leaf_hash="",
            revision=request.revision,
        )
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            return self._record(unit, request, record, envelope, idem, command.challenge, actor)

    def _record(  # noqa: PLR0917 - the one caller is just above
        self,
        unit: ApprovalUnit,
        request: PromotionRequest,
        record: DecisionRecord,
        envelope: bytes,
        idem: str,
        nonce: str,
        actor: Actor,
    ) -> Receipt:
        """Inside the transaction everything is asked again: somebody may have been faster."""
        current = _known(unit, request.request_id)
        decisions = unit.requests.decisions(request.request_id)
        if current.revision != request.revision:
            raise StaleRequestError("The request changed while you signed.", hint="Review it again.")
        rules.require_allowed(current, decisions, record.decision, actor=actor, now=record.at)
        if not unit.rollouts.use_challenge(nonce):
            raise StaleRequestError("This form was used already.", hint="Open the request again.")
        receipt = unit.ledger.append(envelope, idem=idem)
        record = replace(record, seq=receipt.seq, leaf_hash=receipt.leaf_hash)
        unit.requests.add_decision(record)
        unit.requests.add_event(current.request_id, _sentence(record, actor), seq=receipt.seq, at=record.at)
        decisions = (*decisions, record)
        step = step_of(record.decision)
        if step is not None:
            save(unit, replace(current, state=after(current.state, step)), decisions)
            if step is Step.REVOKE:
                self._stop_release(unit, current, record)
        elif record.counts and rules.is_complete(current.frozen.quorum, decisions):
            require_reviewed(unit.rollouts, current.model, now=record.at)
            complete(unit, self._desk, current, decisions, at=record.at)
        else:
            save(unit, current, decisions)
        return receipt

    def _stop_release(self, unit: ApprovalUnit, request: PromotionRequest, record: DecisionRecord) -> None:
        for action in unit.rollouts.open_actions(request.model):
            if action.request_id == request.request_id:
                intents.supersede(unit, self._desk, action, why=f"approval revoked in entry {record.seq}", at=record.at)

    def expire_due(self) -> int:
        """Worker: requests nobody decided in time end as expired. Time running out never approves."""
        now, count = self._clock.now(), 0
        with self._units.read() as unit:
            due = unit.requests.expired(now)
        for request in due:
            receipt = self._ledger.record_event(
                event="request-expired",
                actor=None,
                model=request.model,
                detail={"request": request.request_id},
                idem=f"expired:{request.request_id}:{request.revision}",
            )
            with self._units.write() as unit:
                current = _known(unit, request.request_id)
                if rules.is_expired(current, now):
                    expired = replace(current, state=after(current.state, Step.EXPIRE))
                    save(unit, expired, unit.requests.decisions(current.request_id))
                    unit.requests.add_event(current.request_id, "Expired undecided.", seq=receipt.seq, at=now)
                    count += 1
        return count

    # guards

    def _undecided(self, unit: ApprovalUnit, model: str, version: str) -> PromotionRequest | None:
        found = unit.requests.latest(model, version)
        undecided = found is not None and found.state in {RequestState.OPEN, RequestState.CHANGES_REQUESTED}
        return found if found is not None and undecided and not rules.is_expired(found, self._clock.now()) else None

    def _require_shown(
        self, request: PromotionRequest, report: GateReport | None, challenge: Challenge | None, actor: Actor
    ) -> str:
        """The digest of what was shown. Raises when it is not what is true now."""
        bound = (challenge.purpose, challenge.subject, challenge.about) if challenge else None
        if challenge is None or bound != ("review", actor.subject, request.request_id):
            raise IllegalTransitionError("This form was not opened by you for this request.", hint="Open it again.")
        if challenge.used or challenge.expires_at < self._clock.now():
            raise StaleRequestError("This form is older than 15 minutes or was used already.", hint="Open it again.")
        if challenge.revision != request.revision:
            raise StaleRequestError("The request was submitted again since you looked.", hint="Review it again.")
        if report is not None and (
            report.evidence_sha256 != request.evidence_sha256
            or challenge.shown_sha256 != statements.shown_sha256(request, report)
        ):
            raise StaleEvidenceError("The evidence changed since you looked.", hint="Review it again.")
        return challenge.shown_sha256

    def _is_valid(self, record: DecisionRecord) -> bool:
        try:
            self._attestations.require_valid(record.seq, record.leaf_hash)
        except TrustError:
            return False
        return True

    @contextmanager
    def _recording(self, event: str, actor: Actor, model: str, what: str, decision: str = "") -> Iterator[None]:
        """A refused attempt becomes a ledger entry before the person reads why."""
        try:
            yield
        except RefusalError as refused:
            detail = {"target": what, "code": refused.code} | ({"decision": decision} if decision else {})
            self._ledger.record_event(event=event, actor=actor, model=model, detail=detail)
            raise


def _known(unit: ApprovalUnit, request_id: str) -> PromotionRequest:
    found = unit.requests.get(request_id)
    if found is None:
        raise UnknownRequestError(f"There is no request {request_id}.", hint="Choose one from the queue.")
    return found


def _serves(unit: ApprovalUnit, request: PromotionRequest) -> bool:
    live = unit.rollouts.deployment(request.model)
    return live is not None and request.version in {live.champion, live.candidate}


def _require_own_step(actor: Actor, role: str, delegation: str) -> None:
    if delegation or (role and role != actor.role.value):
        raise DuplicateSignerError(
            f"You act as {actor.role.label.lower()}; one person fills one quorum role.",
            hint="A person who holds the role of this step has to sign it.",
        )


def _idem(request: PromotionRequest, decision: Decision, actor: Actor) -> str:
    """One entry per person, decision and revision: a double click and a second tab get the same receipt."""
    who = _digest(actor.issuer, actor.subject)
    return f"decision:{request.request_id}:{request.revision}:{decision.value}:{who}"


def _digest(*parts: str) -> str:
    return sha256_hex("\x1f".join(parts).encode("utf-8", "surrogatepass"))[:32]


def _permission(decision: Decision, actor: Actor) -> Permission:
    if decision is Decision.WITHDRAW:
        return Permission.WITHDRAW
    if decision is Decision.REVOKE:
        return Permission.APPROVE
    held = ROLE_PERMISSIONS[actor.role]
    return next((permission for permission in _SIGNING if permission in held), Permission.APPROVE)


def _sentence(record: DecisionRecord, actor: Actor) -> str:
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
    return f"{record.signer} ({actor.role.label}) {words[record.decision]}{reason}."
