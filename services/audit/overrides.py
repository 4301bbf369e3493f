"""Where the ordinary rule was set aside: exceptions with owner and end, emergency releases with their reviews. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.attestation.models import Kind
from services.audit.history import Fact, History
from services.audit.standing import REVIEWERS_NEEDED, emergencies, review_by, reviews_of
from services.kernel.clock import from_utc_text

ERASED = "its text is not kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionLine:
    id: str
    model: str
    gate: str
    owner: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str
    decided_at: datetime | None
    until: datetime | None
    state: str
    """`proposed`, `active`, `refused`, `ended` or `expired`."""
    reason: str
    control: str
    """The compensating control."""
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyLine:
    model: str
    version: str
    by: str
    role: str
    at: datetime
    reason_code: str
    review_by: datetime | None
    reviews: tuple[tuple[str, str, datetime, int], ...]
    """(person, conclusion, when, entry)."""
    state: str
    """`open`, `overdue`, `reviewed`, or `reviewed late`."""
    seq: int
    void: str

    @property
    def late(self) -> bool:
        return self.state in {"overdue", "reviewed late"}


Words = Callable[[str], tuple[str, str]]
"""Exception id to (reason, compensating control) as typed; empty texts where they are not kept."""


def exceptions(history: History, *, at: datetime, words: Words) -> tuple[ExceptionLine, ...]:
    """Newest first, as they stood at `at`."""
    past = history.until(at)
    steps = {
        op: {fact.text("id"): fact for fact in past.of(Kind.EXCEPTION) if fact.text("op") == op}
        for op in ("grant", "refuse", "end")
    }
    lines = []
    for proposal in past.of(Kind.EXCEPTION):
        if proposal.text("op") != "propose":
            continue
        key = proposal.text("id")
        lines.append(_exception(proposal, {op: found.get(key) for op, found in steps.items()}, at=at, words=words))
    return tuple(reversed(lines))


def _exception(proposal: Fact, steps: dict[str, Fact | None], *, at: datetime, words: Words) -> ExceptionLine:
    granted, refused, ended = steps["grant"], steps["refuse"], steps["end"]
    decided = granted or refused
    until = _time((granted.text("until") if granted else "") or proposal.text("until"))
    reason, control = words(proposal.text("id"))
    state = "proposed"
    if ended:
        state = "ended"
    elif refused:
        state = "refused"
    elif granted:
        state = "expired" if until is not None and until <= at else "active"
    return ExceptionLine(
        id=proposal.text("id"),
        model=proposal.model,
        gate=proposal.text("gate"),
        owner=str(proposal.document("owner").get("name", "")),
        proposed_by=proposal.actor,
        proposed_at=proposal.at,
        decided_by=decided.actor if decided else "",
        decided_at=decided.at if decided else None,
        until=until,
        state=state,
        reason=reason or ERASED,
        control=control or ERASED,
        seq=proposal.seq,
    )


def emergency_lines(history: History, *, at: datetime) -> tuple[EmergencyLine, ...]:
    past = history.until(at)
    return tuple(_emergency(past, action, at=at) for action in reversed(emergencies(past)))


def _emergency(past: History, action: Fact, *, at: datetime) -> EmergencyLine:
    done = reviews_of(past, action)
    due = review_by(action)
    people = {fact.who for fact in done}
    complete = len(people) >= REVIEWERS_NEEDED
    if complete:
        state = "reviewed late" if due is not None and done[-1].at > due else "reviewed"
    else:
        state = "overdue" if due is not None and due < at else "open"
    return EmergencyLine(
        model=action.model,
        version=action.version,
        by=action.actor,
        role=action.role,
        at=action.at,
        reason_code=str(action.document("emergency").get("reasonCode", "")),
        review_by=due,
        reviews=tuple((fact.actor, fact.text("conclusion"), fact.at, fact.seq) for fact in done),
        state=state,
        seq=action.seq,
        void=action.void,
    )


def _time(text: str) -> datetime | None:
    try:
        return from_utc_text(text)
    except ValueError:
        return None
