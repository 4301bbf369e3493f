"""The board of a use case: phases, tasks, and the evidence that closes a task or is missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Phase(StrEnum):
    FIRST = "30"
    SECOND = "60"
    THIRD = "90"

    @property
    def words(self) -> str:
        return {"30": "Days 1 to 30", "60": "Days 31 to 60", "90": "Days 61 to 90"}[self.value]


class TaskState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    REOPENED = "reopened"
    """Its evidence was there once and is gone."""
    UNKNOWN = "unknown"
    """Whether the evidence is there could not be found out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one query found about one model. `found` is None when it could not be found out."""

    model: str
    found: bool | None
    sentence: str
    fix: str
    """Where to see it, and to mend it: a screen with its parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """A task closes when its query finds the evidence for every model of the use case."""

    id: str
    phase: Phase
    title: str
    owner_role: str
    query: str
    """The name of the query, as the card shows it."""
    reads: str
    """What the query looks at, in words."""
    state: TaskState
    answers: tuple[Answer, ...]
    since: datetime | None = None
    """Of the state, as the worker last saw it; None before it looked."""
    reopened: int = 0

    @property
    def missing(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if not answer.found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    use_case: str
    title: str
    models: tuple[str, ...]
    tasks: tuple[TaskView, ...]

    @property
    def closed(self) -> int:
        return sum(task.state is TaskState.CLOSED for task in self.tasks)

    def of(self, phase: Phase) -> tuple[TaskView, ...]:
        return tuple(task for task in self.tasks if task.phase is phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A task as the worker last saw it."""

    use_case: str
    task: str
    closed: bool
    since: datetime
    sentence: str
    reopened: int
    checked_at: datetime
