"""What collecting evidence needs: facts read from the registry, and who is live now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.inventory.access import ColumnHandling
from services.inventory.handling import DataEvidence
from services.inventory.models import GovernedModel, ModelVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """What the worker read from a version's files: manifest digest and evaluation report, with the time."""

    model: str
    version: str
    manifest: str
    manifest_sha256: str
    evaluation: str
    evaluation_sha256: str
    read_at: datetime
    problem: str = ""


class FactStore(Protocol):
    def facts(self, model: str, version: str) -> VersionFacts | None: ...

    def known(self, model: str) -> dict[str, datetime]:
        """Versions already read without a problem, with the time."""
        ...

    def save(self, facts: VersionFacts) -> None: ...

    def champion(self, model: str) -> str | None:
        """The version that answers for the model now, or None before the first release."""
        ...

    def watched(self, model: str) -> tuple[str, ...]:
        """Versions whose files must be read again regularly: live, in release, or under decision."""
        ...


class FileRegistry(Protocol):
    """The part of the registry that reads files. Slow: only the worker calls it."""

    def manifest(self, model: str, version: str) -> bytes:
        """Raises ArtifactMissingError, RegistryUnavailableError."""
        ...

    def artifact_text(self, model: str, version: str, path: str) -> str | None:
        """Raises RegistryUnavailableError."""
        ...


class DataFacts(Protocol):
    """Lineage, access rules, small cells and feature tables of a version, as the worker last found them."""

    def evidence(self, model: GovernedModel, version: ModelVersion) -> DataEvidence: ...

    def columns(self, model: GovernedModel, inputs: Sequence[str]) -> tuple[ColumnHandling, ...]: ...
