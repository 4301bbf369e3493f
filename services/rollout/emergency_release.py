"""Breaking the glass: one signature on call puts a version into service; its review opens in the same transaction.

It never takes a version whose files changed or whose approval was revoked, and never overtakes a rollback.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from services.attestation.free_text import salted
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.inventory.models import GovernedModel
from services.inventory.names import suspicion
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import (
    ConflictError,
    IllegalTransitionError,
    RefusalError,
    ServingUnavailableError,
    StaleRequestError,
)
from services.kernel.identity import Actor
from services.rollout import emergency_rules as rules
from services.rollout import emergency_statements as statements
from services.rollout import intents, plan
from services.rollout.emergency_models import (
    BREAK_GLASS_REASONS,
    REVIEWERS_NEEDED,
    BreakGlass,
    Emergency,
    EmergencyMode,
    EmergencyPlan,
    EmergencyTarget,
)
from services.rollout.emergency_ports import EmergencyUnit, EmergencyUnits, ReviewTerms
from services.rollout.guards import Guards, raise_epoch, require_reviewed
from services.rollout.models import Action, ActionKind, ActionState, Basis, Deployment
from services.rollout.ports import ServingPlatform

PURPOSE = "break-glass"


class EmergencyReleases:
    def __init__(
        self,
        *,
        units: EmergencyUnits,
        inventory: InventoryService,
        desk: SigningDesk,
        serving: ServingPlatform,
        guards: Guards,
        review_days: ReviewTerms,
        clock: Clock,
    ) -> None:
        self._units = units
        self._inventory = inventory
        self._desk = desk
        self._serving = serving
        self._guards = guards
        self._review_days = review_days
        self._clock = clock

    def targets(self, model: str) -> tuple[EmergencyTarget, ...]:
        """Every version with the reason why break-glass may not take it, newest first."""
        versions = [item.version for item in self._inventory.versions(model)]
        with self._units.read() as unit:
            row = unit.rollouts.deployment(model)
            return tuple(_target(unit, model, version, row) for version in versions)

    def plan(self, model: str, version: str, *, actor: Actor) -> EmergencyPlan:
        governed = self._inventory.model(model)
        self._inventory.version(model, version)
        unchecked: list[str] = []
        with self._units.read() as unit:
            row = unit.rollouts.deployment(model) or _new(governed)
            target = _target(unit, model, version, row)
            _require_free(unit, model, target, now=self._clock.now())
        try:
            self._serving.observe(row.deployment)
        except ServingUnavailableError as away:
            unchecked.append(f"The serving platform did not answer: {away.message}")
        if self._inventory.sync_state().error:
            unchecked.append("The registry is not reachable; the release waits until the files can be hashed again.")
        review_by = self._review_by(model)
        shown = f"{plan.words(row.desired)}|{target.mode.value}|{version}"
        return EmergencyPlan(
            model=model,
            version=version,
            mode=target.mode,
            current=row.desired,
            effect=_effect(row, target, review_by),
            review_by=review_by,
            reviewers_needed=REVIEWERS_NEEDED,
            unchecked=tuple(unchecked),
            challenge=self._guards.challenge(PURPOSE, actor, row, shown=shown),
        )

    def record(self, command: BreakGlass, actor: Actor) -> tuple[Receipt, str]:
        action_id = intents.action_id("emergency", actor.subject, command.command_id)
        governed = self._inventory.model(command.model)
        now = self._clock.now()
        with self._units.read() as unit:
            earlier = unit.ledger.find(f"action:{action_id}")
            if earlier is not None:
                return replace(earlier, repeated=True), action_id
            rules.require_stated(command)
            row = unit.rollouts.deployment(command.model) or _new(governed)
            target = _target(unit, command.model, command.version, row)
            _require_free(unit, command.model, target, now=now)
            _require_same(command, target)
            self._guards.require_challenge(unit.rollouts, command.challenge, PURPOSE, actor, row)
            basis, carried = _basis(unit, row, target)
            manifest = dict(unit.rollouts.manifests(command.model))[command.version]
            asked = unit.emergencies.asked(command.model, command.version)
            head = unit.ledger.head()
        self._inventory.version(command.model, command.version)
        review_by = self._review_by(command.model)
        action = _action(command, row, actor, action_id=action_id, manifest=manifest, basis=basis, at=now)
        action = replace(action, request_id=carried)
        salt, reason_sha256 = salted(command.reason.strip())
        payload = statements.order(
            action,
            mode=target.mode,
            basis=basis,
            reason_sha256=reason_sha256,
            review_by=review_by,
            at=now,
            head=head,
            nonce=command.challenge,
            actor=actor,
        )
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        with self._units.write() as unit:
            earlier = unit.ledger.find(f"action:{action_id}")
            if earlier is not None:
                return replace(earlier, repeated=True), action_id
            # Asked again inside the transaction: a rollback, a revocation or another break-glass may have been faster.
            current = unit.rollouts.deployment(command.model)
            if current is None:
                unit.rollouts.save_deployment(row, at=now)
            _require_free(unit, command.model, _target(unit, command.model, command.version, current), now=now)
            self._guards.spend(unit, command.challenge, row)
            action, receipt = intents.record(unit, action, envelope)
            for other in unit.rollouts.open_actions(command.model):
                if other.action_id != action_id:
                    intents.supersede(unit, self._desk, other, why=f"break-glass {action_id}", at=now)
            raise_epoch(unit.rollouts, command.model, at=now)
            unit.emergencies.add(
                Emergency(
                    review_id="rev-" + action_id.removeprefix("act-"),
                    action_id=action_id,
                    model=command.model,
                    version=command.version,
                    mode=target.mode,
                    manifest_sha256=manifest,
                    by_issuer=actor.issuer,
                    by_subject=actor.subject,
                    by_name=actor.name,
                    requester_issuer=asked.requester_issuer if asked else "",
                    requester_subject=asked.requester_subject if asked else "",
                    at=now,
                    reason_code=command.reason_code,
                    reason=command.reason.strip(),
                    salt=salt,
                    review_by=review_by,
                    seq=receipt.seq,
                    leaf_hash=receipt.leaf_hash,
                )
            )
        return receipt, action_id

    def _review_by(self, model: str) -> datetime:
        return self._clock.now().replace(microsecond=0) + timedelta(days=self._review_days(model))


def _target(unit: EmergencyUnit, model: str, version: str, row: Deployment | None) -> EmergencyTarget:
    return rules.target(
        version,
        deployment=row,
        hashed=unit.rollouts.manifests(model),
        served_as={item.version: item.manifest_sha256 for item in unit.rollouts.served(model)},
        asked=unit.emergencies.asked(model, version),
        revoked=unit.rollouts.revoked_versions(model),
    )


def _require_free(unit: EmergencyUnit, model: str, target: EmergencyTarget, *, now: datetime) -> None:
    if suspicion(model):
        raise RefusalError(
            f"This model cannot be released. {suspicion(model)}", hint="Register it under a name that can be read."
        )
    require_reviewed(unit.rollouts, model, now=now)
    if target.refusal:
        raise IllegalTransitionError(
            f"Version {target.version} cannot be released by break-glass: {target.refusal}.",
            hint="Choose another version, or roll back.",
        )
    if any(action.kind is ActionKind.ROLLBACK for action in unit.rollouts.open_actions(model)):
        raise ConflictError("A rollback of this model is running.", hint="Wait until it is done, then look again.")


def _require_same(command: BreakGlass, target: EmergencyTarget) -> None:
    if command.mode is not target.mode:
        raise StaleRequestError(
            "The release of this version started or ended since you opened this form.", hint="Open it again."
        )


def _basis(unit: EmergencyUnit, row: Deployment, target: EmergencyTarget) -> tuple[Basis | None, str | None]:
    """What the order cites, and the request that is finished by it: only a skipped plan finishes its request."""
    if target.mode is EmergencyMode.SKIP:
        release = unit.rollouts.action(row.release_action or "")
        found = unit.rollouts.basis(release.request_id or "") if release else None
        if found is None:
            raise RefusalError("The approval behind this release cannot be found.", hint="Roll back.")
        return found, found.request_id
    asked = unit.emergencies.asked(row.model, target.version)
    return (unit.rollouts.basis(asked.request_id) if asked else None), None


def _action(
    command: BreakGlass,
    row: Deployment,
    actor: Actor,
    *,
    action_id: str,
    manifest: str,
    basis: Basis | None,
    at: datetime,
) -> Action:
    return Action(
        action_id=action_id,
        model=row.model,
        deployment=row.deployment,
        kind=ActionKind.EMERGENCY,
        state=ActionState.PENDING,
        from_version=row.champion or None,
        to_version=command.version,
        routes=((command.version, 100),),
        champion=command.version,
        plan=(),
        request_id=None,
        requested_by=actor.name,
        subject=actor.subject,
        reason_code=command.reason_code,
        reason=f"Break-glass. {BREAK_GLASS_REASONS[command.reason_code]}: {command.reason.strip()}",
        manifest_sha256=manifest,
        decisions=basis.decisions if basis else (),
        created_at=at,
        seq_intent=0,
        leaf_intent="",
        next_try_at=at,
    )


def _effect(row: Deployment, target: EmergencyTarget, review_by: datetime) -> tuple[str, ...]:
    version = target.version
    if target.mode is EmergencyMode.SKIP:
        skipped = ", ".join(f"{share} %" for share in row.plan if share > row.candidate_share)
        lines = [
            f"Version {version} gets all traffic at once instead of {row.candidate_share} %.",
            f"The approved steps {skipped} are not waited for.",
        ]
    else:
        lines = [f"Version {version} gets all traffic at once without a complete approval."]
        if row.candidate and row.candidate != version:
            lines.append(f"The running release of version {row.candidate} ends.")
        if target.remark:
            lines.append(target.remark)
    if row.champion and row.champion != version:
        lines.append(f"Version {row.champion} gets none; rolling back to it stays possible.")
    lines.append(
        f"{REVIEWERS_NEEDED} uninvolved people have to review this by {review_by:%d %b %Y %H:%M} UTC. "
        "After that no new version of this model goes live until they have."
    )
    return tuple(lines)


def _new(governed: GovernedModel) -> Deployment:
    return Deployment(model=governed.name, deployment=governed.name, kind=governed.kind.value)
