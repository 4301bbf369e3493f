"""What a decision changes in the same transaction: the request's state, and on the last signature the release."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from services.approvals import rules
from services.approvals.models import Decision
from services.approvals.ports import ApprovalUnit
from services.approvals.records import DecisionRecord, PromotionRequest
from services.approvals.table import Step, after
from services.attestation.ports import SigningDesk
from services.kernel.errors import IllegalTransitionError
from services.rollout import intents, plan
from services.rollout.models import Action, ActionKind, ActionState, Basis, Deployment

_STEPS = {
    Decision.REQUEST_CHANGES: Step.CHANGES,
    Decision.REJECT: Step.REJECT,
    Decision.WITHDRAW: Step.WITHDRAW,
    Decision.REVOKE: Step.REVOKE,
}


def step_of(decision: Decision) -> Step | None:
    """The state change a decision makes by itself; signing alone changes nothing until the quorum stands."""
    return _STEPS.get(decision)


def save(unit: ApprovalUnit, request: PromotionRequest, decisions: tuple[DecisionRecord, ...]) -> None:
    lines = rules.progress(request.frozen.quorum, decisions)
    unit.requests.save(
        request,
        waiting=rules.waiting(lines),
        signed=sum(line.have for line in lines),
        needed=sum(line.rule.needed for line in lines),
    )


def complete(
    unit: ApprovalUnit,
    desk: SigningDesk,
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    *,
    at: datetime,
) -> None:
    """Approves the request, records the intended action, signed by the service, and queues it: all or nothing."""
    known = unit.rollouts.deployment(request.model)
    deployment = known or Deployment(model=request.model, deployment=request.model, kind=request.frozen.kind)
    if deployment.candidate is not None:
        raise IllegalTransitionError(
            f"Version {deployment.candidate} is still being released.",
            hint="Finish that release or roll it back, then sign.",
        )
    base = deployment.champion or None
    routes = plan.routes_for(base=base, candidate=request.version, share=request.frozen.terms.shares[0])
    counted = rules.standing(decisions)
    basis = Basis(
        request_id=request.request_id,
        request_sha256=request.statement_sha256,
        request_seq=request.seq,
        policy_sha256=request.policy_sha256,
        decisions=tuple((item.seq, item.leaf_hash) for item in counted),
    )
    action = Action(
        action_id=intents.action_id("start", request.request_id, str(request.revision)),
        model=request.model,
        deployment=deployment.deployment,
        kind=ActionKind.START,
        state=ActionState.PENDING,
        from_version=base,
        to_version=request.version,
        routes=routes,
        champion=request.version if len(routes) == 1 else base or request.version,
        plan=request.frozen.terms.shares,
        request_id=request.request_id,
        requested_by=request.requester,
        subject=request.requester_subject,
        reason_code="",
        reason=f"Approved by {', '.join(item.signer for item in counted)}",
        manifest_sha256=request.manifest_sha256,
        decisions=basis.decisions,
        created_at=at,
        seq_intent=0,
        leaf_intent="",
        next_try_at=at,
    )
    if known is None:
        unit.rollouts.save_deployment(deployment, at=at)
    payload = intents.action_statement(action, basis=basis, at=at, head=unit.ledger.head())
    action, receipt = intents.record(unit, action, desk.sign_as_service(payload))
    approved = replace(
        request,
        state=after(request.state, Step.COMPLETE),
        approved_at=at,
        valid_until=at + timedelta(days=request.frozen.terms.approval_days),
        action_id=action.action_id,
    )
    save(unit, approved, decisions)
    words = plan.words(routes)
    unit.requests.add_event(request.request_id, f"Quorum complete; release queued: {words}.", seq=receipt.seq, at=at)
