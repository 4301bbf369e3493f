"""A run under way: it beats, keeps every finished step, and stops when it was cancelled or taken over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from services.evaluation.harness.assembling import from_document, to_document
from services.evaluation.harness.models import WAITING, WORKING, FinishedStep, Plan, PlannedCheck
from services.evaluation.harness.ports import HarnessStore, KeptStep
from services.evaluation.harness.run import Stopped
from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError

BEAT_SECONDS = 5.0
Progress = Callable[[str, float], None]


@dataclass(slots=True)
class Beating:
    """Says every few seconds that the run is worked on, and notices when it was cancelled."""

    store: HarnessStore
    run_id: str
    owner: str
    clock: Clock
    over: threading.Event = field(default_factory=threading.Event)
    lost: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self._beat, name=f"beat-{self.run_id}", daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        if self.thread is not None:
            self.thread.join()

    def still_ours(self) -> bool:
        return not self.lost.is_set() and self.store.beat(self.run_id, owner=self.owner, now=self.clock.now())

    def _beat(self) -> None:
        while not self.over.wait(BEAT_SECONDS):
            # A database that is away for a moment does not end a run; silence for a minute lets another take over.
            with suppress(ControlRoomError):
                if not self.store.beat(self.run_id, owner=self.owner, now=self.clock.now()):
                    self.lost.set()
                    return


@dataclass(slots=True)
class Following:
    """Keeps every finished step, tells progress, and stops a run that was cancelled."""

    store: HarnessStore
    run_id: str
    beating: Beating
    progress: Progress
    many: int = 1
    ended: int = 0

    def planned(self, plan: Plan, basis: str) -> Mapping[str, FinishedStep]:
        kept: dict[str, FinishedStep] = {}
        self.many = len(plan.checks)
        if self.store.basis(self.run_id) == basis:
            kept = {step.check: from_document(step.document) for step in self.store.steps(self.run_id) if step.document}
        if not kept:
            self.store.put_steps(self.run_id, tuple(KeptStep(check=check.id, state=WAITING) for check in plan.checks))
            self.store.set_basis(self.run_id, basis)
        self.ended = len(kept)
        return kept

    def started(self, check: PlannedCheck) -> None:
        self.require_going()
        self.progress(check.title, self.ended / self.many)
        self.store.put_step(self.run_id, KeptStep(check=check.id, state=WORKING))

    def finished(self, step: FinishedStep) -> None:
        self.ended += 1
        self.store.put_step(
            self.run_id,
            KeptStep(
                check=step.check.id,
                state=step.result.status.value,
                sentence=step.result.sentence,
                seconds=step.seconds,
                document=to_document(step),
            ),
        )
        self.progress(f"{step.check.title}: {step.result.sentence}", self.ended / self.many)

    def require_going(self) -> None:
        """Raises Stopped when the run was cancelled or another process has it."""
        if not self.beating.still_ours():
            raise Stopped
