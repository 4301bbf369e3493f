"""What scoring, reports and data sets need of a registry, and what a registry needs of a workspace."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class ModelSource(Protocol):
    def client(self) -> Any:
        """MLflow's client for runs and their files."""
        ...

    def run_of(self, model: str, version: str) -> str:
        """The run a version was registered from; empty when it was registered without one."""
        ...

    def download(self, model: str, version: str, into: Path) -> Path:
        """A private copy of the version's model folder, below `into`.

        Raises ArtifactMissingError, UnknownVersionError, RegistryUnavailableError.
        """
        ...


class Workspace(Protocol):
    """A Databricks workspace over one cached client."""

    @property
    def client(self) -> Any:
        """A `databricks.sdk.WorkspaceClient`; use it inside `registry` only."""
        ...

    def registry(self, what: str) -> AbstractContextManager[None]:
        """Around one call about Unity Catalog. Raises UnknownVersionError, RegistryUnavailableError."""
        ...
