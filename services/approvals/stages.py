"""The stages of a decision: which one is open, since when, and what is due. Pure; time never decides anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.approvals import rules
from services.approvals.models import QuorumProgress, RequestState
from services.approvals.records import DecisionRecord, PromotionRequest
from services.policy.models import StageTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage as it stands. `opened_at` and `due_at` are None while an earlier stage is open."""

    terms: StageTerms
    lines: tuple[QuorumProgress, ...]
    opened_at: datetime | None
    due_at: datetime | None
    escalate_at: datetime | None

    @property
    def done(self) -> bool:
        return all(line.complete for line in self.lines)


def stages(request: PromotionRequest, decisions: Iterable[DecisionRecord]) -> tuple[Stage, ...]:
    """In order. A stage opens with the submission, or with the signature that completed the stage before it.

    Its days start again when a signature in it fell: whoever has to sign instead gets the whole time.
    """
    given = tuple(decisions)
    lines = rules.progress(request.frozen.quorum, given)
    opened: datetime | None = request.submitted_at or request.created_at
    found = []
    for terms in _terms(request):
        own = tuple(line for line in lines if line.rule.stage == terms.number)
        opened = _again(own, given, request, opened)
        found.append(
            Stage(
                terms=terms,
                lines=own,
                opened_at=opened,
                due_at=opened + timedelta(days=terms.due_days) if opened else None,
                escalate_at=opened + timedelta(days=terms.escalate_days) if opened and terms.escalate_to else None,
            )
        )
        opened = _completed_at(own, given, opened)
    return tuple(found)


def current(found: tuple[Stage, ...]) -> Stage | None:
    """The first stage that is not done."""
    return next((stage for stage in found if not stage.done), None)


def state_of(stage: Stage, request: PromotionRequest, now: datetime) -> str:
    """`done`, `later`, `open` or `overdue`."""
    if stage.done:
        return "done"
    if stage.opened_at is None:
        return "later"
    waits = request.state is RequestState.OPEN
    return "overdue" if waits and stage.due_at is not None and now > stage.due_at else "open"


def _terms(request: PromotionRequest) -> tuple[StageTerms, ...]:
    """As frozen; requests of an earlier release have one stage for everybody."""
    known = request.frozen.terms.stages
    if known:
        return known
    numbers = sorted({rule.stage for rule in request.frozen.quorum}) or [1]
    days = max(1, request.frozen.terms.request_days // 2)
    return tuple(
        StageTerms(number=number, title="Signatures", due_days=days, escalate_to="", escalate_days=0)
        for number in numbers
    )


def _again(
    lines: tuple[QuorumProgress, ...],
    decisions: tuple[DecisionRecord, ...],
    request: PromotionRequest,
    opened: datetime | None,
) -> datetime | None:
    """The later of the opening and the last time a signature of this stage fell."""
    if opened is None:
        return None
    roles = {line.rule.role for line in lines}
    fell = [
        item.void_at
        for item in decisions
        if item.void_at is not None and item.revision == request.revision and item.role in roles
    ]
    return max([opened, *fell])


def _completed_at(
    lines: tuple[QuorumProgress, ...], decisions: tuple[DecisionRecord, ...], opened: datetime | None
) -> datetime | None:
    if opened is None or not all(line.complete for line in lines):
        return None
    roles = {line.rule.role for line in lines}
    return max((item.at for item in decisions if item.counts and item.role in roles), default=opened)
