"""Who asked against who signed, for every promotion, and every attempt that was refused. Breaches are computed here.

The report judges the signed facts itself and does not take over the verdict of the services that allowed them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from services.attestation.models import Kind
from services.audit.history import COUNTING, Fact, History, Who, is_complete, role_filled, who_of

REFUSED = "-refused"
REASONS = {
    "self-approval": "the person who asked may not decide",
    "duplicate-signer": "one person fills one role",
    "role-missing": "the role does not allow it",
    "gate-not-passed": "checks stood in the way",
    "illegal-transition": "not possible in this state",
    "passphrase": "the signing passphrase did not open the key",
    "key-locked": "the key was locked after too many attempts",
    "rollback-target": "the target was never approved and served, or has changed",
    "stale-request": "the request had changed",
    "stale-evidence": "the evidence had changed",
    "already-decided": "this person had decided before",
    "not-signed-in": "not an active person here",
    "delegation": "the delegation does not cover it",
    "stage": "an earlier stage was not complete",
    "review-overdue": "an emergency review is overdue",
    "access-ended": "the time of access had ended",
    "void-approval": "the approval had fallen",
    "exception-refused": "the exception was refused",
    "not-exceptable": "this check allows no exception",
    "precondition": "what the step needs was not there yet",
    "freeze": "a freeze window stood: nothing new goes live in it",
    "outside-plan": "the signed plan does not let the machine do it",
    "missing-reason": "no reason was given",
    "post-mortem-missing": "the post-mortem was not written",
    "conflict": "another change was under way",
    "input": "what was asked for is not possible",
    "unavailable": "it could not be checked just then",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    name: str
    role: str
    on_behalf_of: str
    at: datetime
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionLine:
    model: str
    version: str
    kind: str
    at: datetime
    requester: str
    signers: tuple[Signed, ...]
    breaches: tuple[str, ...]
    seq_request: int
    seq_action: int | None
    applied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationLine:
    id: str
    op: str
    role: str
    from_name: str
    to_name: str
    since: str
    until: str
    seq: int
    void: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedLine:
    at: datetime
    person: str
    role: str
    what: str
    model: str
    reason: str
    code: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegregationReport:
    at: datetime
    promotions: tuple[PromotionLine, ...]
    delegations: tuple[DelegationLine, ...]
    refused: tuple[RefusedLine, ...]

    @property
    def breaches(self) -> int:
        return sum(len(line.breaches) for line in self.promotions)


def report(history: History, *, at: datetime) -> SegregationReport:
    past = history.until(at)
    return SegregationReport(
        at=at,
        promotions=tuple(sorted(_promotions(past), key=lambda line: -line.seq_request)),
        delegations=tuple(_delegation(fact) for fact in reversed(past.of(Kind.DELEGATION, void=True))),
        refused=tuple(_refused(fact) for fact in reversed(refusals(past))),
    )


def refusals(past: History) -> tuple[Fact, ...]:
    return tuple(fact for fact in past.of(Kind.EVENT) if fact.event.endswith(REFUSED))


def reason_words(fact: Fact) -> str:
    """The recorded sentence where there is one, else the words of its code."""
    detail = fact.detail
    if detail.get("permission"):
        return f"the permission “{detail['permission'].replace('_', ' ')}” was missing"
    said = detail.get("message") or detail.get("reason") or ""
    words = REASONS.get(detail.get("code", ""), detail.get("code", "").replace("-", " "))
    return said or words or "no reason recorded"


_NO_START = {"shadow", "advance", "revert", "emergency", "adopt"}


def promotion_actions(past: History) -> tuple[Fact, ...]:
    """Every order that put an approved version into service; later steps of the same release are left out."""
    return tuple(
        fact
        for fact in past.of(Kind.ACTION, void=True)
        if fact.said.get("rollback") is None and fact.text("kind") not in _NO_START
    )


def _promotions(past: History) -> Iterator[PromotionLine]:
    acted: set[int] = set()
    adopted = tuple(fact for fact in past.of(Kind.ACTION, void=True) if fact.text("kind") == "adopt")
    for action in (*promotion_actions(past), *adopted):
        request = past.request_of(action)
        if request is None:
            yield _without_request(past, action)
            continue
        acted.add(request.seq)
        yield _line(past, request, past.decisions_cited(action), action)
    for request in past.of(Kind.REQUEST, void=True):
        decisions = past.decisions_on(request)
        if request.seq not in acted and (is_complete(request, decisions) or _self_decided(request, decisions)):
            yield _line(past, request, decisions, None)


def _line(past: History, request: Fact, decisions: tuple[Fact, ...], action: Fact | None) -> PromotionLine:
    counting = tuple(fact for fact in decisions if fact.text("decision") in COUNTING)
    outcome = past.outcome_of(action) if action else None
    applied = outcome is not None and outcome.text("result") == "applied"
    return PromotionLine(
        model=request.model,
        version=request.version,
        kind=request.text("purpose") or (action.text("kind") if action else "promotion"),
        at=(action or request).at,
        requester=request.actor,
        signers=tuple(_signed(fact) for fact in counting),
        breaches=tuple(_breaches(request, counting, action)),
        seq_request=request.seq,
        seq_action=action.seq if action else None,
        applied=applied,
    )


def _breaches(request: Fact, decisions: tuple[Fact, ...], action: Fact | None) -> Iterator[str]:
    """Judged on what was acted upon: a void decision that nothing rests on is no breach."""
    judged = decisions if action is not None else tuple(fact for fact in decisions if not fact.void)
    for decision in judged:
        if decision.who is not None and decision.who == request.who:
            yield f"{decision.actor} asked for it and signed it (entry {decision.seq})."
        if request.who is not None and who_of(decision.said.get("onBehalfOf")) == request.who:
            yield f"{decision.actor} signed for the requester {request.actor} (entry {decision.seq})."
        if decision.void:
            yield f"It rests on entry {decision.seq}, which is void: {decision.void}."
    yield from _two_roles(judged)
    if action is not None and action.void:
        yield f"The order in entry {action.seq} is void: {action.void}."
    elif action is not None and action.who is None and not is_complete(request, decisions):
        yield f"The order in entry {action.seq} was given without a complete quorum."


def _two_roles(decisions: tuple[Fact, ...]) -> Iterator[str]:
    roles: dict[Who, dict[str, str]] = {}
    for decision in decisions:
        if decision.who is not None:
            roles.setdefault(decision.who, {})[role_filled(decision)] = decision.actor
    for filled in roles.values():
        if len(filled) > 1:
            yield f"{next(iter(filled.values()))} filled more than one role: {', '.join(sorted(filled))}."


def _without_request(past: History, action: Fact) -> PromotionLine:
    outcome = past.outcome_of(action)
    return PromotionLine(
        model=action.model,
        version=action.version,
        kind=action.text("kind"),
        at=action.at,
        requester="nobody",
        signers=(),
        breaches=(f"The order in entry {action.seq} rests on no request.",),
        seq_request=action.seq,
        seq_action=action.seq,
        applied=outcome is not None and outcome.text("result") == "applied",
    )


def _self_decided(request: Fact, decisions: tuple[Fact, ...]) -> bool:
    return any(fact.who == request.who and fact.text("decision") in COUNTING and not fact.void for fact in decisions)


def _signed(fact: Fact) -> Signed:
    return Signed(
        name=fact.actor,
        role=role_filled(fact),
        on_behalf_of=str(fact.document("onBehalfOf").get("name", "")),
        at=fact.at,
        seq=fact.seq,
    )


def _delegation(fact: Fact) -> DelegationLine:
    return DelegationLine(
        id=fact.text("id"),
        op=fact.text("op"),
        role=fact.text("role"),
        from_name=fact.actor,
        to_name=str(fact.document("to").get("name", "")),
        since=fact.text("since"),
        until=fact.text("until"),
        seq=fact.seq,
        void=fact.void,
    )


def _refused(fact: Fact) -> RefusedLine:
    detail = fact.detail
    words = fact.name.removesuffix(REFUSED).replace("-", " ")
    target = detail.get("request") or detail.get("target") or detail.get("what") or ""
    decision = detail.get("decision", "").replace("-", " ")
    what = " ".join(part for part in (words, decision, target) if part)
    return RefusedLine(
        at=fact.at,
        person=fact.actor,
        role=fact.role,
        what=what,
        model=fact.model,
        reason=reason_words(fact),
        code=detail.get("code", "permission" if detail.get("permission") else ""),
        seq=fact.seq,
    )
