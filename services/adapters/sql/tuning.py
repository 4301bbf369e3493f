"""How connections to a PostgreSQL server are kept, named, limited and, where a platform gives tokens, signed in.

Not used for SQLite: a file of this machine has no pool to fill and no account to sign in with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

_LOCK_SHARE = 667
"""Milliseconds per second that a writer may wait: a lock ends before the wait does, so that the reason is known."""


class Password(Protocol):
    """A password that is asked for at every new connection. `fresh`: the last one was refused."""

    def __call__(self, *, fresh: bool = False) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    pool_size: int = 5
    overflow: int = 10
    pool_seconds: float = 30.0
    """How long a thread waits for a free connection before it is told that the database is busy."""
    recycle_seconds: int = 1800
    """A connection older than this is not used again: proxies and platforms cut silent ones."""
    statement_seconds: int = 60
    application: str = "countersign"
    """What the server's own views call us (`pg_stat_activity.application_name`)."""
    password: Password | None = None


def postgres_engine(url: URL, tuning: Tuning, *, lock_seconds: float) -> Engine:
    limits: Mapping[str, str | int] = {
        "timezone": "UTC",
        "lock_timeout": int(lock_seconds * _LOCK_SHARE),
        "statement_timeout": tuning.statement_seconds * 1000,
        # A process that was frozen in the middle of a unit of work must not hold everybody's turn for ever.
        "idle_in_transaction_session_timeout": max(60, 2 * tuning.statement_seconds) * 1000,
    }
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=tuning.pool_size,
        max_overflow=tuning.overflow,
        pool_timeout=tuning.pool_seconds,
        pool_recycle=tuning.recycle_seconds,
        isolation_level="READ COMMITTED",
        connect_args={
            # A host that swallows packets would otherwise hold a start for minutes.
            "connect_timeout": 10,
            "application_name": tuning.application,
            "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
        },
    )
    if tuning.password is not None:
        _sign_in_with(engine, tuning.password)
    return engine


def _sign_in_with(engine: Engine, password: Password) -> None:
    """Asks for the password at each new connection, once more when the first answer was refused or a host slept."""

    def connect(
        dialect: Dialect, _record: ConnectionPoolEntry, given: tuple[Any, ...], named: dict[str, Any]
    ) -> DBAPIConnection:
        try:
            return dialect.connect(*given, **{**named, "password": password()})
        except dialect.loaded_dbapi.OperationalError:
            return dialect.connect(*given, **{**named, "password": password(fresh=True)})

    event.listen(engine, "do_connect", connect)
