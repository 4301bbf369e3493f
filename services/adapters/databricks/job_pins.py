"""The model version a Databricks job scores with: one of its parameters, changed and read back.

Pin and marks travel in one request, so they cannot disagree. There is no precondition: two writers in the same
moment are found out by the read-back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from databricks.sdk.service.jobs import JobParameterDefinition, JobSettings, Task

from services.adapters.databricks import marks
from services.adapters.databricks.client import Workspace
from services.adapters.databricks.marks import Marks
from services.kernel.errors import ConflictError, InputError
from services.rollout.models import Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedJob:
    """Where a job keeps the version: a parameter of the job, or a base parameter of one notebook task."""

    job_id: int
    parameter: str = "model_version"
    task: str = ""
    """Key of the notebook task; empty for a parameter of the whole job."""


class DatabricksJobPins:
    """Implements rollout.serving_ports.JobPins."""

    def __init__(self, workspace: Workspace, jobs: Mapping[str, PinnedJob], *, now: Callable[[], datetime]) -> None:
        self._workspace = workspace
        self._jobs = dict(jobs)
        self._now = now

    def jobs(self) -> tuple[str, ...]:
        return tuple(self._jobs)

    def pinned(self, deployment: str) -> Observed:
        job = self._job(deployment)
        return self._observed(deployment, job, self._read(job))

    def pin(self, deployment: str, version: str, *, expect_generation: int, op: str) -> Observed:
        job = self._job(deployment)
        settings = self._read(job)
        seen = self._observed(deployment, job, settings)
        if seen.op == op and seen.routes == ((version, 100),):
            return seen
        if seen.generation != expect_generation:
            raise ConflictError(
                f"The pin of {deployment} was changed meanwhile: generation {seen.generation}.",
                hint="Read the current state and try again.",
            )
        known = marks.read(settings.tags or {})
        wanted = Marks(op=op, accepted=known.accepted + 1, wanted=version)
        changed = _with_pin(job, settings, version)
        changed.tags = _tags(settings.tags or {}, wanted)
        with self._workspace.changing(f"Job {job.job_id} was not pinned"):
            self._workspace.client.jobs.update(job.job_id, new_settings=changed)
        back = self._read(job)
        if _pin(job, back) != version or marks.read(back.tags or {}) != wanted:
            raise ConflictError(
                f"Job {job.job_id} reads back with version {_pin(job, back) or 'nothing'} pinned instead of {version}: "
                "somebody changed it too.",
                hint="Look at the job in the workspace.",
            )
        return self._observed(deployment, job, back)

    def _job(self, deployment: str) -> PinnedJob:
        if deployment not in self._jobs:
            raise InputError(f"There is no batch job for {deployment}.")
        return self._jobs[deployment]

    def _read(self, job: PinnedJob) -> JobSettings:
        with self._workspace.asking(f"Job {job.job_id} cannot be read"):
            settings = self._workspace.client.jobs.get(job.job_id).settings
        settings = settings or JobSettings()
        _require_place(job, settings)
        return settings

    def _observed(self, deployment: str, job: PinnedJob, settings: JobSettings) -> Observed:
        pinned = _pin(job, settings)
        known = marks.read(settings.tags or {})
        # Jobs have no version number. A pin that is not the one we wrote counts one more, so that whoever read the
        # job before somebody changed it by hand is refused as stale.
        by_hand = 1 if pinned != known.wanted else 0
        return Observed(
            deployment=deployment,
            generation=2 * known.accepted + by_hand,
            routes=((pinned, 100),) if pinned else (),
            ready=(pinned,) if pinned else (),
            op=known.op,
            at=self._now(),
        )


def _pin(job: PinnedJob, settings: JobSettings) -> str:
    if job.task:
        task = _task(job, settings)
        return str((task.notebook_task.base_parameters or {}).get(job.parameter, "")) if task.notebook_task else ""
    return next((item.default for item in settings.parameters or () if item.name == job.parameter), "")


def _with_pin(job: PinnedJob, settings: JobSettings, version: str) -> JobSettings:
    """Only what changes, each complete: the platform replaces a field as a whole and merges tasks by their key."""
    if not job.task:
        parameters = [
            JobParameterDefinition(name=item.name, default=version if item.name == job.parameter else item.default)
            for item in settings.parameters or ()
        ]
        return JobSettings(parameters=parameters)
    task = Task.from_dict(_task(job, settings).as_dict())
    if task.notebook_task:
        given = task.notebook_task.base_parameters or {}
        task.notebook_task = replace(task.notebook_task, base_parameters={**given, job.parameter: version})
    return JobSettings(tasks=[task])


def _require_place(job: PinnedJob, settings: JobSettings) -> None:
    """Raises InputError when the job has no such parameter: adding one would pin nothing."""
    if job.task:
        if not _task(job, settings).notebook_task:
            raise InputError(
                f"Task {job.task} of job {job.job_id} is no notebook task, so nothing can be pinned there."
            )
    elif job.parameter not in {item.name for item in settings.parameters or ()}:
        raise InputError(
            f"Job {job.job_id} has no parameter {job.parameter}.",
            hint="Let the job read the version from a job parameter, then name that parameter here.",
        )


def _task(job: PinnedJob, settings: JobSettings) -> Task:
    for task in settings.tasks or ():
        if task.task_key == job.task:
            return task
    raise InputError(f"Job {job.job_id} has no task {job.task}.")


def _tags(present: Mapping[str, str], wanted: Marks) -> dict[str, str]:
    others = {key: value for key, value in present.items() if key not in marks.KEYS}
    return others | {key: value for key, value in wanted.as_tags().items() if value}
