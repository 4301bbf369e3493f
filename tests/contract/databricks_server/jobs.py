"""Jobs with pages of tasks, and the merge of an update as the SDK describes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from databricks.sdk.service.jobs import Job, JobSettings

from tests.contract.databricks_server.endpoints import Refused


@dataclass
class Jobs:
    page: int = 100
    all: dict[int, JobSettings] = field(default_factory=dict)
    updates: list[dict[str, Any]] = field(default_factory=list)

    def get(self, job_id: int, page_token: str) -> dict[str, Any]:
        settings = JobSettings.from_dict(self._find(job_id).as_dict())
        start = int(page_token or 0)
        tasks = settings.tasks or []
        settings.tasks = tasks[start : start + self.page]
        if start:
            settings.parameters = []
        more = start + self.page < len(tasks)
        token = str(start + self.page) if more else None
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
