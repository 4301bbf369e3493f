"""Revisions of the governance database, run from code: `upgrade(database)`. Works alike on SQLite and PostgreSQL."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from services.adapters.sql import schema
from services.adapters.sql.database import Database, lock_writers
from services.kernel.errors import NewerDatabaseError

FOLDER = Path(__file__).parent


def load_schema() -> None:
    """Imports every schema module, so that the metadata knows all tables."""
    for module in pkgutil.iter_modules(schema.__path__):
        importlib.import_module(f"{schema.__name__}.{module.name}")


def require_known_revision(database: Database) -> None:
    """Raises NewerDatabaseError when the database carries a revision this release does not have."""
    stored = stored_revision(database)
    if stored is None:
        return
    if stored not in known_revisions():
        raise NewerDatabaseError(
            f"The governance database was written by a newer release of Countersign (revision {stored}).",
            hint="Start the newer release, or restore the database from before the upgrade.",
        )


def stored_revision(database: Database) -> str | None:
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """The one this release needs."""
    return _scripts().get_current_head() or ""


def known_revisions() -> frozenset[str]:
    return frozenset(script.revision for script in _scripts().walk_revisions())


def earlier_revisions(revision: str | None) -> tuple[str, ...]:
    """Those before it, oldest first; none for a database that has no revision."""
    order = [script.revision for script in reversed(list(_scripts().walk_revisions()))]
    return tuple(order[: order.index(revision)]) if revision in order else ()


def upgrade(database: Database, revision: str = "head") -> None:
    """Runs what is missing, in one transaction, while no other process writes."""
    if stored_revision(database) == _scripts().get_current_head():
        return
    with database.write() as connection:
        lock_writers(connection)
        command.upgrade(config(connection), revision)


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(config(None))


def config(connection: object) -> Config:
    """For Alembic's commands, on a connection that somebody else opened, signed in and will commit."""
    found = Config()
    found.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    found.attributes["connection"] = connection
    return found
