"""Batch runs and fallback cards of the room made of memory: one of each state, and writes that are kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from services.attestation.models import Receipt
from services.kernel.errors import InputError
from services.kernel.health import Health
from services.kernel.identity import Actor
from services.rollout.batch_models import BatchRun, BatchView, Crossing, Handed, RunState, TriggerReading
from services.rollout.fallback_models import (
    Drill,
    DrillStep,
    FallbackCard,
    FallbackMode,
    FallbackStep,
    FallbackView,
    ModeCard,
    Switch,
    SwitchFallback,
    SwitchPlan,
    SwitchState,
    TickStep,
)
from tests.fakes.room_sample import HOSTILE, NOW, at

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

FINISHED = TriggerReading(id="failed", title="Run finished", crossing=Crossing.CLEAR, sentence="5 rows were scored.")
FEW = TriggerReading(
    id="rows", title="Row count", crossing=Crossing.TOO_FEW, sentence="5 rows where 5 are usual: too few to tell.", n=5
)
SHIFTED = TriggerReading(
    id="scores",
    title="Score shift",
    crossing=Crossing.CROSSED,
    sentence="Shift 0.61 against the version before on the same rows; the limit is 0.25.",
    value=0.61,
    limit=0.25,
    n=300,
)


def a_run(run_id: str, hours: float, version: str = "7", **changes: Any) -> BatchRun:
    run = BatchRun(
        run_id=run_id,
        model="claims_triage",
        job="claims_triage-scoring",
        version=version,
        window_start=at(hours),
        started_at=at(hours),
        finished_at=at(hours - 0.01),
        rows=5,
        state=RunState.PUBLISHED,
        first=False,
        triggers=(FINISHED,),
        reason="No trigger was crossed.",
        updated_at=at(hours - 0.02),
    )
    return replace(run, **changes)


HELD = a_run(
    "run-held",
    2,
    "8",
    state=RunState.HELD,
    first=True,
    triggers=(FINISHED, FEW),
    reason="First output of this version, and not everything is clear. 5 rows where 5 are usual: too few to tell.",
    seq=36,
    revision=1,
)
WITHHELD = a_run(
    "run-bad",
    4,
    "8",
    state=RunState.QUARANTINED,
    first=True,
    rows=300,
    triggers=(FINISHED, SHIFTED),
    reason=SHIFTED.sentence,
    seq=35,
    incident="inc-1",
    revision=1,
)
PUBLISHED = tuple(a_run(f"run-{number}", 6 + 2 * number, revision=2) for number in range(3))

CARD = FallbackCard(
    model="claims_triage",
    modes=(
        ModeCard(
            mode=FallbackMode.BATCH_ONLY,
            consumers_get="Reviewers keep the order of the last published scores.",
            steps=(
                FallbackStep(text="Tell the reviewers how old the scores are.", owner="sre"),
                FallbackStep(text="Put new claims at the end of the queue, oldest first.", owner="business_owner"),
            ),
        ),
        ModeCard(
            mode=FallbackMode.RULES,
            consumers_get="Every claim goes to a reviewer, oldest first.",
            steps=(FallbackStep(text="Switch the queue to oldest first.", owner="business_owner"),),
        ),
    ),
    consumers=("reviewers of claims",),
    contact="Channel claims-operations",
    revision=2,
    edited_by="Sam Lindqvist",
    edited_at=at(900),
    seq=22,
)


class FakeBatch:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self.decided: list[str] = []

    def runs(self, model: str) -> BatchView:
        empty = self._room.mode == "empty" or model != "claims_triage"
        away = self._room.mode == "unavailable"
        runs = () if empty else (HELD, WITHHELD, *PUBLISHED)
        if self._room.hostile:
            bad = replace(SHIFTED, sentence=HOSTILE)
            runs = tuple(
                replace(run, reason=HOSTILE, note=HOSTILE, decided_by=HOSTILE, triggers=(bad,)) for run in runs
            )
        return BatchView(
            model=model,
            pinned="" if empty else "8",
            runs=runs,
            held=0 if empty else 1,
            quarantined=0 if empty else 1,
            next_run=None if empty else NOW + timedelta(hours=1),
            overdue=False,
            consumers=(HOSTILE,) if self._room.hostile else ("reviewers of claims",),
            rerun_versions=() if empty else ("7", "8"),
            unattended_release=False,
            handed=None
            if empty or away
            else Handed(
                model=model,
                window_start=at(6),
                run_id="run-0",
                version="7",
                rows=5,
                sha256="ab" * 32,
                published_at=at(5.9),
            ),
            problem="The outputs of claims_triage cannot be read." if away else "",
        )

    def held(self) -> tuple[BatchRun, ...]:
        return () if self._room.mode == "empty" else (HELD,)

    def publish(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        self.decided.append("publish")
        return self._room.write(command)

    def quarantine(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        self.decided.append("quarantine")
        return self._room.write(command)

    def rerun(self, command: Any, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)


class FakeFallbacks:
    """Only claims_triage has a card; a drill runs as far as it was ticked, a switch is in force once it was signed."""

    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self.drill: Drill | None = None
        self.finished: Drill | None = None

    def view(self, model: str) -> FallbackView:
        card = None if self._room.mode == "empty" or model != "claims_triage" else CARD
        if card is not None and self._room.hostile:
            steps = (FallbackStep(text=HOSTILE, owner="sre"),)
            modes = tuple(replace(mode, consumers_get=HOSTILE, steps=steps) for mode in card.modes)
            card = replace(card, modes=modes, consumers=(HOSTILE,), contact=HOSTILE, edited_by=HOSTILE)
        ordered = [item for item in self._room.written if isinstance(item, SwitchFallback) and item.model == model]
        return FallbackView(
            model=model,
            title=model,
            card=card,
            in_force=ordered[-1].mode if ordered else FallbackMode.LIVE,
            switch=_done(ordered[-1]) if ordered else None,
            last_used=NOW if ordered else None,
            drill=self.drill if card else None,
            last_drill=self.finished,
            readiness=Health.HEALTHY if self.finished else Health.WATCH if card else Health.BREACH,
            sentence="Last drill today." if self.finished else "Last drill 2030-07-01, 142 days ago.",
            suggestion=HOSTILE if self._room.hostile else "",
        )

    def start_drill(self, command: Any, *, actor: Actor) -> Receipt:
        receipt = self._room.write(command)
        mode = CARD.mode(command.mode)
        assert mode is not None
        self.drill = Drill(
            drill_id="drl-1",
            model=command.model,
            card_revision=2,
            mode=command.mode,
            started_by=actor.name,
            started_at=NOW,
            steps=tuple(DrillStep(text=step.text, owner=step.owner) for step in mode.steps),
            seq=receipt.seq,
            revision=1,
        )
        return receipt

    def tick(self, command: TickStep, *, actor: Actor) -> Receipt:
        receipt = self._room.write(command)
        if self.drill is None:
            raise InputError("There is no such drill.")
        done = replace(self.drill.steps[command.step], done_by=actor.name, done_at=NOW)
        steps = (*self.drill.steps[: command.step], done, *self.drill.steps[command.step + 1 :])
        self.drill = replace(self.drill, steps=steps)
        return receipt

    def finish_drill(self, command: Any, *, actor: Actor) -> Receipt:
        receipt = self._room.write(command)
        self.finished, self.drill = self.drill, None
        return receipt

    def edit(self, command: Any, *, actor: Actor) -> Receipt:
        return self._room.write(command)

    def plan(self, model: str, mode: FallbackMode, *, actor: Actor) -> SwitchPlan:
        return SwitchPlan(
            model=model,
            mode=mode,
            effect=("The job rests: no new scores are made.", "An incident is opened."),
            unchecked=(),
            refusal="Version 8 does not answer a probe." if mode is FallbackMode.RULES else "",
            revision=0,
        )

    def switch(self, command: SwitchFallback, *, actor: Actor) -> Receipt:
        self._room.passphrase(actor, command.passphrase.reveal())
        return self._room.write(command)


def _done(command: SwitchFallback) -> Switch:
    return Switch(
        switch_id="fbs-1",
        model=command.model,
        deployment=command.model,
        mode=command.mode,
        platform_mode="off",
        state=SwitchState.DONE,
        ordered_by="Sam Lindqvist",
        ordered_at=NOW,
        reason=command.reason,
        salt="",
        detail="Read back as off, generation 14.",
        done_at=NOW,
        seq=41,
    )
