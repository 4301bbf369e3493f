"""Runs of deployment jobs and the tags that let them go on, as the platform has them and as they are remembered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

APPROVED = "Approved"
APPROVAL_PREFIX = "approval"
"""Of the names of approval tasks and of their tags, in any case."""
MOST_REPAIRS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """The run of a deployment job for one version, as the platform has it now."""

    job_id: int
    run_id: int
    over: bool
    """Nothing of it runs; only then it can be repaired."""
    waiting: tuple[str, ...]
    """Approval tasks whose last attempt failed: they wait for a tag."""
    passed: tuple[str, ...]
    settings_sha256: str
    """Of the job as it would run now: a repair takes the settings of that moment, not those that were evaluated."""
    latest_repair: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What is known here about one run: the settings it was first seen with, and how often it was sent on."""

    settings_sha256: str
    repairs: int = 0
    ours: tuple[str, ...] = ()
    """Tasks whose tag was set from here."""


class DeploymentJobs(Protocol):
    """Every method raises UnavailableError, UnknownVersionError for a version that is gone."""

    def run_of(self, model: str, version: str) -> JobRun | None:
        """None when no deployment job ran for this version."""
        ...

    def tag(self, model: str, version: str, task: str) -> str: ...

    def approve(self, model: str, version: str, task: str) -> None: ...

    def take_back(self, model: str, version: str, task: str) -> None: ...

    def repair(self, run: JobRun, task: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalTag:
    """A version that says `Approved` for an approval task, as the copy of the registry has it."""

    model: str
    version: str
    task: str
    read_at: datetime
