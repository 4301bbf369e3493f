"""Use cases of a release in production: look, advance under the approved plan, roll back with one signature.

A rollback is never held up: it supersedes every other open action, needs no registry, and a second one
joins the first. Refused attempts are recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.inventory.models import GovernedModel
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import ServingUnavailableError
from services.kernel.identity import Actor, Permission
from services.ledger.service import LedgerService
from services.people.service import PeopleService
from services.rollout.advance import Advances
from services.rollout.guards import Guards
from services.rollout.machine import MachineRollbacks
from services.rollout.models import (
    ActionView,
    Advance,
    Deployment,
    DeploymentView,
    RollBack,
    RollbackPlan,
    RollbackTarget,
    TrafficChange,
)
from services.rollout.outbox import OutboxRunner
from services.rollout.ports import Attestations, RolloutUnits, ServingPlatform
from services.rollout.preconditions import Preconditions
from services.rollout.reconcile import Reconciler
from services.rollout.revert import Revert, RevertPlan, Reverts
from services.rollout.rollback import Rollbacks
from services.rollout.signed_plan import SignedPlans, plan_words
from services.rollout.views import deployment_view

_INLINE_SECONDS = 5.0


class RolloutService:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        people: PeopleService,
        ledger: LedgerService,
        inventory: InventoryService,
        desk: SigningDesk,
        serving: ServingPlatform,
        runner: OutboxRunner,
        reconciler: Reconciler,
        attestations: Attestations,
        preconditions: Preconditions,
        clock: Clock,
        requests_per_minute: Callable[[str], float | None] = lambda _model: None,
        next_batch: Callable[[str], str] = lambda _model: "",
        inline_seconds: float = _INLINE_SECONDS,
    ) -> None:
        self._units = units
        self._people = people
        self._ledger = ledger
        self._inventory = inventory
        self._serving = serving
        self._runner = runner
        self._reconciler = reconciler
        self._inline_seconds = inline_seconds
        self._guards = Guards(units=units, ledger=ledger, clock=clock)
        self._rollbacks = Rollbacks(
            units=units,
            inventory=inventory,
            desk=desk,
            serving=serving,
            guards=self._guards,
            clock=clock,
            requests_per_minute=requests_per_minute,
            next_batch=next_batch,
        )
        self._advances = Advances(
            units=units, inventory=inventory, desk=desk, guards=self._guards, preconditions=preconditions, clock=clock
        )
        self._reverts = Reverts(
            units=units, inventory=inventory, desk=desk, attestations=attestations, guards=self._guards, clock=clock
        )
        self._signed_plans = SignedPlans(attestations)
        self.machine = MachineRollbacks(
            units=units,
            ledger=ledger,
            inventory=inventory,
            desk=desk,
            rollbacks=self._rollbacks,
            plans=self._signed_plans,
            runner=runner,
            clock=clock,
        )

    # looking

    def deployments(self) -> tuple[DeploymentView, ...]:
        """All models that ever had a release, as last read back by the worker."""
        with self._units.read() as unit:
            return tuple(
                deployment_view(item, plan_words(self._signed_plans.of(unit.rollouts, item)))
                for item in unit.rollouts.deployments()
            )

    def deployment(self, model: str) -> DeploymentView:
        """Asked from the platform now; the last known state with the problem when it does not answer."""
        governed = self._inventory.model(model)
        with self._units.read() as unit:
            row = unit.rollouts.deployment(model) or _never_released(governed)
            signed = plan_words(self._signed_plans.of(unit.rollouts, row))
        try:
            observed = self._serving.observe(row.deployment)
        except ServingUnavailableError as away:
            return deployment_view(replace(row, problem=away.message), signed)
        return deployment_view(replace(row, observed=observed, observed_at=observed.at, problem=""), signed)

    def history(self, model: str, limit: int = 50) -> tuple[TrafficChange, ...]:
        with self._units.read() as unit:
            return unit.rollouts.changes(model, limit)

    def actions(self, model: str = "", limit: int = 50) -> tuple[ActionView, ...]:
        with self._units.read() as unit:
            rows = unit.rollouts.actions(model, limit)
        return tuple(self._runner.view(row.action_id) for row in rows)

    def action(self, action_id: str) -> ActionView:
        return self._runner.view(action_id)

    def action_for(self, seq: int) -> ActionView | None:
        """The action whose signed intent is ledger entry `seq`."""
        with self._units.read() as unit:
            row = unit.rollouts.action_for(seq)
        return self._runner.view(row.action_id) if row else None

    def reconcile(self) -> int:
        """Worker: reads every deployment back and compares; the number of differences standing."""
        return self._reconciler.run()

    # rolling back

    def targets(self, model: str) -> tuple[RollbackTarget, ...]:
        """Every version with the reason why traffic may go back to it, or not; nothing for a model never released."""
        with self._units.read() as unit:
            row = unit.rollouts.deployment(model)
            return self._rollbacks.targets(unit.rollouts, row) if row is not None else ()

    def plan_rollback(self, model: str, *, actor: Actor) -> RollbackPlan:
        """What will happen, with a single-use challenge for this person and this state."""
        self._people.require(actor, Permission.ROLL_BACK)
        return self._rollbacks.plan(model, actor=actor)

    def roll_back(self, command: RollBack, *, actor: Actor) -> Receipt:
        """Signs, records, switches within seconds if the platform answers; the worker finishes otherwise.

        Raises MissingReasonError, InputError (name not repeated), RollbackTargetError, StaleRequestError,
        PassphraseError, KeyLockedError.
        """
        self._people.require(actor, Permission.ROLL_BACK)
        with self._guards.recording("rollback-refused", actor, command.model, command.target):
            receipt, action_id = self._rollbacks.record(command, actor)
        self._runner.drive(action_id, timeout_seconds=self._inline_seconds)
        return receipt

    # advancing

    def plan_advance(self, model: str, *, actor: Actor) -> str:
        """A challenge for the next step of the running release. Raises IllegalTransitionError when there is none."""
        self._people.require(actor, Permission.ADVANCE_ROLLOUT)
        return self._advances.plan(model, actor=actor)

    def advance(self, command: Advance, *, actor: Actor) -> Receipt:
        """Gives the candidate exactly the next share of its approved plan, signed by an SRE."""
        self._people.require(actor, Permission.ADVANCE_ROLLOUT)
        # A rollback is not held up by this: bringing traffic back must work while the ledger is being repaired.
        self._ledger.require_trustworthy()
        with self._guards.recording("advance-refused", actor, command.model, f"{command.share} %"):
            receipt, action_id = self._advances.record(command, actor)
        self._runner.drive(action_id, timeout_seconds=self._inline_seconds)
        return receipt

    # putting back

    def plan_revert(self, model: str, *, actor: Actor) -> RevertPlan:
        """What was signed, what is there and what reverting does. Raises IllegalTransitionError without a finding."""
        self._people.require(actor, Permission.REVERT)
        return self._reverts.plan(model, actor=actor)

    def revert(self, command: Revert, *, actor: Actor) -> Receipt:
        """Puts back what was signed; the finding ends by the next comparison.

        Raises MissingReasonError, IllegalTransitionError (nothing to put back, or impossible), StaleRequestError,
        ConflictError, PassphraseError, KeyLockedError, BrokenChainError.
        """
        self._people.require(actor, Permission.REVERT)
        # What was signed last is read from the ledger: a log that lost its end would put back the wrong thing.
        self._ledger.require_trustworthy()
        with self._guards.recording("revert-refused", actor, command.model, "unsigned change"):
            receipt, action_id = self._reverts.record(command, actor)
        self._runner.drive(action_id, timeout_seconds=self._inline_seconds)
        return receipt


def _never_released(governed: GovernedModel) -> Deployment:
    return Deployment(model=governed.name, deployment=governed.name, kind=governed.kind.value)
