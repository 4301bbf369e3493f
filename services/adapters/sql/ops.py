"""Heartbeat and lease of the worker, age of its copies, facts of the workspace."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert, or_, select, update

from services.adapters.sql.database import Database
from services.adapters.sql.schema import ops as tables


class SqlOps:
    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, worker_id: str, *, at: datetime, started_at: datetime, host: str, pid: int) -> None:
        table = tables.worker_heartbeat
        values = {"at": at, "started_at": started_at, "host": host, "pid": pid}
        with self._database.write() as connection:
            done = connection.execute(update(table).where(table.c.worker_id == worker_id).values(**values))
            if done.rowcount == 0:
                connection.execute(insert(table).values(worker_id=worker_id, **values))

    def last_beat(self) -> datetime | None:
        table = tables.worker_heartbeat
        with self._database.read() as connection:
            found: datetime | None = connection.execute(
                select(table.c.at).order_by(table.c.at.desc()).limit(1)
            ).scalar()
        return found

    def take_lease(self, name: str, owner: str, *, now: datetime, lasting: timedelta) -> bool:
        """True when `owner` holds the lease now. The lease only saves work; safety never depends on it."""
        table = tables.worker_lease
        # Nobody holds it for longer than `lasting`: an end further away was written by a clock that was ahead.
        free = or_(table.c.owner == owner, table.c.until < now, table.c.until > now + lasting)
        with self._database.write() as connection:
            if connection.execute(
                update(table).where(table.c.name == name, free).values(owner=owner, until=now + lasting)
            ).rowcount:
                return True
            if connection.execute(select(table.c.name).where(table.c.name == name)).first():
                return False
            connection.execute(insert(table).values(name=name, owner=owner, until=now + lasting))
        return True

    def lost_leader(self, name: str, *, but: str, lasting: timedelta) -> tuple[str, datetime] | None:
        """(worker, last heartbeat) of the one that holds the lease or let it run out; None after a goodbye.

        A goodbye ends the lease right after a heartbeat; without one it lasts its whole time beyond the last.
        """
        lease, beats = tables.worker_lease, tables.worker_heartbeat
        query = select(lease.c.owner, lease.c.until, beats.c.at).join(beats, beats.c.worker_id == lease.c.owner)
        with self._database.read() as connection:
            row = connection.execute(query.where(lease.c.name == name, lease.c.owner != but)).first()
        if row is None or row.until - row.at < lasting / 2:
            return None
        return row.owner, row.at

    def last_success(self, source: str) -> datetime | None:
        """When a task last ended well; None when it never did."""
        table = tables.sync_state
        with self._database.read() as connection:
            found: datetime | None = connection.execute(
                select(table.c.last_success).where(table.c.source == source)
            ).scalar()
        return found

    def release_lease(self, name: str, owner: str, *, now: datetime) -> None:
        table = tables.worker_lease
        with self._database.write() as connection:
            connection.execute(update(table).where(table.c.name == name, table.c.owner == owner).values(until=now))

    def record(self, source: str, *, at: datetime, error: str) -> None:
        """How a task ended; `error` empty means success."""
        table = tables.sync_state
        values: dict[str, object] = {"last_attempt": at, "error": error}
        if not error:
            values["last_success"] = at
        with self._database.write() as connection:
            if connection.execute(update(table).where(table.c.source == source).values(**values)).rowcount == 0:
                connection.execute(insert(table).values(source=source, **values))

    def fact(self, name: str) -> str | None:
        table = tables.workspace_fact
        with self._database.read() as connection:
            return connection.execute(select(table.c.value).where(table.c.name == name)).scalar()

    def set_fact(self, name: str, value: str, *, at: datetime) -> None:
        table = tables.workspace_fact
        with self._database.write() as connection:
            values = {"value": value, "at": at}
            if connection.execute(update(table).where(table.c.name == name).values(**values)).rowcount == 0:
                connection.execute(insert(table).values(name=name, **values))
