"""The next share of an approved plan, signed by an engineer; exactly the next, never another."""

from __future__ import annotations

from dataclasses import replace

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import ConflictError, RefusalError, VoidApprovalError
from services.kernel.identity import Actor
from services.rollout import intents, plan
from services.rollout.guards import Guards, basis, raise_epoch, released, require_reviewed
from services.rollout.models import ActionKind, ActionState, Advance, Deployment
from services.rollout.ports import ApprovalStanding, RolloutStore, RolloutUnits


class Advances:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        inventory: InventoryService,
        desk: SigningDesk,
        guards: Guards,
        standing: ApprovalStanding,
        clock: Clock,
    ) -> None:
        self._units = units
        self._inventory = inventory
        self._desk = desk
        self._guards = guards
        self._standing = standing
        self._clock = clock

    def plan(self, model: str, *, actor: Actor) -> str:
        """A challenge for the next step of the running release. Raises IllegalTransitionError when there is none."""
        governed = self._inventory.model(model)
        with self._units.read() as unit:
            row = released(unit.rollouts, governed)
            share = plan.next_share(row.plan, row.candidate_share) or 100
            plan.require_next(row, share)
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
            candidate = row.candidate or ""
            if candidate in unit.rollouts.revoked_versions(row.model):
                raise RefusalError(
                    f"The approval of version {candidate} was revoked.", hint="Roll back to the base version."
                )
            self._require_unhindered(unit.rollouts, row)
            if unit.rollouts.open_actions(row.model):
                raise ConflictError("Another action on this model is still running.", hint="Wait until it is done.")
            self._guards.require_challenge(unit.rollouts, command.challenge, "advance", actor, row)
            release = unit.rollouts.action(row.release_action or "")
            if release is None:
                raise RefusalError(f"The release of version {candidate} has no signed start.", hint="Roll back.")
            allowed_by = basis(unit.rollouts, release.request_id)
            head = unit.ledger.head()
        reason = self._standing(command.model, candidate)
        if reason:
            raise VoidApprovalError(
                f"The approval of version {candidate} does not stand any more. {reason}", hint="Roll back to the base."
            )
        now = self._clock.now()
        action = replace(
            release,
            action_id=action_id,
            kind=ActionKind.ADVANCE,
            state=ActionState.PENDING,
            from_version=row.champion,
            routes=routes,
            champion=candidate if command.share == 100 else row.champion,
            requested_by=actor.name,
            subject=actor.subject,
            reason=f"Next step of the approved plan: {command.share} %",
            created_at=now,
            next_try_at=now,
            seq_intent=0,
            leaf_intent="",
            finished_at=None,
            switched_at=None,
            seq_outcome=None,
            attempts=0,
            alias_done=False,
            detail="",
        )
        payload = intents.action_statement(
            action, basis=allowed_by, at=now, head=head, nonce=command.challenge, actor=actor
        )
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        with self._units.write() as unit:
            self._guards.spend(unit, command.challenge, row)
            if unit.rollouts.open_actions(row.model):
                raise ConflictError("Another action on this model is still running.", hint="Wait until it is done.")
            self._require_unhindered(unit.rollouts, row)
            action, receipt = intents.record(unit, action, envelope)
            raise_epoch(unit.rollouts, row.model, at=now)
        return receipt, action.action_id

    def _require_unhindered(self, rollouts: RolloutStore, row: Deployment) -> None:
        """Nothing new goes live past an overdue review, or on top of a change that nobody signed."""
        require_reviewed(rollouts, row.model, now=self._clock.now())
        if row.finding_digest:
            raise RefusalError(
                f"There is a change that nobody signed. {row.finding}",
                hint="Revert it or adopt it first, or roll back.",
            )
