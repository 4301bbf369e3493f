"""One evaluation as people see it: what was planned and why, how far it is, what it found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Mode(StrEnum):
    """What there was to measure with."""

    MODEL = "model"
    PREDICTIONS = "predictions"
    METRICS = "metrics"


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_open(self) -> bool:
        return self in {RunState.QUEUED, RunState.RUNNING}


class Status(StrEnum):
    """How one check ended. Only `done` measured something."""

    DONE = "done"
    SKIPPED = "skipped"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


WAITING, WORKING = "waiting", "running"
"""States of a step before it ended; afterwards it carries its status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartEvaluation:
    """Command: measure this version. Two commands for one version that is still open give the same run."""

    command_id: str
    model: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepState:
    """One check of a run: `waiting`, `running`, or how it ended, with what it says."""

    check: str
    state: str
    sentence: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessRun:
    id: str
    model: str
    version: str
    state: RunState
    steps: tuple[StepState, ...]
    started_at: datetime | None
    finished_at: datetime | None
    error: str
    by: str
    queued_at: datetime | None = None
    report_sha256: str = ""
    """Digest of the report that was logged; empty until then."""
    entry: int | None = None
    """Ledger entry that records the report."""

    @property
    def share(self) -> float:
        """Part of the steps that ended, between 0 and 1."""
        ended = sum(step.state not in {WAITING, WORKING} for step in self.steps)
        return ended / len(self.steps) if self.steps else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What working on one run took: processor time of the thread that measured and of the processes that scored."""

    attempt: str
    """The run and the process that worked on it: a run that another process went on with was worked on twice."""
    model: str
    version: str
    at: datetime
    """When the work began, by the clock of the deployment."""
    cpu_seconds: float
    wall_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCheck:
    """A check with the reason why it is made, or why it is left out."""

    id: str
    title: str
    reason: str
    skipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the investigation may cost. Steps bound what is found; seconds only stop it when the machine is slow."""

    steps: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    checks: tuple[PlannedCheck, ...]
    budget: Budget
    latency_requests: int
    rows_perturbed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check adds to the report: whole sections by key, metrics, intervals, and one sentence.

    JSON values only: a finished step is kept as text, so that a run that was interrupted goes on from there.
    """

    status: Status
    sentence: str
    sections: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedStep:
    """A check that ended, with everything it found."""

    check: PlannedCheck
    result: CheckResult
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that went wrong with the model in production before."""

    kind: str
    """`incident`, or `rollback` or `emergency` where no incident was recorded."""
    code: str
    """Reason code given by the person, for example LATENCY or DATA."""
    version: str
    words: str
