"""Who may decide what, and when a quorum stands: pure, the law behind every disabled button."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.approvals.models import Decision, QuorumProgress, RequestState
from services.approvals.records import DecisionRecord, PromotionRequest
from services.approvals.table import STATE_WORDS, Step, after
from services.kernel.errors import (
    AlreadyDecidedError,
    ControlRoomError,
    DelegationError,
    DuplicateSignerError,
    GateNotPassedError,
    IllegalTransitionError,
    MissingReasonError,
    RoleMissingError,
    SelfApprovalError,
    StageError,
)
from services.kernel.identity import ROLE_PERMISSIONS, Actor, Permission, Role
from services.people.models import Delegation
from services.people.persons import Account, overlap, same_person
from services.policy.models import GateReport, QuorumRule

STEPS = {
    Decision.REQUEST_CHANGES: Step.CHANGES,
    Decision.REJECT: Step.REJECT,
    Decision.WITHDRAW: Step.WITHDRAW,
    Decision.REVOKE: Step.REVOKE,
}
BINDING = frozenset({Decision.APPROVE, Decision.ACKNOWLEDGE})
REASON_MIN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """In which quorum role a person acts: the own one, or a delegated one."""

    actor: Actor
    role: str
    delegation: Delegation | None = None

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The person and, by delegation, the one who gave the role: both count as having acted."""
        me = Account(issuer=self.actor.issuer, subject=self.actor.subject, name=self.actor.name)
        given = self.delegation
        if given is None:
            return (me,)
        return (me, Account(issuer=given.from_issuer, subject=given.from_subject, name=given.from_name))


def own(actor: Actor) -> Capacity:
    return Capacity(actor=actor, role=actor.role.value)


def standing(decisions: Iterable[DecisionRecord]) -> tuple[DecisionRecord, ...]:
    """The approvals and acknowledgements that count: not void."""
    return tuple(item for item in decisions if item.counts)


def progress(quorum: tuple[QuorumRule, ...], decisions: Iterable[DecisionRecord]) -> tuple[QuorumProgress, ...]:
    """Each rule with the different people who fulfil it. One person, or a pair by delegation, counts once."""
    counted = standing(decisions)
    result, used = [], set[tuple[str, str]]()
    for rule in quorum:
        names: list[str] = []
        for item in counted:
            if item.role == rule.role and item.decision.value == rule.decision and not item.people & used:
                used |= item.people
                names.append(item.signer)
        result.append(QuorumProgress(rule=rule, have=min(len(names), rule.needed), signers=tuple(names)))
    return tuple(result)


def is_complete(quorum: tuple[QuorumRule, ...], decisions: Iterable[DecisionRecord]) -> bool:
    """An empty quorum is never complete: nothing is approved by nobody."""
    lines = progress(quorum, decisions)
    return bool(lines) and all(line.complete for line in lines)


def open_stage(lines: tuple[QuorumProgress, ...]) -> int:
    """The lowest stage somebody still has to sign in; 0 when all are done."""
    return min((line.rule.stage for line in lines if not line.complete), default=0)


def waiting(lines: tuple[QuorumProgress, ...]) -> dict[str, int]:
    """Roles of the open stage that still have to act, with how many signatures are missing."""
    stage = open_stage(lines)
    return {
        line.rule.role: line.rule.needed - line.have for line in lines if not line.complete and line.rule.stage == stage
    }


def is_undecided(request: PromotionRequest) -> bool:
    return request.state in {RequestState.OPEN, RequestState.CHANGES_REQUESTED}


def is_expired(request: PromotionRequest, now: datetime) -> bool:
    return is_undecided(request) and now > request.expires_at


def is_requester(request: PromotionRequest, actor: Actor) -> bool:
    return (actor.issuer, actor.subject) == (request.requester_issuer, request.requester_subject)


def require_other_person(request: PromotionRequest, acting: Capacity) -> None:
    """Raises SelfApprovalError for the requester, also with a second account or through somebody else's hand."""
    asked = Account(issuer=request.requester_issuer, subject=request.requester_subject, name=request.requester)
    for account in acting.accounts:
        if (account.issuer, account.subject) == (asked.issuer, asked.subject):
            raise SelfApprovalError(
                "The person who asked for a promotion may not decide on it, nor let somebody else do it for them.",
                hint="Another person has to decide.",
            )
        if same_person(account, asked):
            raise SelfApprovalError(
                f"The account of {account.name} belongs to the person who asked, {asked.name}, or prints the same "
                "name; whoever asks for a promotion may not decide on it.",
                hint="Another person has to decide. Two people of one name have to be enrolled under fuller names.",
            )


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
    acting: Capacity,
    now: datetime,
    report: GateReport | None = None,
) -> None:
    """Raises the refusal that applies, the most telling one first. `report` is needed to approve or acknowledge."""
    if is_expired(request, now):
        raise IllegalTransitionError("The request has expired.", hint="Submit the version again.")
    if decision is Decision.WITHDRAW:
        _require_own(request, acting.actor)
    elif decision is Decision.REVOKE:
        _require_permission(acting.actor, Permission.APPROVE, "take back an approval")
    else:
        _require_signer(request, decisions, decision, acting)
    if decision in STEPS:
        after(request.state, STEPS[decision])
        if decision is Decision.REQUEST_CHANGES and request.state is not RequestState.OPEN:
            raise IllegalTransitionError(f"The request is {STATE_WORDS[request.state]}.", hint="Reload the page.")
    elif request.state is not RequestState.OPEN:
        raise IllegalTransitionError(f"The request is {STATE_WORDS[request.state]}.", hint="Reload the page.")
    if decision in BINDING:
        _require_stage(request, decisions, acting.role)
        if report is not None:
            _require_gates(report, acting.role)


