"""The next share of an approved plan, signed by an engineer; exactly the next, never another, and never too early."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.attestation.free_text import salted
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import ConflictError, IllegalTransitionError, RefusalError
from services.kernel.identity import Actor
from services.rollout import intents, plan
from services.rollout.guards import Guards, basis, raise_epoch, released, require_reviewed
from services.rollout.models import Action, ActionKind, ActionState, Advance, Deployment
from services.rollout.ports import RolloutUnit, RolloutUnits
from services.rollout.preconditions import Outside, Preconditions
from services.rollout.release_models import Release

_LATER = "Stated with the signature."


class Advances:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        inventory: InventoryService,
        desk: SigningDesk,
        guards: Guards,
        preconditions: Preconditions,
        clock: Clock,
    ) -> None:
        self._units = units
        self._inventory = inventory
        self._desk = desk
        self._guards = guards
        self._preconditions = preconditions
        self._clock = clock

    def plan(self, model: str, *, actor: Actor) -> str:
        """A challenge for the next step of the running release.

        Raises IllegalTransitionError when there is none, ReviewOverdueError, PreconditionError with why not.
        """
        governed = self._inventory.model(model)
        with self._units.read() as unit:
            row = released(unit.rollouts, governed)
            require_reviewed(unit.rollouts, row.model, now=self._clock.now())
            share = plan.next_share(row.plan, row.candidate_share) or 100
            plan.require_next(row, share)
            release = _release(unit, row)
        outside = self._preconditions.outside(release)
        with self._units.read() as unit:
            self._preconditions.require(unit, release, "advance", outside, reason=_LATER)
        return self._guards.challenge("advance", actor, row, shown=f"{plan.words(row.desired)}|{share}")

    def record(self, command: Advance, actor: Actor) -> tuple[Receipt, str]:
        action_id = intents.action_id("advance", actor.subject, command.command_id)
        governed = self._inventory.model(command.model)
        with self._units.read() as unit:
            earlier = unit.ledger.find(f"action:{action_id}")
            if earlier is not None:
                return replace(earlier, repeated=True), action_id
            row = released(unit.rollouts, governed)
            routes = plan.require_next(row, command.share)
            release = _release(unit, row)
        outside = self._preconditions.outside(release)
        with self._units.read() as unit:
            self._require(unit, row, command, outside)
            self._guards.require_challenge(unit.rollouts, command.challenge, "advance", actor, row)
            begun = unit.rollouts.action(row.release_action or "")
            if begun is None:
                raise RefusalError(f"The release of version {row.candidate} has no signed start.", hint="Roll back.")
            allowed_by = basis(unit.rollouts, begun.request_id)
            head = unit.ledger.head()
        now = self._clock.now()
        action = _next(begun, row, command, actor, action_id=action_id, routes=routes, at=now)
        payload = intents.action_statement(
            action,
            basis=allowed_by,
            at=now,
            head=head,
            nonce=command.challenge,
            actor=actor,
            cites=_low_evidence(command),
        )
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        with self._units.write() as unit:
            # Asked again inside the transaction: a hold, a freeze, a finding or a rollback may have been faster.
            self._require(unit, row, command, outside)
            self._guards.spend(unit, command.challenge, row)
            action, receipt = intents.record(unit, action, envelope)
            raise_epoch(unit.rollouts, row.model, at=now)
        return receipt, action.action_id

    def _require(self, unit: RolloutUnit, row: Deployment, command: Advance, outside: Outside) -> None:
        require_reviewed(unit.rollouts, row.model, now=self._clock.now())
        if unit.rollouts.open_actions(row.model):
            raise ConflictError("Another action on this model is still running.", hint="Wait until it is done.")
        release = _release(unit, row)
        self._preconditions.require(unit, release, "advance", outside, reason=command.reason.strip())


def _low_evidence(command: Advance) -> dict[str, dict[str, str]]:
    """Who goes on without a decision of the analysis puts a name under the reason."""
    reason = command.reason.strip()
    return {"lowEvidence": {"sha256": salted(reason)[1]}} if reason else {}


def _release(unit: RolloutUnit, row: Deployment) -> Release:
    """The record of the release that has a share. Raises IllegalTransitionError without one."""
    release = unit.releases.running_release(row.model)
    if release is None or release.candidate != row.candidate:
        raise IllegalTransitionError(
            f"The release of version {row.candidate} was begun before releases were recorded.",
            hint="Roll back, and ask for the promotion again.",
        )
    return release


def _next(
    begun: Action,
    row: Deployment,
    command: Advance,
    actor: Actor,
    *,
    action_id: str,
    routes: plan.Routes,
    at: datetime,
) -> Action:
    why = f" Low evidence accepted: {command.reason.strip()}" if command.reason.strip() else ""
    return replace(
        begun,
        action_id=action_id,
        kind=ActionKind.ADVANCE,
        state=ActionState.PENDING,
        from_version=row.champion,
        routes=routes,
        champion=(row.candidate or "") if command.share == 100 else row.champion,
        requested_by=actor.name,
        subject=actor.subject,
        reason=f"Next step of the approved plan: {command.share} %.{why}",
        created_at=at,
        next_try_at=at,
        seq_intent=0,
        leaf_intent="",
        finished_at=None,
        switched_at=None,
        seq_outcome=None,
        attempts=0,
        alias_done=False,
        detail="",
    )
