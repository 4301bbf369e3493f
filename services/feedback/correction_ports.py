"""What corrections need: recorded predictions, a store beside the ledger, the facts of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Protocol

from services.attestation.ports import LedgerWriter
from services.feedback.corrections import Batch, Made, Reviewed
from services.feedback.models import Correction
from services.feedback.rework import CohortDay, Predicted
from services.inventory.facts import Partition
from services.inventory.models import GovernedModel
from services.kernel.identity import Actor, Permission

Slices = tuple[tuple[str, tuple[str, ...]], ...]
"""Columns, each with the values that are slices."""


class ReviewLog(Protocol):
    """Recorded predictions and reviews. Methods raise TelemetryUnavailableError."""

    def made(self, model: str, ids: Sequence[str]) -> Mapping[str, Made]:
        """Live predictions among these ids."""
        ...

    def reviewed(self, model: str, ids: Sequence[str]) -> frozenset[str]:
        """Those that a recorded review is about already."""
        ...

    def publish(self, batch: Batch, rows: Sequence[Reviewed]) -> None:
        """Adds the rows to the recorded reviews; the same batch twice leaves one copy."""
        ...

    def holds(self, batch: Batch) -> bool:
        """Whether the batch is among the recorded reviews."""
        ...

    def partitions(self) -> tuple[Partition, ...]:
        """Source `reviews`."""
        ...

    def cohorts(self, model: str, days: tuple[date, ...], slices: Slices) -> tuple[CohortDay, ...]:
        """Reviews of these days by the day of their prediction. Of two reviews of one prediction the first counts."""
        ...


class CorrectionStore(Protocol):
    """On a unit of work. Raises StorageUnavailableError."""

    def known(self, model: str, ids: Sequence[str]) -> frozenset[str]: ...

    def add(self, batch: Batch, rows: Sequence[Reviewed]) -> None: ...


class CorrectionUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def corrections(self) -> CorrectionStore: ...


class CorrectionUnits(Protocol):
    def write(self) -> AbstractContextManager[CorrectionUnit]: ...

    def read(self) -> AbstractContextManager[CorrectionUnit]: ...


class CorrectionReads(Protocol):
    """Outside any unit of work. Raises StorageUnavailableError."""

    def batches(self, model: str, limit: int) -> tuple[Batch, ...]:
        """Newest first."""
        ...

    def reasons(self, model: str) -> frozenset[str]:
        """Codes that were recorded for this model before."""
        ...

    def recent(self, model: str, reason: str, limit: int) -> tuple[Correction, ...]:
        """Corrected predictions, newest first; of one reason unless it is empty."""
        ...

    def unpublished(self) -> tuple[Batch, ...]: ...

    def rows(self, batch_id: str) -> tuple[Reviewed, ...]: ...

    def published(self, batch_id: str, at: datetime) -> None: ...

    def seen_cohorts(self) -> Mapping[tuple[str, str, date], str]: ...

    def replace_cohorts(self, model: str, found: tuple[CohortDay, ...], read: tuple[Partition, ...]) -> None: ...

    def cohorts(self, model: str, since: date) -> tuple[CohortDay, ...]:
        """By day of prediction, from `since`; the whole and every slice."""
        ...

    def predicted(self, model: str, since: date) -> tuple[Predicted, ...]:
        """Live predictions by day, version and slice; the whole has the empty slice."""
        ...


class CorrectionCatalog(Protocol):
    def model(self, name: str) -> GovernedModel:
        """Raises UnknownModelError."""
        ...


class Authority(Protocol):
    def require(self, actor: Actor, permission: Permission) -> object:
        """Raises RoleMissingError; the refused attempt is recorded."""
        ...


ThresholdOf = Callable[[str], "float | None"]
"""Where a score of this model becomes a positive decision; None for a forecast, and where nobody said."""
SlicesOf = Callable[[str], Slices]
DelayOf = Callable[[str], "float | None"]
"""Hours that labels of this model take, as its monitor says."""
