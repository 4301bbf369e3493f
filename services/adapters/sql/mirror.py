"""Copied system tables in the governance database. Implements mirror.ports.MirrorStore.

Rows go in a few thousand at a time, so that a copy of a year keeps no rollback waiting. A record is known by the
platform's id: whatever was written before a crash is recognised afterwards, and the watermark moves with the last rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, func, insert, literal, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.facts import fetched
from services.adapters.sql.schema import mirror as schema
from services.adapters.sql.schema.ops import workspace_fact
from services.kernel.clock import from_utc_text, utc_text
from services.mirror.models import Batch, Gap, Late, MirrorState, Record

_AT_ONCE = 2000
_KEYS = 500
_LATE = "mirror-late:"
_OWN = ("key", "revision", "gone", "digest", "copied_at")
_TABLES: Mapping[str, Table] = {
    table.name.removeprefix("mirror_"): table
    for table in (
        schema.mirror_usage, schema.mirror_price, schema.mirror_served_entity, schema.mirror_endpoint_usage,
        schema.mirror_table_lineage, schema.mirror_column_lineage, schema.mirror_column_tag, schema.mirror_audit,
    )
}  # fmt: skip


class SqlMirror:
    def __init__(self, database: Database, *, at_once: int = _AT_ONCE) -> None:
        self._database = database
        self._at_once = at_once

    def states(self) -> Mapping[str, MirrorState]:
        with self._database.read() as connection:
            found = fetched(connection, select(schema.mirror_state))
        return {row.source: MirrorState(**row._mapping) for row in found}  # noqa: SLF001 - SQLAlchemy's public name

    def gaps(self) -> tuple[Gap, ...]:
        table = schema.mirror_gap
        with self._database.read() as connection:
            found = fetched(connection, select(table).order_by(table.c.source, table.c.first))
        return tuple(Gap(**row._mapping) for row in found)  # noqa: SLF001 - SQLAlchemy's public name

    def count(self, source: str) -> int:
        current = newest_of(_TABLES[source])
        with self._database.read() as connection:
            return int(connection.scalar(select(func.count()).select_from(current).where(~current.c.gone)) or 0)

    def copy(self, batch: Batch) -> int:
        table, written = _TABLES[batch.source], 0
        parts = list(_parts(batch.records, self._at_once)) or [()]
        for place, part in enumerate(parts, start=1):
            with self._database.write() as connection:
                kept = _keep(connection, table, part, batch.at)
                written += kept
                if batch.deep:
                    _count_late(connection, batch, kept)
                elif place == len(parts):
                    written += _note_gone(connection, table, batch) if batch.whole else 0
                    _advance(connection, batch)
        return written

    def late(self) -> Mapping[str, Late]:
        table = workspace_fact.c
        query = select(table.name, table.value).where(table.name.startswith(_LATE))
        with self._database.read() as connection:
            found = fetched(connection, query)
        return {name.removeprefix(_LATE): _late(value) for name, value in found}

    def failed(self, source: str, *, at: datetime, error: str) -> None:
        with self._database.write() as connection:
            _put_state(connection, source, {"attempted_at": at, "error": error})

    def newest(self, source: str, limit: int) -> tuple[Mapping[str, Any], ...]:
        current = newest_of(_TABLES[source])
        last = next((current.c[name] for name in ("at", "ended_at", "day") if name in current.c), current.c.copied_at)
        with self._database.read() as connection:
            found = fetched(connection, select(current).order_by(last.desc(), current.c.key).limit(limit))
        return tuple(dict(row._mapping) for row in found)  # noqa: SLF001 - SQLAlchemy's public name


def newest_of(table: Table) -> Any:
    """Every record in its newest state."""
    last = select(table.c.key, func.max(table.c.revision).label("revision")).group_by(table.c.key).subquery()
    same = (table.c.key == last.c.key) & (table.c.revision == last.c.revision)
    return select(table).join(last, same).subquery()


def _parts(records: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), size):
        yield records[start : start + size]


def _keep(connection: Connection, table: Table, records: Sequence[Record], at: datetime) -> int:
    """Records that are new, came back, or read otherwise than before. The platform may tell one twice in an answer."""
    by_key = {record.key: record for record in records}
    known = _known(connection, table, list(by_key))
    rows = []
    for key, record in by_key.items():
        digest = _digest(record.values)
        revision, before, gone = known.get(key, (0, "", False))
        if before != digest or gone:
            own = {"key": key, "revision": revision + 1, "gone": False, "digest": digest, "copied_at": at}
            rows.append({**record.values, **own})
    if rows:
        connection.execute(insert(table), rows)
    return len(rows)


def _known(connection: Connection, table: Table, keys: Sequence[str]) -> dict[str, tuple[int, str, bool]]:
    """(newest revision, its digest, whether it was gone)."""
    found: dict[str, tuple[int, str, bool]] = {}
    for start in range(0, len(keys), _KEYS):
        c = table.c
        for key, revision, digest, gone in fetched(
            connection,
            select(c.key, c.revision, c.digest, c.gone).where(c.key.in_(keys[start : start + _KEYS])),
        ):
            found[key] = max(found.get(key, (0, "", False)), (int(revision), digest, bool(gone)))
    return found


def _note_gone(connection: Connection, table: Table, batch: Batch) -> int:
    """What a whole reading did not hold any more stays, with a further revision that says so."""
    there = {record.key for record in batch.records}
    current = newest_of(table)
    left = [row for row in fetched(connection, select(current).where(~current.c.gone)) if row.key not in there]
    if left:
        own: dict[str, Any] = {"gone": True, "copied_at": batch.at}
        rows = [{**row._mapping, **own, "revision": row.revision + 1} for row in left]  # noqa: SLF001
        connection.execute(insert(table), rows)
    return len(left)


def _count_late(connection: Connection, batch: Batch, rows: int) -> None:
    if not rows:
        return
    name = f"{_LATE}{batch.source}"
    before = connection.scalar(select(workspace_fact.c.value).where(workspace_fact.c.name == name))
    total = rows + (_late(before).rows if before else 0)
    values = {"value": json.dumps({"rows": total, "found_at": utc_text(batch.at)}), "at": batch.at}
    done = connection.execute(update(workspace_fact).where(workspace_fact.c.name == name).values(**values))
    if not done.rowcount:
        connection.execute(insert(workspace_fact).values(name=name, **values))


def _late(text: str) -> Late:
    data = json.loads(text)
    return Late(rows=data["rows"], found_at=from_utc_text(data["found_at"]))


def _advance(connection: Connection, batch: Batch) -> None:
    table = schema.mirror_state
    row = connection.execute(select(table).where(table.c.source == batch.source)).one_or_none()
    times = [record.at for record in batch.records if record.at is not None]
    if row is not None and row.newest is not None:
        times.append(row.newest)
    since = min(batch.first, row.since) if row is not None and row.since is not None else batch.first
    _put_state(
        connection,
        batch.source,
        {
            "scope": batch.scope, "since": since, "through": batch.through, "newest": max(times, default=None),
            "copied_at": batch.at, "attempted_at": batch.at, "error": "",
        },
    )  # fmt: skip
    if batch.gap is not None:
        gap = batch.gap
        known = select(literal(1)).where(
            schema.mirror_gap.c.source == gap.source, schema.mirror_gap.c.first == gap.first
        )
        if connection.execute(known).first() is None:
            values = {"source": gap.source, "first": gap.first, "last": gap.last, "found_at": gap.found_at}
            connection.execute(insert(schema.mirror_gap).values(**values))


def _put_state(connection: Connection, source: str, values: dict[str, Any]) -> None:
    table = schema.mirror_state
    done = connection.execute(update(table).where(table.c.source == source).values(**values))
    if not done.rowcount:
        connection.execute(insert(table).values(source=source, **({"scope": "", "error": ""} | values)))


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
