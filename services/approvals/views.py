"""A request as one person sees it: words for every state, effect and refusal. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from services.approvals import rules
from services.approvals.models import (
    ColumnFact,
    Decision,
    QueueRow,
    RequestState,
    RequestView,
    SignatureView,
    TrailLine,
)
from services.approvals.records import DecisionRecord, PromotionRequest
from services.kernel.identity import Actor, Role
from services.policy.models import GateReport

_SIGNED_STATES = {RequestState.OPEN}


def queue_row(
    request: PromotionRequest, decisions: tuple[DecisionRecord, ...], *, actor: Actor | None, now: datetime
) -> QueueRow:
    lines = rules.progress(request.frozen.quorum, decisions)
    state = RequestState.EXPIRED if rules.is_expired(request, now) else request.state
    waiting = tuple(rules.waiting(lines)) if state in _SIGNED_STATES else ()
    mine = actor is not None and _is_mine(request, decisions, state, waiting, actor)
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
        stage_due_at=request.due_at,
        overdue=now > request.due_at and state in {RequestState.OPEN, RequestState.CHANGES_REQUESTED},
        age_days=(now - request.created_at).days,
        opens_step=actor.role.value if mine and actor is not None and state is RequestState.OPEN else "",
    )


def _is_mine(
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    state: RequestState,
    waiting: tuple[str, ...],
    actor: Actor,
) -> bool:
    own = rules.is_requester(request, actor)
    if state is RequestState.CHANGES_REQUESTED:
        return own
    spoke = any(
        item.subject == actor.subject and not item.void_reason and item.revision == request.revision
        for item in decisions
    )
    return actor.role.value in waiting and not own and not spoke


def request_view(
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    trail: tuple[TrailLine, ...],
    *,
    report: GateReport,
    actor: Actor,
    now: datetime,
    is_valid: Callable[[DecisionRecord], bool],
    stale: str = "",
    columns: tuple[ColumnFact, ...] = (),
) -> RequestView:
    """`report` is judged now; `stale` says what changed since submission and forbids to sign."""
    allowed, refused = rules.allowed(request, decisions, actor=actor, now=now, report=report)
    if stale:
        allowed = tuple(item for item in allowed if item not in {Decision.APPROVE, Decision.ACKNOWLEDGE})
        refused = refused or stale
    return RequestView(
        row=queue_row(request, decisions, actor=actor, now=now),
        revision=request.revision,
        note=request.note,
        report=report
        if request.state in {RequestState.OPEN, RequestState.CHANGES_REQUESTED}
        else request.frozen.report,
        changes=request.frozen.changes,
        quorum=rules.progress(request.frozen.quorum, decisions),
        terms=request.frozen.terms,
        signatures=tuple(_signature(item, is_valid(item)) for item in decisions),
        trail=trail,
        manifest_sha256=request.manifest_sha256,
        evidence_sha256=request.evidence_sha256,
        run_id=request.run_id,
        valid_until=request.valid_until,
        applied_action=request.action_id,
        sensitive=request.frozen.sensitive,
        benefit=request.frozen.benefit,
        limits=request.frozen.limits,
        fallback=request.frozen.fallback,
        exceptions=request.frozen.exceptions,
        stale=stale,
        effects=effects(request, decisions, actor),
        columns=columns,
        purpose=request.purpose,
        allowed=allowed,
        refused_because=refused,
    )


def _signature(item: DecisionRecord, valid: bool) -> SignatureView:  # noqa: FBT001 - one caller
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
    )


def effects(
    request: PromotionRequest, decisions: tuple[DecisionRecord, ...], actor: Actor
) -> tuple[tuple[Decision, str], ...]:
    """What each decision does to traffic, in words, before anybody clicks."""
    sign = _effect_of_signing(request, decisions, actor)
    running = f"version {request.base}" if request.base else "the manual process"
    return (
        (Decision.APPROVE, sign),
        (Decision.ACKNOWLEDGE, sign),
        (Decision.REQUEST_CHANGES, f"Traffic stays on {running}. Signatures given so far wait for the new evidence."),
        (Decision.REJECT, f"Traffic stays on {running}. This request ends; a new one is needed."),
        (Decision.ABSTAIN, "Traffic stays as it is. Somebody else in your role has to decide."),
        (Decision.WITHDRAW, f"Traffic stays on {running}. This request ends."),
        (
            Decision.REVOKE,
            f"Traffic stays until an SRE rolls back. Version {request.version} gets no further share.",
        ),
    )


def _effect_of_signing(request: PromotionRequest, decisions: tuple[DecisionRecord, ...], actor: Actor) -> str:
    missing = rules.waiting(rules.progress(request.frozen.quorum, decisions))
    mine = missing.get(actor.role.value, 0)
    others = {role: n for role, n in missing.items() if role != actor.role.value}
    if mine > 1:
        others[actor.role.value] = mine - 1
    if others:
        names = ", ".join(Role(role).label.lower() for role in others)
        return f"Traffic stays as it is. Still needed after you: {names}."
    share = request.frozen.terms.shares[0] if request.base else 100
    first = f"Version {request.version} gets {share} % of traffic at once"
    if share == 100:
        return f"{first} and alias `champion` moves to it."
    return f"{first}, version {request.base} keeps {100 - share} %. Further steps are signed by an SRE."
