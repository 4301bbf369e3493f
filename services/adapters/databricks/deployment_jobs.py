"""Runs of deployment jobs through the Jobs API. Implements rollout.job_models.DeploymentJobs and
rollout.job_evidence.SettingsReader.
"""

from __future__ import annotations

from typing import Protocol

from databricks.sdk.service.jobs import Run, RunLifeCycleState, RunResultState, RunTask

from services.adapters.databricks.client import Workspace
from services.kernel.errors import InputError, ServingUnavailableError
from services.rollout.job_evidence import settings_digest
from services.rollout.job_models import APPROVAL_PREFIX, APPROVED, JobRun

_OVER = {RunLifeCycleState.TERMINATED, RunLifeCycleState.INTERNAL_ERROR, RunLifeCycleState.SKIPPED}


class VersionTags(Protocol):
    """The part of the registry that holds approvals."""

    def deployment_run(self, model: str, version: str) -> tuple[str, str]:
        """(job, run) of the version's deployment job, empty where there is none."""
        ...

    def version_tag(self, model: str, version: str, key: str) -> str | None: ...

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None: ...

    def delete_version_tag(self, model: str, version: str, key: str) -> None: ...


class WorkspaceJobs:
    def __init__(self, workspace: Workspace, tags: VersionTags) -> None:
        self._workspace = workspace
        self._tags = tags

    def run_of(self, model: str, version: str) -> JobRun | None:
        job, run = self._tags.deployment_run(model, version)
        if not run.isdecimal() or not job.isdecimal():
            return None
        client = self._workspace.client
        with self._workspace.asking(f"Run {run} of deployment job {job} cannot be read"):
            found = client.jobs.get_run(int(run), include_history=True)
        return read_run(found, job_id=int(job), settings_sha256=self.settings_of(job))

    def settings_of(self, job: str) -> str:
        if not job.isdecimal():
            raise InputError(f"{job[:60]} is not the number of a job.")
        with self._workspace.asking(f"The settings of deployment job {job} cannot be read"):
            settings = self._workspace.client.jobs.get(int(job)).settings
        if settings is None:
            raise ServingUnavailableError(f"Deployment job {job} was given without its settings.")
        return settings_digest(settings.as_dict())

    def tag(self, model: str, version: str, task: str) -> str:
        return self._tags.version_tag(model, version, task) or ""

    def approve(self, model: str, version: str, task: str) -> None:
        self._tags.set_version_tag(model, version, task, APPROVED)

    def take_back(self, model: str, version: str, task: str) -> None:
        self._tags.delete_version_tag(model, version, task)

    def repair(self, run: JobRun, task: str) -> None:
        """Sent once; what became of it is read by the next look, never waited for."""
        with self._workspace.changing(f"Run {run.run_id} of deployment job {run.job_id} was not sent on"):
            self._workspace.client.jobs.repair_run(
                run.run_id, rerun_tasks=[task], rerun_dependent_tasks=True, latest_repair_id=run.latest_repair
            )


def read_run(found: Run, *, job_id: int, settings_sha256: str) -> JobRun:
    """A repaired run lists every attempt of a task; the last one says how it stands."""
    last: dict[str, RunTask] = {}
    for task in found.tasks or ():
        before = last.get(task.task_key)
        if before is None or _order(task) >= _order(before):
            last[task.task_key] = task
    approvals = {key: task for key, task in last.items() if key.casefold().startswith(APPROVAL_PREFIX)}
    repairs = [item.id for item in found.repair_history or () if item.id]
    return JobRun(
        job_id=job_id,
        run_id=int(found.run_id or 0),
        over=bool(found.state and found.state.life_cycle_state in _OVER),
        waiting=tuple(sorted(key for key, task in approvals.items() if _result(task) is RunResultState.FAILED)),
        passed=tuple(sorted(key for key, task in approvals.items() if _result(task) is RunResultState.SUCCESS)),
        settings_sha256=settings_sha256,
        latest_repair=repairs[-1] if repairs else None,
    )


def _order(task: RunTask) -> tuple[int, int]:
    return task.attempt_number or 0, task.start_time or 0


def _result(task: RunTask) -> RunResultState | None:
    return task.state.result_state if task.state else None
