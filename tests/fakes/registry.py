"""A registry in one JSON file: aliases and tags survive a killed process, reading can be made to fail."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from services.attestation.canonical import to_bytes
from services.inventory.models import ModelVersion
from services.kernel.errors import ArtifactMissingError, RegistryUnavailableError, UnknownVersionError


class FileRegistry:
    """Satisfies rollout.ports.AliasRegistry and evaluation.ports.FileRegistry."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.away = False
        self.alias_writes = 0
        if not file.exists():
            self._write({"aliases": {}, "tags": {}, "files": {}, "reports": {}, "alias_log": [], "made": {}})

    def add_version(self, model: str, version: str, *, content: str = "weights", report: Any = None) -> None:
        """A report of the harness is about exactly these files unless it names others."""
        state = self._read()
        state["files"][f"{model}/{version}"] = content
        if report is not None and "mode" in report:
            report = {"manifest_sha256": hashlib.sha256(_manifest(content)).hexdigest(), **report}
        state["reports"][f"{model}/{version}"] = "" if report is None else json.dumps(report)
        self._write(state)

    def swap_files(self, model: str, version: str, content: str) -> None:
        state = self._read()
        state["files"][f"{model}/{version}"] = content
        self._write(state)

    def get_version(self, model: str, version: str) -> ModelVersion:
        state = self._reachable()
        if f"{model}/{version}" not in state["files"]:
            raise UnknownVersionError(f"{model} has no version {version}.")
        described = {
            "run_id": f"run{version}",
            "created_at": f"2030-01-{int(version):02d}T00:00:00+00:00",
            "source": f"models:/m-{version}",
            **state["made"].get(f"{model}/{version}", {}),
        }
        tags = {
            key.rpartition("/")[2]: value
            for key, value in state["tags"].items()
            if key.startswith(f"{model}/{version}/")
        }
        aliases = [
            key.partition("@")[2]
            for key, at in state["aliases"].items()
            if key.startswith(f"{model}@") and at == version
        ]
        return ModelVersion(
            model=model,
            version=version,
            run_id=described["run_id"],
            created_at=datetime.fromisoformat(described["created_at"]),
            source=described["source"],
            model_id="",
            status="READY",
            tags=tuple(sorted(tags.items())),
            aliases=tuple(aliases),
            author=described.get("author", ""),
        )

    def delete_version(self, model: str, version: str) -> None:
        """As MLflow does it: the aliases that pointed there vanish silently."""
        state = self._read()
        del state["files"][f"{model}/{version}"]
        state["aliases"] = {key: at for key, at in state["aliases"].items() if at != version}
        state["tags"] = {key: tag for key, tag in state["tags"].items() if not key.startswith(f"{model}/{version}/")}
        self._write(state)

    def register_again(self, model: str, version: str, *, content: str, run_id: str, author: str = "") -> None:
        """Another model under the same name and number."""
        self.delete_version(model, version)
        state = self._read()
        state["files"][f"{model}/{version}"] = content
        state["made"][f"{model}/{version}"] = {"run_id": run_id, "author": author}
        self._write(state)

    def delete_alias(self, model: str, alias: str) -> None:
        state = self._read()
        state["aliases"].pop(f"{model}@{alias}", None)
        self._write(state)

    def alias_log(self) -> list[str]:
        """Every write of an alias, in order: "model@alias=version"."""
        return list(self._read()["alias_log"])

    def alias_target(self, model: str, alias: str) -> str | None:
        return self._reachable()["aliases"].get(f"{model}@{alias}")

    def set_alias(self, model: str, alias: str, version: str) -> None:
        state = self._reachable()
        state["aliases"][f"{model}@{alias}"] = version
        state["alias_log"].append(f"{model}@{alias}={version}")
        self._write(state)

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None:
        state = self._reachable()
        state["tags"][f"{model}/{version}/{key}"] = value
        self._write(state)

    def version_tag(self, model: str, version: str, key: str) -> str | None:
        return self._reachable()["tags"].get(f"{model}/{version}/{key}")

    def manifest(self, model: str, version: str) -> bytes:
        content = self._reachable()["files"].get(f"{model}/{version}")
        if content is None:
            raise ArtifactMissingError(f"The files of {model} version {version} are gone.")
        return _manifest(content)

    def artifact_text(self, model: str, version: str, path: str) -> str | None:
        return self._reachable()["reports"].get(f"{model}/{version}") or None

    def _reachable(self) -> dict[str, Any]:
        if self.away:
            raise RegistryUnavailableError("The registry does not answer.")
        return self._read()

    def _read(self) -> dict[str, Any]:
        return json.loads(self._file.read_text())

    def _write(self, state: dict[str, Any]) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(state))
        part.replace(self._file)


def _manifest(content: str) -> bytes:
    return to_bytes({"files": [{"path": "model", "content": content}], "format": "governance.manifest/v1"})
