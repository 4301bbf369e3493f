"""Model files of a version: where they are, what MLmodel says, private copies.

MLmodel is read with a safe YAML reader and every field of it is treated as a claim of whoever wrote it.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlparse

import yaml

from services.adapters.mlflow.loading import load_mlflow
from services.attestation.manifest import require_acceptable
from services.kernel.errors import ArtifactMissingError, ArtifactRefusedError, InputError

_MLMODEL = "MLmodel"
LARGEST_TEXT = 16 * 1024**2
"""Bytes of a text file that are read; an evaluation report has some thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What MLmodel says. `missing` explains in one sentence why it says nothing, or is empty."""

    inputs: tuple[tuple[str, str], ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    has_input_example: bool = False
    size_bytes: int | None = None
    missing: str = ""


def local_folder(location: str) -> Path | None:
    """The folder behind a path or file address, or None when the files are elsewhere."""
    address = urlparse(location)
    if address.scheme == "file":
        return Path(unquote(address.path))
    return Path(location) if not address.scheme else None


def read_facts(location: str, root: Path | None) -> ModelFacts:
    """Reads MLmodel beside the files. `root` is the only folder local files are read from, when given."""
    return facts_from(lambda: _mlmodel_text(location, root))


def facts_from(read: Callable[[], str]) -> ModelFacts:
    """The facts in the text of MLmodel, or why there are none."""
    try:
        return _facts(read())
    except ArtifactMissingError as gone:
        return ModelFacts(missing=gone.message)
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as odd:
        return ModelFacts(missing=f"The file MLmodel cannot be understood ({type(odd).__name__}).")


def copy_files(location: str, root: Path | None, into: Path) -> Path:
    """A private copy of the model folder below `into`. Raises ArtifactMissingError."""
    folder = _allowed(location, root)
    target = into / "model"
    if folder is None:
        return Path(_download(location, into))
    if not folder.is_dir():
        raise _missing(location)
    # Before copying: a device or a huge sparse file would fill the disk, a pipe would never end.
    with refused():
        require_acceptable(folder)
    try:
        shutil.copytree(folder, target, symlinks=True)
    except (OSError, shutil.Error) as broken:
        raise ArtifactMissingError(
            f"The model files cannot be read ({type(broken).__name__}).",
            hint="Check that the artifact store is mounted.",
        ) from broken
    return target


def _mlmodel_text(location: str, root: Path | None) -> str:
    folder = _allowed(location, root)
    if folder is None:
        with TemporaryDirectory() as scratch:
            return Path(_download(f"{location.rstrip('/')}/{_MLMODEL}", Path(scratch))).read_text()
    return _read_plain(folder / _MLMODEL, location)


def read_local_text(location: str, path: str, root: Path | None) -> str | None:
    """The text of `path` below `location`, or None when the files are elsewhere. Raises ArtifactMissingError."""
    folder = _allowed(location, root)
    return None if folder is None else _read_plain(folder / path, location)


def _read_plain(file: Path, location: str) -> str:
    """The text of a plain file that somebody else has stored. Raises ArtifactMissingError, ArtifactRefusedError."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as gone:
        if file.is_symlink():
            raise _not_plain(file) from gone
        raise _missing(location) from gone
    with os.fdopen(handle, "rb") as stream:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise _not_plain(file)
        if facts.st_size > LARGEST_TEXT:
            raise ArtifactRefusedError(f"{file.name} is larger than {LARGEST_TEXT:,} bytes and was not read.")
        data = stream.read(LARGEST_TEXT)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as odd:
        raise ArtifactRefusedError(f"{file.name} is not UTF-8 text.") from odd


@contextmanager
def refused() -> Iterator[None]:
    """Files that may not be hashed are as good as missing to whoever asked for them."""
    try:
        yield
    except InputError as said:
        raise ArtifactRefusedError(
            f"The files of this version are not accepted. {said.message}", hint=said.hint
        ) from said


def _not_plain(file: Path) -> ArtifactRefusedError:
    return ArtifactRefusedError(f"{file.name} is a link or a device, not a plain file; it was not opened.")


def _allowed(location: str, root: Path | None) -> Path | None:
    folder = local_folder(location)
    if folder is not None and root is not None and not folder.resolve().is_relative_to(root.resolve()):
        raise ArtifactMissingError(
            "The model files are outside the workspace's artifact folder; they are not opened.",
            hint="Register the version with files that MLflow itself stored.",
        )
    return folder


def _download(location: str, into: Path) -> str:
    load_mlflow()
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        return str(download_artifacts(artifact_uri=location, dst_path=str(into)))
    except (MlflowException, OSError) as gone:
        raise _missing(location) from gone


def _missing(location: str) -> ArtifactMissingError:
    return ArtifactMissingError(
        f"The model files are not in the artifact store any more ({location.rsplit('/', 2)[-2]}).",
        hint="Restore them from a backup; the registry entry alone cannot be served.",
    )


def _facts(text: str) -> ModelFacts:
    document: dict[str, Any] = yaml.safe_load(text)
    signature = document.get("signature") or {}
    size = document.get("model_size_bytes")
    return ModelFacts(
        inputs=_columns(signature.get("inputs")),
        outputs=_columns(signature.get("outputs")),
        has_input_example=bool(document.get("saved_input_example_info")),
        size_bytes=int(size) if size is not None else None,
    )


def _columns(described: str | None) -> tuple[tuple[str, str], ...]:
    if not described:
        return ()
    found = []
    for number, column in enumerate(json.loads(described)):
        kind = column.get("type", "")
        if kind == "tensor":
            kind = str(column.get("tensor-spec", {}).get("dtype", "tensor"))
        found.append((str(column.get("name") or f"output_{number}"), str(kind)))
    return tuple(found)
