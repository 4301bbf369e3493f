"""No entry far from the time of the log or of the database: a clock set back or forward is noticed before it signs.

A clock that is told the time (replayed history has its own calendar) is held against the log alone.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from services.adapters.sql.schema.ledger import ledger_index
from services.attestation.statement import Statement
from services.kernel.clock import Clock, SystemClock, utc_text
from services.kernel.errors import ClockMovedError
from services.ledger.verify import LATE, in_time_until

_recent = select(ledger_index.c.at).order_by(ledger_index.c.seq.desc()).limit(50).subquery()
NEWEST = select(func.max(_recent.c.at)).scalar_subquery()
"""Of the last entries the latest: each may lag ten minutes behind the one before it, together no further."""


def require_current(connection: Connection, statement: Statement, clock: Clock, *, newest: datetime | None) -> None:
    """`newest`: what NEWEST answered, none for an empty log.

    Raises ClockMovedError: more than ten minutes behind the newest entries, or away from the database's clock.
    """
    ends = in_time_until(statement)
    if newest is not None and ends < newest:
        raise ClockMovedError(
            f"Not signed: it would be dated {utc_text(statement.at)}, but the ledger already holds an entry of "
            f"{utc_text(newest)}.",
            hint="Correct the clock of this machine, then try again.",
        )
    if not isinstance(clock, SystemClock):
        return
    now = database_now(connection)
    if ends < now or statement.at > now + LATE:
        raise ClockMovedError(
            f"Not signed: this machine dates it {utc_text(statement.at)}, but the database's clock says "
            f"{utc_text(now)}.",
            hint="Correct the clock that is wrong, then try again.",
        )


def database_now(connection: Connection) -> datetime:
    if connection.dialect.name == "sqlite":
        text: str = connection.exec_driver_sql("SELECT strftime('%Y-%m-%dT%H:%M:%S', 'now')").scalar_one()
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    at: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    return at.astimezone(UTC)
