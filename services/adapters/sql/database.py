"""The governance database: one way to read, one serialised way to write, on SQLite and PostgreSQL.

SQLite gets two engines because a `begin` hook that says BEGIN IMMEDIATE would also lock readers; writers of all
processes queue at a file lock, since SQLite's own busy handler starves them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from services.kernel.errors import StorageUnavailableError

_LOCK_SECONDS = 15.0


class Database:
    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.dialect = self.url.get_backend_name()
        self._threads = threading.Lock()
        if self.dialect == "sqlite":
            file = Path(self.url.database or "")
            self._file_lock: FileLock | None = FileLock(str(file) + ".lock")
            self._reader = _sqlite_engine(url, "BEGIN")
            self._writer = _sqlite_engine(url, "BEGIN IMMEDIATE")
        else:
            self._file_lock = None
            self._reader = self._writer = create_engine(
                url,
                pool_pre_ping=True,
                isolation_level="READ COMMITTED",
                connect_args={"options": "-c timezone=UTC -c lock_timeout=10000 -c statement_timeout=60000"},
            )

    @property
    def writer_engine(self) -> Engine:
        """For migrations and table creation only."""
        return self._writer

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only view. Raises StorageUnavailableError."""
        with _translated(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back on anything else.

        Raises StorageUnavailableError (nothing was written).
        """
        if self._file_lock is None:
            with _translated(), self._writer.begin() as connection:
                yield connection
            return
        try:
            with self._threads, self._file_lock.acquire(timeout=_LOCK_SECONDS):
                with _translated(), self._writer.begin() as connection:
                    yield connection
        except Timeout as slow:
            raise StorageUnavailableError(
                "The governance database stayed locked by another process for 15 seconds.",
                hint="Nothing was recorded. Try again.",
            ) from slow

    def dispose(self) -> None:
        self._reader.dispose()
        self._writer.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as broken:
        raise StorageUnavailableError(
            f"The governance database did not answer as expected ({type(broken.orig).__name__}).",
            hint="Nothing was recorded. Check disk space, permissions and the database server, then try again.",
        ) from broken
    except OSError as broken:
        raise StorageUnavailableError(
            f"The governance database cannot be reached ({broken.strerror or broken}).",
            hint="Nothing was recorded. Check disk space and permissions, then try again.",
        ) from broken


def _sqlite_engine(url: str, begin: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": _LOCK_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection, _record):  # type: ignore[no-untyped-def]
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection):  # type: ignore[no-untyped-def]
        connection.exec_driver_sql(begin)

    return engine
