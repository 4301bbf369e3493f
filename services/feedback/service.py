"""Human corrections and the override rate with its denominator.

Wiring: `FeedbackService(facts=DuckDbReviewFacts(folder), store=SqlFeedback(database), clock=clock)`.
"""

from __future__ import annotations

from services.feedback.models import Correction, OverrideRate
from services.feedback.ports import FeedbackStore, ReviewFacts
from services.kernel.clock import Clock


class FeedbackService:
    def __init__(self, *, facts: ReviewFacts, store: FeedbackStore, clock: Clock) -> None:
        self._facts = facts
        self._store = store
        self._clock = clock

    def override_rate(self, model: str, *, days: int = 30) -> OverrideRate:
        raise NotImplementedError

    def recent(self, model: str, limit: int = 100) -> tuple[Correction, ...]:
        raise NotImplementedError

    def refresh(self) -> int:
        raise NotImplementedError
