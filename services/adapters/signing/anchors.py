"""Checkpoints outside the database: one write-once file per size.

A database restored from an older copy is shorter than the highest of them; nothing inside it could show that.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from services.kernel.errors import BrokenChainError, StorageUnavailableError

_ENDING = ".note"


class Anchors:
    """Implements ledger.ports.AnchorStore on a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, size: int, note: str) -> bool:
        path = self._folder / f"{size:012d}{_ENDING}"
        draft = self._folder / f".{size:012d}.{secrets.token_hex(4)}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if path.exists():
                return _require_same(path, size, note)
            _write(draft, note)
            try:
                # A link appears whole or not at all, and never replaces a file that is already there.
                path.hardlink_to(draft)
            except FileExistsError:
                return _require_same(path, size, note)
            finally:
                draft.unlink()
        except OSError as broken:
            raise _unreachable(broken) from broken
        return True

    def newest_size(self) -> int:
        """Entries under the highest checkpoint, from the names alone; 0 without one."""
        try:
            return max((int(path.stem) for path in self._folder.glob(f"*{_ENDING}") if path.stem.isdigit()), default=0)
        except OSError as broken:
            raise _unreachable(broken) from broken

    def notes(self) -> tuple[tuple[int, str], ...]:
        try:
            files = sorted(path for path in self._folder.glob(f"*{_ENDING}") if path.stem.isdigit())
            return tuple((int(path.stem), path.read_text(encoding="utf-8")) for path in files)
        except OSError as broken:
            raise _unreachable(broken) from broken


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _require_same(path: Path, size: int, note: str) -> bool:
    if path.read_text(encoding="utf-8") == note:
        return False
    raise BrokenChainError(
        f"Another checkpoint of size {size} was anchored before: two histories of this log exist.",
        hint="Stop writing, keep both copies, and compare them with the receipts people hold.",
    )


def _unreachable(broken: OSError) -> StorageUnavailableError:
    return StorageUnavailableError(
        f"The folder of anchored checkpoints cannot be used ({broken.strerror or broken}).",
        hint="Check disk space and permissions of the anchors folder.",
    )
