"""The MLflow model registry behind inventory.ports.ModelRegistry. MLflow is imported only when a method runs.

Known traps, handled here: versions are int or text depending on the store; aliases are filled only in answers about
registered models; pages are offsets, so rows can come twice; sources resolve through MLflow's global addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from services.adapters.mlflow.files import (
    LARGEST_TEXT,
    ModelFacts,
    copy_files,
    read_facts,
    read_local_text,
    refused,
)
from services.adapters.mlflow.initialise import require_known_revision
from services.adapters.mlflow.loading import load_mlflow
from services.adapters.mlflow.translate import mapping, translated, version_of
from services.inventory.models import ModelVersion, RegistrySnapshot
from services.kernel.errors import ArtifactRefusedError, InputError, UnknownModelError, UnknownVersionError

_MODEL_PAGE = 1000
_VERSION_PAGE = 10_000
_RUN_BATCH = 100
_NOT_YET_READ = "The model files have not been read yet; a later sweep will."


class MlflowRegistry:
    def __init__(self, tracking_uri: str, artifacts: Path | None = None, *, new_files_per_sweep: int = 500) -> None:
        """`artifacts` is the only local folder model files are read from; None leaves that to MLflow's server."""
        self._uri = tracking_uri
        self._artifacts = artifacts
        self._new_files = new_files_per_sweep
        self._opened: Any = None
        # Runs and model files do not change after registration: read once, newest versions first.
        self._runs: dict[str, Any] = {}
        self._files: dict[tuple[str, str, int], ModelFacts] = {}
        self._lost: dict[tuple[str, str, int], ModelFacts] = {}

    def snapshot(self) -> RegistrySnapshot:
        client = self._client()
        with translated("its models and versions"):
            models = _unique(
                _pages(lambda token: client.search_registered_models(max_results=_MODEL_PAGE, page_token=token)),
                key=lambda model: str(model.name),
            )
            versions = _unique(
                _pages(lambda token: client.search_model_versions(max_results=_VERSION_PAGE, page_token=token)),
                key=lambda version: (str(version.name), int(version.version)),
            )
            versions.sort(key=lambda version: -version.creation_timestamp)
            self._read_runs([str(version.run_id) for version in versions if version.run_id])
            aliases = tuple(
                sorted(
                    (str(model.name), alias, target)
                    for model in models
                    for alias, target in self._aliases(model).items()
                )
            )
            self._read_new_files(versions)
        by_version: dict[tuple[str, str], list[str]] = {}
        for name, alias, target in aliases:
            by_version.setdefault((name, target), []).append(alias)
        built = [self._value(entry, by_version.get((str(entry.name), str(entry.version)), [])) for entry in versions]
        return RegistrySnapshot(
            versions=tuple(sorted(built, key=lambda version: (version.model, int(version.version)))), aliases=aliases
        )

    def get_version(self, model: str, version: str) -> ModelVersion:
        entry = self._entry(model, version)
        with translated(f"{model} version {version}"):
            if entry.run_id:
                self._read_runs([str(entry.run_id)])
            self._files[_key(entry)] = self._facts(entry)
            aliases = mapping(self._client().get_registered_model(model).aliases)
        return self._value(entry, [alias for alias, target in aliases.items() if target == version])

    def alias_target(self, model: str, alias: str) -> str | None:
        client = self._client()
        try:
            with translated(f"the model {model}"):
                aliases = mapping(client.get_registered_model(model).aliases)
        except UnknownVersionError as unknown:
            raise UnknownModelError(unknown.message, hint=unknown.hint) from unknown
        return aliases.get(alias)

    def set_alias(self, model: str, alias: str, version: str) -> None:
        client = self._client()
        self._entry(model, version)
        with translated(f"{model} version {version}"):
            _twice(lambda: client.set_registered_model_alias(model, alias, version))

    def delete_alias(self, model: str, alias: str) -> None:
        client = self._client()
        with translated(f"the alias {alias} of {model}"):
            client.delete_registered_model_alias(model, alias)

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None:
        client = self._client()
        with translated(f"{model} version {version}"):
            _twice(lambda: client.set_model_version_tag(model, version, key, value))

    def version_tag(self, model: str, version: str, key: str) -> str | None:
        return mapping(self._entry(model, version).tags).get(key)

    def set_model_tag(self, model: str, key: str, value: str) -> None:
        client = self._client()
        with translated(f"the model {model}"):
            _twice(lambda: client.set_registered_model_tag(model, key, value))

    def model_tag(self, model: str, key: str) -> str | None:
        client = self._client()
        with translated(f"the model {model}"):
            return mapping(client.get_registered_model(model).tags).get(key)

    def tags(self, key: str) -> tuple[tuple[str, str, str], ...]:
        """(model, version or empty, text) wherever the lists show the tag; some registries leave tags out of them."""
        client = self._client()
        with translated(f"the tags {key}"):
            models = list(
                _pages(lambda token: client.search_registered_models(max_results=_MODEL_PAGE, page_token=token))
            )
            versions = list(
                _pages(lambda token: client.search_model_versions(max_results=_VERSION_PAGE, page_token=token))
            )
        found = {(str(entry.name), ""): mapping(entry.tags).get(key) for entry in models}
        found |= {(str(entry.name), str(entry.version)): mapping(entry.tags).get(key) for entry in versions}
        return tuple((model, version, text) for (model, version), text in found.items() if text is not None)

    def manifest(self, model: str, version: str) -> bytes:
        from services.attestation.manifest import manifest_of

        with TemporaryDirectory(prefix="countersign-") as scratch, refused():
            return manifest_of(self.download(model, version, Path(scratch)))

    def download(self, model: str, version: str, into: Path) -> Path:
        """A private copy of the version's model folder, below `into`.

        Raises ArtifactMissingError, UnknownVersionError, RegistryUnavailableError.
        """
        entry = self._entry(model, version)
        with translated(f"the files of {model} version {version}"):
            location = self._location(entry)
        return copy_files(location, self._artifacts, into)

    def artifact_text(self, model: str, version: str, path: str) -> str | None:
        clean = PurePosixPath(path)
        if clean.is_absolute() or ".." in clean.parts:
            raise InputError(f"{path} is not a path inside a run's artifacts.")
        entry = self._entry(model, version)
        if not entry.run_id:
            return None
        client = self._client()
        parent = str(clean.parent) if str(clean.parent) != "." else None
        with translated(f"the artifacts of {model} version {version}"):
            from mlflow.artifacts import load_text

            found = {str(item.path): item.file_size for item in client.list_artifacts(entry.run_id, parent)}
            if str(clean) not in found:
                return None
            place = str(client.get_run(entry.run_id).info.artifact_uri).rstrip("/")
            local = read_local_text(place, str(clean), self._artifacts)
            if local is not None:
                return local
            if (found[str(clean)] or 0) > LARGEST_TEXT:
                raise ArtifactRefusedError(f"{clean} is larger than {LARGEST_TEXT:,} bytes and was not read.")
            return str(load_text(f"{place}/{clean}"))

    def run_of(self, model: str, version: str) -> str:
        """The run a version was registered from; empty when it was registered without one."""
        return str(self._entry(model, version).run_id or "")

    def client(self) -> Any:
        """MLflow's client, for the neighbours in this package."""
        return self._client()

    def _client(self) -> Any:
        # Checked before every use: a newer MLflow may have opened the file since.
        require_known_revision(self._uri)
        if self._opened is None:
            load_mlflow()
            import mlflow

            mlflow.set_tracking_uri(self._uri)
            mlflow.set_registry_uri(self._uri)
            with translated("anything"):
                self._opened = mlflow.MlflowClient(self._uri, self._uri)
        return self._opened

    def _entry(self, model: str, version: str) -> Any:
        client = self._client()
        if not version.isdecimal():
            raise UnknownVersionError(f"{version} is not a version number.")
        with translated(f"{model} version {version}"):
            return client.get_model_version(model, version)

    def _aliases(self, model: Any) -> dict[str, str]:
        if isinstance(model.aliases, dict):
            return dict(mapping(model.aliases))
        # Unity Catalog fills aliases only when asked for one model.
        return dict(mapping(self._client().get_registered_model(model.name).aliases))

    def _read_runs(self, run_ids: list[str]) -> None:
        unknown = sorted(set(run_ids) - set(self._runs))
        if not unknown:
            return
        client = self._client()
        if len(unknown) == 1:
            with suppress(UnknownVersionError), translated(f"run {unknown[0]}"):
                self._keep(client.get_run(unknown[0]))
            return
        experiments = [
            str(found.experiment_id)
            for found in _pages(lambda token: client.search_experiments(max_results=1000, page_token=token))
        ]
        for start in range(0, len(unknown), _RUN_BATCH):
            wanted = ", ".join(f"'{run_id}'" for run_id in unknown[start : start + _RUN_BATCH])
            asked = f"attributes.run_id IN ({wanted})"
            for run in client.search_runs(experiments, filter_string=asked, max_results=_RUN_BATCH):
                self._keep(run)

    def _keep(self, run: Any) -> None:
        self._runs[str(run.info.run_id)] = run

    def _read_new_files(self, versions: list[Any]) -> None:
        unread = [entry for entry in versions if _key(entry) not in self._files]
        for entry in unread[: self._new_files]:
            facts = self._facts_or_why_not(entry)
            # What is missing now may be restored: it is read again by the next sweep.
            (self._lost if facts.missing else self._files)[_key(entry)] = facts

    def _facts_or_why_not(self, entry: Any) -> ModelFacts:
        """One version that lost its files or its model record must not keep the others from being seen."""
        try:
            with translated(f"the model record of {entry.name} version {entry.version}"):
                return self._facts(entry)
        except UnknownVersionError as lost:
            return ModelFacts(missing=lost.message)

    def _facts(self, entry: Any) -> ModelFacts:
        return read_facts(self._location(entry), self._artifacts)

    def _location(self, entry: Any) -> str:
        client = self._client()
        place = str(client.get_model_version_download_uri(entry.name, str(entry.version)))
        if place.startswith("models:/m-"):
            place = str(client.get_logged_model(place.removeprefix("models:/")).artifact_location)
        return place

    def _value(self, entry: Any, aliases: Iterable[str]) -> ModelVersion:
        run = self._runs.get(str(entry.run_id))
        files = self._files.get(_key(entry)) or self._lost.get(_key(entry), ModelFacts(missing=_NOT_YET_READ))
        return version_of(entry, run, files, aliases)


def _key(entry: Any) -> tuple[str, str, int]:
    """A model that was deleted and made again starts at version 1: the time of creation tells them apart."""
    return str(entry.name), str(entry.version), int(entry.creation_timestamp)


def _pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def _unique(rows: Iterator[Any], key: Callable[[Any], Any]) -> list[Any]:
    return list({key(row): row for row in rows}.values())


def _twice(write: Callable[[], Any]) -> None:
    """Two first writers of one key collide in MLflow; the second attempt finds the row and updates it."""
    from mlflow.exceptions import MlflowException

    try:
        write()
    except MlflowException as collided:
        if "IntegrityError" not in str(collided):
            raise
        write()
