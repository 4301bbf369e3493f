"""First opening of the embedded MLflow store: once, under a lock, in WAL mode, never with another MLflow's schema.

MLflow migrates a database of another release without asking when it merely opens it, and two processes that open a
new file together leave it broken. Both are prevented here, before MLflow sees the file.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from services.adapters.mlflow.loading import load_mlflow
from services.kernel.errors import NewerDatabaseError, RegistryUnavailableError

_LOCK_SECONDS = 60.0
_SCHEME = "sqlite:///"


def initialise_store(tracking_uri: str) -> None:
    """Creates the store if absent; other than SQLite stores are left to their server.

    Raises NewerDatabaseError when another MLflow wrote it, RegistryUnavailableError when it cannot be used.
    """
    file = store_file(tracking_uri)
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{file}.lock", timeout=_LOCK_SECONDS):
            if file.exists() and file.stat().st_size:
                require_known_revision(tracking_uri)
            else:
                _create(tracking_uri)
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
    except Timeout as slow:
        raise RegistryUnavailableError(
            "The MLflow store stayed locked by another process.",
            hint="Wait until it has been prepared, then try again.",
        ) from slow
    except (OSError, sqlite3.Error) as broken:
        raise RegistryUnavailableError(
            f"The MLflow store {file} cannot be opened ({broken}).", hint="Check disk space and permissions."
        ) from broken


def store_file(tracking_uri: str) -> Path | None:
    """The file of a SQLite store, or None for a server."""
    return Path(tracking_uri.removeprefix(_SCHEME)) if tracking_uri.startswith(_SCHEME) else None


def require_known_revision(tracking_uri: str) -> None:
    """Compares the schema with the installed MLflow's without opening it through MLflow.

    Raises NewerDatabaseError, RegistryUnavailableError.
    """
    file = store_file(tracking_uri)
    if file is None:
        return
    found = _revision(file)
    newest, known = _own_revisions()
    if found == newest:
        return
    if found and found not in known:
        raise NewerDatabaseError(
            f"{file.name} was written by a newer MLflow (schema {found}; this one knows {newest}).",
            hint="Install that MLflow release, or restore the backup from before the upgrade.",
        )
    raise RegistryUnavailableError(
        f"{file.name} has the schema {found or 'of no release'}, this MLflow needs {newest}.",
        hint=f"Back the file up, then run `mlflow db upgrade {tracking_uri}`." if found else "Restore a backup.",
    )


def _revision(file: Path) -> str:
    if not file.exists():
        raise RegistryUnavailableError(
            f"There is no MLflow store at {file}.", hint="Prepare the workspace, or set COUNTERSIGN_MLFLOW_URI."
        )
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as broken:
        if "no such table" in str(broken):
            return ""
        raise RegistryUnavailableError(f"{file.name} cannot be read ({broken}).") from broken
    except sqlite3.DatabaseError as broken:
        raise RegistryUnavailableError(
            f"{file.name} is not a readable database ({broken}).", hint="Restore a backup."
        ) from broken
    return str(row[0]) if row else ""


@cache
def _own_revisions() -> tuple[str, frozenset[str]]:
    """Newest and all schema revisions of the installed MLflow, from its migration scripts."""
    load_mlflow()
    import mlflow.store.db_migrations as migrations
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(next(iter(migrations.__path__)))))
    newest = scripts.get_current_head() or ""
    return newest, frozenset(script.revision for script in scripts.walk_revisions())


def _create(tracking_uri: str) -> None:
    load_mlflow()
    import mlflow
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        client = mlflow.MlflowClient(tracking_uri, tracking_uri)
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
    except (MlflowException, SQLAlchemyError) as broken:
        raise RegistryUnavailableError(f"The MLflow store could not be created ({broken}).") from broken
