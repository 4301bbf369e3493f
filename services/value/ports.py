"""What value needs: measured usage, counts that monitoring and feedback recorded, the catalog and its rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from services.inventory.facts import Partition
from services.inventory.models import GovernedModel
from services.value.models import Quantity, Tally, UsageDay, ValueConfig


class Catalog(Protocol):
    def model(self, name: str) -> GovernedModel:
        """Raises UnknownModelError."""
        ...


class UsageFacts(Protocol):
    def partitions(self) -> tuple[Partition, ...]:
        """Source `usage`."""
        ...

    def usage(self, model: str, days: tuple[date, ...]) -> tuple[UsageDay, ...]:
        """Raises TelemetryUnavailableError."""
        ...


class ValueStore(Protocol):
    """Methods raise StorageUnavailableError. All counts include both ends of the window."""

    def seen(self) -> Mapping[tuple[str, str, date], str]: ...

    def replace_usage(self, model: str, rows: tuple[UsageDay, ...], read: tuple[Partition, ...]) -> None: ...

    def usage(self, model: str, start: date, end: date) -> tuple[UsageDay, ...]: ...

    def put_configs(self, configs: tuple[ValueConfig, ...]) -> None: ...

    def config(self, model: str) -> ValueConfig | None: ...

    def counted_models(self, start: date, end: date) -> tuple[str, ...]:
        """Models with a value configuration or recorded use in the window, by name."""
        ...

    def used_since(self, model: str) -> date | None:
        """The first day with a prediction, or with recorded use that is not training or stored bytes."""
        ...

    def predictions(self, model: str, start: date, end: date) -> Mapping[date, int]: ...

    def reviews(self, model: str, start: date, end: date) -> Tally:
        """Reviewed predictions; hits are corrections."""
        ...

    def referrals(self, model: str, start: date, end: date, threshold: float) -> Tally:
        """Labelled predictions at or above the threshold; hits have label 1."""
        ...

    def positives(self, model: str, start: date, end: date, threshold: float) -> Tally:
        """Labelled predictions with label 1; hits lie at or above the threshold."""
        ...

    def errors(self, model: str, start: date, end: date) -> Tally:
        """Labelled forecasts; total and square are sums over absolute errors."""
        ...

    def tallies(self, quantity: Quantity, model: str, start: date, end: date, threshold: float) -> Mapping[date, Tally]:
        """Reviews, referrals, errors or reviews out of predictions by day; their sum is what the methods above say."""
        ...

    def predictions_by_version(self, model: str, start: date, end: date) -> Mapping[str, int]: ...

    def hours_to_decision(self, model: str, start: date, end: date) -> tuple[float, ...]:
        """Hours from the start of each run to the end of the next: the wait of a case that just missed the first."""
        ...

    def runs(self, model: str, start: date, end: date) -> Sequence[tuple[datetime, datetime]]:
        """When each batch run began and ended, those that failed too: they were paid for."""
        ...

    def hours_between_runs(self, model: str, start: date, end: date) -> tuple[float, ...]:
        """Hours from the start of one batch window to the next, in order."""
        ...
