"""The shape of the governance database, brought to this release by the account that owns its tables."""

from __future__ import annotations

from services import databases
from services.adapters.sql import migrations
from services.adapters.sql.setup import create_schema
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
