"""Asking: the draft, and the signed request that freezes everything that will be judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from services.approvals import ahead, parts, rules, statements
from services.approvals.completion import save
from services.approvals.context import Context, short_digest
from services.approvals.drafting import Drafted, as_draft, blocked_by
from services.approvals.excepted import documents
from services.approvals.models import Purpose, RequestDraft, RequestState, SubmitRequest
from services.approvals.ports import ApprovalUnit
from services.approvals.records import Frozen, PromotionRequest
from services.approvals.table import Step, after
from services.attestation.canonical import sha256_hex
from services.attestation.free_text import salted
from services.attestation.models import Receipt
from services.kernel.clock import utc_text
from services.kernel.errors import (
    GateNotPassedError,
    InputError,
    MissingReasonError,
    StaleEvidenceError,
    StaleRequestError,
)
from services.kernel.identity import Actor, Permission
from services.kernel.ids import new_id
from services.kernel.personal_data import finding
from services.policy.evidence import Evidence
from services.rollout.guards import require_reviewed
from services.rollout.retirement_models import RETIREMENT_REASONS


class Asking:
    def __init__(self, context: Context) -> None:
        self._with = context

    def draft(self, model: str, version: str, *, actor: Actor, purpose: Purpose) -> RequestDraft:
        self._with.people.require(actor, Permission.VIEW)
        return self.prepared(model, version, purpose=purpose)

    def prepared(self, model: str, version: str, *, purpose: Purpose) -> RequestDraft:
        """As `draft`, for the machine that prepares one for people."""
        drafted, _ = self._collect(model, version, purpose)
        with self._with.units.read() as unit:
            draft = as_draft(
                drafted,
                open_request=self._with.undecided(unit, model, version),
                deployment=(row := unit.rollouts.deployment(model)),
                out=unit.rollouts.retiring(model),
            )
            # A version that answers already blocks the draft by itself.
            told = purpose is not Purpose.PROMOTION or (row is not None and bool(row.candidate))
            running = None if told else ahead.in_the_way(unit, model, version)
            leaves = purpose is Purpose.RETIREMENT  # going away waits for nobody's review of what went live
            overdue = () if leaves else unit.rollouts.overdue_reviews(model, now=self._with.clock.now())
        return replace(draft, blocked_by=(*overdue, *draft.blocked_by), ahead=ahead.sentence(running))

    def submit(self, command: SubmitRequest, actor: Actor) -> Receipt:
        context = self._with
        idem = f"request:{short_digest(actor.issuer, actor.subject, command.command_id)}"
        drafted, base_manifest = self._collect(command.model, command.version, command.purpose)
        evidence, frozen, now = drafted.evidence, drafted.frozen, context.clock.now()
        with context.units.read() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            known = context.undecided(unit, command.model, command.version)
            if command.purpose is Purpose.RETIREMENT:
                drafted = _asked_for(drafted, command)
                frozen = drafted.frozen
            else:
                require_reviewed(unit.rollouts, command.model, now=now)
            reasons = blocked_by(
                drafted, open_request=known, deployment=unit.rollouts.deployment(command.model),
                out=unit.rollouts.retiring(command.model),
            )  # fmt: skip
            head = unit.ledger.head()
        evidence_sha256 = parts.digest(frozen.parts)
        if command.seen_evidence != evidence_sha256:
            raise StaleEvidenceError("The evidence changed since you looked.", hint="Look at the draft again.")
        if reasons:
            raise GateNotPassedError(f"This version cannot be submitted. {' '.join(reasons)}", hint="Fix these first.")
        machine = context.desk.machine_key
        asking = statements.Asking(
            request_id=known.request_id if known else new_id("req", now),
            revision=known.revision + 1 if known else 1,
            title=drafted.governed.title,
            tier=int(drafted.governed.tier),
            base_manifest=base_manifest,
            note_sha256=salted(command.note)[1],
            expires=now + timedelta(days=frozen.terms.request_days),
            machine_key=machine.key_id if machine else "",
        )
        payload = statements.request_statement(
            asking, evidence, frozen, exceptions=documents(drafted.resting_on), actor=actor, at=now, head=head
        )
        envelope = context.desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        request = PromotionRequest(
            request_id=asking.request_id,
            model=command.model,
            title=asking.title,
            version=command.version,
            base=evidence.base,
            tier=asking.tier,
            state=after(known.state, Step.RESUBMIT) if known else RequestState.OPEN,
            requester=actor.name,
            requester_subject=actor.subject,
            requester_issuer=actor.issuer,
            created_at=known.created_at if known else now,
            due_at=asking.expires,
            expires_at=asking.expires,
            revision=asking.revision,
            note=command.note.strip(),
            evidence_sha256=evidence_sha256,
            manifest_sha256=evidence.manifest_sha256,
            policy_sha256=frozen.report.policy.sha256,
            run_id=evidence.run_id,
            frozen=frozen,
            statement_sha256=sha256_hex(payload),
            seq=0,
            leaf_hash="",
            purpose=command.purpose,
            submitted_at=now,
        )
        return self._store(request, known, envelope, idem, evidence=evidence)

    def _collect(self, model: str, version: str, purpose: Purpose) -> tuple[Drafted, str]:
        """With the digest of the live version's files and what was frozen when it was approved."""
        with self._with.units.read() as unit:
            live = unit.rollouts.deployment(model)
            champion = live.champion if live else ""
            manifest = dict(unit.rollouts.manifests(model)).get(champion, "") if champion != version else ""
            earlier = _last_frozen(unit, model, champion) if champion else None
        drafted = self._with.drafting.collect(model, version, purpose=purpose, base_manifest=manifest, earlier=earlier)
        return drafted, manifest

    def _store(
        self,
        request: PromotionRequest,
        known: PromotionRequest | None,
        envelope: bytes,
        idem: str,
        *,
        evidence: Evidence,
    ) -> Receipt:
        now = self._with.clock.now()
        with self._with.units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            current = self._with.undecided(unit, request.model, request.version)
            if (current.revision if current else 0) != (known.revision if known else 0):
                raise StaleRequestError("A request for this version was just made.", hint="Look at the queue.")
            receipt = unit.ledger.append(envelope, idem=idem)
            request = replace(request, seq=receipt.seq, leaf_hash=receipt.leaf_hash)
            if current is None:
                lines = rules.progress(request.frozen.quorum, ())
                unit.requests.add(request, waiting=rules.waiting(lines), needed=sum(line.rule.needed for line in lines))
                sentence = f"{request.requester} asked to {_WORDS[request.purpose]} version {request.version}."
            else:
                cause = f"Void: {request.requester} submitted again with new evidence on {utc_text(now)}."
                voided = unit.requests.void_decisions(request.request_id, reason=cause, at=now)
                sentence = f"{request.requester} submitted again; {voided} earlier signatures are void."
            save(unit, request, ())
            # What the gates were judged on, so that another policy can be tried on it later.
            unit.evidence.keep(
                evidence.document(),
                model=request.model,
                media_type="application/json",
                title=f"Facts judged for request {request.request_id}, revision {request.revision}",
                at=now,
            )
            unit.requests.add_event(request.request_id, sentence, seq=receipt.seq, at=now)
        return receipt


_WORDS = {
    Purpose.PROMOTION: "promote",
    Purpose.REATTESTATION: "approve again the serving",
    Purpose.ADOPTION: "adopt the unsigned change to",
    Purpose.RETIREMENT: "retire the model, which is served by",
}


def _asked_for(drafted: Drafted, command: SubmitRequest) -> Drafted:
    """With the coded reason. Raises MissingReasonError."""
    terms, note = drafted.frozen.retirement, command.note.strip()
    if terms is None or command.reason_code not in RETIREMENT_REASONS or len(note) < rules.REASON_MIN:
        raise MissingReasonError(
            "To retire a model needs a reason and a sentence.", hint="Choose a reason, and say what takes its place."
        )
    found = finding(note)
    if found:
        raise InputError(f"The note seems to hold {found}.", hint="Say it without: the record is kept for years.")
    asked = replace(terms, reason_code=command.reason_code, review=command.review)
    return replace(drafted, frozen=replace(drafted.frozen, retirement=asked))


def _last_frozen(unit: ApprovalUnit, model: str, version: str) -> Frozen | None:
    """What was judged when this version was approved."""
    found = unit.requests.latest(model, version)
    return found.frozen if found is not None and found.approved_at is not None else None
