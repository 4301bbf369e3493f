"""Inside the transaction of a decision: the state that follows from it, and with the last signature the release."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from services.approvals import ahead, retiring, rules, stages
from services.approvals.models import Decision, Purpose
from services.approvals.ports import ApprovalUnit
from services.approvals.records import DecisionRecord, PromotionRequest
from services.approvals.table import Step, after
from services.attestation import statement
from services.attestation.canonical import sha256_hex
from services.attestation.models import Kind, Subject
from services.attestation.ports import SigningDesk
from services.inventory.models import DeploymentKind
from services.kernel.errors import IllegalTransitionError
from services.rollout import intents, plan, release_effects
from services.rollout.guards import require_in_service, require_reviewed
from services.rollout.models import Action, ActionKind, ActionState, Basis, Deployment
from services.rollout.retirement_models import RetirementState


def step_of(decision: Decision) -> Step | None:
    """The state change a decision makes by itself; signing alone changes nothing until the quorum stands."""
    return rules.STEPS.get(decision)


def save(unit: ApprovalUnit, request: PromotionRequest, decisions: tuple[DecisionRecord, ...]) -> PromotionRequest:
    """Stores the request with who is waited for and when the open stage is due."""
    lines = rules.progress(request.frozen.quorum, decisions)
    stage = stages.current(stages.stages(request, decisions))
    if stage is not None and stage.due_at is not None and rules.is_undecided(request):
        moved = stage.escalate_at != request.escalate_at
        request = replace(
            request,
            due_at=min(stage.due_at, request.expires_at),
            escalate_at=stage.escalate_at,
            escalated_at=None if moved else request.escalated_at,
        )
    unit.requests.save(
        request,
        waiting=rules.waiting(lines),
        signed=sum(line.have for line in lines),
        needed=sum(line.rule.needed for line in lines),
    )
    return request


def complete(
    unit: ApprovalUnit,
    desk: SigningDesk,
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    *,
    at: datetime,
    not_yet: str = "",
) -> None:
    """Approves the request and begins what follows from its purpose: all or nothing, in the caller's transaction.

    A promotion becomes a release. It starts at once, unless its signed terms ask for a shadow run first or something
    stands in the way now (`not_yet`): then it is planned, traffic stays, and an engineer takes it on.
    """
    if request.purpose is Purpose.RETIREMENT:
        _retirement(unit, desk, request, decisions, at=at)
        return
    require_reviewed(unit.rollouts, request.model, now=at)
    if request.purpose is Purpose.REATTESTATION or request.frozen.kind == DeploymentKind.VENDOR:
        # Nothing of ours moves: it serves already, or the supplier serves it.
        _attested_again(unit, desk, request, decisions, at=at)
        return
    if request.purpose is Purpose.PROMOTION:
        _promotion(unit, desk, request, decisions, at=at, not_yet=not_yet)
    else:
        _adopted(unit, desk, request, decisions, at=at)


def _promotion(
    unit: ApprovalUnit,
    desk: SigningDesk,
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    *,
    at: datetime,
    not_yet: str,
) -> None:
    known = unit.rollouts.deployment(request.model)
    deployment = known or Deployment(model=request.model, deployment=request.model, kind=request.frozen.kind)
    _require_free(unit, request, deployment, at=at)
    if known is None:
        unit.rollouts.save_deployment(deployment, at=at)
    base = deployment.champion or None
    shadow = request.frozen.terms.shadow if base else None
    waits = f"{shadow.sentence[0].upper()}{shadow.sentence[1:]}." if shadow else not_yet
    action, words = None, f"Planned: {waits}"
    if not waits:
        action = _queued(unit, desk, request, decisions, _start(request, deployment, at=at), at=at)
        words = f"Quorum complete; release queued: {plan.words(action.routes)}."
    seq = action.seq_intent if action else max(item.seq for item in rules.standing(decisions))
    release_effects.planned(
        unit,
        request_id=request.request_id,
        model=request.model,
        deployment=deployment.deployment,
        kind=request.frozen.kind,
        candidate=request.version,
        candidate_sha256=request.manifest_sha256,
        base=base,
        plan=request.frozen.terms.shares,
        shadow=shadow,
        actor=request.requester,
        sentence=words,
        seq=seq,
        at=at,
    )
    save(unit, _approved(request, at, Step.COMPLETE, action_id=action.action_id if action else None), decisions)
    sentence = words if action else f"Quorum complete; the release is planned and traffic stays. {waits}"
    unit.requests.add_event(request.request_id, sentence, seq=seq, at=at)


def _require_free(unit: ApprovalUnit, request: PromotionRequest, deployment: Deployment, *, at: datetime) -> None:
    """One version at a time is on its way; the same one asked for again takes the place of what has not begun."""
    running = ahead.in_the_way(unit, request.model, request.version)
    version = running.candidate if running else deployment.candidate
    if version is not None:
        raise IllegalTransitionError(
            f"Version {version} is still being released.", hint="Finish that release or roll it back, then sign."
        )
    for earlier in unit.releases.running_releases(request.model):
        if ahead.is_replaceable(unit, earlier, request.version):
            release_effects.replaced_by(unit, earlier, request.request_id, at=at)


def _retirement(
    unit: ApprovalUnit,
    desk: SigningDesk,
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    *,
    at: datetime,
) -> None:
    """Orders the traffic to zero. The request stays approved until nobody was answered for the whole signed window."""
    require_in_service(unit.rollouts, request.model)
    deployment = unit.rollouts.deployment(request.model) or Deployment(
        model=request.model, deployment=request.model, kind=request.frozen.kind
    )
    running = ahead.in_the_way(unit, request.model, "")
    if running is not None or unit.rollouts.open_actions(request.model):
        what = f"Version {running.candidate} is on its way" if running else "A change of traffic is under way"
        raise IllegalTransitionError(f"{what}.", hint="Finish it or roll it back, then sign.")
    counted = ", ".join(f"{item.seq}" for item in rules.standing(decisions))
    words = f"{request.model} goes out of service: all signed (entries {counted}). Its traffic goes to zero."
    detail = {"request": request.request_id, "version": request.version, "decisions": counted, "sentence": words}
    idem = f"retirement-ordered:{request.request_id}:{request.revision}"
    seq = record_event(unit, desk, request, "retirement-ordered", detail, idem=idem, at=at)
    unit.retirements.save(retiring.ordered(request, deployment, seq=seq, at=at))
    save(unit, _approved(request, at, Step.COMPLETE, action_id=None), decisions)
    unit.requests.add_event(request.request_id, words, seq=seq, at=at)


def stop_retirement(unit: ApprovalUnit, request_id: str, *, why: str) -> None:
    """The approval does not stand any more: what is off stays off until an engineer brings it back."""
    item = unit.retirements.of_request(request_id)
    if item is not None and item.state.is_open:
        unit.retirements.save(replace(item, state=RetirementState.STOPPED, detail=why))


def _adopted(
    unit: ApprovalUnit,
    desk: SigningDesk,
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    *,
    at: datetime,
) -> None:
    known = unit.rollouts.deployment(request.model)
    deployment = known or Deployment(model=request.model, deployment=request.model, kind=request.frozen.kind)
    if known is None:
        unit.rollouts.save_deployment(deployment, at=at)
    action = _queued(unit, desk, request, decisions, _adoption(request, deployment, at=at), at=at)
    save(unit, _approved(request, at, Step.COMPLETE, action_id=action.action_id), decisions)
    sentence = f"Quorum complete; adoption queued: {plan.words(action.routes)}."
    unit.requests.add_event(request.request_id, sentence, seq=action.seq_intent, at=at)


def _queued(
    unit: ApprovalUnit,
    desk: SigningDesk,
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    action: Action,
    *,
    at: datetime,
) -> Action:
    """The order that rests on these decisions, recorded and waiting to be carried out."""
    counted = rules.standing(decisions)
    basis = Basis(
        request_id=request.request_id,
        request_sha256=request.statement_sha256,
        request_seq=request.seq,
        policy_sha256=request.policy_sha256,
        decisions=tuple((item.seq, item.leaf_hash) for item in counted),
    )
    action = replace(
        action, decisions=basis.decisions, reason=f"Approved by {', '.join(item.signer for item in counted)}"
    )
    payload = intents.action_statement(action, basis=basis, at=at, head=unit.ledger.head())
    recorded, _ = intents.record(unit, action, desk.sign_as_service(payload))
    return recorded


def _approved(request: PromotionRequest, at: datetime, step: Step, *, action_id: str | None) -> PromotionRequest:
    return replace(
        request,
        state=after(request.state, step),
        approved_at=at,
        valid_until=at + timedelta(days=request.frozen.terms.approval_days),
        action_id=action_id,
    )


def _attested_again(
    unit: ApprovalUnit,
    desk: SigningDesk,
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    *,
    at: datetime,
) -> None:
    """No traffic moves, so the approval is applied with its last signature."""
    approved = _approved(request, at, Step.COMPLETE, action_id=None)
    approved = replace(approved, state=after(approved.state, Step.APPLIED))
    until = approved.valid_until or at
    again = " again" if request.purpose is Purpose.REATTESTATION else ""
    detail = {
        "request": request.request_id,
        "version": request.version,
        "validUntil": f"{until:%Y-%m-%dT%H:%M:%SZ}",
        "sentence": f"{request.model} version {request.version} is approved{again} until {until:%d %b %Y}.",
    }
    event = "reattested" if again else "vendor-approved"
    seq = record_event(
        unit, desk, request, event, detail, idem=f"{event}:{request.request_id}:{request.revision}", at=at
    )
    save(unit, approved, decisions)
    sentence = f"Quorum complete; approved until {until:%d %b %Y}. Traffic is as before."
    unit.requests.add_event(request.request_id, sentence, seq=seq, at=at)


def leave_out(
    unit: ApprovalUnit, desk: SigningDesk, request: PromotionRequest, item: DecisionRecord, *, cause: str, at: datetime
) -> None:
    """A signature that no longer counts: ledger entry, row and trail in the caller's transaction, once."""
    detail = {
        "request": request.request_id,
        "version": request.version,
        "cause": cause,
        "entry": str(item.seq),
        "sha256": item.leaf_hash,
        "sentence": cause,
    }
    idem = f"void:{request.request_id}:{item.seq}"
    seq = record_event(unit, desk, request, "signatures-void", detail, idem=idem, at=at)
    unit.requests.void_decision(item.seq, reason=cause, at=at)
    unit.requests.add_event(request.request_id, cause, seq=seq, at=at)


