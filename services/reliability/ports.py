"""What reliability needs: recorded requests as slots, a place to keep them, the promise from the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Protocol

from services.inventory.facts import Partition
from services.inventory.models import GovernedModel
from services.reliability.models import BatchMonth, BatchRuns, RequestCount, RequestSlot


class Catalog(Protocol):
    def model(self, name: str) -> GovernedModel:
        """Raises UnknownModelError."""
        ...


class RequestFacts(Protocol):
    def partitions(self) -> tuple[Partition, ...]:
        """Source `requests`; the owner is the deployment."""
        ...

    def slots(
        self, deployment: str, days: tuple[date, ...], *, slot_minutes: int
    ) -> tuple[tuple[date, RequestSlot], ...]:
        """Live requests of these days without mirrored copies, each slot with the day of its folder.

        Raises TelemetryUnavailableError.
        """
        ...


class ReliabilityStore(Protocol):
    """Methods raise StorageUnavailableError."""

    def seen(self) -> Mapping[tuple[str, str, date], str]: ...

    def replace_slots(
        self,
        deployment: str,
        slots: tuple[tuple[date, RequestSlot], ...],
        read: tuple[Partition, ...],
        *,
        counts: tuple[tuple[date, RequestCount], ...],
        days: tuple[tuple[date, RequestSlot], ...],
    ) -> None:
        """Replaces the days of `read`; each slot comes with the day of the partition it was read from.

        `slots` are hours with buckets, `counts` are five minutes without, `days` are whole days with buckets.
        """
        ...

    def slots(self, deployment: str, start: datetime, end: datetime) -> tuple[RequestSlot, ...]:
        """Ordered by start, then version; a slot that appears in two partitions is added up."""
        ...

    def counts(self, deployment: str, start: datetime, end: datetime) -> tuple[RequestCount, ...]:
        """Ordered by start, all versions together."""
        ...

    def days(self, start: datetime, end: datetime, deployment: str = "") -> Mapping[str, tuple[RequestSlot, ...]]:
        """Whole days by deployment, ordered by day and version; of every deployment when none is named."""
        ...

    def busiest_hours(self, start: datetime, end: datetime) -> Mapping[str, int]:
        """Requests in the busiest hour, by deployment."""
        ...

    def batch_months(self, model: str, start: datetime) -> tuple[BatchMonth, ...]: ...

    def batch_runs(self, model: str, start: datetime) -> BatchRuns: ...
