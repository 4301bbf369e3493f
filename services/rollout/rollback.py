"""Back to an earlier version with one signature: never held up, joined by a second one, needing no registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.inventory.models import GovernedModel
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import (
    ConflictError,
    InputError,
    MissingReasonError,
    RollbackTargetError,
    ServingUnavailableError,
)
from services.kernel.identity import Actor
from services.rollout import intents, plan, release_effects
from services.rollout.guards import Guards, basis, raise_epoch, released
from services.rollout.models import (
    ROLLBACK_REASONS,
    Action,
    ActionKind,
    ActionState,
    Deployment,
    RollBack,
    RollbackPlan,
    RollbackTarget,
    ServedVersion,
)
from services.rollout.ports import RolloutStore, RolloutUnit, RolloutUnits, ServingPlatform
from services.rollout.release_models import ReleaseState


class Rollbacks:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        inventory: InventoryService,
        desk: SigningDesk,
        serving: ServingPlatform,
        guards: Guards,
        clock: Clock,
        requests_per_minute: Callable[[str], float | None],
        next_batch: Callable[[str], str],
    ) -> None:
        self._units = units
        self._inventory = inventory
        self._desk = desk
        self._serving = serving
        self._guards = guards
        self._clock = clock
        self._requests_per_minute = requests_per_minute
        self._next_batch = next_batch

    def plan(self, model: str, *, actor: Actor) -> RollbackPlan:
        """What will happen, with a single-use challenge for this person and this state."""
        governed = self._inventory.model(model)
        unchecked: list[str] = []
        with self._units.read() as unit:
            row = released(unit.rollouts, governed)
            targets = self.targets(unit.rollouts, row)
        try:
            self._serving.observe(row.deployment)
        except ServingUnavailableError as away:
            unchecked.append(f"The serving platform did not answer: {away.message}")
        sync = self._inventory.sync_state()
        if sync.error:
            unchecked.append("The registry is not reachable; the alias will follow once it is.")
        proposed = next((target.version for target in targets if target.eligible), None)
        challenge = self._guards.challenge("rollback", actor, row, shown=f"{plan.words(row.desired)}|{proposed}")
        return RollbackPlan(
            model=model,
            deployment=row.deployment,
            current=row.desired,
            targets=targets,
            proposed=proposed,
            requests_per_minute=self._requests_per_minute(model),
            consumers=consumers_of(governed),
            unchecked=tuple(unchecked),
            challenge=challenge,
            next_batch=self._next_batch(model),
        )

    def record(self, command: RollBack, actor: Actor) -> tuple[Receipt, str]:
        action_id = intents.action_id("rollback", actor.subject, command.command_id)
        governed = self._inventory.model(command.model)
        with self._units.read() as unit:
            earlier = unit.ledger.find(f"action:{action_id}")
            if earlier is not None:
                return replace(earlier, repeated=True), action_id
            _require_reason(command)
            row = released(unit.rollouts, governed)
            joined = running_rollback(unit, command.model)
            if joined is not None:
                return join(unit, joined)
            target = self.eligible(unit.rollouts, row, command.target)
            allowed_by = basis(unit.rollouts, target.request_id)
            self._guards.require_challenge(unit.rollouts, command.challenge, "rollback", actor, row)
            head = unit.ledger.head()
        now = self._clock.now()
        action = Action(
            action_id=action_id,
            model=row.model,
            deployment=row.deployment,
            kind=ActionKind.ROLLBACK,
            state=ActionState.PENDING,
            from_version=row.champion,
            to_version=target.version,
            routes=((target.version, 100),),
            champion=target.version,
            plan=(),
            request_id=None,
            requested_by=actor.name,
            subject=actor.subject,
            reason_code=command.reason_code,
            reason=f"{ROLLBACK_REASONS[command.reason_code]}: {command.reason.strip()}",
            manifest_sha256=target.manifest_sha256,
            decisions=target.decisions,
            created_at=now,
            seq_intent=0,
            leaf_intent="",
            next_try_at=now,
        )
        payload = intents.action_statement(
            action, basis=allowed_by, at=now, head=head, nonce=command.challenge, actor=actor
        )
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        with self._units.write() as unit:
            joined = running_rollback(unit, command.model)
            if joined is not None:
                return join(unit, joined)
            self._guards.spend(unit, command.challenge, row)
            receipt = queue(unit, self._desk, action, envelope, at=now)
        return receipt, action.action_id

    def targets(self, rollouts: RolloutStore, row: Deployment) -> tuple[RollbackTarget, ...]:
        with self._units.read() as unit:
            release = unit.releases.running_release(row.model)
        return plan.rollback_targets(
            versions=[item.version for item in self._inventory.versions(row.model)],
            served=rollouts.served(row.model),
            deployment=row,
            approved=rollouts.approved_versions(row.model),
            revoked=rollouts.revoked_versions(row.model),
            manifests=rollouts.manifests(row.model),
            unsure=release is not None and release.state is ReleaseState.FAILED,
        )

    def eligible(self, rollouts: RolloutStore, row: Deployment, version: str) -> ServedVersion:
        targets = self.targets(rollouts, row)
        target = next((item for item in targets if item.version == version), None)
        if target is None:
            raise RollbackTargetError(f"{row.model} has no version {version}.", hint="Choose one from the list.")
        if not target.eligible:
            left = any(item.eligible for item in targets)
            raise RollbackTargetError(
                f"Version {version} cannot be a rollback target: {target.reason}.",
                hint="Choose a version that was both approved and served." if left else self._what_remains(row.model),
            )
        return next(item for item in rollouts.served(row.model) if item.version == version)

    def _what_remains(self, model: str) -> str:
        fallback = self._inventory.model(model).fallback or "none is named"
        return f"There is no version to go back to. What remains is the fallback of the model: {fallback}."


def queue(unit: RolloutUnit, desk: SigningDesk, action: Action, envelope: bytes, *, at: datetime) -> Receipt:
    """Records the signed rollback and ends every other open action of the model: it takes precedence."""
    action, receipt = intents.record(unit, action, envelope)
    for other in unit.rollouts.open_actions(action.model):
        if other.action_id != action.action_id:
            intents.supersede(unit, desk, other, why=f"rollback {action.action_id}", at=at)
    if not receipt.repeated:
        release_effects.at_rollback(unit, action, at=at)
    raise_epoch(unit.rollouts, action.model, at=at)
    return receipt


def running_rollback(unit: RolloutUnit, model: str) -> Action | None:
    return next((item for item in unit.rollouts.open_actions(model) if item.kind is ActionKind.ROLLBACK), None)


def join(unit: RolloutUnit, action: Action) -> tuple[Receipt, str]:
    """The second of two rollbacks keeps the receipt of the first: one operation, both people see it."""
    receipt = unit.ledger.find(f"action:{action.action_id}")
    if receipt is None:
        raise ConflictError("A rollback is already running.", hint="Watch its progress.")
    return replace(receipt, repeated=True), action.action_id


def _require_reason(command: RollBack) -> None:
    if command.reason_code not in ROLLBACK_REASONS or not command.reason.strip():
        raise MissingReasonError("A rollback needs a reason and a sentence.", hint="Choose one and write the sentence.")
    if command.model_confirmation.strip() != command.model:
        raise InputError("The typed name is not the name of the model.", hint=f"Type {command.model}.")


def consumers_of(governed: GovernedModel) -> tuple[str, ...]:
    """Everything downstream of the model in its lineage."""
    reached = {governed.name}
    for _ in governed.lineage:
        reached |= {target for source, target in governed.lineage if source in reached}
    return tuple(sorted(reached - {governed.name}))
