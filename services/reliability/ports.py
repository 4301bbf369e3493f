"""What reliability needs: recorded requests as slots, a place to keep them, the promise from the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Protocol

from services.inventory.facts import Partition
from services.inventory.models import GovernedModel
from services.reliability.models import BatchRuns, RequestSlot


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
    ) -> None:
        """Replaces the days of `read`; each slot comes with the day of the partition it was read from."""
        ...

    def slots(self, deployment: str, start: datetime, end: datetime) -> tuple[RequestSlot, ...]:
        """Ordered by start, then version; a slot that appears in two partitions is added up."""
        ...

    def batch_runs(self, model: str, start: datetime) -> BatchRuns: ...
