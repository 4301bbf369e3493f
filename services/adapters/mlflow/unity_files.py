"""Files of a model version in Unity Catalog, through the workspace's Files API; the cloud's store is never opened."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from services.adapters.mlflow.files import LARGEST_TEXT, ModelFacts, facts_from
from services.adapters.mlflow.source import Workspace
from services.kernel.errors import ArtifactMissingError, ArtifactRefusedError, UnknownVersionError

_MOST_FILES = 10_000
_MLMODEL = "MLmodel"


class CatalogFiles:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def facts(self, model: str, version: str) -> ModelFacts:
        """What MLmodel says, or why it says nothing. Raises RegistryUnavailableError."""
        return facts_from(lambda: self._text(model, version, _MLMODEL))

    def download(self, model: str, version: str, into: Path) -> Path:
        """A private copy of the model folder below `into`. Raises ArtifactMissingError, RegistryUnavailableError."""
        base, target = _base(model, version), into / "model"
        target.mkdir()
        for place in self._below(base, model, version):
            inner = _inside(base, place)
            file = target / inner
            file.parent.mkdir(parents=True, exist_ok=True)
            with self._workspace.registry(f"the files of {model} version {version}"):
                answer = self._workspace.client.files.download(place)
                with file.open("wb") as out:
                    shutil.copyfileobj(_contents(answer), out)
        return target

    def _text(self, model: str, version: str, name: str) -> str:
        place = f"{_base(model, version)}/{name}"
        try:
            with self._workspace.registry(f"the files of {model} version {version}"):
                answer = self._workspace.client.files.download(place)
                data: bytes = _contents(answer).read(LARGEST_TEXT + 1)
        except UnknownVersionError as gone:
            raise _missing(model, version) from gone
        if len(data) > LARGEST_TEXT:
            raise ArtifactRefusedError(f"{name} is larger than {LARGEST_TEXT:,} bytes and was not read.")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as odd:
            raise ArtifactRefusedError(f"{name} is not UTF-8 text.") from odd

    def _below(self, base: str, model: str, version: str) -> tuple[str, ...]:
        files, folders = list[str](), [base]
        try:
            with self._workspace.registry(f"the files of {model} version {version}"):
                while folders:
                    for entry in self._workspace.client.files.list_directory_contents(folders.pop()):
                        _inside(base, entry.path or "")
                        (folders if entry.is_directory else files).append(entry.path or "")
                        if len(files) + len(folders) > _MOST_FILES:
                            raise ArtifactRefusedError(f"The model has more than {_MOST_FILES:,} files.")
        except UnknownVersionError as gone:
            raise _missing(model, version) from gone
        if not files:
            raise _missing(model, version)
        return tuple(sorted(files))


def _base(model: str, version: str) -> str:
    return f"/Models/{model.replace('.', '/')}/{version}"


def _inside(base: str, place: str) -> PurePosixPath:
    """Where a file belongs below the copy; a listing that leads out of the version's folder is refused."""
    path = PurePosixPath(place)
    if ".." in path.parts or not path.is_relative_to(base):
        raise ArtifactRefusedError(f"The registry names a file outside the version's folder ({path.name}).")
    return path.relative_to(base)


def _contents(answer: Any) -> Any:
    if answer.contents is None:
        raise ArtifactRefusedError("The registry answered without the content of a file.")
    return answer.contents


def _missing(model: str, version: str) -> ArtifactMissingError:
    return ArtifactMissingError(
        f"The model files of {model} version {version} are not in the artifact store any more, or may not be read.",
        hint="Grant EXECUTE on the model, or restore them from a backup; the registry entry alone cannot be served.",
    )
