"""A large MLflow registry made fast: MLflow creates its own schema, then rows are inserted in one transaction."""

from __future__ import annotations

import sqlite3
from pathlib import Path

START_MS = 1_750_000_000_000
HOUR_MS = 3_600_000


def build(path: Path, *, models: int, versions: int) -> str:
    """Creates the store and returns its tracking URI. Each model gets an owner tag and a `champion` alias."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore

    uri = f"sqlite:///{path}"
    TrackingStore(uri, str(path.parent / "artifacts"))
    SqlAlchemyStore(uri)
    names = [f"model_{index:05d}" for index in range(models)]
    with sqlite3.connect(path) as store:
        store.execute("PRAGMA synchronous=OFF")
        store.executemany(
            "INSERT INTO registered_models(name, creation_time, last_updated_time, description, workspace)"
            " VALUES (?, ?, ?, '', 'default')",
            [(name, START_MS, START_MS + index) for index, name in enumerate(names)],
        )
        store.executemany(
            "INSERT INTO model_versions(name, version, creation_time, last_updated_time, description, current_stage,"
            " source, status, storage_location, workspace) VALUES (?, ?, ?, ?, '', 'None', ?, 'READY', ?, 'default')",
            [
                (
                    name,
                    version,
                    START_MS + version * HOUR_MS,
                    START_MS + version * HOUR_MS,
                    f"file:///nowhere/{name}/{version}",
                    "",
                )
                for name in names
                for version in range(1, versions + 1)
            ],
        )
        store.executemany(
            "INSERT INTO registered_model_aliases(alias, version, name, workspace)"
            " VALUES ('champion', ?, ?, 'default')",
            [(versions - 1, name) for name in names],
        )
    return uri
