"""Configurations as they were before each change, one file each in the home folder: whole or not at all.

A configuration may name secrets of the endpoint, so the files are readable by the service's user only.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from pathlib import Path

from services.kernel.clock import from_utc_text, utc_text
from services.kernel.errors import StorageUnavailableError
from services.rollout.serving_ports import ConfigSnapshot

_UNSAFE = re.compile(r"[^\w-]")


class SnapshotFiles:
    """Implements rollout.serving_ports.ConfigSnapshots."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, snapshot: ConfigSnapshot) -> None:
        folder = self._of(snapshot.deployment)
        name = f"{snapshot.config_version:08d}-{_UNSAFE.sub('_', snapshot.op)}.json"
        draft = folder / f".{name}.{secrets.token_hex(4)}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if (folder / name).exists():
                return
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(json.dumps(_document(snapshot), indent=2, sort_keys=True))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(folder / name)
            _sync(folder)
        except OSError as broken:
            raise _unusable(broken) from broken
        finally:
            draft.unlink(missing_ok=True)

    def snapshots(self, deployment: str) -> tuple[ConfigSnapshot, ...]:
        try:
            files = sorted(self._of(deployment).glob("[!.]*.json"))
            found = [_snapshot(json.loads(file.read_text())) for file in files]
        except (OSError, ValueError, KeyError) as broken:
            raise _unusable(broken) from broken
        return tuple(sorted(found, key=lambda item: (item.taken_at, item.config_version), reverse=True))

    def _of(self, deployment: str) -> Path:
        return self._folder / _UNSAFE.sub("_", deployment)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _document(snapshot: ConfigSnapshot) -> dict[str, object]:
    return {
        "deployment": snapshot.deployment,
        "endpoint": snapshot.endpoint,
        "config_version": snapshot.config_version,
        "op": snapshot.op,
        "taken_at": utc_text(snapshot.taken_at),
        "document": snapshot.document,
        "restore": snapshot.restore,
    }


def _snapshot(document: dict[str, object]) -> ConfigSnapshot:
    return ConfigSnapshot(**{**document, "taken_at": from_utc_text(str(document["taken_at"]))})  # type: ignore[arg-type]


def _unusable(broken: Exception) -> StorageUnavailableError:
    return StorageUnavailableError(
        f"The configuration before a change cannot be kept: {broken}.",
        hint="Make room in the home folder, or correct its permissions; nothing was changed on the endpoint.",
    )
