"""What the inventory needs: a registry to read, and somewhere to keep the copy screens are served from."""

from __future__ import annotations

from typing import Protocol

from services.inventory.models import ModelVersion, RegistrySnapshot


class ModelRegistry(Protocol):
    """The registry (MLflow, Unity Catalog). Slow and sometimes absent: only the worker and the CLI call it."""

    def snapshot(self) -> RegistrySnapshot:
        """All versions and aliases. Raises RegistryUnavailableError."""
        ...

    def get_version(self, model: str, version: str) -> ModelVersion:
        """Raises UnknownVersionError, RegistryUnavailableError."""
        ...

    def alias_target(self, model: str, alias: str) -> str | None:
        """The version an alias points at, or None when unset. Raises RegistryUnavailableError."""
        ...

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Moves the alias. There is no compare-and-set: read before and after. Raises RegistryUnavailableError."""
        ...

    def delete_alias(self, model: str, alias: str) -> None: ...

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None: ...

    def version_tag(self, model: str, version: str, key: str) -> str | None: ...

    def manifest(self, model: str, version: str) -> bytes:
        """Canonical bytes of the file manifest of the version's artifacts (see attestation.manifest).

        Raises ArtifactMissingError, RegistryUnavailableError.
        """
        ...

    def artifact_text(self, model: str, version: str, path: str) -> str | None:
        """A small text artifact of the version's run (`evaluation.json`), or None when absent."""
        ...
