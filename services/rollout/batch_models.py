"""Runs of batch models: whether consumers read their output, what was measured about it, and who decided.

A run is one window scored by one version. Its output is kept apart, once and unchanged; publishing makes it what
consumers read for that window, and nothing else does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.kernel.secret import Secret


class RunState(StrEnum):
    HELD = "held"
    """Kept apart until it is judged fine or a person publishes it."""
    PUBLISHED = "published"
    """What consumers read for its window."""
    QUARANTINED = "quarantined"
    """A trigger was crossed, or a person took it away: consumers never read it."""
    REPLACED = "replaced"
    """Another run of the same window is what consumers read."""
    FAILED = "failed"
    """It produced nothing."""
    ORDERED = "ordered"
    """Signed: the window is scored again with another version as soon as the worker gets to it."""


class Crossing(StrEnum):
    """Of one trigger or of all together. Too few is never clear."""

    CLEAR = "clear"
    WATCH = "watch"
    """Unusual, and not beyond the limit: a person looks."""
    TOO_FEW = "too-few"
    UNMEASURED = "unmeasured"
    """There is nothing to compare with, or it could not be read."""
    CROSSED = "crossed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerReading:
    """One trigger as measured on one run."""

    id: str
    """`failed`, `late`, `rows`, `invalid` or `scores`."""
    title: str
    crossing: Crossing
    sentence: str
    value: float | None = None
    limit: float | None = None
    n: int | None = None
    withholds: bool = True
    """Crossing keeps the output from consumers; a late output is late, not wrong, and only calls somebody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFact:
    """One run as the job recorded it."""

    model: str
    job: str
    version: str
    window_start: datetime
    started_at: datetime
    finished_at: datetime
    rows: int
    ok: bool
    on_time: bool
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRun:
    run_id: str
    model: str
    job: str
    version: str
    window_start: datetime
    started_at: datetime
    finished_at: datetime | None
    rows: int
    state: RunState
    first: bool
    """No run of this version had been published since it became the pinned one."""
    triggers: tuple[TriggerReading, ...] = ()
    reason: str = ""
    """Why it is in this state, in words."""
    rerun_of: str | None = None
    decided_by: str = ""
    """The person of the newest decision; empty when only triggers decided."""
    note: str = ""
    """What that person wrote."""
    salt: str = ""
    output_sha256: str = ""
    settled: bool = True
    """What consumers read was put in line with the state, and read back."""
    seq: int | None = None
    """Ledger entry of the newest decision about it."""
    incident: str = ""
    updated_at: datetime
    revision: int = 0

    @property
    def crossed(self) -> tuple[TriggerReading, ...]:
        return tuple(item for item in self.triggers if item.crossing is Crossing.CROSSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTerms:
    """What may happen to a model's runs without a person."""

    unattended_release: bool
    """A first run whose triggers are all clear is published without a signature."""
    allowed_lateness_minutes: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The output of a run as it was set aside: every row of it was looked at."""

    rows: int
    invalid: int
    """Rows without a finite score."""
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Counts of scores per bin: of this run, and of every run it is compared with. Bins are deciles of the latter."""

    current: tuple[int, ...]
    earlier: tuple[tuple[int, ...], ...]
    paired: bool
    """The same rows, scored by the version before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What consumers read for one window."""

    model: str
    window_start: datetime
    run_id: str
    version: str
    rows: int
    sha256: str
    published_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """The runs of one model for a screen."""

    model: str
    pinned: str
    """Version the next run uses, or empty."""
    runs: tuple[BatchRun, ...]
    held: int
    quarantined: int
    next_run: datetime | None
    overdue: bool
    consumers: tuple[str, ...]
    rerun_versions: tuple[str, ...]
    """Versions a window may be scored again with: the pinned one, and those approved and served before."""
    unattended_release: bool
    handed: Handed | None
    """The newest window consumers read."""
    problem: str = ""
    """What could not be found out, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideRun:
    """Command: publish a run's output, or take it away from consumers."""

    command_id: str
    run_id: str
    revision: int
    """Of the run as it was shown."""
    reason: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """Command: score the window of a run again with another version and publish that."""

    command_id: str
    run_id: str
    version: str
    reason: str
    passphrase: Secret
