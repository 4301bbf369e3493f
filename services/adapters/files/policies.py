"""The policy files in force, as they lie in their folder."""

from __future__ import annotations

from pathlib import Path

from services.audit.pack.models import PackFile
from services.kernel.errors import StorageUnavailableError


class PolicyFolder:
    """Implements audit.pack.ports.PolicyFiles."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def files(self) -> tuple[PackFile, ...]:
        try:
            return tuple(
                PackFile(path=path.name, data=path.read_bytes(), title=f"Policy in force: {path.name}")
                for path in sorted(self._folder.glob("*.yaml"))
            )
        except OSError as broken:
            raise StorageUnavailableError(
                f"The policy files cannot be read ({broken.strerror or broken}).",
                hint="Restore the policy folder, then build the pack again.",
            ) from broken
