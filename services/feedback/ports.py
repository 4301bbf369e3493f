"""What feedback needs: recorded reviews as counts and codes, and a place to keep them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Protocol

from services.feedback.models import Correction, ReviewDay
from services.inventory.facts import Partition


class ReviewFacts(Protocol):
    def partitions(self) -> tuple[Partition, ...]:
        """Source `reviews`."""
        ...

    def reviews(
        self, model: str, days: tuple[date, ...]
    ) -> tuple[tuple[ReviewDay, ...], tuple[tuple[date, Correction], ...]]:
        """Counts per day, version and reason, and the corrections among them with the day of their folder.

        Raises TelemetryUnavailableError.
        """
        ...


class FeedbackStore(Protocol):
    """Methods raise StorageUnavailableError."""

    def seen(self) -> Mapping[tuple[str, str, date], str]: ...

    def replace_reviews(
        self,
        model: str,
        days: tuple[ReviewDay, ...],
        corrections: tuple[tuple[date, Correction], ...],
        read: tuple[Partition, ...],
    ) -> None: ...

    def review_days(self, model: str, start: date) -> tuple[ReviewDay, ...]: ...

    def recent(self, model: str, limit: int) -> tuple[Correction, ...]:
        """Newest first."""
        ...
