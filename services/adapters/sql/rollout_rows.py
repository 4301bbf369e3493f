"""Rows of releases as frozen values and back; routes, plans and decisions are kept as JSON text."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row

from services.adapters.sql.schema import rollout as tables
from services.rollout.models import Action, ActionKind, ActionState, Deployment, Observed, UnsignedChange

Routes = tuple[tuple[str, int], ...]


def routes_from(text: str) -> Routes:
    return tuple((str(version), int(share)) for version, share in json.loads(text))


def pairs_from(text: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(seq), str(leaf)) for seq, leaf in json.loads(text))


def deployment_from(row: Row[Any]) -> Deployment:
    observed = None
    if row.observed is not None and row.observed_at is not None:
        observed = Observed(
            deployment=row.deployment,
            generation=row.observed_generation or 0,
            routes=routes_from(row.observed),
            ready=tuple(json.loads(row.observed_ready)),
            op=row.observed_op,
            at=row.observed_at,
        )
    return Deployment(
        model=row.model,
        deployment=row.deployment,
        kind=row.kind,
        desired=routes_from(row.desired),
        champion=row.champion,
        alias_pending=row.alias_pending,
        candidate=row.candidate,
        base=row.base,
        plan=tuple(json.loads(row.plan)),
        release_action=row.release_action,
        epoch=row.epoch,
        observed=observed,
        observed_at=row.observed_at,
        problem=row.problem,
        alias_champion=row.alias_champion,
        alias_read_at=row.alias_read_at,
        finding=row.finding,
        finding_digest=row.finding_digest,
        finding_kind=row.finding_kind,
        finding_since=row.finding_since,
        finding_seq=row.finding_seq,
        finding_leaf=row.finding_leaf,
        finding_round=row.finding_round,
        changes=tuple(UnsignedChange(**item) for item in json.loads(row.changes)),
        live_since=row.live_since,
    )


def deployment_values(item: Deployment) -> dict[str, Any]:
    observed = item.observed
    return {
        "deployment": item.deployment,
        "kind": item.kind,
        "desired": json.dumps(item.desired),
        "champion": item.champion,
        "alias_pending": item.alias_pending,
        "candidate": item.candidate,
        "base": item.base,
        "plan": json.dumps(item.plan),
        "release_action": item.release_action,
        "epoch": item.epoch,
        "observed": json.dumps(observed.routes) if observed else None,
        "observed_ready": json.dumps(observed.ready if observed else []),
        "observed_generation": observed.generation if observed else None,
        "observed_op": observed.op if observed else "",
        "observed_at": item.observed_at,
        "problem": item.problem,
        "alias_champion": item.alias_champion,
        "alias_read_at": item.alias_read_at,
        "finding": item.finding,
        "finding_digest": item.finding_digest,
        "finding_kind": item.finding_kind,
        "finding_since": item.finding_since,
        "finding_seq": item.finding_seq,
        "finding_leaf": item.finding_leaf,
        "finding_round": item.finding_round,
        "changes": json.dumps([asdict(change) for change in item.changes]),
        "live_since": item.live_since,
    }


def action_from(row: Row[Any]) -> Action:
    return Action(
        **{
            **row._mapping,  # noqa: SLF001 - public in SQLAlchemy
            "kind": ActionKind(row.kind),
            "state": ActionState(row.state),
            "routes": routes_from(row.routes),
            "plan": tuple(json.loads(row.plan)),
            "decisions": pairs_from(row.decisions),
        }
    )


def action_values(action: Action) -> dict[str, Any]:
    names = [column.name for column in tables.rollout_action.columns if column.name != "action_id"]
    values: dict[str, Any] = {name: getattr(action, name) for name in names}
    return values | {
        "kind": action.kind.value,
        "state": action.state.value,
        "routes": json.dumps(action.routes),
        "plan": json.dumps(action.plan),
        "decisions": json.dumps(action.decisions),
    }
