"""Use cases of a release in production: look, advance under the approved plan, roll back with one signature.

A rollback is never held up: it supersedes every other open action, needs no registry, and a second one
joins the first. Refused attempts are recorded.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from services.attestation.canonical import to_bytes
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.inventory.models import GovernedModel
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import (
    ConflictError,
    InputError,
    MissingReasonError,
    RefusalError,
    RollbackTargetError,
    ServingUnavailableError,
    StaleRequestError,
)
from services.kernel.identity import Actor, Permission
from services.ledger.service import LedgerService
from services.people.service import PeopleService
from services.rollout import intents, plan
from services.rollout.models import (
    ROLLBACK_REASONS,
    Action,
    ActionKind,
    ActionState,
    ActionView,
    Advance,
    Basis,
    Challenge,
    Deployment,
    DeploymentView,
    RollBack,
    RollbackPlan,
    RollbackTarget,
    ServedVersion,
    TrafficChange,
)
from services.rollout.outbox import OutboxRunner
from services.rollout.ports import RolloutStore, RolloutUnit, RolloutUnits, ServingPlatform
from services.rollout.reconcile import Reconciler
from services.rollout.views import deployment_view

CHALLENGE_LIFETIME = timedelta(minutes=15)
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
        clock: Clock,
        requests_per_minute: Callable[[str], float | None] = lambda _model: None,
        inline_seconds: float = _INLINE_SECONDS,
    ) -> None:
        self._units = units
        self._people = people
        self._ledger = ledger
        self._inventory = inventory
        self._desk = desk
        self._serving = serving
        self._runner = runner
        self._reconciler = reconciler
        self._clock = clock
        self._requests_per_minute = requests_per_minute
        self._inline_seconds = inline_seconds

    # looking

    def deployments(self) -> tuple[DeploymentView, ...]:
        """All models that ever had a release, as last read back by the worker."""
        with self._units.read() as unit:
            return tuple(deployment_view(item) for item in unit.rollouts.deployments())

    def deployment(self, model: str) -> DeploymentView:
        """Asked from the platform now; the last known state with the problem when it does not answer."""
        governed = self._inventory.model(model)
        with self._units.read() as unit:
            row = unit.rollouts.deployment(model) or _never_released(governed)
        try:
            observed = self._serving.observe(row.deployment)
        except ServingUnavailableError as away:
            return deployment_view(replace(row, problem=away.message))
        return deployment_view(replace(row, observed=observed, observed_at=observed.at, problem=""))

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

    def plan_rollback(self, model: str, *, actor: Actor) -> RollbackPlan:
        """What will happen, with a single-use challenge for this person and this state."""
        self._people.require(actor, Permission.ROLL_BACK)
        governed = self._inventory.model(model)
        unchecked: list[str] = []
        with self._units.read() as unit:
            row = self._released(unit.rollouts, governed)
            targets = self._targets(unit.rollouts, row)
        try:
            self._serving.observe(row.deployment)
        except ServingUnavailableError as away:
            unchecked.append(f"The serving platform did not answer: {away.message}")
        sync = self._inventory.sync_state()
        if sync.error:
            unchecked.append("The registry is not reachable; the alias will follow once it is.")
        proposed = next((target.version for target in targets if target.eligible), None)
        challenge = self._challenge("rollback", actor, row, shown=f"{plan.words(row.desired)}|{proposed}")
        return RollbackPlan(
            model=model,
            deployment=row.deployment,
            current=row.desired,
            targets=targets,
            proposed=proposed,
            requests_per_minute=self._requests_per_minute(model),
            consumers=_consumers(governed),
            unchecked=tuple(unchecked),
            challenge=challenge,
        )

    def roll_back(self, command: RollBack, *, actor: Actor) -> Receipt:
        """Signs, records, switches within seconds if the platform answers; the worker finishes otherwise.

        Raises MissingReasonError, InputError (name not repeated), RollbackTargetError, StaleRequestError,
        PassphraseError, KeyLockedError.
        """
        self._people.require(actor, Permission.ROLL_BACK)
        with self._recording("rollback-refused", actor, command.model, command.target):
            receipt, action_id = self._record_rollback(command, actor)
        self._runner.drive(action_id, timeout_seconds=self._inline_seconds)
        return receipt

    def _record_rollback(self, command: RollBack, actor: Actor) -> tuple[Receipt, str]:
        action_id = intents.action_id("rollback", actor.subject, command.command_id)
        governed = self._inventory.model(command.model)
        with self._units.read() as unit:
            earlier = unit.ledger.find(f"action:{action_id}")
            if earlier is not None:
                return replace(earlier, repeated=True), action_id
            _require_reason(command)
            row = self._released(unit.rollouts, governed)
            joined = _running_rollback(unit, command.model)
            if joined is not None:
                return _join(unit, joined)
            target = self._eligible(unit.rollouts, row, command.target)
            basis = _basis(unit.rollouts, target.request_id)
            self._require_challenge(unit.rollouts, command.challenge, "rollback", actor, row)
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
        payload = intents.action_statement(action, basis=basis, at=now, head=head, nonce=command.challenge, actor=actor)
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        with self._units.write() as unit:
            joined = _running_rollback(unit, command.model)
            if joined is not None:
                return _join(unit, joined)
            self._spend(unit, command.challenge, row)
            action, receipt = intents.record(unit, action, envelope)
            for other in unit.rollouts.open_actions(row.model):
                if other.action_id != action.action_id:
                    intents.supersede(unit, self._desk, other, why=f"rollback {action.action_id}", at=now)
            _raise_epoch(unit.rollouts, row.model, at=now)
        return receipt, action.action_id

    # advancing

    def plan_advance(self, model: str, *, actor: Actor) -> str:
        """A challenge for the next step of the running release. Raises IllegalTransitionError when there is none."""
        self._people.require(actor, Permission.ADVANCE_ROLLOUT)
        governed = self._inventory.model(model)
        with self._units.read() as unit:
            row = self._released(unit.rollouts, governed)
            share = plan.next_share(row.plan, row.candidate_share) or 100
            plan.require_next(row, share)
        return self._challenge("advance", actor, row, shown=f"{plan.words(row.desired)}|{share}")

    def advance(self, command: Advance, *, actor: Actor) -> Receipt:
        """Gives the candidate exactly the next share of its approved plan, signed by an SRE."""
        self._people.require(actor, Permission.ADVANCE_ROLLOUT)
        # A rollback is not held up by this: bringing traffic back must work while the ledger is being repaired.
        self._ledger.require_trustworthy()
        with self._recording("advance-refused", actor, command.model, f"{command.share} %"):
            receipt, action_id = self._record_advance(command, actor)
        self._runner.drive(action_id, timeout_seconds=self._inline_seconds)
        return receipt

    def _record_advance(self, command: Advance, actor: Actor) -> tuple[Receipt, str]:
        action_id = intents.action_id("advance", actor.subject, command.command_id)
        governed = self._inventory.model(command.model)
        with self._units.read() as unit:
            earlier = unit.ledger.find(f"action:{action_id}")
            if earlier is not None:
                return replace(earlier, repeated=True), action_id
            row = self._released(unit.rollouts, governed)
            routes = plan.require_next(row, command.share)
            candidate = row.candidate or ""
            if candidate in unit.rollouts.revoked_versions(row.model):
                raise RefusalError(
                    f"The approval of version {candidate} was revoked.", hint="Roll back to the base version."
                )
            if unit.rollouts.open_actions(row.model):
                raise ConflictError("Another action on this model is still running.", hint="Wait until it is done.")
            self._require_challenge(unit.rollouts, command.challenge, "advance", actor, row)
            release = unit.rollouts.action(row.release_action or "")
            if release is None:
                raise RefusalError(f"The release of version {candidate} has no signed start.", hint="Roll back.")
            basis = _basis(unit.rollouts, release.request_id)
            head = unit.ledger.head()
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
        payload = intents.action_statement(action, basis=basis, at=now, head=head, nonce=command.challenge, actor=actor)
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        with self._units.write() as unit:
            self._spend(unit, command.challenge, row)
            if unit.rollouts.open_actions(row.model):
                raise ConflictError("Another action on this model is still running.", hint="Wait until it is done.")
            action, receipt = intents.record(unit, action, envelope)
            _raise_epoch(unit.rollouts, row.model, at=now)
        return receipt, action.action_id

    # guards

    @contextmanager
    def _recording(self, event: str, actor: Actor, model: str, what: str) -> Iterator[None]:
        """A refused attempt becomes a ledger entry before the person reads why."""
        try:
            yield
        except RefusalError as refused:
            self._ledger.record_event(
                event=event, actor=actor, model=model, detail={"target": what, "code": refused.code}
            )
            raise

    def _released(self, rollouts: RolloutStore, governed: GovernedModel) -> Deployment:
        row = rollouts.deployment(governed.name)
        if row is None or not row.desired:
            raise InputError(f"{governed.name} was never released.", hint="Approve a version first.")
        return row

    def _targets(self, rollouts: RolloutStore, row: Deployment) -> tuple[RollbackTarget, ...]:
        return plan.rollback_targets(
            versions=[item.version for item in self._inventory.versions(row.model)],
            served=rollouts.served(row.model),
            deployment=row,
            approved=rollouts.approved_versions(row.model),
            revoked=rollouts.revoked_versions(row.model),
            manifests=rollouts.manifests(row.model),
        )

    def _eligible(self, rollouts: RolloutStore, row: Deployment, version: str) -> ServedVersion:
        target = next((item for item in self._targets(rollouts, row) if item.version == version), None)
        if target is None:
            raise RollbackTargetError(f"{row.model} has no version {version}.", hint="Choose one from the list.")
        if not target.eligible:
            raise RollbackTargetError(
                f"Version {version} cannot be a rollback target: {target.reason}.",
                hint="Choose a version that was both approved and served.",
            )
        return next(item for item in rollouts.served(row.model) if item.version == version)

    def _challenge(self, purpose: str, actor: Actor, row: Deployment, *, shown: str) -> str:
        challenge = Challenge(
            nonce=secrets.token_hex(16),
            purpose=purpose,
            subject=actor.subject,
            about=row.model,
            revision=row.epoch,
            shown_sha256=hashlib.sha256(to_bytes({"shown": shown})).hexdigest(),
            expires_at=self._clock.now() + CHALLENGE_LIFETIME,
        )
        with self._units.write() as unit:
            unit.rollouts.add_challenge(challenge)
        return challenge.nonce

    def _require_challenge(
        self, rollouts: RolloutStore, nonce: str, purpose: str, actor: Actor, row: Deployment
    ) -> None:
        found = rollouts.challenge(nonce)
        now = self._clock.now()
        bound = (found.purpose, found.subject, found.about) if found else None
        if found is None or bound != (purpose, actor.subject, row.model):
            raise RefusalError("This form was not opened by you for this model.", hint="Open it again.")
        if found.used or found.expires_at < now or found.revision != row.epoch:
            raise StaleRequestError(
                "Traffic changed or too much time passed since you opened this form.", hint="Open it again."
            )

    def _spend(self, unit: RolloutUnit, nonce: str, row: Deployment) -> None:
        current = unit.rollouts.deployment(row.model)
        if current is None or current.epoch != row.epoch or not unit.rollouts.use_challenge(nonce):
            raise StaleRequestError("Somebody acted on this model at the same moment.", hint="Look again.")


def _basis(rollouts: RolloutStore, request_id: str | None) -> Basis:
    found = rollouts.basis(request_id or "")
    if found is None:
        raise RefusalError("The approval behind this version cannot be found.", hint="Choose another version.")
    return found


def _raise_epoch(rollouts: RolloutStore, model: str, *, at: datetime) -> None:
    row = rollouts.deployment(model)
    if row is not None:
        rollouts.save_deployment(replace(row, epoch=row.epoch + 1), at=at)


def _running_rollback(unit: RolloutUnit, model: str) -> Action | None:
    return next((item for item in unit.rollouts.open_actions(model) if item.kind is ActionKind.ROLLBACK), None)


def _join(unit: RolloutUnit, action: Action) -> tuple[Receipt, str]:
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


def _never_released(governed: GovernedModel) -> Deployment:
    return Deployment(model=governed.name, deployment=governed.name, kind=governed.kind.value)


def _consumers(governed: GovernedModel) -> tuple[str, ...]:
    """Everything downstream of the model in its lineage."""
    reached = {governed.name}
    for _ in governed.lineage:
        reached |= {target for source, target in governed.lineage if source in reached}
    return tuple(sorted(reached - {governed.name}))
