"""The governance database: one way to read, one serialised way to write, on SQLite and PostgreSQL.

SQLite gets two engines because a `begin` hook that says BEGIN IMMEDIATE would also lock readers; writers of all
processes queue at a file lock, since SQLite's own busy handler starves them. On PostgreSQL writers queue at an
advisory lock that ends with the transaction.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from services.adapters.sql.tuning import Tuning, postgres_engine
from services.kernel.errors import InputError, StorageUnavailableError

_LOCK_SECONDS = 15.0
_ADVISORY_KEY = 0x434F554E5445
_TURN = "countersign turn"
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON")
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, "55P03", "57014"})
_FULL = ("The disk of the governance database is full.", "Make room, then try again.")
_READ_ONLY = ("The governance database can only be read.", "Restore the right to write to it, then try again.")
_BROKEN = ("The disk of the governance database does not answer.", "Check the disk, then try again.")
_FORBIDDEN = (
    "The account of the governance database lacks a right that this needs.",
    "After an upgrade run python -m services migrate as the owner of the tables; see deploy/postgres-roles.sql.",
)
_REASONS: dict[object, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_IOERR: _BROKEN,
    sqlite3.SQLITE_CANTOPEN: _BROKEN,
    "53100": _FULL,
    "25006": _READ_ONLY,
    "58030": _BROKEN,
    "42501": _FORBIDDEN,
}


class Database:
    def __init__(
        self,
        url: str,
        *,
        lock_seconds: float = _LOCK_SECONDS,
        tuning: Tuning = Tuning(),  # noqa: B008 - frozen
    ) -> None:
        """`lock_seconds`: how long a writer waits for its turn before it says that it could not write."""
        self._lock_seconds = lock_seconds
        self.url = make_url(_with_driver(url))
        self.dialect = self.url.get_backend_name()
        self._threads = threading.Lock()
        self._inside = threading.local()
        if self.dialect == "sqlite":
            file = Path(self.url.database or "")
            self._file_lock: FileLock | None = FileLock(str(file) + ".lock")
            self._reader = _sqlite_engine(url, "BEGIN", lock_seconds)
            self._writer = _sqlite_engine(url, "BEGIN IMMEDIATE", lock_seconds)
        else:
            self._file_lock = None
            self._reader = self._writer = postgres_engine(self.url, tuning, lock_seconds=lock_seconds)

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

        Raises StorageUnavailableError (nothing was written), and RuntimeError when the same thread is already
        writing: that would wait for itself. Sign and call other services before opening a unit of work.
        """
        if getattr(self._inside, "writing", False):
            msg = "This thread already has a unit of work open; a second one would wait for it for ever."
            raise RuntimeError(msg)
        self._inside.writing = True
        try:
            with self._turn(), _translated(), self._writer.begin() as connection:
                lock_writers(connection)
                yield connection
        finally:
            self._inside.writing = False

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._file_lock is None:
            yield
            return
        if not self._threads.acquire(timeout=self._lock_seconds):
            raise _busy()
        try:
            try:
                self._file_lock.acquire(timeout=self._lock_seconds)
            except Timeout as slow:
                raise _busy() from slow
            except OSError as broken:
                raise _unreachable(broken) from broken
            try:
                yield
            finally:
                self._file_lock.release()
        finally:
            self._threads.release()

    def dispose(self) -> None:
        self._reader.dispose()
        self._writer.dispose()


def lock_writers(connection: Connection) -> None:
    """Waits until no other transaction writes. On SQLite the turn was taken when the transaction began.

    Once in a transaction: the lock ends with it, so whoever asks again already has it.
    """
    if connection.dialect.name != "postgresql" or _holds_turn(connection):
        return
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_KEY})")
    if not connection.in_nested_transaction():  # a lock taken after a savepoint can be lost before the end
        connection.info[_TURN] = connection.get_transaction()


def _holds_turn(connection: Connection) -> bool:
    transaction = connection.get_transaction()
    return transaction is not None and connection.info.get(_TURN) is transaction


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (DataError, UnicodeEncodeError) as unfit:
        raise InputError(
            "A text is too long or holds a character that cannot be stored.",
            hint="Nothing was recorded. Shorten it, or type it again.",
        ) from unfit
    except DBAPIError as broken:
        raise _in_words(broken) from broken
    except PoolTimeoutError as broken:
        raise _busy() from broken


def _in_words(broken: DBAPIError) -> StorageUnavailableError:
    """Why the database refused, as far as it says so. A transaction that fails leaves nothing behind."""
    known = getattr(broken.orig, "sqlite_errorcode", None) or getattr(broken.orig, "sqlstate", None)
    if isinstance(known, int):
        known &= 0xFF  # the upper bits name the variant of the error
    if known in _BUSY:
        return _busy()
    what, now = _REASONS.get(known, ("", ""))
    if what:
        return StorageUnavailableError(f"{what} Nothing was signed or recorded.", hint=now)
    return StorageUnavailableError(
        f"The governance database did not answer as expected ({type(broken.orig).__name__}).",
        hint="Nothing was recorded. Check disk space, permissions and the database server, then try again.",
    )


def _busy() -> StorageUnavailableError:
    return StorageUnavailableError(
        "The governance database stayed locked by another writer. Nothing was signed or recorded.",
        hint="Try again; a command that was recorded after all gives its first receipt.",
    )


def _unreachable(broken: OSError) -> StorageUnavailableError:
    return StorageUnavailableError(
        f"The governance database cannot be reached ({broken.strerror or broken}).",
        hint="Nothing was recorded. Check disk space and permissions, then try again.",
    )


def _with_driver(url: str) -> str:
    """The driver that is installed, whatever spelling of a PostgreSQL address was given."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


def _sqlite_engine(url: str, begin: str, lock_seconds: float) -> Engine:
    engine = create_engine(url, connect_args={"timeout": lock_seconds, "check_same_thread": False})

    def configure(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        if not isinstance(connection, sqlite3.Connection):
            msg = "SQLite is used through the standard library's driver only."
            raise TypeError(msg)
        connection.isolation_level = None  # BEGIN is said below, in the form each engine needs
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", start)
    return engine
