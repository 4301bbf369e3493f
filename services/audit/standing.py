"""Findings that stood at a moment: outside changes, actions that failed, emergency reviews, approvals run out. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.attestation.models import Kind
from services.audit.history import Fact, History, is_complete, newest_traffic
from services.kernel.clock import from_utc_text, utc_text

REVIEWERS_NEEDED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    model: str
    kind: str
    """`outside-change`, `not-applied`, `emergency-review` or `approval-ended`."""
    sentence: str
    since: datetime
    seq: int


def open_findings(past: History, *, at: datetime) -> tuple[Standing, ...]:
    """`past` must end at `at`. Newest first per model."""
    found = [*_outside(past), *_not_applied(past), *_reviews(past, at), *_ended_approvals(past, at)]
    return tuple(sorted(found, key=lambda item: (item.model, -item.seq)))


def _outside(past: History) -> Iterator[Standing]:
    """The newest observed difference of a model counts until an applied action or a newer observation follows it."""
    newest: dict[str, Fact] = {fact.model: fact for fact in past.of(Kind.OBSERVATION)}
    settled = {fact.model: fact.seq for fact in past.of(Kind.OUTCOME) if fact.text("result") == "applied"}
    for model, fact in newest.items():
        finding = fact.text("finding")
        if model and finding and settled.get(model, -1) < fact.seq:
            yield Standing(
                model=model,
                kind="outside-change",
                sentence=f"{finding} Seen in entry {fact.seq}; the ledger does not say that it had ended by itself.",
                since=fact.at,
                seq=fact.seq,
            )


def _not_applied(past: History) -> Iterator[Standing]:
    newest = {fact.model: fact for fact in past.of(Kind.OUTCOME)}
    for model, fact in newest.items():
        if fact.text("result") in {"failed", "conflict"}:
            words = fact.text("detail") or fact.sentence
            yield Standing(model=model, kind="not-applied", sentence=words, since=fact.at, seq=fact.seq)


def _reviews(past: History, at: datetime) -> Iterator[Standing]:
    for action in emergencies(past):
        done = reviews_of(past, action)
        if len({fact.who for fact in done}) >= REVIEWERS_NEEDED:
            continue
        until = review_by(action)
        late = until is not None and until < at
        due = f"{'was due' if late else 'is due'} by {utc_text(until)}" if until else "has no stated end"
        yield Standing(
            model=action.model,
            kind="emergency-review",
            sentence=f"The review of the emergency release in entry {action.seq} {due}; "
            f"{len(done)} of {REVIEWERS_NEEDED} reviews were signed.",
            since=action.at,
            seq=action.seq,
        )


def emergencies(past: History) -> tuple[Fact, ...]:
    return tuple(
        fact for fact in past.of(Kind.ACTION) if fact.document("emergency") or fact.text("kind") == "emergency"
    )


def reviews_of(past: History, action: Fact) -> tuple[Fact, ...]:
    return tuple(fact for fact in past.of(Kind.REVIEW) if fact.document("of").get("entry") == action.seq)


def review_by(action: Fact) -> datetime | None:
    text = action.document("emergency").get("reviewBy")
    try:
        return from_utc_text(str(text))
    except ValueError:
        return None


def _ended_approvals(past: History, at: datetime) -> Iterator[Standing]:
    for model, state in newest_traffic(past).items():
        completed = [
            (request, done)
            for request in past.of(Kind.REQUEST, model=model)
            if request.version == state.champion and (done := completed_at(past, request)) is not None
        ]
        if not completed:
            continue
        request, done = completed[-1]
        days = request.document("terms").get("approvalDays")
        if isinstance(days, int) and done + timedelta(days=days) < at:
            until = done + timedelta(days=days)
            yield Standing(
                model=model,
                kind="approval-ended",
                sentence=f"The approval of version {state.champion} ended on {utc_text(until)} and it was still live.",
                since=until,
                seq=request.seq,
            )


def completed_at(past: History, request: Fact) -> datetime | None:
    """When the request's quorum was complete, by the decisions recorded on it; None while it is not."""
    decisions = past.decisions_on(request)
    for number, decision in enumerate(decisions, start=1):
        if is_complete(request, decisions[:number]):
            return decision.at
    return None
