"""A registry in one JSON file: aliases and tags survive a killed process, reading can be made to fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from services.attestation.canonical import to_bytes
from services.kernel.errors import ArtifactMissingError, RegistryUnavailableError


class FileRegistry:
    """Satisfies rollout.ports.AliasRegistry and evaluation.ports.FileRegistry."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.away = False
        self.alias_writes = 0
        if not file.exists():
            self._write({"aliases": {}, "tags": {}, "files": {}, "reports": {}, "alias_log": []})

    def add_version(self, model: str, version: str, *, content: str = "weights", report: Any = None) -> None:
        state = self._read()
        state["files"][f"{model}/{version}"] = content
        state["reports"][f"{model}/{version}"] = "" if report is None else json.dumps(report)
        self._write(state)

    def swap_files(self, model: str, version: str, content: str) -> None:
        state = self._read()
        state["files"][f"{model}/{version}"] = content
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
        return to_bytes({"files": [{"path": "model", "content": content}], "format": "governance.manifest/v1"})

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
