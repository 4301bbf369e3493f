"""Deployments, actions and served periods in the governance database; works on the caller's connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from services.adapters.sql.schema import approvals as approval_tables
from services.adapters.sql.schema import rollout as tables
from services.rollout.models import (
    Action,
    ActionKind,
    ActionState,
    Basis,
    Challenge,
    Deployment,
    Observed,
    ServedVersion,
    TrafficChange,
)

Routes = tuple[tuple[str, int], ...]
_OPEN = (ActionState.PENDING.value, ActionState.RUNNING.value)


class SqlRollouts:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # deployments

    def deployment(self, model: str) -> Deployment | None:
        row = self._connection.execute(select(tables.deployment).where(tables.deployment.c.model == model)).first()
        return _deployment(row) if row else None

    def deployments(self) -> tuple[Deployment, ...]:
        rows = self._connection.execute(select(tables.deployment).order_by(tables.deployment.c.model))
        return tuple(_deployment(row) for row in rows)

    def save_deployment(self, deployment: Deployment, *, at: datetime) -> None:
        values = _deployment_values(deployment) | {"updated_at": at}
        table = tables.deployment
        done = self._connection.execute(update(table).where(table.c.model == deployment.model).values(**values))
        if done.rowcount == 0:
            self._connection.execute(insert(table).values(model=deployment.model, **values))

    # actions

    def add_action(self, action: Action) -> None:
        self._connection.execute(
            insert(tables.rollout_action).values(action_id=action.action_id, **_action_values(action))
        )

    def action(self, action_id: str) -> Action | None:
        table = tables.rollout_action
        row = self._connection.execute(select(table).where(table.c.action_id == action_id)).first()
        return _action(row) if row else None

    def action_for(self, seq: int) -> Action | None:
        table = tables.rollout_action
        row = self._connection.execute(select(table).where(table.c.seq_intent == seq)).first()
        return _action(row) if row else None

    def actions(self, model: str, limit: int) -> tuple[Action, ...]:
        table = tables.rollout_action
        query = select(table).order_by(table.c.seq_intent.desc()).limit(limit)
        if model:
            query = query.where(table.c.model == model)
        return tuple(_action(row) for row in self._connection.execute(query))

    def open_actions(self, model: str = "") -> tuple[Action, ...]:
        table = tables.rollout_action
        query = select(table).where(table.c.state.in_(_OPEN)).order_by(table.c.seq_intent)
        if model:
            query = query.where(table.c.model == model)
        return tuple(_action(row) for row in self._connection.execute(query))

    def claim(self, action_id: str, *, owner: str, now: datetime, until: datetime) -> bool:
        table = tables.rollout_action
        earlier = table.alias()
        mine = table.c.action_id == action_id
        first = ~(
            select(earlier.c.action_id)
            .where(earlier.c.model == table.c.model, earlier.c.state.in_(_OPEN))
            .where(earlier.c.seq_intent < table.c.seq_intent)
            .exists()
        )
        free = or_(table.c.lease_owner == "", table.c.lease_owner == owner, table.c.lease_until < now)
        done = self._connection.execute(
            update(table)
            .where(and_(mine, first, free, table.c.state.in_(_OPEN)))
            .values(state=ActionState.RUNNING.value, lease_owner=owner, lease_until=until)
        )
        return done.rowcount == 1

    def update_action(self, action: Action) -> None:
        table = tables.rollout_action
        self._connection.execute(
            update(table).where(table.c.action_id == action.action_id).values(**_action_values(action))
        )

    def add_step(self, action_id: str, step: str, sentence: str, *, at: datetime) -> None:
        table = tables.action_step
        mine = and_(table.c.action_id == action_id, table.c.step == step)
        if self._connection.execute(update(table).where(mine).values(sentence=sentence, at=at)).rowcount:
            return
        query = select(func.count()).select_from(table).where(table.c.action_id == action_id)
        position = self._connection.execute(query).scalar_one()
        self._connection.execute(
            insert(table).values(action_id=action_id, step=step, position=position, sentence=sentence, at=at)
        )

    def steps(self, action_id: str) -> tuple[tuple[str, str], ...]:
        table = tables.action_step
        rows = self._connection.execute(
            select(table.c.step, table.c.sentence).where(table.c.action_id == action_id).order_by(table.c.position)
        )
        return tuple((row.step, row.sentence) for row in rows)

    # what served

    def record_served(self, action: Action, *, at: datetime) -> None:
        table = tables.served_period
        open_now = and_(table.c.model == action.model, table.c.to_at.is_(None))
        mine = table.c.action_id == action.action_id
        self._connection.execute(update(table).where(open_now, ~mine).values(to_at=at))
        known: set[str] = set(self._connection.execute(select(table.c.version).where(mine)).scalars())
        for version, share in action.routes:
            if version not in known:
                self._connection.execute(
                    insert(table).values(
                        model=action.model,
                        version=version,
                        action_id=action.action_id,
                        share=share,
                        from_at=at,
                        to_at=None,
                    )
                )

    def served(self, model: str) -> tuple[ServedVersion, ...]:
        """Each version that ever had traffic, with the newest approval that brought it there."""
        period, action = tables.served_period, tables.rollout_action
        rows = self._connection.execute(
            select(period.c.version, period.c.from_at, period.c.to_at).where(period.c.model == model)
        ).all()
        found: dict[str, ServedVersion] = {}
        for row in rows:
            known = found.get(row.version)
            last = row.to_at or row.from_at
            if known is None or last > known.last_served or row.to_at is None:
                found[row.version] = ServedVersion(
                    version=row.version,
                    last_served=last,
                    still_serving=row.to_at is None,
                    manifest_sha256="",
                    request_id=None,
                    decisions=(),
                )
        starts = self._connection.execute(
            select(action)
            .where(action.c.model == model, action.c.state == ActionState.APPLIED.value)
            .where(action.c.request_id.is_not(None))
            .order_by(action.c.seq_intent)
        )
        for row in starts:
            known = found.get(row.to_version)
            if known is not None:
                found[row.to_version] = replace(
                    known,
                    manifest_sha256=row.manifest_sha256,
                    request_id=row.request_id,
                    decisions=_pairs(row.decisions),
                )
        taken_back = self._taken_back(model)
        return tuple(
            replace(item, rolled_back=item.version in taken_back)
            for item in found.values()
            if item.request_id is not None
        )

    def _taken_back(self, model: str) -> set[str]:
        """Versions that lost their traffic to a rollback and were not released again since."""
        table = tables.rollout_action
        rows = self._connection.execute(
            select(table.c.kind, table.c.to_version, table.c.routes)
            .where(table.c.model == model, table.c.state == ActionState.APPLIED.value)
            .order_by(table.c.seq_intent)
        )
        serving: set[str] = set()
        taken: set[str] = set()
        for row in rows:
            taken.discard(row.to_version)
            now = {version for version, _ in _routes(row.routes)}
            if row.kind == ActionKind.ROLLBACK.value:
                taken |= serving - now
            serving = now
        return taken

    def add_change(self, change: TrafficChange, *, action_id: str) -> None:
        table = tables.traffic_change
        if self._connection.execute(select(table.c.action_id).where(table.c.action_id == action_id)).first():
            return
        self._connection.execute(
            insert(table).values(
                action_id=action_id,
                model=change.model,
                at=change.at,
                kind=change.kind.value,
                routes=json.dumps(change.routes),
                champion=change.champion,
                actor=change.actor,
                reason=change.reason,
                seq=change.seq,
            )
        )

    def changes(self, model: str, limit: int) -> tuple[TrafficChange, ...]:
        table = tables.traffic_change
        query = select(table).where(table.c.model == model).order_by(table.c.at.desc(), table.c.seq.desc()).limit(limit)
        return tuple(
            TrafficChange(
                at=row.at,
                model=row.model,
                kind=ActionKind(row.kind),
                routes=_routes(row.routes),
                champion=row.champion,
                actor=row.actor,
                reason=row.reason,
                seq=row.seq,
            )
            for row in self._connection.execute(query)
        )

    # what approvals know

    def approved_versions(self, model: str) -> tuple[str, ...]:
        return self._versions_in(model, ("approved", "applied", "apply_failed"))

    def revoked_versions(self, model: str) -> tuple[str, ...]:
        """Versions whose newest approval was taken back."""
        table, decided = approval_tables.promotion_request, approval_tables.request_decision
        revoked = self._connection.execute(
            select(table.c.version, func.max(decided.c.seq).label("at"))
            .join(decided, decided.c.request_id == table.c.request_id)
            .where(table.c.model == model, decided.c.decision == "revoke")
            .group_by(table.c.version)
        )
        newest = self._connection.execute(
            select(table.c.version, func.max(table.c.seq).label("at"))
            .where(table.c.model == model, table.c.state.in_(("approved", "applied")))
            .group_by(table.c.version)
        )
        approved: dict[str, int] = {row.version: row.at for row in newest}
        return tuple(row.version for row in revoked if approved.get(row.version, -1) < row.at)

    def _versions_in(self, model: str, states: tuple[str, ...]) -> tuple[str, ...]:
        table = approval_tables.promotion_request
        query = select(table.c.version).where(table.c.model == model, table.c.state.in_(states)).distinct()
        return tuple(self._connection.execute(query).scalars())

    def basis(self, request_id: str) -> Basis | None:
        table, decided = approval_tables.promotion_request, approval_tables.request_decision
        row = self._connection.execute(select(table).where(table.c.request_id == request_id)).first()
        if row is None:
            return None
        decisions = self._connection.execute(
            select(decided.c.seq, decided.c.leaf_hash)
            .where(decided.c.request_id == request_id, decided.c.decision.in_(("approve", "acknowledge")))
            .where(decided.c.void_reason == "")
            .order_by(decided.c.seq)
        )
        return Basis(
            request_id=request_id,
            request_sha256=row.statement_sha256,
            request_seq=row.seq,
            policy_sha256=row.policy_sha256,
            decisions=tuple((item.seq, item.leaf_hash) for item in decisions),
        )

    def manifests(self, model: str) -> Mapping[str, str]:
        table = approval_tables.version_evidence
        rows = self._connection.execute(select(table.c.version, table.c.manifest_sha256).where(table.c.model == model))
        return {row.version: row.manifest_sha256 for row in rows if row.manifest_sha256}

    def finish_request(self, request_id: str, *, applied: bool, sentence: str, seq: int, at: datetime) -> None:
        table = approval_tables.promotion_request
        self._connection.execute(
            update(table)
            .where(table.c.request_id == request_id, table.c.state.in_(("approved", "apply_failed", "applied")))
            .values(state="applied" if applied else "apply_failed", updated_at=at)
        )
        self._connection.execute(
            insert(approval_tables.request_event).values(request_id=request_id, at=at, sentence=sentence, seq=seq)
        )

    # challenges

    def add_challenge(self, challenge: Challenge) -> None:
        table = approval_tables.signing_challenge
        self._connection.execute(
            insert(table).values(
                nonce=challenge.nonce,
                purpose=challenge.purpose,
                subject=challenge.subject,
                about=challenge.about,
                revision=challenge.revision,
                shown_sha256=challenge.shown_sha256,
                expires_at=challenge.expires_at,
                used=False,
            )
        )

    def challenge(self, nonce: str) -> Challenge | None:
        table = approval_tables.signing_challenge
        row = self._connection.execute(select(table).where(table.c.nonce == nonce)).first()
        return Challenge(**row._mapping) if row else None  # noqa: SLF001 - public in SQLAlchemy

    def use_challenge(self, nonce: str) -> bool:
        table = approval_tables.signing_challenge
        done = self._connection.execute(
            update(table).where(table.c.nonce == nonce, table.c.used.is_(False)).values(used=True)
        )
        return done.rowcount == 1


def _routes(text: str) -> Routes:
    return tuple((str(version), int(share)) for version, share in json.loads(text))


def _pairs(text: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(seq), str(leaf)) for seq, leaf in json.loads(text))


def _deployment(row: Row[Any]) -> Deployment:
    observed = None
    if row.observed is not None and row.observed_at is not None:
        observed = Observed(
            deployment=row.deployment,
            generation=row.observed_generation or 0,
            routes=_routes(row.observed),
            ready=tuple(json.loads(row.observed_ready)),
            op=row.observed_op,
            at=row.observed_at,
        )
    return Deployment(
        model=row.model,
        deployment=row.deployment,
        kind=row.kind,
        desired=_routes(row.desired),
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
        live_since=row.live_since,
    )


def _deployment_values(item: Deployment) -> dict[str, Any]:
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
        "live_since": item.live_since,
    }


def _action(row: Row[Any]) -> Action:
    return Action(
        **{
            **row._mapping,  # noqa: SLF001 - public in SQLAlchemy
            "kind": ActionKind(row.kind),
            "state": ActionState(row.state),
            "routes": _routes(row.routes),
            "plan": tuple(json.loads(row.plan)),
            "decisions": _pairs(row.decisions),
        }
    )


def _action_values(action: Action) -> dict[str, Any]:
    names = [column.name for column in tables.rollout_action.columns if column.name != "action_id"]
    values: dict[str, Any] = {name: getattr(action, name) for name in names}
    return values | {
        "kind": action.kind.value,
        "state": action.state.value,
        "routes": json.dumps(action.routes),
        "plan": json.dumps(action.plan),
        "decisions": json.dumps(action.decisions),
    }
