"""The digest of a model version: every file by path, size and SHA-256, as one canonical document.

Renaming, adding or removing a file changes it, and so does one byte. Nothing is loaded or unpacked, only hashed.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import yaml

from services.attestation import canonical
from services.kernel.errors import ArtifactMissingError, InputError, SwappedArtifactError

FORMAT = "governance.manifest/v1"
_LONGEST_PATH = 1024
_MLFLOW_META = "registered_model_meta"
_META_KEYS = {"model_name", "model_version"}
_CHUNK = 1 << 20
_SLIMMER = "Register it without training data and caches."
# What one system stores as a file is a device, a drive or another name on the next.
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?|[a-z]:.*|.*[. ]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """Above it there is no approval; a digest of a part would promise too much."""

    files: int = 10_000
    total_bytes: int = 64 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: str
    size: int
    modified: int


def manifest_of(folder: Path, *, ceiling: Ceiling | None = None) -> bytes:
    """Canonical bytes of the manifest; their SHA-256 is the digest of the version.

    Give it a private copy: `registered_model_meta`, which MLflow writes on download, is left out only at the top and
    only in its known form. Raises ArtifactMissingError for an empty or absent folder, InputError for names, links and
    sizes that are not accepted, SwappedArtifactError when files change while they are read.
    """
    if not folder.is_dir() or folder.is_symlink():
        raise ArtifactMissingError("The files of this model version are not there.")
    before = require_acceptable(folder, ceiling=ceiling)
    files = [
        {"path": file.path, "sha256": _sha256(folder / file.path, file), "size": file.size}
        for file in sorted(before, key=lambda file: file.path.encode())
    ]
    if _walk(folder, ceiling or Ceiling()) != before:
        raise _changed("the model version")
    return canonical.to_bytes({"files": files, "format": FORMAT, "hash": "sha256"})


def require_acceptable(folder: Path, *, ceiling: Ceiling | None = None) -> list[_File]:
    """Looks at names, kinds and sizes without opening a file: ask before copying what somebody else has stored.

    Raises ArtifactMissingError for an empty folder, InputError as `manifest_of` does.
    """
    found = _walk(folder, ceiling or Ceiling())
    if not found:
        raise ArtifactMissingError("This model version has no files.")
    _require_distinct(found)
    return found


def _walk(folder: Path, ceiling: Ceiling) -> list[_File]:
    found: list[_File] = []
    total = folders = 0
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        # Names are read as bytes, so that one that is not Unicode is refused instead of replaced.
        with os.scandir(os.fsencode(folder / prefix)) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            path = prefix + _accepted_name(entry.name)
            facts = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(facts.st_mode):
                folders += 1
                if folders > ceiling.files:
                    raise InputError(f"This model version has more than {ceiling.files:,} folders.", hint=_SLIMMER)
                waiting.append(path + "/")
                continue
            if not stat.S_ISREG(facts.st_mode):
                raise InputError(f"{path!r} is neither a file nor a folder; links and devices are not accepted.")
            if path == _MLFLOW_META and _is_mlflow_meta(folder / path):
                continue
            if len(path.encode()) > _LONGEST_PATH:
                raise InputError(f"A path of this model version is longer than {_LONGEST_PATH:,} bytes.")
            total += facts.st_size
            found.append(_File(path=path, size=facts.st_size, modified=facts.st_mtime_ns))
            if len(found) > ceiling.files or total > ceiling.total_bytes:
                raise InputError(
                    f"This model version has more than {ceiling.files:,} files or {ceiling.total_bytes:,} bytes.",
                    hint=_SLIMMER,
                )
    return sorted(found, key=lambda file: file.path)


def _accepted_name(raw: bytes) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as broken:
        raise InputError("A file name of this model version is not valid UTF-8.") from broken
    if "\\" in name or any(unicodedata.category(letter) in {"Cc", "Cf"} for letter in name):
        raise InputError(f"The file name {name!r} holds a backslash, a control or an invisible character.")
    if _RESERVED.fullmatch(name):
        raise InputError(f"The file name {name!r} means something else on some systems.")
    return name


def _require_distinct(files: list[_File]) -> None:
    seen: dict[str, str] = {}
    for file in files:
        same = unicodedata.normalize("NFC", unicodedata.normalize("NFC", file.path).casefold())
        if same in seen:
            raise InputError(f"The paths {seen[same]!r} and {file.path!r} are the same on some file systems.")
        seen[same] = file.path


def _sha256(path: Path, expected: _File) -> str:
    digest = hashlib.sha256()
    size = 0
    try:
        # Without blocking: a pipe put in the place of a file must not keep the reader waiting for ever.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as broken:
        raise _changed(expected.path) from broken
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise _changed(expected.path)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if size > expected.size:
                break  # it grows while it is read, perhaps without end
    if size != expected.size or facts.st_mtime_ns != expected.modified:
        raise _changed(expected.path)
    return digest.hexdigest()


def _is_mlflow_meta(path: Path) -> bool:
    if path.stat().st_size > 4096:
        return False
    try:
        document = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError):
        return False
    return isinstance(document, dict) and set(document) == _META_KEYS


def _changed(what: str) -> SwappedArtifactError:
    return SwappedArtifactError(
        f"{what} changed while it was being hashed.", hint="Wait until nobody writes to it, then try again."
    )
