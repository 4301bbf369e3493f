"""The zip of a pack: files back to back, fixed dates and rights, so that equal content gives equal bytes.

The offline verifier holds every pack to exactly this structure; a byte that belongs to no file is a finding.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_RIGHTS = 0o644 << 16
_BEGINNING = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A line of the manifest."""

    path: str
    title: str
    sha256: str
    size: int


@dataclass(slots=True, kw_only=True)
class Archive:
    _zip: zipfile.ZipFile
    files: list[Listed] = field(default_factory=list)
    """Everything written so far, in the order of writing."""

    def add(self, path: str, data: bytes, title: str) -> None:
        """Writes and lists one file."""
        self.write(path, data)
        self.files.append(Listed(path=path, title=title, sha256=hashlib.sha256(data).hexdigest(), size=len(data)))

    def write(self, path: str, data: bytes) -> None:
        """Writes without listing: for the manifest and its signature, which cannot list themselves."""
        info = zipfile.ZipInfo(path, date_time=_BEGINNING)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = _RIGHTS
        info.create_system = 3
        self._zip.writestr(info, data)


@contextmanager
def writing(path: Path) -> Iterator[Archive]:
    with zipfile.ZipFile(path, "w") as file:
        yield Archive(_zip=file)
