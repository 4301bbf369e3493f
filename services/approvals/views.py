"""A request as one person sees it: words for every state, stage and refusal. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.approvals import parts, rules, stages
from services.approvals.effects import effects
from services.approvals.models import (
    Decision,
    DelegationRef,
    Purpose,
    QueueRow,
    RequestState,
    RequestView,
    SignatureView,
    StageView,
    StepView,
    TrailLine,
)
from services.approvals.records import DecisionRecord, Frozen, PromotionRequest
from services.approvals.rules import BINDING, Capacity
from services.kernel.identity import Actor
from services.people.models import Delegation
from services.people.persons import Account, overlap
from services.policy.models import QuorumRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who looks, and whose roles this person may fill."""

    actor: Actor
    delegations: tuple[Delegation, ...] = ()

    @property
    def lent(self) -> tuple[tuple[str, int], ...]:
        """(role, riskiest tier) of each delegation."""
        return tuple((item.role, item.tier) for item in self.delegations)

    def capacities(self, request: PromotionRequest, role: str) -> tuple[Capacity, ...]:
        """Every way in which the reader could fill this role of the request."""
        own = (rules.own(self.actor),) if self.actor.role.value == role else ()
        lent = tuple(
            Capacity(actor=self.actor, role=role, delegation=item)
            for item in self.delegations
            if item.role == role and item.tier <= request.tier
        )
        return (*own, *lent)


def queue_row(
    request: PromotionRequest, decisions: tuple[DecisionRecord, ...], *, reader: Reader | None, now: datetime
) -> QueueRow:
    lines = rules.progress(request.frozen.quorum, decisions)
    state = RequestState.EXPIRED if rules.is_expired(request, now) else request.state
    waiting = tuple(rules.waiting(lines)) if state is RequestState.OPEN else ()
    step = _own_step(request, decisions, waiting, reader) if reader else ""
    mine = bool(step)
    if reader is not None and (state is RequestState.CHANGES_REQUESTED or (waiting and request.void_cause)):
        mine, step = rules.is_requester(request, reader.actor), ""
    open_now = rules.is_undecided(request) and state is not RequestState.EXPIRED
    return QueueRow(
        request_id=request.request_id,
        model=request.model,
        title=request.title,
        version=request.version,
        base=request.base,
        tier=request.tier,
        state=state,
        requester=request.requester,
        created_at=request.created_at,
        due_at=request.due_at,
        waiting_on=waiting,
        signed=sum(line.have for line in lines),
        needed=sum(line.rule.needed for line in lines),
        mine=mine,
        purpose=request.purpose,
        stage_due_at=request.due_at if open_now else None,
        overdue=open_now and now > request.due_at,
        escalated=open_now and request.escalate_at is not None and now > request.escalate_at,
        age_days=(now - request.created_at).days,
        opens_step=step,
        planned=is_planned(request, state),
    )


def is_planned(request: PromotionRequest, state: RequestState) -> bool:
    """Approved, and nothing was ordered: the release waits for an engineer."""
    return state is RequestState.APPROVED and request.action_id is None and request.purpose is Purpose.PROMOTION


def _own_step(
    request: PromotionRequest, decisions: tuple[DecisionRecord, ...], waiting: tuple[str, ...], reader: Reader
) -> str:
    """The role the reader could fill next, the own one first; empty when there is none."""
    me = (reader.actor.issuer, reader.actor.subject)
    spoke = any(
        (item.issuer, item.subject) == me and not item.void_reason and item.revision == request.revision
        for item in decisions
    )
    if spoke or rules.is_requester(request, reader.actor):
        return ""
    asked = Account(issuer=request.requester_issuer, subject=request.requester_subject, name=request.requester)
    for role in sorted(waiting, key=lambda word: word != reader.actor.role.value):
        if any(not overlap((asked,), acting.accounts) for acting in reader.capacities(request, role)):
            return role
    return ""


