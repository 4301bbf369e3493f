"""Retirements in the governance database; works on the caller's connection. A rollout RetirementStore."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from services.adapters.sql.schema.retirements import retirement
from services.kernel.errors import StaleRequestError
from services.rollout.retirement_models import Retirement, RetirementState

_OPEN = tuple(state.value for state in RetirementState if state.is_open)


class SqlRetirements:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of_model(self, model: str) -> Retirement | None:
        table = retirement.c
        query = _newest().where(table.model == model, table.state != RetirementState.STOPPED.value)
        row = self._connection.execute(query.limit(1)).first()
        return _item(row) if row else None

    def of_request(self, request_id: str) -> Retirement | None:
        row = self._connection.execute(select(retirement).where(retirement.c.request_id == request_id)).first()
        return _item(row) if row else None

    def open(self) -> tuple[Retirement, ...]:
        query = select(retirement).where(retirement.c.state.in_(_OPEN)).order_by(retirement.c.ordered_seq)
        return tuple(_item(row) for row in self._connection.execute(query))

    def all(self) -> tuple[Retirement, ...]:
        return tuple(_item(row) for row in self._connection.execute(_newest()))

    def save(self, item: Retirement) -> Retirement:
        saved = replace(item, revision=item.revision + 1)
        values: dict[str, Any] = {column.name: getattr(saved, column.name) for column in retirement.columns}
        values |= {"state": saved.state.value, "consumers": json.dumps(list(saved.consumers))}
        if saved.revision == 1:
            self._connection.execute(insert(retirement).values(**values))
            return saved
        same = (retirement.c.retirement_id == item.retirement_id, retirement.c.revision == item.revision)
        if self._connection.execute(update(retirement).where(*same).values(**values)).rowcount != 1:
            raise StaleRequestError("Somebody acted on this retirement at the same moment.", hint="Look again.")
        return saved


def _newest() -> Select[Any]:
    return select(retirement).order_by(retirement.c.ordered_seq.desc())


def _item(row: Row[Any]) -> Retirement:
    found = dict(row._mapping)  # noqa: SLF001 - its documented name
    return Retirement(
        **found | {"state": RetirementState(found["state"]), "consumers": tuple(json.loads(found["consumers"]))}
    )
