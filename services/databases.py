"""Opens the governance database as the settings say: one place for app, worker, command line and doctor."""

from __future__ import annotations

from services.adapters.sql.database import Database
from services.adapters.sql.tuning import Password, Tuning
from services.settings import Settings

_process = "cli"


def name_process(name: str) -> None:
    """What the database server calls connections of this process: `countersign-app`, `countersign-worker`, ..."""
    global _process  # noqa: PLW0603 - a process has one name
    _process = name


def connect(settings: Settings, *, statement_seconds: int | None = None) -> Database:
    """Nothing is asked of the server here. `statement_seconds` 0 sets no limit, for upgrades."""
    return Database(
        settings.governance_url,
        lock_seconds=settings.database_lock_seconds,
        tuning=tuning_of(settings, statement_seconds=statement_seconds),
    )


def tuning_of(settings: Settings, *, statement_seconds: int | None = None) -> Tuning:
    """How connections of this process are kept, named and signed in."""
    return Tuning(
        pool_size=settings.database_pool,
        overflow=settings.database_pool_overflow,
        statement_seconds=settings.database_statement_seconds if statement_seconds is None else statement_seconds,
        application=f"countersign-{_process}",
        password=password_of(settings),
    )


def password_of(settings: Settings) -> Password | None:
    """Asks the platform for a token where one takes the place of a password; None elsewhere."""
    if not settings.database_token:
        return None
    from services.adapters.databricks.lakebase import LakebaseToken

    return LakebaseToken(settings.database_token)