def record_event(
    unit: ApprovalUnit,
    desk: SigningDesk,
    request: PromotionRequest,
    event: str,
    detail: dict[str, str],
    *,
    idem: str,
    at: datetime,
) -> int:
    """A fact about a request, signed by the service in the caller's transaction; its entry. Repeating adds nothing."""
    payload = statement.build(
        Kind.EVENT,
        subjects=(Subject(name=f"event:{event}", sha256=sha256_hex(request.request_id.encode())),),
        predicate={"event": event, "model": request.model, "detail": detail, "actor": None},
        at=at,
        head=unit.ledger.head(),
    )
    return unit.ledger.append(desk.sign_as_service(payload), idem=idem).seq


def _start(request: PromotionRequest, deployment: Deployment, *, at: datetime) -> Action:
    base = deployment.champion or None
    routes = plan.routes_for(base=base, candidate=request.version, share=request.frozen.terms.shares[0])
    return _action(
        request,
        deployment,
        ActionKind.START,
        routes=routes,
        champion=request.version if len(routes) == 1 else base or request.version,
        shares=request.frozen.terms.shares,
        at=at,
    )


def _adoption(request: PromotionRequest, deployment: Deployment, *, at: datetime) -> Action:
    """What is served now becomes what is desired; nothing is switched."""
    served = deployment.observed.routes if deployment.observed else ()
    if request.version not in dict(served):
        raise IllegalTransitionError(
            f"Version {request.version} does not serve any more, so there is nothing to adopt.",
            hint="Withdraw this request.",
        )
    champion = max(served, key=lambda route: route[1])[0]
    return _action(request, deployment, ActionKind.ADOPT, routes=served, champion=champion, shares=(), at=at)


def _action(
    request: PromotionRequest,
    deployment: Deployment,
    kind: ActionKind,
    *,
    routes: plan.Routes,
    champion: str,
    shares: tuple[int, ...],
    at: datetime,
) -> Action:
    return Action(
        action_id=intents.action_id(kind.value, request.request_id, str(request.revision)),
        model=request.model,
        deployment=deployment.deployment,
        kind=kind,
        state=ActionState.PENDING,
        from_version=deployment.champion or None,
        to_version=request.version,
        routes=routes,
        champion=champion,
        plan=shares,
        request_id=request.request_id,
        requested_by=request.requester,
        subject=request.requester_subject,
        reason_code="",
        reason="",
        manifest_sha256=request.manifest_sha256,
        decisions=(),
        created_at=at,
        seq_intent=0,
        leaf_intent="",
        next_try_at=at,
    )
