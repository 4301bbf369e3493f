"""Batch runs in the governance database; works on the caller's connection. Satisfies rollout.batch_ports.BatchStore."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from services.adapters.sql.schema.batch import batch_output
from services.kernel.errors import StaleRequestError
from services.rollout.batch_models import BatchRun, Crossing, RunState, TriggerReading


class SqlBatches:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, run_id: str) -> BatchRun | None:
        row = self._connection.execute(select(batch_output).where(batch_output.c.run_id == run_id)).first()
        return _run(row) if row else None

    def runs(self, model: str = "", *, states: tuple[RunState, ...] = (), limit: int = 50) -> tuple[BatchRun, ...]:
        query = select(batch_output)
        if model:
            query = query.where(batch_output.c.model == model)
        if states:
            query = query.where(batch_output.c.state.in_([state.value for state in states]))
        return self._read(_newest_first(query).limit(limit))

    def of_window(self, model: str, window_start: datetime) -> tuple[BatchRun, ...]:
        table = batch_output.c
        query = select(batch_output).where(table.model == model, table.window_start == window_start)
        return self._read(_newest_first(query))

    def unsettled(self) -> tuple[BatchRun, ...]:
        table = batch_output.c
        query = select(batch_output).where(table.settled.is_(False))
        return self._read(query.order_by(table.window_start, table.updated_at, table.run_id))

    def save(self, run: BatchRun) -> BatchRun:
        saved = replace(run, revision=run.revision + 1)
        values = _values(saved)
        if run.revision == 0:
            self._connection.execute(insert(batch_output).values(**values))
            return saved
        table = batch_output.c
        done = self._connection.execute(
            update(batch_output).where(table.run_id == run.run_id, table.revision == run.revision).values(**values)
        )
        if done.rowcount != 1:
            raise StaleRequestError("Somebody decided about this run at the same moment.", hint="Look again.")
        return saved

    def _read(self, query: Select[Any]) -> tuple[BatchRun, ...]:
        return tuple(_run(row) for row in self._connection.execute(query))


def _newest_first(query: Select[Any]) -> Select[Any]:
    table = batch_output.c
    return query.order_by(table.window_start.desc(), table.started_at.desc(), table.run_id)


def _run(row: Row[Any]) -> BatchRun:
    triggers = tuple(
        TriggerReading(**(item | {"crossing": Crossing(item["crossing"])})) for item in json.loads(row.triggers)
    )
    fields = dict(row._mapping)  # noqa: SLF001 - public in SQLAlchemy
    return BatchRun(**(fields | {"state": RunState(row.state), "triggers": triggers}))


def _values(run: BatchRun) -> dict[str, Any]:
    values: dict[str, Any] = {column.name: getattr(run, column.name) for column in batch_output.columns}
    return values | {"state": run.state.value, "triggers": json.dumps([asdict(item) for item in run.triggers])}
