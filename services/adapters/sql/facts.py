"""Helpers of the read models that copy recorded facts: what was read already, and small arrays as bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table, and_, delete, insert, or_, select, update

from services.adapters.sql.schema.facts import facts_seen
from services.adapters.sql.schema.ops import sync_state
from services.inventory.facts import NO_DAY, Partition, Vanished

_AT_ONCE = 200


def seen(connection: Connection, consumer: str) -> Mapping[tuple[str, str, date], str]:
    table = facts_seen.c
    found = fetched(
        connection, select(table.source, table.owner, table.day, table.fingerprint).where(table.consumer == consumer)
    )
    return {(source, owner, day): fingerprint for source, owner, day, fingerprint in found}


def remember(connection: Connection, consumer: str, partitions: Iterable[Partition]) -> None:
    """In the transaction that writes what was read, so that neither survives without the other."""
    fresh = list(partitions)
    for start in range(0, len(fresh), _AT_ONCE):
        part = fresh[start : start + _AT_ONCE]
        table = facts_seen.c
        same = [and_(table.source == item.source, table.owner == item.owner, table.day == item.day) for item in part]
        connection.execute(delete(facts_seen).where(table.consumer == consumer, or_(*same)))
        connection.execute(
            insert(facts_seen),
            [
                {
                    "consumer": consumer, "source": item.source, "owner": item.owner, "day": item.day,
                    "fingerprint": item.fingerprint,
                }
                for item in part
            ],
        )  # fmt: skip


def forget(connection: Connection, consumer: str, gone: Vanished, *tables: Table) -> None:
    """Rows about these days of their owner, and that the days were read."""
    for start in range(0, len(gone.days), _AT_ONCE):
        days = gone.days[start : start + _AT_ONCE]
        for table in tables:
            connection.execute(delete(table).where(table.c.model == gone.owner, table.c.day.in_(days)))
        seen = facts_seen.c
        same = (seen.consumer == consumer, seen.source == gone.source, seen.owner == gone.owner)
        connection.execute(delete(facts_seen).where(*same, seen.day.in_(days)))


def forget_before(connection: Connection, consumer: str, day: date) -> None:
    """That these days were read, so that they are read again where a longer time is kept later."""
    seen = facts_seen.c
    connection.execute(delete(facts_seen).where(seen.consumer == consumer, seen.day < day, seen.day != NO_DAY))


def record_attempt(connection: Connection, source: str, *, at: datetime, error: str) -> None:
    """An attempt to copy an outside source; an empty error makes it a success."""
    values: dict[str, Any] = {"last_attempt": at, "error": error}
    if not error:
        values["last_success"] = at
    done = connection.execute(update(sync_state).where(sync_state.c.source == source).values(**values))
    if not done.rowcount:
        connection.execute(insert(sync_state).values(source=source, **values))


def packed(array: NDArray[Any]) -> bytes:
    return zlib.compress(array.tobytes(), level=1)


def counts_of(data: bytes) -> NDArray[np.int64]:
    return np.frombuffer(zlib.decompress(data), dtype=np.int64)


def sums_of(data: bytes) -> NDArray[np.float64]:
    return np.frombuffer(zlib.decompress(data), dtype=np.float64)


def fetched(connection: Connection, statement: Any) -> list[Any]:
    """Rows of a statement over plain tables, whose columns carry no types for the checker."""
    return list(connection.execute(statement).all())
