"""Request slots in the governance database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import case, delete, func, insert, select

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched, remember, seen
from services.adapters.sql.schema.monitoring import batch_run
from services.adapters.sql.schema.reliability import request_slot
from services.inventory.facts import Partition
from services.reliability.latency import merged
from services.reliability.models import BatchRuns, RequestSlot

_CONSUMER = "reliability"


class SqlReliability:
    """Implements reliability.ports.ReliabilityStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def seen(self) -> Mapping[tuple[str, str, date], str]:
        with self._database.read() as connection:
            return seen(connection, _CONSUMER)

    def replace_slots(
        self,
        deployment: str,
        slots: tuple[tuple[date, RequestSlot], ...],
        read: tuple[Partition, ...],
    ) -> None:
        table = request_slot.c
        rows = [
            {
                "deployment": deployment, "day": day, "start": slot.start, "version": slot.version,
                "requests": slot.requests, "errors": slot.errors, "injected": slot.injected,
                "buckets": json.dumps(slot.buckets, separators=(",", ":")),
            }
            for day, slot in slots
        ]  # fmt: skip
        with self._database.write() as connection:
            days = [partition.day for partition in read]
            connection.execute(delete(request_slot).where(table.deployment == deployment, table.day.in_(days)))
            if rows:
                connection.execute(insert(request_slot), rows)
            remember(connection, _CONSUMER, read)

    def slots(self, deployment: str, start: datetime, end: datetime) -> tuple[RequestSlot, ...]:
        table = request_slot.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.start, table.version, table.requests, table.errors, table.injected, table.buckets)
                .where(table.deployment == deployment, table.start >= start, table.start < end)
                .order_by(table.start, table.version),
            )
        slots: dict[tuple[datetime, str], RequestSlot] = {}
        for at, version, requests, errors, injected, text in found:
            slot = RequestSlot(
                start=at, version=version, requests=requests, errors=errors, injected=injected,
                buckets=tuple((int(bucket), int(n)) for bucket, n in json.loads(text)),
            )  # fmt: skip
            earlier = slots.get((at, version))
            slots[at, version] = _added(earlier, slot) if earlier else slot
        return tuple(slots.values())

    def batch_runs(self, model: str, start: datetime) -> BatchRuns:
        table = batch_run.c
        with self._database.read() as connection:
            runs, failed, late, last = fetched(
                connection,
                select(
                    func.count(),
                    func.coalesce(func.sum(case((table.ok.is_(False), 1), else_=0)), 0),
                    func.coalesce(func.sum(case((table.on_time.is_(False), 1), else_=0)), 0),
                    func.max(table.finished_at),
                ).where(table.model == model, table.window_start >= start),
            )[0]
        return BatchRuns(runs=int(runs), failed=int(failed), late=int(late), last_finished=last)


def _added(one: RequestSlot, other: RequestSlot) -> RequestSlot:
    return RequestSlot(
        start=one.start,
        version=one.version,
        requests=one.requests + other.requests,
        errors=one.errors + other.errors,
        injected=one.injected + other.injected,
        buckets=merged((one.buckets, other.buckets)),
    )
