"""What batch releases need: their record, what jobs recorded, a place for outputs, and somebody who scores again."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from services.attestation.ports import LedgerWriter
from services.rollout.batch_models import BatchRun, BatchTerms, Handed, Output, RunFact, RunState, Shift
from services.rollout.fallback_ports import FallbackStore
from services.rollout.models import RollbackTarget
from services.rollout.ports import RolloutStore


class BatchStore(Protocol):
    """Runs inside one unit of work."""

    def run(self, run_id: str) -> BatchRun | None: ...

    def runs(self, model: str = "", *, states: tuple[RunState, ...] = (), limit: int = 50) -> tuple[BatchRun, ...]:
        """Newest window first, the newest run of a window first; of all models when `model` is empty."""
        ...

    def of_window(self, model: str, window_start: datetime) -> tuple[BatchRun, ...]: ...

    def unsettled(self) -> tuple[BatchRun, ...]:
        """Runs whose effect on what consumers read is not verified yet, oldest window first."""
        ...

    def save(self, run: BatchRun) -> BatchRun:
        """Inserts, or replaces exactly the revision before. Raises StaleRequestError when somebody was faster."""
        ...


class BatchUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def rollouts(self) -> RolloutStore: ...
    @property
    def batches(self) -> BatchStore: ...
    @property
    def fallbacks(self) -> FallbackStore: ...


class BatchUnits(Protocol):
    """Opens units of work: `write` commits at the end of the block, `read` never does."""

    def write(self) -> AbstractContextManager[BatchUnit]: ...

    def read(self) -> AbstractContextManager[BatchUnit]: ...


class JobLog(Protocol):
    def runs(self, model: str, *, limit: int) -> tuple[RunFact, ...]:
        """The newest runs the jobs recorded, oldest first. Raises TelemetryUnavailableError."""
        ...


class BatchOutputs(Protocol):
    """Outputs set aside per run, and the one place consumers read. Every call may be repeated."""

    def set_aside(self, run: BatchRun, bounds: tuple[float, float] | None) -> Output | None:
        """Copies the run's rows from the log, once; None while the log does not have them yet.

        A score outside `bounds` is no usable score. Raises TelemetryUnavailableError.
        """
        ...

    def shift(self, run: BatchRun, against: tuple[BatchRun, ...], *, paired: bool) -> Shift | None:
        """None when one side has no score. Raises TelemetryUnavailableError."""
        ...

    def publish(self, run: BatchRun) -> Handed:
        """Makes the run what consumers read for its window, and reads it back. Raises TelemetryUnavailableError."""
        ...

    def withdraw(self, run: BatchRun) -> None:
        """Consumers no longer read this run; what another run published for the window stays."""
        ...

    def handed(self, model: str, window_start: datetime | None = None) -> Handed | None:
        """What consumers read for a window, or for the newest one. Raises TelemetryUnavailableError."""
        ...


class BatchRunner(Protocol):
    def score(self, model: str, version: str, *, window_start: datetime, request_id: str) -> RunFact:
        """Scores the rows of a window with a version, pinned or not; the answers are in the log afterwards.

        A failure is a recorded run, not an exception. Raises ServingUnavailableError while nobody answers.
        """
        ...


class TermsOf(Protocol):
    def __call__(self, model: str) -> BatchTerms: ...


class TargetsOf(Protocol):
    def __call__(self, model: str) -> tuple[RollbackTarget, ...]:
        """Every version with the reason why traffic may go back to it, or not."""
        ...