def _require_gates(report: GateReport, role: str) -> None:
    held = report.holding(role)
    if held or not report.outcomes:
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
    request: PromotionRequest, decisions: tuple[DecisionRecord, ...], decision: Decision, acting: Capacity
) -> None:
    require_other_person(request, acting)
    _require_covered(request, acting)
    rule = next((line for line in request.frozen.quorum if line.role == acting.role), None)
    if rule is None:
        raise RoleMissingError(
            f"The role {title(acting.role)} has no part in this decision.",
            hint="It needs: " + ", ".join(title(line.role) for line in request.frozen.quorum) + ".",
        )
    if decision in BINDING and decision.value != rule.decision:
        raise RoleMissingError(
            f"The role {title(acting.role)} gives {rule.decision}, not {decision.value}.",
            hint=f"Choose {rule.decision}.",
        )
    _require_first(decisions, decision, acting)


def _require_covered(request: PromotionRequest, acting: Capacity) -> None:
    given = acting.delegation
    if given is None:
        if acting.role != acting.actor.role.value:
            raise DuplicateSignerError(
                f"You act as {acting.actor.role.label.lower()}; one person fills one quorum role.",
                hint="A person who holds the role of this step has to sign it.",
            )
        return
    if given.role != acting.role:
        raise DelegationError("The delegation is for another role.", hint="Choose the step it is for.")
    if request.tier < given.tier:
        raise DelegationError(
            f"The delegation by {given.from_name} does not reach tier {request.tier}.",
            hint=f"{given.from_name}, or another {title(given.role)}, has to sign.",
        )


def _require_first(decisions: tuple[DecisionRecord, ...], decision: Decision, acting: Capacity) -> None:
    """Nobody signs twice: not in two roles, not for oneself and somebody else, not through somebody else's hand."""
    me = (acting.actor.issuer, acting.actor.subject)
    for item in standing(decisions):
        if not overlap(item.accounts, acting.accounts):
            continue
        if item.role == acting.role and (item.issuer, item.subject) == me and acting.delegation is None:
            if decision in {*BINDING, Decision.ABSTAIN}:
                raise AlreadyDecidedError("You signed this request already.", hint=f"See entry {item.seq}.")
            continue
        if decision in {*BINDING, Decision.ABSTAIN}:
            raise DuplicateSignerError(
                f"{_whose(item, me)} signed as {title(item.role)} already; one person fills one role.",
                hint="Another person has to sign in this role.",
            )


def _whose(item: DecisionRecord, me: tuple[str, str]) -> str:
    return "You" if (item.issuer, item.subject) == me else item.signer


def _require_stage(request: PromotionRequest, decisions: tuple[DecisionRecord, ...], role: str) -> None:
    lines = progress(request.frozen.quorum, decisions)
    stage = open_stage(lines)
    own = next((line for line in lines if line.rule.role == role), None)
    rule = own.rule if own else None
    if own is not None and own.complete:
        raise IllegalTransitionError(
            f"This step is complete: {', '.join(own.signers)} signed as {title(role)}.",
            hint="Nothing more is needed from this role.",
        )
    if rule is not None and stage and rule.stage > stage:
        first = ", ".join(title(line.rule.role) for line in lines if line.rule.stage == stage and not line.complete)
        raise StageError(
            f"It is not the turn of the {title(role)} yet: the {first} signs first.", hint="You are told when it is."
        )


def allowed(
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    *,
    acting: Capacity,
    now: datetime,
    report: GateReport,
) -> tuple[tuple[Decision, ...], str]:
    """What this person may decide now, and if nothing, why not."""
    possible: list[Decision] = []
    reasons: list[str] = []
    for decision in Decision:
        try:
            require_allowed(request, decisions, decision, acting=acting, now=now, report=report)
        except ControlRoomError as refused:
            if decision in BINDING and fits(request, acting.role, decision):
                reasons.insert(0, str(refused))
            reasons.append(str(refused))
        else:
            possible.append(decision)
    return tuple(possible), "" if possible or not reasons else reasons[0]


def refusal(
    request: PromotionRequest,
    decisions: tuple[DecisionRecord, ...],
    decision: Decision,
    *,
    acting: Capacity,
    now: datetime,
    report: GateReport,
) -> str:
    """Why this step cannot be signed now in this capacity, in words; empty when it can."""
    try:
        require_allowed(request, decisions, decision, acting=acting, now=now, report=report)
    except ControlRoomError as refused:
        return str(refused)
    return ""


def fits(request: PromotionRequest, role: str, decision: Decision) -> bool:
    rules = [line for line in request.frozen.quorum if line.role == role]
    return not rules or any(line.decision == decision.value for line in rules)


def title(role: str) -> str:
    return Role(role).label.lower() if role in set(Role) else role
