"""Taking the governance database back to an earlier revision, without losing a row that nobody said may be lost.

What would go is counted in the same transaction that goes back: a refusal leaves everything as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from alembic import command
from sqlalchemy import Connection, inspect, select

from services.adapters.sql import migrations, privileges
from services.adapters.sql.database import Database, lock_writers
from services.adapters.sql.schema.ops import worker_lease
from services.kernel.errors import ConflictError, InputError, RefusalError

FLOOR = "0005"
"""The first released schema. Older revisions say of themselves that they are never taken back."""
_BATCH = 40
"""Columns counted by one statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filled:
    rows: int
    columns: dict[str, int] = field(default_factory=dict)
    """Column to the number of rows in which it has a value."""


def step_back(database: Database, revision: str, *, now: datetime, lose: bool = False) -> tuple[str, ...]:
    """Sentences about what went; none where every row found its place in the older shape.

    Raises InputError for a revision that is none or below the floor, ConflictError while a worker leads, RefusalError
    where something would be lost and `lose` does not say that it may.
    """
    _require_possible(database, revision)
    with database.write() as connection:
        lock_writers(connection)
        _require_no_worker(connection, now)
        before = _filled(connection)
        command.downgrade(migrations.config(connection), revision)
        lost = tuple(_lost(before, _filled(connection)))
        if lost and not lose:
            raise RefusalError(
                f"Going back to revision {revision} would lose {'; '.join(lost)}. Nothing was changed.",
                hint="Stay with this release; or make a backup and say --lose. The ledger is never touched.",
            )
        privileges.grant(connection)
    return lost


def _require_possible(database: Database, revision: str) -> None:
    stored = migrations.stored_revision(database)
    earlier = migrations.earlier_revisions(stored)
    if revision not in earlier:
        raise InputError(
            f"{revision} is no revision before {stored or 'none'}, at which the governance database is.",
            hint=f"Possible: {', '.join(name for name in earlier if name >= FLOOR) or 'none'}.",
        )
    if revision < FLOOR:
        raise InputError(
            f"The first released schema is {FLOOR}; nothing goes back before it.", hint="Restore a backup of that time."
        )


def _require_no_worker(connection: Connection, now: datetime) -> None:
    if connection.execute(select(worker_lease.c.name).where(worker_lease.c.until > now)).first():
        raise ConflictError(
            "A worker leads, and it would bring the database forward again. Nothing was changed.",
            hint="Stop app and worker; a worker that was killed leads for half a minute more.",
        )


def _filled(connection: Connection) -> dict[str, _Filled]:
    found = {}
    quote = connection.dialect.identifier_preparer.quote
    shape = inspect(connection)
    for table in sorted(shape.get_table_names()):
        names = [str(column["name"]) for column in shape.get_columns(table)]
        counts: dict[str, int] = {}
        rows = 0
        for start in range(0, len(names), _BATCH):
            part = names[start : start + _BATCH]
            asked = ", ".join(f"count({quote(name)})" for name in part)
            statement = f"SELECT count(*), {asked} FROM {quote(table)}"  # noqa: S608 - quoted names of our own tables
            rows, *values = (int(value) for value in connection.exec_driver_sql(statement).one())
            counts |= dict(zip(part, values, strict=True))
        found[table] = _Filled(rows=rows, columns=counts)
    return found


def _lost(before: dict[str, _Filled], after: dict[str, _Filled]) -> list[str]:
    lost = []
    for table, was in before.items():
        now = after.get(table)
        if now is None:
            lost += [f"table {table} with {was.rows:,} rows"] if was.rows else []
            continue
        if now.rows < was.rows:
            lost.append(f"{was.rows - now.rows:,} rows of {table}")
        gone = [name for name, filled in was.columns.items() if name not in now.columns and filled]
        lost += [f"{name} in {was.columns[name]:,} rows of {table}" for name in gone]
    return lost