def request_view(
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    trail: tuple[TrailLine, ...],
    *,
    now_frozen: Frozen,
    stale: str,
    seen: Mapping[str, str],
    reader: Reader,
    now: datetime,
    said: Callable[[DecisionRecord], Mapping[str, Any]],
    freeze: str = "",
    not_yet: str = "",
    ahead: str = "",
) -> RequestView:
    """`now_frozen` is judged now; `stale` says what changed since submission and forbids to sign.

    `not_yet` and `ahead` are what the release would meet after the last signature.
    """
    actor, report = reader.actor, now_frozen.report
    allowed, refused = rules.allowed(request, decisions, acting=rules.own(actor), now=now, report=report)
    if stale:
        allowed = tuple(item for item in allowed if item not in BINDING)
        refused = refused or stale
    undecided = rules.is_undecided(request)
    frozen = request.frozen
    current = now_frozen if undecided else frozen
    seats = _stages(request, decisions, reader=reader, now=now, frozen=current)
    if undecided and not stale:
        lent = {Decision(step.decision) for stage in seats for step in stage.steps if step.delegations}
        allowed = (*allowed, *(decision for decision in sorted(lent) if decision not in allowed))
    held = report.holding(actor.role.value) if undecided else ()
    return RequestView(
        row=queue_row(request, decisions, reader=reader, now=now),
        revision=request.revision,
        note=request.note,
        report=current.report,
        changes=frozen.changes,
        quorum=rules.progress(frozen.quorum, decisions),
        terms=frozen.terms,
        signatures=tuple(_signature(item, said(item)) for item in decisions),
        trail=trail,
        manifest_sha256=request.manifest_sha256,
        evidence_sha256=request.evidence_sha256,
        run_id=request.run_id,
        valid_until=request.valid_until,
        applied_action=request.action_id,
        sensitive=frozen.sensitive,
        benefit=frozen.benefit,
        limits=frozen.limits,
        fallback=frozen.fallback,
        effects=effects(request, decisions, actor.role.value, now=now, not_yet=not_yet, ahead=ahead),
        allowed=allowed,
        refused_because=refused,
        purpose=request.purpose,
        stages=seats,
        # What was compared when it was asked for; columns and verdicts as they are now.
        diff=frozen.diff,
        changed_since_seen=_changed_since(seen, current.parts),
        unread=tuple(name for name, sha256 in current.parts if seen.get(name) != sha256) if undecided else (),
        columns=current.columns,
        rollback=frozen.rollback,
        exceptions=current.exceptions,
        freeze=freeze,
        ahead=ahead,
        stale=stale,
        parts=frozen.parts,
        risk=frozen.risk,
        retirement=frozen.retirement,
        held_because=tuple(f"{item.title}: {item.sentence}" for item in held) if _signs(frozen.quorum, actor) else (),
    )


def _signs(quorum: tuple[QuorumRule, ...], actor: Actor) -> bool:
    return any(rule.role == actor.role.value for rule in quorum)


def _changed_since(seen: Mapping[str, str], now: parts.Parts) -> tuple[str, ...]:
    return parts.names_changed(tuple(seen.items()), now)


def _stages(
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    *,
    reader: Reader,
    now: datetime,
    frozen: Frozen,
) -> tuple[StageView, ...]:
    found = []
    for stage in stages.stages(request, decisions):
        state = stages.state_of(stage, request, now)
        told = state in {"open", "overdue"} and stage.escalate_at is not None and now > stage.escalate_at
        found.append(
            StageView(
                number=stage.terms.number,
                title=stage.terms.title,
                state=state,
                opened_at=stage.opened_at,
                due_at=stage.due_at,
                escalated_to=rules.title(stage.terms.escalate_to) if told and rules.is_undecided(request) else "",
                steps=tuple(
                    _step(request, decisions, line.rule, line.have, line.signers, reader=reader, now=now, frozen=frozen)
                    for line in stage.lines
                ),
            )
        )
    return tuple(found)


def _step(
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    rule: QuorumRule,
    have: int,
    signers: tuple[str, ...],
    *,
    reader: Reader,
    now: datetime,
    frozen: Frozen,
) -> StepView:
    ways = reader.capacities(request, rule.role)
    word = Decision(rule.decision)
    refusals = [
        rules.refusal(request, decisions, word, acting=acting, now=now, report=frozen.report) for acting in ways
    ]
    if not ways:
        stranger = Capacity(actor=reader.actor, role=rule.role)
        refusals = [rules.refusal(request, decisions, word, acting=stranger, now=now, report=frozen.report)]
    open_to = [acting for acting, refusal in zip(ways, refusals, strict=False) if not refusal]
    return StepView(
        role=rule.role,
        decision=rule.decision,
        needed=rule.needed,
        have=have,
        signers=signers,
        mine=bool(open_to),
        delegations=tuple(
            DelegationRef(id=given.id, for_name=given.from_name, role=given.role, until=given.until)
            for acting in open_to
            if (given := acting.delegation) is not None
        ),
        refusal="" if open_to else next((text for text in refusals if text), ""),
    )


def _signature(item: DecisionRecord, said: Mapping[str, Any]) -> SignatureView:
    """`said` is what the entry says; empty when it does not verify."""
    valid = bool(said)
    authentication = said.get("authentication", {})
    second = authentication.get("component2", {})
    since = second.get("sinceLogin", "")
    return SignatureView(
        decision=item.decision,
        meaning=item.meaning,
        signer=item.signer,
        subject=item.subject,
        role=item.role,
        at=item.at,
        comment=item.comment,
        reason_code=item.reason_code,
        key_id=item.key_id,
        seq=item.seq,
        leaf_hash=item.leaf_hash,
        valid=valid and not item.void_reason,
        void_reason=item.void_reason or ("" if valid else "The signed entry in the ledger does not verify."),
        delegation=f"for {item.delegator} by delegation" if item.delegation else "",
        zone=str(said.get("zone", "UTC")),
        method=str(second.get("kind", "")),
        passkey_of=str(authentication.get("component3", {}).get("relyingParty", "")),
        since_login_seconds=int(since) if str(since).isdecimal() else None,
        revision=item.revision,
        bound=_bound(said.get("bound", {})),
    )


def _bound(document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Names and values as signed, flat: digests as hexadecimal, the parts after the whole."""
    flat: list[tuple[str, str]] = []
    for name, value in document.items():
        if name == "parts" and isinstance(value, Mapping):
            flat += [(f"part: {part}", str(sha256)) for part, sha256 in value.items()]
        else:
            flat.append((name, str(value["sha256"]) if isinstance(value, Mapping) else str(value)))
    return tuple(flat)
