"""Queued actions and their steps: who may work on one, and in which order."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, func, insert, or_, select, update

from services.adapters.sql.rollout_rows import action_from, action_values
from services.adapters.sql.schema import rollout as tables
from services.adapters.sql.schema.ledger import ledger_index
from services.rollout.models import Action, ActionState

_OPEN = (ActionState.PENDING.value, ActionState.RUNNING.value)


class SqlActions:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_action(self, action: Action) -> None:
        self._connection.execute(
            insert(tables.rollout_action).values(action_id=action.action_id, **action_values(action))
        )

    def action(self, action_id: str) -> Action | None:
        table = tables.rollout_action
        row = self._connection.execute(select(table).where(table.c.action_id == action_id)).first()
        return action_from(row) if row else None

    def action_for(self, seq: int) -> Action | None:
        table = tables.rollout_action
        row = self._connection.execute(select(table).where(table.c.seq_intent == seq)).first()
        return action_from(row) if row else None

    def actions(self, model: str, limit: int) -> tuple[Action, ...]:
        table = tables.rollout_action
        query = select(table).order_by(table.c.seq_intent.desc()).limit(limit)
        if model:
            query = query.where(table.c.model == model)
        return tuple(action_from(row) for row in self._connection.execute(query))

    def applied(self, model: str) -> tuple[Action, ...]:
        table = tables.rollout_action
        mine = and_(table.c.model == model, table.c.state == ActionState.APPLIED.value)
        newest = select(func.max(table.c.seq_intent)).where(mine).group_by(table.c.to_version)
        query = select(table).where(mine, table.c.seq_intent.in_(newest)).order_by(table.c.seq_intent.desc())
        return tuple(action_from(row) for row in self._connection.execute(query))

    def last_outcome(self, model: str) -> int | None:
        index = ledger_index.c
        query = select(func.max(index.seq)).where(index.model == model, index.event == "outcome:applied")
        return self._connection.execute(query).scalar()

    def open_actions(self, model: str = "") -> tuple[Action, ...]:
        table = tables.rollout_action
        query = select(table).where(table.c.state.in_(_OPEN)).order_by(table.c.seq_intent)
        if model:
            query = query.where(table.c.model == model)
        return tuple(action_from(row) for row in self._connection.execute(query))

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
            update(table).where(table.c.action_id == action.action_id).values(**action_values(action))
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
