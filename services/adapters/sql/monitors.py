"""Versions of monitors in the governance database. Satisfies monitoring.monitor_ports.MonitorStore."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select

from services.adapters.sql import heads
from services.adapters.sql.database import Database
from services.adapters.sql.schema.facts import facts_seen
from services.adapters.sql.schema.monitoring import (
    feature_day,
    feature_reference,
    labelled_day,
    schema_change,
    schema_day,
)
from services.adapters.sql.schema.monitors import monitor_proposal, monitor_version
from services.monitoring.monitors import MonitorVersion, Proposal, ReferenceWindow


class SqlMonitors:
    """On the caller's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, item: MonitorVersion) -> None:
        """What was sketched from another source is forgotten in the same transaction: it is not about this one.

        So is what was compared with another reference window, whether or not the new one has rows. The predictions
        themselves stay read.
        """
        before = self.newest(item.model)
        if _compared_with(before) != _compared_with(item):
            for table in (feature_day, feature_reference):
                self._connection.execute(delete(table).where(table.c.model == item.model))
            read = facts_seen.c
            of_predictions = (read.consumer == "monitoring", read.source == "predictions", read.owner == item.model)
            self._connection.execute(delete(facts_seen).where(*of_predictions))
        if before is not None and _read_from(before) != _read_from(item):
            for table in (feature_day, feature_reference, labelled_day, schema_day, schema_change):
                self._connection.execute(delete(table).where(table.c.model == item.model))
            seen = facts_seen.c
            self._connection.execute(delete(facts_seen).where(seen.consumer == "monitoring", seen.owner == item.model))
        heads.moved(self._connection, item.model, heads.DRIFT, heads.PERFORMANCE, heads.VALUE)
        self._connection.execute(delete(monitor_proposal).where(monitor_proposal.c.model == item.model))
        values = {name: getattr(item, name) for name in monitor_version.c.keys()}  # noqa: SIM118 - not a dict
        self._connection.execute(insert(monitor_version).values(values))

    def proposals(self) -> dict[str, Proposal]:
        rows = self._connection.execute(select(monitor_proposal))
        return {row.model: Proposal(**row._mapping) for row in rows}  # noqa: SLF001 - its documented name

    def put_proposal(self, item: Proposal) -> None:
        self._connection.execute(delete(monitor_proposal).where(monitor_proposal.c.model == item.model))
        values = {name: getattr(item, name) for name in monitor_proposal.c.keys()}  # noqa: SIM118 - not a dict
        self._connection.execute(insert(monitor_proposal).values(values))

    def newest(self, model: str) -> MonitorVersion | None:
        row = self._connection.execute(_of_model(model).limit(1)).first()
        return None if row is None else _item(row)

    def history(self, model: str) -> tuple[MonitorVersion, ...]:
        return tuple(_item(row) for row in self._connection.execute(_of_model(model)))

    def in_force(self) -> tuple[MonitorVersion, ...]:
        table = monitor_version.c
        newest = select(table.model, func.max(table.version).label("version")).group_by(table.model).subquery()
        query = (
            select(monitor_version)
            .join(newest, (table.model == newest.c.model) & (table.version == newest.c.version))
            .order_by(table.model)
        )
        return tuple(_item(row) for row in self._connection.execute(query))


class SqlMonitorsInForce:
    """What the worker obeys: read outside any unit of work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self) -> tuple[MonitorVersion, ...]:
        with self._database.read() as connection:
            return SqlMonitors(connection).in_force()


def _read_from(item: MonitorVersion) -> tuple[object, ...]:
    monitor = item.monitor
    return (monitor.source, monitor.mapping)


def _compared_with(item: MonitorVersion | None) -> tuple[object, ...]:
    reference = item.monitor.reference if item is not None else ReferenceWindow()
    return (reference.kind, reference.start, reference.end)


def _of_model(model: str) -> Select[Any]:
    return select(monitor_version).where(monitor_version.c.model == model).order_by(monitor_version.c.version.desc())


def _item(row: Row[Any]) -> MonitorVersion:
    return MonitorVersion(**row._mapping)  # noqa: SLF001 - its documented name
