"""Two files in the run folder for the time without the database: rollback targets, and the journal of what was done."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from services.attestation.canonical import sha256_hex
from services.kernel.errors import StorageUnavailableError
from services.rollout.offline_models import Line, Seal, TargetsFile, line_bytes, opened, sealed

TARGETS = "rollback-targets.json"
JOURNAL = "offline-rollbacks.jsonl"


class OfflineTargetsFile:
    """Implements rollout.offline.TargetsShelf and rollout.offline_entry.TargetsKeeper."""

    def __init__(self, folder: Path, seal: Seal) -> None:
        self._path = folder / TARGETS
        self._seal = seal

    def write(self, file: TargetsFile) -> None:
        data = sealed(file, self._seal)
        draft = self._path.with_suffix(f".{secrets.token_hex(4)}.draft")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with draft.open("wb") as out:
                    out.write(data)
                    out.flush()
                    os.fsync(out.fileno())
                draft.replace(self._path)
            finally:
                draft.unlink(missing_ok=True)
        except OSError as broken:
            raise StorageUnavailableError(
                f"{self._path} cannot be written ({broken.strerror or type(broken).__name__}): without the database "
                "traffic could only be sent back to what is written there.",
                hint="Make room, or give the worker the right to write there.",
            ) from broken

    def read(self) -> TargetsFile:
        try:
            data = self._path.read_bytes()
        except OSError as missing:
            raise StorageUnavailableError(
                f"There is no file of rollback targets at {self._path}; nothing was changed.",
                hint="The worker writes it while the database answers. Look at COUNTERSIGN_HOME, or bring the "
                "database back.",
            ) from missing
        return opened(data, self._seal)


class OfflineJournal:
    """Implements rollout.offline.JournalWriter and rollout.offline_entry.JournalReader. Lines are only ever added."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL

    def append(self, line: Callable[[str], Line]) -> str:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                there = file.read()
                # A line that was torn by a crash is ended here; it stays, and is told when the journal is entered.
                torn = b"" if not there or there.endswith(b"\n") else b"\n"
                before = there.removesuffix(b"\n").split(b"\n") if there else []
                data = line_bytes(line(sha256_hex(before[-1]) if before else ""))
                file.write(torn + data + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as broken:
            raise StorageUnavailableError(
                f"The journal {self._path} cannot be written ({broken.strerror or type(broken).__name__}).",
                hint="Make room or give the right to write there: what is done without the database has to be "
                "written down. If traffic was switched already, the line before says that it was begun.",
            ) from broken
        return sha256_hex(data)

    def lines(self) -> tuple[bytes, ...]:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as broken:
            raise StorageUnavailableError(
                f"The journal of offline rollbacks {self._path} cannot be read "
                f"({broken.strerror or type(broken).__name__}).",
                hint="Give the worker the right to read it: what was done without the database is not entered yet.",
            ) from broken
        whole, _, _ = data.rpartition(b"\n")
        return tuple(whole.split(b"\n")) if whole else ()
