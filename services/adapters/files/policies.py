"""Policy files as they lie in their folder: what a new deployment begins with, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from services.audit.pack.models import PackFile
from services.kernel.errors import StorageUnavailableError


class PolicyFolder:
    """Implements policy.published.PolicyDocuments and audit.pack.ports.PolicyFiles."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def texts(self) -> Mapping[str, bytes]:
        try:
            return {path.name: path.read_bytes() for path in sorted(self._folder.glob("*.yaml"))}
        except OSError as broken:
            raise StorageUnavailableError(
                f"The policy files cannot be read ({broken.strerror or broken}).",
                hint="Restore the policy folder.",
            ) from broken

    def files(self) -> tuple[PackFile, ...]:
        return tuple(
            PackFile(path=name, data=data, title=f"Policy file: {name}") for name, data in self.texts().items()
        )
