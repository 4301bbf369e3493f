"""Putting back what was signed after a change made outside Countersign: one signature on call, through the outbox.

The order restores traffic or pin, alias and tags as the ledger last ordered them, and cites the observation it undoes.
The finding itself ends by the next comparison, not by this order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import ConflictError, IllegalTransitionError, MissingReasonError, RefusalError
from services.kernel.identity import Actor
from services.kernel.secret import Secret
from services.rollout import intents, plan
from services.rollout.differences import Ordered, adoptable, why_not_put_back
from services.rollout.guards import Guards, raise_epoch, released
from services.rollout.models import Action, ActionKind, ActionState, Basis, Deployment, UnsignedChange
from services.rollout.orders import Orders
from services.rollout.ports import Attestations, RolloutStore, RolloutUnits

PURPOSE = "revert"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertPlan:
    """What is there, what was signed and what each way out does; shown before the button."""

    model: str
    changes: tuple[UnsignedChange, ...]
    observation: int
    """Ledger entry of the finding."""
    effects: tuple[str, ...]
    """What reverting does, sentence by sentence."""
    refusal: str
    """Why it cannot be reverted, or empty."""
    adoptable_version: str | None
    challenge: str
    """Single-use nonce bound to the person and this finding; empty when it cannot be reverted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """Command: put back what was signed."""

    command_id: str
    model: str
    challenge: str
    passphrase: Secret
    reason: str


class Reverts:
    def __init__(
        self,
        *,
        units: RolloutUnits,
        inventory: InventoryService,
        desk: SigningDesk,
        attestations: Attestations,
        guards: Guards,
        clock: Clock,
    ) -> None:
        self._units = units
        self._inventory = inventory
        self._desk = desk
        self._orders = Orders(attestations)
        self._guards = guards
        self._clock = clock

    def plan(self, model: str, *, actor: Actor) -> RevertPlan:
        """Raises IllegalTransitionError when there is no such finding any more."""
        governed = self._inventory.model(model)
        with self._units.read() as unit:
            row = released(unit.rollouts, governed)
            observation = _require_finding(row)
            ordered = self._ordered(unit.rollouts, model)
        refusal = why_not_put_back(row.changes)
        return RevertPlan(
            model=model,
            changes=row.changes,
            observation=observation,
            effects=() if refusal else _effects(row, ordered),
            refusal=refusal,
            adoptable_version=adoptable(row.changes, served=_served(row)),
            challenge="" if refusal else self._guards.challenge(PURPOSE, actor, row, shown=_shown(row, ordered)),
        )

    def record(self, command: Revert, actor: Actor) -> tuple[Receipt, str]:
        action_id = intents.action_id("revert", actor.subject, command.command_id)
        governed = self._inventory.model(command.model)
        with self._units.read() as unit:
            earlier = unit.ledger.find(f"action:{action_id}")
            if earlier is not None:
                return replace(earlier, repeated=True), action_id
            if not command.reason.strip():
                raise MissingReasonError("Reverting needs a sentence that says why.", hint="Write it.")
            row = released(unit.rollouts, governed)
            observation = _require_finding(row)
            _require_possible(row)
            _require_idle(unit.rollouts, row.model)
            ordered = self._ordered(unit.rollouts, row.model)
            shown = _shown(row, ordered)
            self._guards.require_challenge(unit.rollouts, command.challenge, PURPOSE, actor, row, shown=shown)
            last = unit.rollouts.applied(row.model)[0]
            basis = _basis(unit.rollouts, last)
            head = unit.ledger.head()
        now = self._clock.now()
        action = replace(
            last,
            action_id=action_id,
            kind=ActionKind.REVERT,
            state=ActionState.PENDING,
            from_version=_alias_there(row, ordered),
            routes=ordered.routes,
            champion=ordered.champion,
            request_id=None,
            requested_by=actor.name,
            subject=actor.subject,
            reason_code="",
            reason=f"Unsigned change put back: {command.reason.strip()}",
            decisions=basis.decisions if basis else (),
            created_at=now,
            next_try_at=now,
            seq_intent=0,
            leaf_intent="",
            finished_at=None,
            switched_at=None,
            restored_seconds=None,
            seq_outcome=None,
            attempts=0,
            lease_owner="",
            lease_until=None,
            alias_done=False,
            detail="",
        )
        payload = intents.action_statement(
            action,
            basis=basis,
            at=now,
            head=head,
            nonce=command.challenge,
            actor=actor,
            cites={"reverts": {"entry": observation, "sha256": row.finding_leaf}},
        )
        envelope = self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)
        with self._units.write() as unit:
            earlier = unit.ledger.find(f"action:{action_id}")
            if earlier is not None:
                return replace(earlier, repeated=True), action_id
            self._guards.spend(unit, command.challenge, row)
            _require_idle(unit.rollouts, row.model)
            action, receipt = intents.record(unit, action, envelope)
            raise_epoch(unit.rollouts, row.model, at=now)
        return receipt, action.action_id

    def _ordered(self, rollouts: RolloutStore, model: str) -> Ordered:
        ordered = self._orders.last(rollouts, model)
        if ordered is None or ordered.broken:
            raise RefusalError(
                ordered.broken if ordered else f"Nothing was ever released for {model}.",
                hint="Verify the ledger; a rollback stays possible.",
            )
        return ordered


def _shown(row: Deployment, ordered: Ordered) -> str:
    return f"{row.finding_digest}|{plan.words(ordered.routes)}|{ordered.champion}"


def _require_finding(row: Deployment) -> int:
    if not row.finding_digest or row.finding_seq is None:
        raise IllegalTransitionError(
            f"{row.model} serves what was signed; there is nothing to put back.", hint="Look at the page again."
        )
    return row.finding_seq


def _require_possible(row: Deployment) -> None:
    refusal = why_not_put_back(row.changes)
    if refusal:
        raise IllegalTransitionError(
            f"This cannot be put back: {refusal}.", hint="Roll back to another version, or adopt what is there."
        )


def _require_idle(rollouts: RolloutStore, model: str) -> None:
    if rollouts.open_actions(model):
        raise ConflictError("Another action on this model is still running.", hint="Wait until it is done.")


def _basis(rollouts: RolloutStore, last: Action) -> Basis | None:
    """The request behind the version that was ordered; None for one that went live by break-glass."""
    if last.request_id:
        return rollouts.basis(last.request_id)
    served = next((item for item in rollouts.served(last.model) if item.version == last.to_version), None)
    return rollouts.basis(served.request_id) if served and served.request_id else None


def _served(row: Deployment) -> tuple[tuple[str, int], ...] | None:
    return row.observed.routes if row.observed and not row.problem else None


def _alias_there(row: Deployment, ordered: Ordered) -> str | None:
    moved = next((change for change in row.changes if change.kind == "alias"), None)
    return ordered.champion if moved is None else moved.version or None


def _effects(row: Deployment, ordered: Ordered) -> tuple[str, ...]:
    lines = {
        "traffic": f"Traffic goes back to {plan.words(ordered.routes)}.",
        "pin": f"The batch job is pinned to {plan.words(ordered.routes)} again; its next run uses it.",
        "mirror": "Copies of requests go again where the shadow run that was signed sends them, and to nobody else.",
        "alias": f"The alias `champion` points at version {ordered.champion} again.",
        "tag": "The tags Countersign wrote are written again.",
    }
    found = [lines[kind] for kind in dict.fromkeys(change.kind for change in row.changes) if kind in lines]
    return (*found, "It is read back, and the finding ends with the next comparison.")
