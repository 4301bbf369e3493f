"""Recorded requests in the governance database: hours, days and five-minute counters."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Table, case, delete, extract, func, insert, or_, select

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched, remember, seen
from services.adapters.sql.schema.monitoring import batch_run
from services.adapters.sql.schema.reliability import request_count, request_day, request_slot
from services.inventory.facts import Partition
from services.reliability.models import BatchMonth, BatchRuns, RequestCount, RequestSlot
from services.reliability.slots import total

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
        *,
        counts: tuple[tuple[date, RequestCount], ...],
        days: tuple[tuple[date, RequestSlot], ...],
    ) -> None:
        few = [
            {"deployment": deployment, "day": day, "start": n.start, "requests": n.requests, "errors": n.errors}
            for day, n in counts
        ]
        given: tuple[tuple[Table, list[dict[str, Any]]], ...] = (
            (request_slot, _rows(deployment, slots)),
            (request_day, _rows(deployment, days)),
            (request_count, few),
        )
        with self._database.write() as connection:
            partitions = [partition.day for partition in read]
            for table, rows in given:
                mine = table.c.deployment == deployment
                connection.execute(delete(table).where(mine, table.c.day.in_(partitions)))
                if rows:
                    connection.execute(insert(table), rows)
            remember(connection, _CONSUMER, read)

    def slots(self, deployment: str, start: datetime, end: datetime) -> tuple[RequestSlot, ...]:
        return self._between(request_slot, start, end, deployment).get(deployment, ())

    def days(self, start: datetime, end: datetime, deployment: str = "") -> Mapping[str, tuple[RequestSlot, ...]]:
        return self._between(request_day, start, end, deployment)

    def _between(
        self, of: Table, start: datetime, end: datetime, deployment: str
    ) -> dict[str, tuple[RequestSlot, ...]]:
        table = of.c
        wanted = [table.deployment == deployment] if deployment else []
        columns = (table.deployment, table.start, table.version, table.requests, table.errors, table.injected)
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(*columns, table.buckets, table.estimated)
                .where(table.start >= start, table.start < end, *wanted)
                .order_by(table.deployment, table.start, table.version),
            )
        groups: dict[str, dict[tuple[datetime, str], list[RequestSlot]]] = defaultdict(lambda: defaultdict(list))
        for name, at, version, requests, errors, injected, text, estimated in found:
            slot = RequestSlot(
                start=at, version=version, requests=requests, errors=errors, injected=injected,
                buckets=tuple((int(bucket), int(n)) for bucket, n in json.loads(text)), estimated=estimated,
            )  # fmt: skip
            groups[name][at, version].append(slot)
        return {
            name: tuple(
                group[0] if len(group) == 1 else total(group, start=at, version=version)
                for (at, version), group in slots.items()
            )
            for name, slots in groups.items()
        }

    def counts(self, deployment: str, start: datetime, end: datetime) -> tuple[RequestCount, ...]:
        table = request_count.c
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(table.start, func.sum(table.requests), func.sum(table.errors))
                .where(table.deployment == deployment, table.start >= start, table.start < end)
                .group_by(table.start)
                .order_by(table.start),
            )
        return tuple(RequestCount(start=at, requests=int(n), errors=int(errors)) for at, n, errors in found)

    def busiest_hours(self, start: datetime, end: datetime) -> Mapping[str, int]:
        table = request_slot.c
        hours = (
            select(table.deployment, func.sum(func.coalesce(table.estimated, table.requests)).label("n"))
            .where(table.start >= start, table.start < end)
            .group_by(table.deployment, table.start)
            .subquery()
        )
        with self._database.read() as connection:
            found = fetched(connection, select(hours.c.deployment, func.max(hours.c.n)).group_by(hours.c.deployment))
        return {name: int(n) for name, n in found}

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

    def batch_months(self, model: str, start: datetime) -> tuple[BatchMonth, ...]:
        table = batch_run.c
        year, month = extract("year", table.window_start), extract("month", table.window_start)
        bad = or_(table.ok.is_(False), table.on_time.is_(False))
        with self._database.read() as connection:
            found = fetched(
                connection,
                select(
                    year,
                    month,
                    func.count(),
                    func.sum(case((table.ok.is_(False), 1), else_=0)),
                    func.sum(case((table.on_time.is_(False), 1), else_=0)),
                    func.sum(case((bad, 1), else_=0)),
                    func.count(table.day.distinct()),
                )
                .where(table.model == model, table.window_start >= start)
                .group_by(year, month),
            )
        return tuple(
            BatchMonth(
                month=datetime(int(y), int(m), 1, tzinfo=UTC).date(), runs=int(runs), failed=int(failed),
                late=int(late), bad=int(either), days=int(days),
            )
            for y, m, runs, failed, late, either, days in found
        )  # fmt: skip


def _rows(deployment: str, slots: Iterable[tuple[date, RequestSlot]]) -> list[dict[str, Any]]:
    return [
        {
            "deployment": deployment, "day": day, "start": slot.start, "version": slot.version,
            "requests": slot.requests, "errors": slot.errors, "injected": slot.injected,
            "buckets": json.dumps(slot.buckets, separators=(",", ":")), "estimated": slot.estimated,
        }
        for day, slot in slots
    ]  # fmt: skip
