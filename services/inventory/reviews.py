"""When a model is looked at again: the cadence of its tier, or earlier because something happened. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.inventory.governance import ReviewCall
from services.inventory.models import GovernedModel

WITHIN_DAYS: Mapping[int, int] = {1: 14, 2: 30, 3: 60}
"""Days after an event within which the model is reviewed, by tier."""
KINDS: Mapping[str, str] = {"change": "new version", "breach": "broken promise", "drift": "drift"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFact:
    """Something that was seen now and asks for a review; `at` is when it happened."""

    model: str
    kind: str
    """A word of KINDS."""
    at: datetime
    sentence: str


def calls_after(model: GovernedModel, facts: Iterable[ReviewFact], *, today: date) -> tuple[ReviewCall, ...]:
    """The calls of this model with new ones: one per kind until a review answers it."""
    found = {call.kind: call for call in model.review_calls}
    for fact in facts:
        answered = fact.at.date() <= model.last_review
        if fact.model != model.name or fact.kind in found or answered or fact.kind not in KINDS:
            continue
        due = today + timedelta(days=WITHIN_DAYS[int(model.tier)])
        found[fact.kind] = ReviewCall(kind=fact.kind, at=fact.at, due=due, sentence=fact.sentence)
    return tuple(sorted(found.values(), key=lambda call: (call.due, call.kind)))


def because(model: GovernedModel) -> str:
    """Why the next review is on its day, in words."""
    early = [call for call in model.review_calls if call.due == model.next_review]
    if early:
        return " ".join(call.sentence for call in early)
    return f"Regular review, every {model.review_every_days} days at tier {int(model.tier)}."
