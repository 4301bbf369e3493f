"""Use cases of fallbacks: keep the card, rehearse it, switch to it and back with one signature.

A switch is never held up by approvals, freezes or the registry. It is recorded first and then carried out by the worker
until the platform was read back in that mode; coming back needs versions that answer a probe.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from services.attestation.free_text import digest_of, salted
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.inventory.models import GovernedModel
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import InputError, MissingReasonError, RefusalError, StaleRequestError
from services.kernel.identity import Actor, Permission
from services.ledger import events
from services.ledger.service import LedgerService
from services.people.service import PeopleService
from services.rollout import fallback_rules as rules
from services.rollout.fallback_drills import FallbackDrills
from services.rollout.fallback_models import (
    Drill,
    EditCard,
    FallbackMode,
    FallbackView,
    FinishDrill,
    StartDrill,
    Switch,
    SwitchFallback,
    SwitchPlan,
    SwitchState,
    TickStep,
)
from services.rollout.fallback_ports import FallbackUnit, FallbackUnits
from services.rollout.fallback_switching import FallbackSwitching
from services.rollout.ports import ServingPlatform
from services.rollout.release_ports import IncidentDesk

REFUSED = "fallback-refused"


class FallbackService:
    def __init__(
        self,
        *,
        units: FallbackUnits,
        people: PeopleService,
        ledger: LedgerService,
        inventory: InventoryService,
        desk: SigningDesk,
        serving: ServingPlatform,
        clock: Clock,
        incidents: IncidentDesk | None = None,
        impaired: Callable[[str], str] = lambda _model: "",
    ) -> None:
        """`impaired` says in words why no version of a model serves well now, or nothing: then a switch is offered."""
        self._units = units
        self._people = people
        self._ledger = ledger
        self._inventory = inventory
        self._desk = desk
        self._clock = clock
        self._impaired = impaired
        self._drills = FallbackDrills(units=units, desk=desk, clock=clock)
        self._switching = FallbackSwitching(
            units=units, inventory=inventory, desk=desk, serving=serving, incidents=incidents, clock=clock
        )

    # looking

    def view(self, model: str) -> FallbackView:
        """Raises UnknownModelError."""
        governed = self._inventory.model(model)
        with self._units.read() as unit:
            card = unit.fallbacks.card(model)
            drills = unit.fallbacks.drills(model)
            switches = unit.fallbacks.switches(model)
        finished = next((drill for drill in drills if drill.finished_at and not drill.cancelled), None)
        now = self._clock.now()
        readiness, sentence = rules.readiness(card, finished, tier=int(governed.tier), now=now)
        in_force = rules.in_force(switches)
        return FallbackView(
            model=model,
            title=governed.title,
            card=card,
            in_force=in_force,
            switch=switches[0] if switches else None,
            last_used=rules.last_used(switches),
            drill=next((drill for drill in drills if drill.is_running), None),
            last_drill=finished,
            readiness=readiness,
            sentence=sentence,
            suggestion=self._impaired(model) if in_force is FallbackMode.LIVE else "",
        )

    def all(self) -> tuple[FallbackView, ...]:
        """Of every model that runs on a platform of ours, by name."""
        with self._units.read() as unit:
            released = [row.model for row in unit.rollouts.deployments()]
        return tuple(self.view(model) for model in sorted(released))

    def drills(self, model: str) -> tuple[Drill, ...]:
        """Newest first, also those that were broken off."""
        with self._units.read() as unit:
            return unit.fallbacks.drills(model)

    def switches(self, model: str) -> tuple[Switch, ...]:
        """Orders, newest first."""
        with self._units.read() as unit:
            return unit.fallbacks.switches(model)

    # the card

    def edit(self, command: EditCard, *, actor: Actor) -> Receipt:
        """Keeps a new edition of the card. Raises InputError for one nobody could follow, StaleRequestError."""
        self._people.require(actor, Permission.SWITCH_FALLBACK)
        governed = self._inventory.model(command.model)
        card = rules.checked(command, governed)
        idem = f"fallback-card:{_digest(actor, command.command_id)}"
        now = self._clock.now()
        detail = {
            "edition": str(card.revision),
            "modes": ", ".join(mode.mode.value for mode in card.modes),
            "cardSha256": rules.digest(card),
            "sentence": f"{actor.name} edited the fallback card of {governed.name}, edition {card.revision}.",
        }
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            payload = events.payload(
                "fallback-card-edited", actor=actor, model=card.model, detail=detail, at=now, head=unit.ledger.head()
            )
            receipt = unit.ledger.append(self._desk.sign_as_service(payload), idem=idem)
            unit.fallbacks.add_card(replace(card, edited_by=actor.name, edited_at=now, seq=receipt.seq))
        return receipt

    # drills

    def start_drill(self, command: StartDrill, *, actor: Actor) -> Receipt:
        """Starts a rehearsal: nothing is switched. Raises InputError without card or mode, ConflictError."""
        self._people.require(actor, Permission.SWITCH_FALLBACK)
        self._inventory.model(command.model)
        return self._drills.start(command, actor)

    def tick(self, command: TickStep, *, actor: Actor) -> Receipt:
        """Says that a step was done. Raises InputError, IllegalTransitionError when the drill is over."""
        self._people.require(actor, Permission.SWITCH_FALLBACK)
        return self._drills.tick(command, actor)

    def finish_drill(self, command: FinishDrill, *, actor: Actor) -> Receipt:
        """Ends a rehearsal; only one with every step done counts. Raises IllegalTransitionError, MissingReasonError."""
        self._people.require(actor, Permission.SWITCH_FALLBACK)
        return self._drills.finish(command, actor)

    # switching

    def plan(self, model: str, mode: FallbackMode, *, actor: Actor) -> SwitchPlan:
        """What a switch would do now, and why it cannot be ordered, if so."""
        self._people.require(actor, Permission.SWITCH_FALLBACK)
        governed = self._inventory.model(model)
        return self._switching.plan(governed, mode)

    def switch(self, command: SwitchFallback, *, actor: Actor) -> Receipt:
        """Puts a fallback into force or, with mode `live`, ends it. The worker goes on where this stops.

        Raises MissingReasonError, InputError (name not repeated, no such mode on the card), RefusalError (versions do
        not answer), StaleRequestError, PassphraseError, KeyLockedError.
        """
        self._people.require(actor, Permission.SWITCH_FALLBACK)
        governed = self._inventory.model(command.model)
        with self._recording(actor, command):
            receipt, switch_id = self._order(command, governed, actor)
        self._switching.attempt_now(switch_id)
        return receipt

    def _order(self, command: SwitchFallback, governed: GovernedModel, actor: Actor) -> tuple[Receipt, str]:
        switch_id = f"fbs-{_digest(actor, command.command_id)[:20]}"
        idem = f"fallback:{switch_id}"
        now, note = self._clock.now(), command.reason.strip()
        with self._units.read() as unit:
            earlier, head = unit.ledger.find(idem), unit.ledger.head()
        if earlier is not None:
            return replace(earlier, repeated=True), switch_id
        _require_words(command)
        plan = self._switching.plan(governed, command.mode)
        if plan.refusal:
            raise RefusalError(plan.refusal, hint="Put that right, or choose another mode.")
        salt, _ = salted(note)
        switch = rules.new_switch(command, governed, switch_id=switch_id, by=actor.name, salt=salt, at=now)
        switch = replace(switch, deployment=self._switching.deployment(governed.name))
        detail = {
            "mode": command.mode.value,
            "platformMode": switch.platform_mode,
            "switch": switch_id,
            "reasonSha256": digest_of(salt, note),
            "sentence": f"{actor.name} {rules.order_words(command.mode)} {governed.name}.",
        }
        payload = events.payload(
            "fallback-ordered", actor=actor, model=governed.name, detail=detail, at=now, head=head, signed=True
        )
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        with self._units.write() as unit:
            _require_same(unit, command)
            receipt = unit.ledger.append(envelope, idem=idem)
            for other in unit.fallbacks.open_switches():
                if other.model == governed.name:
                    detail_words = "Another order took its place before it was carried out."
                    unit.fallbacks.save_switch(replace(other, state=SwitchState.SUPERSEDED, detail=detail_words))
            unit.fallbacks.save_switch(replace(switch, seq=receipt.seq))
        return receipt, switch_id

    def work(self) -> int:
        """Worker: carries out what was ordered; the number of switches that were verified."""
        return self._switching.run()

    @contextmanager
    def _recording(self, actor: Actor, command: SwitchFallback) -> Iterator[None]:
        """A refused attempt becomes a ledger entry before the person reads why."""
        try:
            yield
        except RefusalError as refused:
            self._ledger.record_event(
                event=REFUSED,
                actor=actor,
                model=command.model,
                detail={"target": command.mode.value, "code": refused.code},
            )
            raise


def _require_words(command: SwitchFallback) -> None:
    if not command.reason.strip():
        raise MissingReasonError("A switch needs a sentence that says why.", hint="Write it; it is signed.")
    if command.model_confirmation.strip() != command.model:
        raise InputError("The typed name is not the name of the model.", hint=f"Type {command.model}.")


def _require_same(unit: FallbackUnit, command: SwitchFallback) -> None:
    if len(unit.fallbacks.switches(command.model, limit=1000)) != command.revision:
        raise StaleRequestError("Somebody switched this model at the same moment.", hint="Look again.")


def _digest(actor: Actor, command_id: str) -> str:
    text = f"{actor.issuer}\x1f{actor.subject}\x1f{command_id}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
