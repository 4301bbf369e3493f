"""Jobs with pages of tasks, and the merge of an update as the SDK describes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from databricks.sdk.service.jobs import (
    Job,
    JobSettings,
    RepairHistoryItem,
    Run,
    RunLifeCycleState,
    RunResultState,
    RunState,
    RunTask,
)

from tests.contract.databricks_server.endpoints import Refused
from tests.contract.databricks_server.models import Models

_REPAIR = {"run_id", "rerun_tasks", "rerun_dependent_tasks", "rerun_all_failed_tasks", "latest_repair_id"}


@dataclass
class JobRun:
    """A run of a deployment job: an approval task passes when the version carries its tag."""

    run_id: int
    job_id: int
    model: str
    version: str
    tasks: list[RunTask] = field(default_factory=list)
    repairs: list[int] = field(default_factory=list)
    state: RunLifeCycleState = RunLifeCycleState.TERMINATED


@dataclass
class Jobs:
    page: int = 100
    all: dict[int, JobSettings] = field(default_factory=dict)
    updates: list[dict[str, Any]] = field(default_factory=list)
    runs: dict[int, JobRun] = field(default_factory=dict)
    repaired: list[dict[str, Any]] = field(default_factory=list)
    clock: int = 1_900_000_000_000
    without_settings: bool = False
    """`Job.settings` may be left out of an answer; the SDK's type says so."""

    def deploy(self, models: Models, job_id: int, model: str, version: str) -> JobRun:
        """The platform starts the job for a new version; without a tag it stops at the first approval."""
        run = JobRun(run_id=900 + len(self.runs), job_id=job_id, model=model, version=version)
        self.runs[run.run_id] = run
        models.find(model).deployment_job = str(job_id)
        self._attempt(run, [task.task_key for task in self._find(job_id).tasks or []], models)
        return run

    def _attempt(self, run: JobRun, keys: list[str], models: Models) -> None:
        tags = models.version(run.model, run.version).tags
        stopped = ""
        for key in keys:
            attempts = [task.attempt_number or 0 for task in run.tasks if task.task_key == key]
            is_approval = key.casefold().startswith("approval")
            good = not stopped and (not is_approval or tags.get(key, "").lower() == "approved")
            result = RunResultState.SUCCESS if good else RunResultState.FAILED
            if stopped:
                result = RunResultState.UPSTREAM_FAILED
            elif not good:
                stopped = key
            self.clock += 1000
            state = RunState(life_cycle_state=RunLifeCycleState.TERMINATED, result_state=result)
            number = max(attempts, default=-1) + 1
            run.tasks.append(RunTask(task_key=key, state=state, attempt_number=number, start_time=self.clock))
        models.version(run.model, run.version).job = {
            "job_id": str(run.job_id),
            "run_id": str(run.run_id),
            "run_state": "FAILED" if stopped else "SUCCEEDED",
            "current_task_name": stopped or keys[-1],
        }

    def get_run(self, run_id: int, *, history: bool) -> dict[str, Any]:
        run = self._run(run_id)
        repairs = [RepairHistoryItem(id=item) for item in run.repairs] if history else []
        done = all(task.state.result_state is RunResultState.SUCCESS for task in run.tasks[-1:] if task.state)
        state = RunState(
            life_cycle_state=run.state, result_state=RunResultState.SUCCESS if done else RunResultState.FAILED
        )
        shown = Run(run_id=run.run_id, job_id=run.job_id, state=state, tasks=list(reversed(run.tasks)))
        shown.repair_history = [RepairHistoryItem(), *repairs] if history else None
        return shown.as_dict()

    def repair(self, body: dict[str, Any], models: Models) -> dict[str, Any]:
        if not set(body) <= _REPAIR:
            raise Refused(400, "MALFORMED_REQUEST", f"Unknown fields in {sorted(body)}.")
        run = self._run(body["run_id"])
        if run.state is not RunLifeCycleState.TERMINATED:
            raise Refused(400, "INVALID_STATE", "A run in progress cannot be repaired.")
        if body.get("latest_repair_id") != (run.repairs[-1] if run.repairs else None):
            raise Refused(400, "INVALID_PARAMETER_VALUE", "latest_repair_id is not the latest repair.")
        self.repaired.append(body)
        run.repairs.append(7000 + len(self.repaired))
        keys = [task.task_key for task in self._find(run.job_id).tasks or []]
        first = keys.index((body.get("rerun_tasks") or keys)[0])
        self._attempt(run, keys[first:] if body.get("rerun_dependent_tasks") else body["rerun_tasks"], models)
        return {"repair_id": run.repairs[-1]}

    def _run(self, run_id: int) -> JobRun:
        if run_id not in self.runs:
            raise Refused(400, "INVALID_PARAMETER_VALUE", f"Run {run_id} does not exist.")
        return self.runs[run_id]

    def get(self, job_id: int, page_token: str) -> dict[str, Any]:
        settings = JobSettings.from_dict(self._find(job_id).as_dict())
        start = int(page_token or 0)
        tasks = settings.tasks or []
        settings.tasks = tasks[start : start + self.page]
        if start:
            settings.parameters = []
        more = start + self.page < len(tasks)
        token = str(start + self.page) if more else None
        if self.without_settings:
            return Job(job_id=job_id).as_dict()
        return Job(job_id=job_id, settings=settings, has_more=more, next_page_token=token).as_dict()

    def update(self, body: dict[str, Any]) -> dict[str, Any]:
        settings = self._find(body["job_id"])
        changed = JobSettings.from_dict(body["new_settings"])
        if changed.as_dict() != body["new_settings"]:
            raise Refused(400, "MALFORMED_REQUEST", "Unknown fields in new_settings.")
        self.updates.append(body)
        given = {task.task_key: task for task in changed.tasks or []}
        if given:
            kept = [given.pop(task.task_key, task) for task in settings.tasks or []]
            settings.tasks = [*kept, *given.values()]
        for name in ("parameters", "tags", "name"):
            if getattr(changed, name) is not None and name in body["new_settings"]:
                setattr(settings, name, getattr(changed, name))
        return {}

    def _find(self, job_id: int) -> JobSettings:
        if job_id not in self.all:
            raise Refused(400, "INVALID_PARAMETER_VALUE", f"Job {job_id} does not exist.")
        return self.all[job_id]
