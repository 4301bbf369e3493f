"""How Alembic reaches the database: on the connection it is given.

From the shell, for authors of revisions alone, on COUNTERSIGN_DATABASE_URL, without the tokens that `python -m services
migrate` signs in with.
"""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection

from services.adapters.sql.database import Database
from services.adapters.sql.migrations import load_schema
from services.adapters.sql.schema.base import metadata

load_schema()


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        # SQLite cannot alter most things in place; a table is copied instead.
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        user_module_prefix="base.",
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if isinstance(given, Connection):
    run(given)
else:
    database = Database(os.environ["COUNTERSIGN_DATABASE_URL"])
    with database.write() as own:
        run(own)
