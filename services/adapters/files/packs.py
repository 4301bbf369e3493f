"""Finished audit packs in a folder of the workspace: a file appears whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.kernel.errors import InputError, StorageUnavailableError

_ID = re.compile(r"pack-[0-9a-z]{1,40}")


class PackFiles:
    """Implements audit.pack.ports.PackFolder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def drafting(self, pack_id: str) -> Iterator[Path]:
        path = self._path(pack_id)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            yield draft
            with draft.open("rb+") as file:
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as broken:
            raise _unusable(broken) from broken
        finally:
            draft.unlink(missing_ok=True)

    def size(self, pack_id: str) -> int | None:
        try:
            return self._path(pack_id).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as broken:
            raise _unusable(broken) from broken

    def read(self, pack_id: str) -> bytes | None:
        try:
            return self._path(pack_id).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as broken:
            raise _unusable(broken) from broken

    def _path(self, pack_id: str) -> Path:
        # The id reaches us from an address or a button; nothing but an id becomes part of a path.
        if not _ID.fullmatch(pack_id):
            raise InputError(f"{pack_id!r} does not name an audit pack.", hint="Choose one from the list.")
        return self._folder / f"{pack_id}.zip"


def _unusable(broken: OSError) -> StorageUnavailableError:
    return StorageUnavailableError(
        f"The folder of audit packs cannot be used ({broken.strerror or broken}).",
        hint="Check disk space and permissions of the packs folder, then build the pack again.",
    )
