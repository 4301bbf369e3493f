"""Files of a version's run: read within limits, written without losing what was there before."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from services.adapters.mlflow.files import local_folder
from services.adapters.mlflow.source import ModelSource
from services.adapters.mlflow.translate import translated
from services.kernel.errors import ArtifactMissingError, ArtifactRefusedError

FOLDER = "countersign"
REPORT, PAGE = "evaluation.json", "evaluation.html"
_EARLIER = "earlier"
_LARGEST_REPORT = 32 * 1024**2


class RunFiles:
    """Artifacts of the run behind a model version."""

    def __init__(self, registry: ModelSource, artifacts: Path | None = None) -> None:
        """`artifacts` is the only local folder files are read from; None leaves that to MLflow's server."""
        self._registry = registry
        self._artifacts = artifacts

    def read(self, model: str, version: str, path: str, *, largest: int) -> bytes | None:
        """The bytes of one file, or None when the run has no such file.

        Raises ArtifactRefusedError when it is larger than `largest` bytes or no plain file, RegistryUnavailableError.
        """
        run_id = self._registry.run_of(model, version)
        if not run_id:
            return None
        client = self._registry.client()
        clean = PurePosixPath(path)
        with translated(f"the artifacts of {model} version {version}"):
            parent = str(clean.parent) if str(clean.parent) != "." else None
            sizes = {str(item.path): item.file_size for item in client.list_artifacts(run_id, parent)}
            if str(clean) not in sizes:
                return None
            self._require_ours(client, run_id)
            if (sizes[str(clean)] or 0) > largest:
                raise ArtifactRefusedError(f"{clean} is larger than {largest:,} bytes and was not read.")
            with TemporaryDirectory(prefix="countersign-") as scratch:
                file = Path(client.download_artifacts(run_id, str(clean), scratch))
                if file.is_symlink() or not file.is_file() or file.stat().st_size > largest:
                    raise ArtifactRefusedError(f"{clean} is not a plain file of at most {largest:,} bytes.")
                return file.read_bytes()

    def newest(self, model: str, version: str) -> bytes | None:
        return self.read(model, version, f"{FOLDER}/{REPORT}", largest=_LARGEST_REPORT)

    def log(self, model: str, version: str, *, json: bytes, html: str) -> None:
        """An earlier report stays under `countersign/earlier/` with its digest as name."""
        run_id = self._registry.run_of(model, version)
        if not run_id:
            raise ArtifactMissingError(
                f"{model} version {version} was registered without a run, so a report has no place to be logged.",
                hint="Register the version from a run.",
            )
        before = self.newest(model, version)
        if before == json:
            return
        client = self._registry.client()
        with translated(f"the run of {model} version {version}"):
            self._require_ours(client, run_id)
            if before is not None:
                digest = hashlib.sha256(before).hexdigest()
                client.log_text(run_id, before.decode("utf-8", "replace"), f"{FOLDER}/{_EARLIER}/{digest}.json")
            # The page first: whoever finds the report finds its page too.
            client.log_text(run_id, html, f"{FOLDER}/{PAGE}")
            client.log_text(run_id, json.decode(), f"{FOLDER}/{REPORT}")

    def _require_ours(self, client: Any, run_id: str) -> None:
        """A run may claim any folder of this machine as its artifact store."""
        place = local_folder(str(client.get_run(run_id).info.artifact_uri))
        root = self._artifacts
        if place is not None and root is not None and not place.resolve().is_relative_to(root.resolve()):
            raise ArtifactRefusedError(
                "The files of the run are outside the workspace's artifact folder; they are not touched."
            )
