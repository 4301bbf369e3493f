"""Rehearsals of a fallback: started, ticked step by step, finished or broken off. Nothing outside is touched."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.kernel.clock import Clock
from services.kernel.errors import ConflictError, IllegalTransitionError, InputError, MissingReasonError
from services.kernel.identity import Actor
from services.ledger import events
from services.rollout.fallback_models import Drill, DrillStep, FinishDrill, StartDrill, TickStep
from services.rollout.fallback_ports import FallbackUnit, FallbackUnits
from services.rollout.fallback_rules import MODE_TITLES


class FallbackDrills:
    def __init__(self, *, units: FallbackUnits, desk: SigningDesk, clock: Clock) -> None:
        self._units = units
        self._desk = desk
        self._clock = clock

    def start(self, command: StartDrill, actor: Actor) -> Receipt:
        drill_id = f"drl-{_digest(actor, command.command_id)[:20]}"
        idem = f"drill:{drill_id}:start"
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            card = unit.fallbacks.card(command.model)
            wanted = card.mode(command.mode) if card else None
            if card is None or wanted is None:
                raise InputError(
                    f"The card of {command.model} has no steps for this.", hint="Write them on the card first."
                )
            if any(drill.is_running for drill in unit.fallbacks.drills(command.model)):
                raise ConflictError("A drill of this model is running.", hint="Finish it or break it off first.")
            drill = Drill(
                drill_id=drill_id,
                model=command.model,
                card_revision=card.revision,
                mode=command.mode,
                started_by=actor.name,
                started_at=self._clock.now(),
                steps=tuple(DrillStep(text=step.text, owner=step.owner) for step in wanted.steps),
                seq=0,
            )
            words = f"started a drill of {MODE_TITLES[command.mode].lower()} for {command.model}"
            receipt = self._append(unit, drill, actor, event="fallback-drill-started", words=words, idem=idem)
            unit.fallbacks.save_drill(replace(drill, seq=receipt.seq))
        return receipt

    def tick(self, command: TickStep, actor: Actor) -> Receipt:
        idem = f"drill:{command.drill_id}:step:{command.step}"
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            drill = _running(unit, command.drill_id)
            if not 0 <= command.step < len(drill.steps):
                raise InputError("The card has no such step.", hint="Look at the drill again.")
            done = replace(drill.steps[command.step], done_by=actor.name, done_at=self._clock.now())
            steps = (*drill.steps[: command.step], done, *drill.steps[command.step + 1 :])
            words = f"did step {command.step + 1} of {len(steps)} in the drill of {drill.model}"
            receipt = self._append(unit, drill, actor, event="fallback-drill-step", words=words, idem=idem)
            unit.fallbacks.save_drill(replace(drill, steps=steps))
        return receipt

    def finish(self, command: FinishDrill, actor: Actor) -> Receipt:
        idem = f"drill:{command.drill_id}:end"
        note = command.note.strip()
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            drill = _running(unit, command.drill_id)
            if command.cancelled and not note:
                raise MissingReasonError("A drill that is broken off needs a sentence.", hint="Write why.")
            if drill.left and not command.cancelled:
                raise IllegalTransitionError(
                    f"{drill.left} of {len(drill.steps)} steps are not done: the drill shows nothing yet.",
                    hint="Do them, or break the drill off.",
                )
            event, verb = (
                ("fallback-drill-cancelled", "broke off")
                if command.cancelled
                else (
                    "fallback-drill-finished",
                    "finished",
                )
            )
            words = f"{verb} the drill of {MODE_TITLES[drill.mode].lower()} for {drill.model}"
            receipt = self._append(unit, drill, actor, event=event, words=words, idem=idem)
            unit.fallbacks.save_drill(
                replace(drill, finished_at=self._clock.now(), cancelled=command.cancelled, note=note, seq=receipt.seq)
            )
        return receipt

    def _append(self, unit: FallbackUnit, drill: Drill, actor: Actor, *, event: str, words: str, idem: str) -> Receipt:
        detail = {
            "drill": drill.drill_id,
            "mode": drill.mode.value,
            "edition": str(drill.card_revision),
            "sentence": f"{actor.name} {words}.",
        }
        payload = events.payload(
            event, actor=actor, model=drill.model, detail=detail, at=self._clock.now(), head=unit.ledger.head()
        )
        return unit.ledger.append(self._desk.sign_as_service(payload), idem=idem)


def _running(unit: FallbackUnit, drill_id: str) -> Drill:
    drill = unit.fallbacks.drill(drill_id)
    if drill is None:
        raise InputError("There is no such drill.", hint="Look at the card again.")
    if not drill.is_running:
        raise IllegalTransitionError("This drill is over.", hint="Start another one.")
    return drill


def _digest(actor: Actor, command_id: str) -> str:
    text = f"{actor.issuer}\x1f{actor.subject}\x1f{command_id}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
