"""What the account may do to the tables of the log, as PostgreSQL says it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from services.adapters.sql.protection import INSERT_ONLY

_CHANGES = ("UPDATE", "DELETE", "TRUNCATE")
_NEEDED = ("SELECT", "INSERT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    account: str
    is_superuser: bool
    owns: tuple[str, ...]
    """Insert-only tables it owns: an owner can switch their triggers off."""
    may_change: tuple[str, ...]
    """`UPDATE log_entry`, for every right that is not needed."""
    lacks: tuple[str, ...]
    """`INSERT log_entry`, for every right that is needed."""


def grant(connection: Connection) -> None:
    """Gives the accounts of `deploy/postgres-roles.sql` their rights on every table, where that file was run.

    Only as the owner: for any other account this is nothing to do and no fault.
    """
    if connection.dialect.name != "postgresql":
        return
    allowed = connection.exec_driver_sql(
        "SELECT has_function_privilege(to_regprocedure('countersign_grant()')::oid, 'EXECUTE')"
    ).scalar()
    if allowed:
        connection.exec_driver_sql("SELECT countersign_grant()")


def rights(connection: Connection) -> Rights | None:
    """None where the database has no accounts (SQLite)."""
    if connection.dialect.name != "postgresql":
        return None
    account, superuser = connection.exec_driver_sql(
        "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
    ).one()
    tables = connection.exec_driver_sql(
        "SELECT c.relname, c.oid, pg_has_role(c.relowner, 'USAGE') AS owned FROM pg_class c "
        "WHERE c.oid IN (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)",
        {"tables": list(INSERT_ONLY)},
    ).all()
    held = {
        (right, table.relname): bool(
            connection.exec_driver_sql(
                "SELECT has_table_privilege(%(table)s::oid, %(right)s)", {"table": table.oid, "right": right}
            ).scalar()
        )
        for table in tables
        for right in (*_CHANGES, *_NEEDED)
    }
    return Rights(
        account=str(account),
        is_superuser=bool(superuser),
        owns=tuple(sorted(table.relname for table in tables if table.owned)),
        may_change=tuple(f"{right} {name}" for (right, name), has in sorted(held.items()) if has and right in _CHANGES),
        lacks=tuple(f"{right} {name}" for (right, name), has in sorted(held.items()) if not has and right in _NEEDED),
    )
