"""First opening of the embedded MLflow store: once, under a lock, in WAL mode, never with another MLflow's schema."""

from __future__ import annotations


def initialise_store(tracking_uri: str) -> None:
    """Creates the store if absent. Raises NewerDatabaseError when its schema is not the one this MLflow knows."""
    raise NotImplementedError
