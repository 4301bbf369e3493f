"""Deployment jobs of the platform wait for an approval there; a complete approval here is what lets them go on.

The platform's convention: a task whose name begins with `approval` passes when the version carries a tag of that name
with the value `Approved`. The tag is the live authority, so the order matters: first the ledger says what is about to
happen and to which settings of the job, then the tag is set and read back, then the run is repaired. Each step can be
repeated: a worker that is killed anywhere finds the state on the platform and goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import NamedTuple, Protocol

from services.attestation.models import Receipt
from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError, UnknownVersionError
from services.kernel.identity import Actor
from services.rollout.job_evidence import JobEvidence, part_digest

APPROVED = "Approved"
_MOST_REPAIRS = 3
_NEWEST = 5
"""Versions of a model that are looked at: an older one that still waits was passed over."""


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


class Memory(Protocol):
    def fact(self, name: str) -> str | None: ...

    def set_fact(self, name: str, value: str, *, at: datetime) -> None: ...


class EventRecorder(Protocol):
    def record_event(
        self, *, event: str, actor: Actor | None, model: str = "", detail: Mapping[str, str], idem: str | None = None
    ) -> Receipt: ...


class _Place(NamedTuple):
    model: str
    version: str
    run: JobRun
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentApprovals:
    """`connected` names models with a deployment job, `versions` their versions, newest first.

    `standing` says why an approval of exactly these files does not stand, or nothing; `signed` gives the part of its
    evidence that names the job and its settings, or nothing when it was signed before there was such a part.
    """

    jobs: DeploymentJobs
    connected: Callable[[], tuple[str, ...]]
    versions: Callable[[str], tuple[str, ...]]
    standing: Callable[[str, str], str]
    signed: Callable[[str, str], str]
    evidence: JobEvidence
    memory: Memory
    ledger: EventRecorder
    clock: Clock

    def work(self) -> int:
        """Looks at every waiting run; the number sent on. One model that cannot be read does not stop the others.

        Raises the first such fault after all were looked at.
        """
        sent, faults = 0, list[ControlRoomError]()
        for model in self.connected():
            for version in self.versions(model)[:_NEWEST]:
                try:
                    sent += self._one(model, version)
                except UnknownVersionError:
                    continue
                except ControlRoomError as fault:
                    faults.append(fault)
        if faults:
            raise faults[0]
        return sent

    def _one(self, model: str, version: str) -> int:
        run = self.jobs.run_of(model, version)
        if run is None:
            return 0
        known = self._remember(model, version, run)
        why_not = self.standing(model, version)
        sent = 0
        for task in (*run.waiting, *run.passed):
            tagged = self.jobs.tag(model, version, task).casefold() == APPROVED.casefold()
            if tagged and task not in known.ours and why_not:
                self._tell(_Place(model, version, run, task), "unsigned", _unsigned(version, task, why_not))
            elif tagged and task in known.ours and why_not and task in run.waiting:
                self.jobs.take_back(model, version, task)
                self._tell(_Place(model, version, run, task), "taken-back", _taken_back(version, task, why_not))
            elif task in run.passed and task in known.ours:
                self._tell(_Place(model, version, run, task), "went-on", _went_on(version, task, run))
            elif task in run.waiting and not why_not:
                known, done = self._send_on(model, version, run, task, known, tagged=tagged)
                sent += done
        return sent

    def _send_on(
        self, model: str, version: str, run: JobRun, task: str, known: Remembered, *, tagged: bool
    ) -> tuple[Remembered, int]:
        here = _Place(model, version, run, task)
        signed = self.signed(model, version)
        if signed and signed != part_digest(str(run.job_id), run.settings_sha256):
            self._tell(here, f"changed-signed-{run.settings_sha256[:12]}", _not_as_signed(version, run))
            return known, 0
        if run.settings_sha256 != known.settings_sha256:
            self._tell(here, f"changed-{run.settings_sha256[:12]}", _changed(version, run, known))
            return known, 0
        if known.repairs >= _MOST_REPAIRS:
            self._tell(here, "stuck", _stuck(version, task, run))
            return known, 0
        if not run.over:
            return known, 0
        self._tell(here, "intended", _intended(version, task, run))
        if task not in known.ours:
            known = replace(known, ours=(*known.ours, task))
            self._keep(model, version, run, known)
        if not tagged:
            self.jobs.approve(model, version, task)
            if self.jobs.tag(model, version, task) != APPROVED:
                return known, 0  # somebody else writes it too; the next look decides
        known = replace(known, repairs=known.repairs + 1)
        self._keep(model, version, run, known)
        self.jobs.repair(run, task)
        return known, 1

    # what is remembered and told

    def _remember(self, model: str, version: str, run: JobRun) -> Remembered:
        text = self.memory.fact(_name(model, version, run))
        if text is not None:
            data = json.loads(text)
            return Remembered(
                settings_sha256=data["settings_sha256"], repairs=data["repairs"], ours=tuple(data["ours"])
            )
        known = Remembered(settings_sha256=run.settings_sha256)
        for task in run.waiting:
            self._tell(_Place(model, version, run, task), "waiting", _waiting(version, task, run))
        self._keep(model, version, run, known)
        return known

    def _keep(self, model: str, version: str, run: JobRun, known: Remembered) -> None:
        self.memory.set_fact(_name(model, version, run), json.dumps(asdict(known)), at=self.clock.now())

    def _tell(self, at: _Place, what: str, sentence: str) -> None:
        """Once for each run, task and what happened."""
        self.ledger.record_event(
            event=f"deployment-job-{'changed' if what.startswith('changed') else what}",
            actor=None,
            model=at.model,
            detail={
                "version": at.version,
                "job": str(at.run.job_id),
                "run": str(at.run.run_id),
                "task": at.task,
                "settings": at.run.settings_sha256,
                "sentence": sentence,
            },
            idem=f"deployment-job:{_name(at.model, at.version, at.run)}:{at.task[:60]}:{what}",
        )


def _name(model: str, version: str, run: JobRun) -> str:
    return "job:" + hashlib.sha256(f"{model}\x1f{version}\x1f{run.run_id}".encode()).hexdigest()[:40]


def _waiting(version: str, task: str, run: JobRun) -> str:
    return f"Run {run.run_id} of deployment job {run.job_id} waits at {task} for an approval of version {version}."


def _intended(version: str, task: str, run: JobRun) -> str:
    return (
        f"Version {version} is approved: the tag {task} is set and run {run.run_id} of deployment job {run.job_id} is "
        "sent on, with the settings it was first seen with."
    )


def _went_on(version: str, task: str, run: JobRun) -> str:
    return f"Run {run.run_id} of deployment job {run.job_id} passed {task} for version {version}."


def _unsigned(version: str, task: str, why_not: str) -> str:
    return f"Somebody approved version {version} in the workspace: it carries the tag {task}, and here {why_not}"


def _taken_back(version: str, task: str, why_not: str) -> str:
    return f"The tag {task} of version {version} was taken back before the job went on: {why_not}"


def _changed(version: str, run: JobRun, known: Remembered) -> str:
    return (
        f"Deployment job {run.job_id} is not the one that version {version} was evaluated by: its settings were "
        f"{known.settings_sha256[:12]} and are {run.settings_sha256[:12]}. It is not sent on; start a new run of it."
    )


def _not_as_signed(version: str, run: JobRun) -> str:
    return (
        f"Deployment job {run.job_id} with settings {run.settings_sha256[:12]} is not what was signed with the "
        f"approval of version {version}. It is not sent on; ask for the approval of this version again."
    )


def _stuck(version: str, task: str, run: JobRun) -> str:
    return (
        f"Run {run.run_id} of deployment job {run.job_id} was sent on {_MOST_REPAIRS} times and {task} for version "
        f"{version} fails all the same; look at the task's log."
    )
