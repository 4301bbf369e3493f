"""Unity Catalog behind inventory.ports.ModelRegistry and inventory.sweeping.SweptRegistry.

Names have three levels, versions no stages. Lists hold neither tags nor aliases, so both are asked for one model or
version at a time; what never changes (run, files) is read once and taken over from the copy afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from services.adapters.mlflow.files import LARGEST_TEXT, ModelFacts, refused
from services.adapters.mlflow.loading import load_mlflow
from services.adapters.mlflow.translate import RUN_GONE, mapping, translated, version_of
from services.adapters.mlflow.unity_catalog import Catalog
from services.adapters.mlflow.unity_files import CatalogFiles
from services.inventory.models import ModelVersion, RegistrySnapshot
from services.inventory.sweeping import Head, Listed, Reading
from services.kernel.errors import (
    ArtifactRefusedError,
    InputError,
    UnknownModelError,
    UnknownVersionError,
)

TRACKING, REGISTRY = "databricks", "databricks-uc"
_OURS, _OURS_THERE = "countersign.", "countersign_"
"""Unity Catalog takes no dot in the key of a tag."""


def to_catalog(key: str) -> str:
    return _OURS_THERE + key.removeprefix(_OURS) if key.startswith(_OURS) else key


def _our_words(tags: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    named = (
        (_OURS + key.removeprefix(_OURS_THERE) if key.startswith(_OURS_THERE) else key, text) for key, text in tags
    )
    return tuple(sorted(named))


class UnityRegistry:
    def __init__(self, catalog: Catalog, files: CatalogFiles, *, schemas: tuple[str, ...] = ()) -> None:
        """`schemas` are the only ones that are looked at, as `catalog.schema`; none means all that is visible."""
        self._catalog = catalog
        self._files = files
        self._schemas = schemas
        self._opened: Any = None

    # The whole and its parts ----------------------------------------------------------------------------------

    def listed(self) -> tuple[Listed, ...]:
        """Every model that is visible, once. Raises RegistryUnavailableError."""
        newest: dict[str, int] = {}
        for item in self._catalog.models(self._schemas):
            newest[item.name] = max(item.changed, newest.get(item.name, 0))
        return tuple(Listed(name=name, mark=str(changed)) for name, changed in sorted(newest.items()))

    def read_model(self, name: str, known: Mapping[str, ModelVersion]) -> Reading:
        """One model with everything. `known` are versions as they were read before.

        Raises UnknownModelError when it is gone, RegistryUnavailableError.
        """
        head = self.head(name)
        by_version: dict[str, list[str]] = {}
        for _, alias, target in head.aliases:
            by_version.setdefault(target, []).append(alias)
        versions = []
        for number in self._catalog.version_numbers(name):
            try:
                entry = self._catalog.version(name, str(number))
            except UnknownVersionError:
                continue  # deleted since the list was made
            versions.append(self._version(entry, by_version.get(str(number), []), known.get(str(number))))
        return Reading(
            name=name,
            versions=tuple(sorted(versions, key=lambda version: int(version.version))),
            head=head,
        )

    def head(self, name: str) -> Head:
        """Raises UnknownModelError when it is gone, RegistryUnavailableError."""
        model = self._model(name)
        return Head(
            aliases=tuple(sorted((name, alias, target) for alias, target in mapping(model.aliases).items())),
            tags=_our_words(mapping(model.tags).items()),
            deployment_job=str(model.deployment_job_id or ""),
        )

    def exists(self, name: str) -> bool:
        """Raises RegistryUnavailableError, also when it may not be looked at any more."""
        try:
            self._catalog.model(name)
        except UnknownVersionError:
            return False
        return True

    def snapshot(self) -> RegistrySnapshot:
        """Everything at once: hundreds of requests for hundreds of versions. The worker copies model by model."""
        readings = [self.read_model(item.name, {}) for item in self.listed()]
        return RegistrySnapshot(
            versions=tuple(version for reading in readings for version in reading.versions),
            aliases=tuple(alias for reading in readings for alias in reading.head.aliases),
        )

    def get_version(self, model: str, version: str) -> ModelVersion:
        entry = self._entry(model, version)
        targets = mapping(self._catalog.model(model).aliases)
        return self._version(entry, [alias for alias, target in targets.items() if target == version], None)

    # Aliases and tags -----------------------------------------------------------------------------------------

    def alias_target(self, model: str, alias: str) -> str | None:
        return mapping(self._model(model).aliases).get(alias)

    def set_alias(self, model: str, alias: str, version: str) -> None:
        self._entry(model, version)
        self._catalog.set_alias(model, alias, version)

    def delete_alias(self, model: str, alias: str) -> None:
        self._catalog.delete_alias(model, alias)

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None:
        self._catalog.set_version_tag(model, version, to_catalog(key), value)

    def delete_version_tag(self, model: str, version: str, key: str) -> None:
        self._catalog.delete_version_tag(model, version, to_catalog(key))

    def version_tag(self, model: str, version: str, key: str) -> str | None:
        return mapping(self._entry(model, version).tags).get(to_catalog(key))

    def set_model_tag(self, model: str, key: str, value: str) -> None:
        self._catalog.set_model_tag(model, to_catalog(key), value)

    def model_tag(self, model: str, key: str) -> str | None:
        return mapping(self._model(model).tags).get(to_catalog(key))

    def tags(self, key: str) -> tuple[tuple[str, str, str], ...]:
        """Always empty: the lists of Unity Catalog leave tags out, and asking for each would take a whole copy."""
        del key
        return ()

    def deployment_run(self, model: str, version: str) -> tuple[str, str]:
        """(job, run) of the version's deployment job, empty where there is none."""
        state = self._entry(model, version).deployment_job_state
        return (str(state.job_id or ""), str(state.run_id or "")) if state is not None else ("", "")

    # Files ----------------------------------------------------------------------------------------------------

    def manifest(self, model: str, version: str) -> bytes:
        from services.attestation.manifest import manifest_of

        with TemporaryDirectory(prefix="countersign-") as scratch, refused():
            return manifest_of(self.download(model, version, Path(scratch)))

    def download(self, model: str, version: str, into: Path) -> Path:
        """A private copy of the version's model folder, below `into`.

        Raises ArtifactMissingError, UnknownVersionError, RegistryUnavailableError.
        """
        self._entry(model, version)
        return self._files.download(model, version, into)

    def artifact_text(self, model: str, version: str, path: str) -> str | None:
        clean = PurePosixPath(path)
        if clean.is_absolute() or ".." in clean.parts:
            raise InputError(f"{path} is not a path inside a run's artifacts.")
        run_id = self.run_of(model, version)
        if not run_id:
            return None
        parent = str(clean.parent) if str(clean.parent) != "." else None
        client = self.client()
        with translated(f"the artifacts of {model} version {version}"):
            found = {str(item.path): item.file_size for item in client.list_artifacts(run_id, parent)}
            if str(clean) not in found:
                return None
            if (found[str(clean)] or 0) > LARGEST_TEXT:
                raise ArtifactRefusedError(f"{clean} is larger than {LARGEST_TEXT:,} bytes and was not read.")
            with TemporaryDirectory(prefix="countersign-") as scratch:
                return Path(client.download_artifacts(run_id, str(clean), scratch)).read_text(encoding="utf-8")

    def run_of(self, model: str, version: str) -> str:
        """The run a version was registered from; empty when it was registered without one."""
        return str(self._entry(model, version).run_id or "")

    def client(self) -> Any:
        """MLflow's client for runs and their files; it signs in with what the environment names."""
        if self._opened is None:
            # The default waits for minutes, once for each of several requests of one call.
            os.environ.setdefault("MLFLOW_DATABRICKS_ENDPOINT_HTTP_RETRY_TIMEOUT", "30")
            load_mlflow()
            import mlflow

            with translated("anything"):
                self._opened = mlflow.MlflowClient(TRACKING, REGISTRY)
        return self._opened

    # Inside ---------------------------------------------------------------------------------------------------

    def _model(self, name: str) -> Any:
        try:
            return self._catalog.model(name)
        except UnknownVersionError as unknown:
            raise UnknownModelError(unknown.message, hint=unknown.hint) from unknown

    def _entry(self, model: str, version: str) -> Any:
        if not version.isdecimal():
            raise UnknownVersionError(f"{version} is not a version number.")
        return self._catalog.version(model, version)

    def _version(self, entry: Any, aliases: list[str], known: ModelVersion | None) -> ModelVersion:
        model_id = str(entry.model_id or "")
        fresh = version_of(entry, None, ModelFacts(), aliases, model_id=model_id)
        tags = _our_words(fresh.tags)
        if known is not None and known.missing in {"", RUN_GONE} and known.created_at == fresh.created_at:
            # Run and files of a version do not change; tags, aliases, status and description do. A run of another
            # workspace is never found from here.
            return replace(
                known, status=fresh.status, description=fresh.description, tags=tags, aliases=fresh.aliases,
            )  # fmt: skip
        run = self._run(str(entry.run_id or ""))
        files = self._files.facts(fresh.model, fresh.version)
        return replace(version_of(entry, run, files, aliases, model_id=model_id), tags=tags)

    def _run(self, run_id: str) -> Any:
        """None when this workspace has no such run: it may have been trained in another one."""
        if not run_id:
            return None
        try:
            return self._catalog.run(run_id)
        except UnknownVersionError:
            return None
