"""The MLflow model registry behind inventory.ports.ModelRegistry. MLflow is imported only when a method runs."""

from __future__ import annotations

from pathlib import Path

from services.inventory.models import ModelVersion, RegistrySnapshot


class MlflowRegistry:
    def __init__(self, tracking_uri: str, artifacts: Path | None = None) -> None:
        self._uri = tracking_uri
        self._artifacts = artifacts

    def snapshot(self) -> RegistrySnapshot:
        raise NotImplementedError

    def get_version(self, model: str, version: str) -> ModelVersion:
        raise NotImplementedError

    def alias_target(self, model: str, alias: str) -> str | None:
        raise NotImplementedError

    def set_alias(self, model: str, alias: str, version: str) -> None:
        raise NotImplementedError

    def delete_alias(self, model: str, alias: str) -> None:
        raise NotImplementedError

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None:
        raise NotImplementedError

    def version_tag(self, model: str, version: str, key: str) -> str | None:
        raise NotImplementedError

    def manifest(self, model: str, version: str) -> bytes:
        raise NotImplementedError

    def artifact_text(self, model: str, version: str, path: str) -> str | None:
        raise NotImplementedError

    def download(self, model: str, version: str, into: Path) -> Path:
        """A private copy of the version's model folder (the one that holds MLmodel), for scoring processes.

        Raises ArtifactMissingError, RegistryUnavailableError.
        """
        raise NotImplementedError
