"""The board of a use case, always computed; the worker records when a task closed and when it opened again.

Wiring: `ProgrammeService(catalog=inventory, facts=…, orphans=…, store=SqlProgramme(database), ledger=ledger,
mark=…, clock=clock)`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from services.inventory.governance import UseCase
from services.inventory.models import GovernedModel
from services.inventory.owners import Orphan
from services.kernel.clock import Clock
from services.kernel.errors import InputError
from services.ledger.service import LedgerService
from services.programme.models import Answer, Board, Standing, TaskState, TaskView
from services.programme.raci import Line, matrix
from services.programme.tasks import TASKS, Facts, Task

CLOSED, REOPENED = "programme-task-closed", "programme-task-reopened"
UNASSIGNED = "none"
"""Models without a use case stand on a board of their own."""


class ProgrammeStore(Protocol):
    """Raises StorageUnavailableError."""

    def standings(self, use_case: str = "") -> Mapping[tuple[str, str], Standing]:
        """By use case and task."""
        ...

    def keep(self, items: Sequence[Standing]) -> None: ...


class ProgrammeCatalog(Protocol):
    def model(self, name: str) -> GovernedModel: ...

    def models(self) -> tuple[GovernedModel, ...]: ...

    def use_cases(self) -> tuple[UseCase, ...]: ...


class ProgrammeService:
    def __init__(
        self,
        *,
        catalog: ProgrammeCatalog,
        facts: Callable[[GovernedModel], Facts],
        orphans: Callable[[str], Iterable[Orphan]],
        store: ProgrammeStore,
        ledger: LedgerService,
        clock: Clock,
        mark: Callable[[], str],
    ) -> None:
        """`facts` never raises: what it cannot read it leaves None. `mark` changes with every write they rest on."""
        self._mark = mark
        self._catalog = catalog
        self._facts = facts
        self._orphans = orphans
        self._store = store
        self._ledger = ledger
        self._clock = clock

    def use_cases(self) -> tuple[tuple[str, str], ...]:
        """(id, title) of every use case that has a model, by title."""
        titles = {item.id: item.title for item in self._catalog.use_cases()}
        used = {_use_case(model) for model in self._catalog.models()}
        found = [(ident, titles.get(ident, "Without a use case")) for ident in used]
        return tuple(sorted(found, key=lambda item: (item[0] == UNASSIGNED, item[1])))

    def board(self, use_case: str) -> Board:
        """Raises InputError for one without models, StorageUnavailableError."""
        titles = dict(self.use_cases())
        if use_case not in titles:
            raise InputError("There is no use case with models of this name.", hint="Choose one of the list.")
        models = [model for model in self._catalog.models() if _use_case(model) == use_case]
        known = self._store.standings(use_case)
        return Board(
            use_case=use_case,
            title=titles[use_case],
            models=tuple(model.name for model in models),
            tasks=judged([self._facts(model) for model in models], use_case, known),
        )

    def mark(self) -> str:
        """Names the state of all evidence, and the minute: boards are the same while it is."""
        return f"{self._mark()} {self._clock.now():%Y-%m-%d %H:%M}"

    def responsibilities(self, model: str) -> tuple[Line, ...]:
        """Controls with the people of this model. Raises UnknownModelError."""
        governed = self._catalog.model(model)
        return matrix(governed, orphaned=[item.duty.role for item in self._orphans(governed.name)])

    # the worker

    def refresh(self) -> int:
        """Records each task that closed or opened again since the last look; how many did."""
        by_case: dict[str, list[GovernedModel]] = defaultdict(list)
        for model in self._catalog.models():
            by_case[_use_case(model)].append(model)
        known, now, moved = self._store.standings(), self._clock.now(), 0
        kept: list[Standing] = []
        for use_case, models in by_case.items():
            for task in judged([self._facts(model) for model in models], use_case, known):
                if task.state is TaskState.UNKNOWN:
                    continue  # what could not be read proves neither
                before, closed = known.get((use_case, task.id)), task.state is TaskState.CLOSED
                words = _words(task, closed=closed)
                changed = before is None or before.closed != closed
                lost = before is not None and before.closed and not closed
                reopened = (before.reopened if before else 0) + int(lost)
                if (before is None and closed) or (before is not None and before.closed != closed):
                    self._record(use_case, task, closed=closed, nth=reopened, words=words)
                    moved += 1
                since = now if changed or before is None else before.since
                kept.append(
                    Standing(
                        use_case=use_case, task=task.id, closed=closed, since=since, sentence=words,
                        reopened=reopened, checked_at=now,
                    )
                )  # fmt: skip
        self._store.keep(kept)
        return moved

    def _record(self, use_case: str, task: TaskView, *, closed: bool, nth: int, words: str) -> None:
        event = CLOSED if closed else REOPENED
        self._ledger.record_event(
            event=event,
            actor=None,
            detail={"useCase": use_case, "task": task.id, "query": task.query, "sentence": words},
            idem=f"{event}:{use_case}:{task.id}:{nth}",
        )


def judged(facts: Sequence[Facts], use_case: str, known: Mapping[tuple[str, str], Standing]) -> tuple[TaskView, ...]:
    return tuple(_view(task, facts, known.get((use_case, task.id))) for task in TASKS)


def _view(task: Task, facts: Sequence[Facts], before: Standing | None) -> TaskView:
    answers = tuple(task.ask(item) for item in facts if task.of_suppliers or not item.supplied)
    state = _state(answers)
    if state is TaskState.OPEN and before is not None and (before.closed or before.reopened):
        state = TaskState.REOPENED
    agrees = before is not None and before.closed == (state is TaskState.CLOSED)
    return TaskView(
        id=task.id, phase=task.phase, title=task.title, owner_role=task.owner_role, query=task.query, reads=task.reads,
        state=state, answers=answers, since=before.since if before and agrees else None,
        reopened=before.reopened if before else 0,
    )  # fmt: skip


def _state(answers: Sequence[Answer]) -> TaskState:
    """One model without evidence keeps it open, whatever is unknown of the others; nothing asked is unknown."""
    if any(answer.found is False for answer in answers):
        return TaskState.OPEN
    if not answers or any(answer.found is None for answer in answers):
        return TaskState.UNKNOWN
    return TaskState.CLOSED


def _words(task: TaskView, *, closed: bool) -> str:
    if closed:
        return f"“{task.title}” is done: {task.query} found its evidence for {len(task.answers)} models."
    first = next((answer for answer in task.missing if answer.found is False), None)
    return f"“{task.title}” is open. {first.model}: {first.sentence}" if first else f"“{task.title}” is open."


def _use_case(model: GovernedModel) -> str:
    return model.use_case_id or UNASSIGNED
