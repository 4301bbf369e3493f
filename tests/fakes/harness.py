"""Evaluations on memory: one run per version, in whatever state a test puts it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from services.evaluation.harness.models import WAITING, WORKING, HarnessRun, RunState, StartEvaluation, StepState
from services.evaluation.harness.planner import TITLES
from services.kernel.errors import InputError
from services.kernel.identity import Actor, Permission


def a_run(model: str, version: str, *, at: Any, **changes: Any) -> HarnessRun:
    """Running: four checks ended, the fifth is being made, the others wait."""
    ended = tuple(
        StepState(check=check, state="done", sentence=f"{TITLES[check]} measured.", seconds=0.4)
        for check in list(TITLES)[:4]
    )
    rest = tuple(StepState(check=check, state=WAITING) for check in list(TITLES)[5:])
    values: dict[str, Any] = {
        "id": f"eva-{model}-{version}",
        "model": model,
        "version": version,
        "state": RunState.RUNNING,
        "steps": (*ended, StepState(check=list(TITLES)[4], state=WORKING), *rest),
        "started_at": at - timedelta(seconds=3),
        "finished_at": None,
        "error": "",
        "by": "Dana Petrov",
        "queued_at": at - timedelta(seconds=5),
    }
    return HarnessRun(**(values | changes))


class FakeHarness:
    def __init__(self, room: Any) -> None:
        self._room = room
        self.runs: dict[tuple[str, str], HarnessRun] = {}

    def start(self, command: StartEvaluation, *, actor: Actor) -> str:
        self._room.people.require(actor, Permission.RUN_EVALUATION)
        self._room.write(command)
        run = a_run(command.model, command.version, at=self._room.clock.now(), state=RunState.QUEUED, steps=())
        self.runs[command.model, command.version] = run
        return run.id

    def cancel(self, run_id: str, *, actor: Actor) -> None:
        self._room.people.require(actor, Permission.RUN_EVALUATION)
        run = self.state(run_id)
        self.runs[run.model, run.version] = replace(
            run, state=RunState.CANCELLED, finished_at=self._room.clock.now(), error=f"Cancelled by {actor.name}."
        )

    def state(self, run_id: str) -> HarnessRun:
        found = next((run for run in self.runs.values() if run.id == run_id), None)
        if found is None:
            raise InputError(f"There is no evaluation {run_id}.", hint="Choose one from the evaluation screen.")
        return found

    def latest(self, model: str, version: str) -> HarnessRun | None:
        return self.runs.get((model, version))
