"""Use cases of a release on its way: look, see what may be done next and why not, take a step with a signature.

Raising the share and rolling back are asked of the rollout service; they obey the same preconditions and states.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import InputError
from services.kernel.identity import Actor, Permission
from services.ledger.service import LedgerService
from services.people.service import PeopleService
from services.rollout import conditions
from services.rollout.guards import Guards
from services.rollout.lifecycle import Move, allows
from services.rollout.outbox import OutboxRunner
from services.rollout.ports import Attestations, RolloutUnit, RolloutUnits
from services.rollout.preconditions import Outside, Preconditions
from services.rollout.release_effects import retired
from services.rollout.release_models import Analysis, Check, Release, ReleaseState, ReleaseView, StepCommand
from services.rollout.release_steps import ReleaseSteps
from services.rollout.signed_plan import SignedPlan, SignedPlans, plan_words

BAKE = timedelta(days=7)
"""So long the version before is kept warm after everything moved; then the release is retired."""
_INLINE_SECONDS = 5.0
_REMEMBERED_SECONDS = 5.0
_STOPPING = {"hold", "abort"}
_WAITING = {ReleaseState.PLANNED, ReleaseState.SHADOW, ReleaseState.PAUSED, ReleaseState.FAILED}


class ReleaseService:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        people: PeopleService,
        ledger: LedgerService,
        inventory: InventoryService,
        desk: SigningDesk,
        runner: OutboxRunner,
        attestations: Attestations,
        preconditions: Preconditions,
        clock: Clock,
        bake: timedelta = BAKE,
        inline_seconds: float = _INLINE_SECONDS,
        on_call: Callable[[str], str] | None = None,
    ) -> None:
        """`on_call`: the name of who is on call for a model now, empty when nobody is; else its engineer."""
        self._asked_on_call = on_call
        self._units = units
        self._people = people
        self._ledger = ledger
        self._inventory = inventory
        self._runner = runner
        self._preconditions = preconditions
        self._clock = clock
        self._bake = bake
        self._inline_seconds = inline_seconds
        self._plans = SignedPlans(attestations)
        self._guards = Guards(units=units, ledger=ledger, clock=clock)
        self._steps = ReleaseSteps(
            units=units,
            desk=desk,
            guards=self._guards,
            attestations=attestations,
            preconditions=preconditions,
            clock=clock,
        )
        self._looked: dict[str, tuple[int, float, Outside]] = {}

    # looking

    def view(self, model: str) -> ReleaseView | None:
        """The release on its way, or the one that ended last; None for a model without. Raises UnknownModelError."""
        self._inventory.model(model)
        with self._units.read() as unit:
            release = self._newest(unit, model)
        if release is None:
            return None
        outside = self._outside(release)
        with self._units.read() as unit:
            release = unit.releases.release(release.release_id) or release
            facts = self._preconditions.facts(unit, release, outside)
            signed = self._plans.of_request(unit.rollouts, release.request_id, release.candidate)
            events = unit.releases.release_events(release.release_id)
        sentences, signers = plan_words(signed)
        return ReleaseView(
            release=release,
            checks=facts.checks,
            offers=conditions.offers(release, facts),
            dwell_until=conditions.dwell_until(release, facts.rules),
            shadow=facts.comparison,
            analysis=facts.analysis,
            plan_sentences=sentences,
            plan_signers=signers,
            plan_id=_plan_id(signed),
            on_call=self._on_call(model),
            events=events,
        )

    def running(self) -> tuple[ReleaseView, ...]:
        """Every release that is not final, one per model, newest first."""
        with self._units.read() as unit:
            models = dict.fromkeys(item.model for item in unit.releases.running_releases())
        views = (self.view(model) for model in models)
        return tuple(view for view in views if view is not None)

    def waiting(self) -> tuple[ReleaseView, ...]:
        """Those an engineer may have to take on: before they answer anybody, held, or not verified."""
        with self._units.read() as unit:
            found = [item for item in unit.releases.running_releases() if item.state in _WAITING]
        views = (self.view(model) for model in dict.fromkeys(item.model for item in found))
        return tuple(view for view in views if view is not None and view.release.state in _WAITING)

    def history(self, model: str) -> tuple[Release, ...]:
        with self._units.read() as unit:
            return unit.releases.releases(model)

    def looks(self, release_id: str, limit: int = 500) -> tuple[Analysis, ...]:
        """The newest looks of the thinned history, oldest first."""
        with self._units.read() as unit:
            return unit.releases.looks(release_id, limit)

    def keep_look(self, analysis: Analysis) -> None:
        """A look that was not made by the watcher: of replayed history."""
        with self._units.write() as unit:
            unit.releases.save_analysis(analysis)

    def checklist(self, model: str, version: str | None = None) -> tuple[Check, ...]:
        """What has to be there before a version receives anything, computed now. Raises UnknownModelError."""
        if version is None:
            with self._units.read() as unit:
                newest, row = self._newest(unit, model), unit.rollouts.deployment(model)
            version = newest.candidate if newest else row.champion if row else ""
        return self._preconditions.checklist(model, version)

    # acting

    def plan(self, step: str, model: str, *, actor: Actor) -> str:
        """A challenge for one step. Raises PreconditionError with the reason why not, RoleMissingError, InputError."""
        self._require(step, actor)
        return self._steps.plan(step, model, actor=actor)

    def take(self, command: StepCommand, *, actor: Actor) -> Receipt:
        """Signs and records a step, and carries it out within seconds if the platform answers; else the worker does.

        Raises PreconditionError, FreezeError, StaleRequestError, MissingReasonError, PassphraseError, KeyLockedError.
        Refused attempts are recorded.
        """
        self._require(command.step, actor)
        if command.step not in _STOPPING:
            # Stopping is not held up by this: it must work while the ledger is being repaired.
            self._ledger.require_trustworthy()
        with self._guards.recording("release-step-refused", actor, command.model, command.step):
            receipt, action_id = self._steps.record(command, actor)
        self._looked.pop(command.release_id, None)
        if action_id:
            self._runner.drive(action_id, timeout_seconds=self._inline_seconds)
        return receipt

    def retire_due(self) -> int:
        """Worker: ends the releases whose bake time is over; how many."""
        now, count = self._clock.now(), 0
        with self._units.write() as unit:
            for release in unit.releases.running_releases():
                if allows(release, Move.RETIRE) and now - release.stage_since >= self._bake:
                    sentence = f"Full for {self._bake.days} days; its time as a release is over."
                    retired(unit, release, sentence, seq=None, at=now)
                    count += 1
        return count

    # details

    def _require(self, step: str, actor: Actor) -> None:
        """Who may comes first: a person without the role learns nothing about which steps there are."""
        self._people.require(actor, Permission.ROLL_BACK if step in _STOPPING else Permission.ADVANCE_ROLLOUT)
        if step not in conditions.LABELS:
            raise InputError(f"There is no step {step!r}.", hint="Choose one the release page offers.")

    def _newest(self, unit: RolloutUnit, model: str) -> Release | None:
        """A release on its way is always the newest; one that ended is shown until another begins."""
        return next(iter(unit.releases.releases(model, limit=1)), None)

    def _outside(self, release: Release) -> Outside:
        """Pages refresh every few seconds; comparing thousands of answers each time would serve nobody."""
        now = time.monotonic()
        known = self._looked.get(release.release_id)
        if known is not None and known[0] == release.revision:
            settled = release.state is not ReleaseState.SHADOW or release.shadow_closed is not None
            if settled or now - known[1] < _REMEMBERED_SECONDS:
                return self._preconditions.outside(release, known=known[2])
        found = self._preconditions.outside(release)
        if not found.comparison_problem:
            self._looked[release.release_id] = (release.revision, now, found)
        return found

    def _on_call(self, model: str) -> str:
        if self._asked_on_call is not None:
            return self._asked_on_call(model)
        owner = self._inventory.model(model).owner_of("sre")
        return owner.name if owner else ""


def _plan_id(signed: SignedPlan | None) -> str:
    return f"{signed.request.request_id} (entry {signed.request.request_seq})" if signed else ""
