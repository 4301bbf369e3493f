"""The shape of the governance database, brought to this release by the account that owns its tables."""

from __future__ import annotations

from services import databases
from services.adapters.sql import migrations, privileges
from services.adapters.sql.setup import create_schema
from services.adapters.sql.stepping_back import step_back
from services.kernel.clock import SystemClock
from services.settings import read_settings


def revisions() -> tuple[str | None, str]:
    """(the database's, this release's). Raises NewerDatabaseError, StorageUnavailableError."""
    database = databases.connect(read_settings())
    try:
        migrations.require_known_revision(database)
        return migrations.stored_revision(database), migrations.newest_revision()
    finally:
        database.dispose()


def bring_up_to_date() -> None:
    """Without a limit on time: moving a year of rows takes as long as it takes."""
    database = databases.connect(read_settings(), statement_seconds=0)
    try:
        create_schema(database)
    finally:
        database.dispose()


def bring_to(revision: str, *, lose: bool = False) -> tuple[str, ...]:
    """To a revision that this release knows, forward or back; sentences about what was lost on the way back.

    Raises InputError, ConflictError while a worker leads, RefusalError for a loss that `lose` does not allow.
    """
    database = databases.connect(read_settings(), statement_seconds=0)
    try:
        migrations.require_known_revision(database)
        stored = migrations.stored_revision(database)
        if revision == stored:
            return ()
        if revision in migrations.known_revisions() and revision not in migrations.earlier_revisions(stored):
            migrations.load_schema()
            migrations.upgrade(database, revision)
            with database.write() as connection:
                privileges.grant(connection)
            return ()
        return step_back(database, revision, now=SystemClock().now(), lose=lose)
    finally:
        database.dispose()
