"""Whether the governance database can be used at all, asked as a rollback would use it: by taking a turn to write."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.engine import make_url

from services.adapters.sql.database import Database
from services.adapters.sql.schema.rollout import deployment
from services.adapters.sql.tuning import Tuning
from services.kernel.errors import StorageUnavailableError

_CONNECT_SECONDS = "10"


def why_away(url: str, *, lock_seconds: float = 15.0, tuning: Tuning = Tuning()) -> str:  # noqa: B008 - frozen
    """Why nothing can be recorded there, in a sentence; empty when it can. Nothing is written, no file is made."""
    named = make_url(url)
    if named.get_backend_name() == "sqlite":
        file = Path(named.database or "")
        if not file.is_file():
            return f"There is no database file at {file}."
    elif "connect_timeout" not in named.query:
        # A host that swallows connections would otherwise cost minutes in which traffic is not sent back.
        url = named.update_query_dict({"connect_timeout": _CONNECT_SECONDS}).render_as_string(hide_password=False)
    database = Database(url, lock_seconds=lock_seconds, tuning=tuning)
    try:
        with database.write() as connection:
            connection.execute(select(deployment.c.model).limit(1)).all()
    except StorageUnavailableError as away:
        return away.message
    finally:
        database.dispose()
    return ""
