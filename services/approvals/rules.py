"""Who may decide what, and when a quorum stands: pure, the law behind every disabled button."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from services.approvals.models import Decision, QuorumProgress, RequestState
from services.approvals.records import DecisionRecord, PromotionRequest
from services.approvals.table import STATE_WORDS, Step, after
from services.kernel.errors import (
    AlreadyDecidedError,
    ControlRoomError,
    DuplicateSignerError,
    GateNotPassedError,
    IllegalTransitionError,
    MissingReasonError,
    RoleMissingError,
    SelfApprovalError,
)
from services.kernel.identity import ROLE_PERMISSIONS, Actor, Permission, Role
from services.policy.models import GateReport, QuorumRule

_STEPS = {
    Decision.REQUEST_CHANGES: Step.CHANGES,
    Decision.REJECT: Step.REJECT,
    Decision.WITHDRAW: Step.WITHDRAW,
    Decision.REVOKE: Step.REVOKE,
}
REASON_MIN = 3


def standing(decisions: Iterable[DecisionRecord]) -> tuple[DecisionRecord, ...]:
    """The approvals and acknowledgements that count: not void."""
    return tuple(item for item in decisions if item.counts)


def progress(quorum: tuple[QuorumRule, ...], decisions: Iterable[DecisionRecord]) -> tuple[QuorumProgress, ...]:
    """Each rule with the different people who fulfil it. One person is counted once, for one rule."""
    counted = standing(decisions)
    result, used = [], set[tuple[str, str]]()
    for rule in quorum:
        people: dict[tuple[str, str], str] = {}
        for item in counted:
            who = (item.issuer, item.subject)
            if item.role == rule.role and item.decision.value == rule.decision and who not in used:
                people.setdefault(who, item.signer)
        used |= set(people)
        result.append(QuorumProgress(rule=rule, have=min(len(people), rule.needed), signers=tuple(people.values())))
    return tuple(result)


def is_complete(quorum: tuple[QuorumRule, ...], decisions: Iterable[DecisionRecord]) -> bool:
    """An empty quorum is never complete: nothing is approved by nobody."""
    lines = progress(quorum, decisions)
    return bool(lines) and all(line.complete for line in lines)


def waiting(lines: tuple[QuorumProgress, ...]) -> dict[str, int]:
    """Roles that still have to act, with how many signatures are missing."""
    return {line.rule.role: line.rule.needed - line.have for line in lines if not line.complete}


def is_expired(request: PromotionRequest, now: datetime) -> bool:
    undecided = request.state in {RequestState.OPEN, RequestState.CHANGES_REQUESTED}
    return undecided and now > request.expires_at


def is_requester(request: PromotionRequest, actor: Actor) -> bool:
    return (actor.issuer, actor.subject) == (request.requester_issuer, request.requester_subject)


def require_reason(decision: Decision, reason_code: str, comment: str, known: Iterable[str]) -> None:
    if decision.needs_reason and (reason_code not in known or len(comment.strip()) < REASON_MIN):
        raise MissingReasonError(
            f"To {decision.value.replace('-', ' ')} needs a reason and a sentence.",
            hint="Choose a reason and say what must change.",
        )
    if reason_code and reason_code not in known:
        raise MissingReasonError(f"{reason_code} is not a known reason.", hint="Choose one from the list.")


def require_allowed(
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    decision: Decision,
    *,
    actor: Actor,
    now: datetime,
    report: GateReport | None = None,
) -> None:
    """Raises the refusal that applies, the most telling one first. `report` is needed to approve or acknowledge."""
    if is_expired(request, now):
        raise IllegalTransitionError("The request has expired.", hint="Submit the version again.")
    if decision is Decision.WITHDRAW:
        _require_own(request, actor)
    elif decision is Decision.REVOKE:
        _require_permission(actor, Permission.APPROVE, "take back an approval")
    else:
        _require_signer(request, decisions, decision, actor)
    if decision in _STEPS:
        after(request.state, _STEPS[decision])
        if decision is Decision.REQUEST_CHANGES and request.state is not RequestState.OPEN:
            raise IllegalTransitionError(f"The request is {STATE_WORDS[request.state]}.", hint="Reload the page.")
    elif request.state is not RequestState.OPEN:
        raise IllegalTransitionError(f"The request is {STATE_WORDS[request.state]}.", hint="Reload the page.")
    held = report.holding(actor.role.value) if report is not None else ()
    unjudged = report is not None and not report.outcomes
    if decision in {Decision.APPROVE, Decision.ACKNOWLEDGE} and (held or unjudged):
        names = ", ".join(outcome.title for outcome in held) or "no check was made"
        raise GateNotPassedError(f"These checks stand in the way: {names}.", hint="Request changes instead.")


def _require_own(request: PromotionRequest, actor: Actor) -> None:
    if not is_requester(request, actor):
        raise RoleMissingError(
            f"Only {request.requester} can withdraw this request.", hint="Reject it or request changes instead."
        )


def _require_permission(actor: Actor, permission: Permission, what: str) -> None:
    if permission not in ROLE_PERMISSIONS[actor.role]:
        raise RoleMissingError(f"The role {actor.role.label} may not {what}.", hint="Ask somebody who may.")


def _require_signer(
    request: PromotionRequest, decisions: tuple[DecisionRecord, ...], decision: Decision, actor: Actor
) -> None:
    if is_requester(request, actor):
        raise SelfApprovalError(
            "The person who asked for a promotion may not decide on it.", hint="Another person has to decide."
        )
    rule = next((line for line in request.frozen.quorum if line.role == actor.role.value), None)
    if rule is None:
        raise RoleMissingError(
            f"The role {actor.role.label} has no part in this decision.",
            hint="It needs: " + ", ".join(_title(line.role) for line in request.frozen.quorum) + ".",
        )
    if decision in {Decision.APPROVE, Decision.ACKNOWLEDGE} and decision.value != rule.decision:
        raise RoleMissingError(
            f"The role {actor.role.label} gives {rule.decision}, not {decision.value}.",
            hint=f"Choose {rule.decision}.",
        )
    for item in standing(decisions):
        if (item.issuer, item.subject) != (actor.issuer, actor.subject):
            continue
        if item.role != actor.role.value:
            raise DuplicateSignerError(
                f"You signed as {_title(item.role)} already; one person fills one role.",
                hint="Another person has to sign in this role.",
            )
        if decision in {Decision.APPROVE, Decision.ACKNOWLEDGE, Decision.ABSTAIN}:
            raise AlreadyDecidedError("You signed this request already.", hint=f"See entry {item.seq}.")


def allowed(
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    *,
    actor: Actor,
    now: datetime,
    report: GateReport,
) -> tuple[tuple[Decision, ...], str]:
    """What this person may decide now, and if nothing, why not."""
    possible: list[Decision] = []
    reasons: list[str] = []
    for decision in Decision:
        try:
            require_allowed(request, decisions, decision, actor=actor, now=now, report=report)
        except ControlRoomError as refused:
            if decision in {Decision.APPROVE, Decision.ACKNOWLEDGE} and _fits(request, actor, decision):
                reasons.insert(0, str(refused))
            reasons.append(str(refused))
        else:
            possible.append(decision)
    return tuple(possible), "" if possible or not reasons else reasons[0]


def _fits(request: PromotionRequest, actor: Actor, decision: Decision) -> bool:
    rules = [line for line in request.frozen.quorum if line.role == actor.role.value]
    return not rules or any(line.decision == decision.value for line in rules)


def _title(role: str) -> str:
    return Role(role).label.lower()
