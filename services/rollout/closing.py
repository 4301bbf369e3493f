"""Ends an action: outcome entry, deployment, served periods, timeline and request in one transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.attestation.ports import SigningDesk
from services.rollout import intents, release_effects
from services.rollout.models import Action, ActionState, Outcome, TrafficChange
from services.rollout.ports import RolloutUnit, RolloutUnits


def close(units: RolloutUnits, desk: SigningDesk, action_id: str, outcome: Outcome, *, at: datetime) -> None:
    """Repeating it changes nothing: the outcome's key is the action, and a closed action stays closed."""
    with units.write() as unit:
        action = unit.rollouts.action(action_id)
        if action is None or not action.is_open:
            return
        applied = outcome.state is ActionState.APPLIED
        after = action.champion if applied else action.from_version or ""
        receipt = intents.append_outcome(
            unit, desk, action, result=outcome.state.value, after=after, detail=outcome.detail, at=at
        )
        ended = replace(
            action,
            state=outcome.state,
            finished_at=at,
            seq_outcome=receipt.seq,
            detail=outcome.detail,
            lease_owner="",
            lease_until=None,
            alias_done=applied and not outcome.alias_pending,
        )
        unit.rollouts.update_action(ended)
        unit.rollouts.add_step(action_id, "recorded", f"Outcome recorded in entry {receipt.seq}.", at=at)
        _deployment(unit, ended, outcome, at=at)
        release_effects.after_outcome(unit, ended, at=at)
        if applied and ended.moves_traffic:
            _served(unit, ended, receipt.seq, at=at)
        if action.request_id and action.decides_request:
            unit.rollouts.finish_request(
                action.request_id, applied=applied, sentence=outcome.detail, seq=receipt.seq, at=at
            )


def _deployment(unit: RolloutUnit, action: Action, outcome: Outcome, *, at: datetime) -> None:
    deployment = unit.rollouts.deployment(action.model)
    if deployment is None:
        return
    if outcome.state is ActionState.APPLIED and not action.moves_traffic:
        return
    if outcome.state is ActionState.APPLIED:
        changed = intents.after_success(deployment, action, at=at)
        alias = deployment.alias_champion if outcome.alias_pending else action.champion
        changed = replace(changed, alias_pending=outcome.alias_pending, alias_champion=alias)
    elif deployment.finding_digest:
        return  # an unsigned change stays what people read first; the failed action is in the list of actions
    else:
        changed = replace(deployment, finding=f"{outcome.detail} (entry {action.seq_outcome})")
    unit.rollouts.save_deployment(changed, at=at)


def _served(unit: RolloutUnit, action: Action, seq: int, *, at: datetime) -> None:
    unit.rollouts.record_served(action, at=action.switched_at or at)
    change = TrafficChange(
        at=action.switched_at or at,
        model=action.model,
        kind=action.kind,
        routes=action.routes,
        champion=action.champion,
        actor=action.requested_by,
        reason=action.reason,
        seq=seq,
    )
    unit.rollouts.add_change(change, action_id=action.action_id)
