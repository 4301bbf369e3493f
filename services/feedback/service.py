"""Human corrections and the override rate with its denominator.

Wiring: `FeedbackService(facts=DuckDbReviewFacts(folder), store=SqlFeedback(database), clock=clock)`.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta

from services.feedback.models import Correction, OverrideRate
from services.feedback.ports import FeedbackStore, ReviewFacts
from services.inventory.facts import by_owner, changed
from services.kernel.clock import Clock
from services.kernel.errors import TelemetryUnavailableError
from services.kernel.health import Explanation
from services.kernel.interval import share_of


class FeedbackService:
    def __init__(self, *, facts: ReviewFacts, store: FeedbackStore, clock: Clock) -> None:
        self._facts = facts
        self._store = store
        self._clock = clock

    def override_rate(self, model: str, *, days: int = 30) -> OverrideRate:
        """Corrections over reviews of the last `days` days; without reviews the rate is None, not zero."""
        start = self._clock.now().date() - timedelta(days=max(1, days) - 1)
        found = self._store.review_days(model, start)
        reviewed, corrected = sum(day.reviewed for day in found), sum(day.corrected for day in found)
        reasons: Counter[str] = Counter()
        for day in found:
            if day.corrected:
                reasons[day.reason_code or "no reason given"] += day.corrected
        estimate = share_of(corrected, reviewed)
        interval = f"95 % interval {estimate.low:.1%} to {estimate.high:.1%}." if estimate else "Nothing was reviewed."
        return OverrideRate(
            model=model,
            reviewed=reviewed,
            corrected=corrected,
            by_reason=tuple(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
            window=f"last {days} days",
            explanation=Explanation(
                formula="Reviewed predictions that a person changed / all reviewed predictions",
                source="Recorded reviews; a prediction nobody reviewed is in neither number",
                window=f"Last {days} days by day of review",
                as_of=datetime.combine(max(day.day for day in found), time(), UTC) if found else None,
                n=reviewed,
                note=interval,
            ),
        )

    def recent(self, model: str, limit: int = 100) -> tuple[Correction, ...]:
        """Newest first."""
        return self._store.recent(model, limit)

    def refresh(self) -> int:
        """Reads days that are new or changed; returns how many. Raises TelemetryUnavailableError at the end."""
        read, broken = 0, list[TelemetryUnavailableError]()
        for model, partitions in by_owner(changed(self._facts.partitions(), self._store.seen())).items():
            try:
                days, corrections = self._facts.reviews(model, tuple(partition.day for partition in partitions))
                self._store.replace_reviews(model, days, corrections, partitions)
                read += len(partitions)
            except TelemetryUnavailableError as missing:
                broken.append(missing)
        if broken:
            raise broken[0]
        return read
