"""What served: periods per version with the approval behind them, and the production timeline."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, and_, insert, select, update

from services.adapters.sql.rollout_rows import pairs_from, routes_from
from services.adapters.sql.schema import rollout as tables
from services.rollout.models import Action, ActionKind, ActionState, ServedVersion, TrafficChange


class SqlServed:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

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
                    decisions=pairs_from(row.decisions),
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
            now = {version for version, _ in routes_from(row.routes)}
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
                routes=routes_from(row.routes),
                champion=row.champion,
                actor=row.actor,
                reason=row.reason,
                seq=row.seq,
            )
            for row in self._connection.execute(query)
        )
