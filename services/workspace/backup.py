"""Backup and restore of what cannot be computed again: governance database, anchors, name of the first entry.

A backup is a folder: the copy, `anchors/`, `genesis`, optionally `keys.sealed`, and `manifest.json` with the digest of
each file and the ledger as it stood when the copy began. Restoring compares the copy with its manifest, the manifest
with the ledger inside, and the ledger with every anchor that is still at hand: a copy that is older than an anchor can
be read, and nothing is ever added to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services import databases
from services.adapters.signing import parcel, restored
from services.adapters.signing.anchors import Anchors
from services.adapters.sql import copying, migrations, privileges
from services.adapters.sql.database import Database
from services.adapters.sql.ledger import SqlLedgerReader
from services.attestation.models import Receipt
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import BrokenChainError, ConflictError, InputError, TrustError
from services.kernel.secret import Secret
from services.ledger.service import LedgerService
from services.settings import Settings, mask_of

FORMAT = "countersign-backup-1"
MANIFEST = "manifest.json"
KEYS = "keys.sealed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    format: str
    at: str
    profile: str
    dialect: str
    revision: str
    origin: str
    entries: int
    """The copy holds at least these."""
    root: str
    """Of the first `entries` entries."""
    files: dict[str, str]
    """Path to SHA-256."""


def make(
    settings: Settings, into: Path, *, clock: Clock, keys_passphrase: Secret | None = None
) -> tuple[Path, Manifest]:
    """A new folder below `into`, complete or not there at all.

    Raises StorageUnavailableError, InputError, ConflictError.
    """
    at = clock.now()
    final = into / f"countersign-{at:%Y%m%dT%H%M%SZ}"
    draft = into / f".{final.name}.part"
    if final.exists():
        raise ConflictError(f"{final} exists already.", hint="Wait a second and try again.")
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft.mkdir(mode=0o700)
    database = databases.connect(settings, statement_seconds=0)
    try:
        reader = SqlLedgerReader(database)
        # Before the copy begins, so that the copy holds at least these entries.
        head, revision = reader.head(), migrations.stored_revision(database) or ""
        _require_founded(head.size)
        copying.copy_out(
            database, draft / _copy_name(database), password=_password(settings), clean=mask_of(settings, os.environ)
        )
        if settings.anchors_folder.is_dir():
            shutil.copytree(settings.anchors_folder, draft / "anchors", ignore=shutil.ignore_patterns(".*"))
        for name in ("genesis", "prepared.json"):
            if (settings.home / name).is_file():
                shutil.copy2(settings.home / name, draft / name)
        if keys_passphrase is not None:
            parcel.pack(settings.keys_folder, draft / KEYS, keys_passphrase)
        manifest = Manifest(
            format=FORMAT,
            at=utc_text(at),
            profile=settings.profile.value,
            dialect=database.dialect,
            revision=revision,
            origin=head.origin,
            entries=head.size,
            root=head.root,
            files=dict(_digests(draft)),
        )
        (draft / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        draft.rename(final)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finally:
        database.dispose()
    return final, manifest


def _require_founded(entries: int) -> None:
    if not entries:
        raise InputError("There is no ledger to keep: nobody founded this deployment.")


def check(folder: Path, *, clean: Callable[[str], str] = str) -> Manifest:
    """Every file is there, unchanged, and the copy can be read to its end. Raises InputError, TrustError."""
    manifest = read_manifest(folder)
    found = dict(_digests(folder))
    wrong = sorted(name for name in manifest.files.keys() | found.keys() if manifest.files.get(name) != found.get(name))
    if wrong:
        raise TrustError(
            f"The backup is not what was written: {', '.join(wrong)} {'differs' if len(wrong) == 1 else 'differ'}.",
            hint="Use another backup; compare digests with the place it was copied from.",
        )
    copying.readable(folder / _copy_of(manifest), clean=clean)
    if manifest.dialect == "sqlite":
        root = copying.root_in(folder / _copy_of(manifest), manifest.entries - 1)
        _require_root(manifest, root)
    return manifest


def restore(settings: Settings, folder: Path, *, keys_passphrase: Secret | None = None) -> Manifest:
    """Puts a checked backup where the settings say. What stands there is never overwritten.

    Raises ConflictError where a database with entries, or a key folder, stands; TrustError for a changed backup.
    """
    clean = mask_of(settings, os.environ)
    manifest = check(folder, clean=clean)
    database = databases.connect(settings, statement_seconds=0)
    try:
        if database.dialect != manifest.dialect:
            raise InputError(
                f"The backup is of {manifest.dialect}, COUNTERSIGN_DATABASE_URL names {database.dialect}.",
                hint="Restore into a database of the same kind.",
            )
        for part in (settings.home, settings.anchors_folder, settings.run_folder, settings.logs_folder):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_free(database)
        if keys_passphrase is not None:
            parcel.unpack(folder / KEYS, settings.keys_folder, keys_passphrase)
        _place(folder / _copy_of(manifest), database, settings, clean)
        anchors = Anchors(settings.anchors_folder)
        for size, text in Anchors(folder / "anchors").notes():
            anchors.keep(size, text)
        for name in ("genesis", "prepared.json"):
            if (folder / name).is_file() and not (settings.home / name).exists():
                shutil.copy2(folder / name, settings.home / name)
        _require_as_stated(manifest, SqlLedgerReader(database))
    finally:
        database.dispose()
    return manifest


def record(settings: Settings, ledger: LedgerService, folder: Path, manifest: Manifest) -> Receipt:
    """The restore becomes an entry, where the ledger holds everything that its anchors vouch for.

    Raises BrokenChainError or TrustError for a ledger that may only be read: nothing is added to it, and where it ends
    is written down.
    """
    try:
        ledger.require_trustworthy()
    except BrokenChainError:
        head = ledger.head()
        restored.keep_place(settings.home, size=head.size, root=head.root)
        raise
    restored.forget_place(settings.home)
    named = digest_of(folder)
    return ledger.record_event(
        event="database-restored",
        actor=None,
        detail={
            "backup": named,
            "at": manifest.at,
            "sentence": f"The governance database was restored from the backup of {manifest.at}; "
            "it holds everything that its anchors vouch for.",
        },
        idem=f"database-restored:{named}:{ledger.head().size}",
    )


def digest_of(folder: Path) -> str:
    """The SHA-256 of the manifest: names a backup in the ledger."""
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    try:
        given: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        manifest = Manifest(**given)
    except (OSError, ValueError, TypeError) as broken:
        raise InputError(f"{folder} is no backup: {MANIFEST} cannot be read.") from broken
    if manifest.format != FORMAT or manifest.dialect not in {"sqlite", "postgresql"}:
        raise InputError(f"{folder} was written by another release (format {manifest.format!r}).")
    return manifest


def _require_free(database: Database) -> None:
    """Before anything is written."""
    if database.dialect != "sqlite":
        copying.require_empty(database)
        return
    target = Path(database.url.database or "")
    if target.exists():
        raise ConflictError(
            f"{target.name} stands in {target.parent}; nothing was replaced.",
            hint="Stop app and worker, move it aside together with its -wal and -shm files, then restore.",
        )


def _place(copy: Path, database: Database, settings: Settings, clean: Callable[[str], str]) -> None:
    if database.dialect != "sqlite":
        copying.copy_in(copy, database, password=_password(settings), clean=clean)
        with database.write() as connection:
            privileges.grant(connection)
        return
    target = Path(database.url.database or "")
    shutil.copyfile(copy, target)
    target.chmod(0o600)


def _require_as_stated(manifest: Manifest, reader: SqlLedgerReader) -> None:
    entry = reader.entry(manifest.entries - 1)
    _require_root(manifest, entry.root if entry else None)


def _require_root(manifest: Manifest, root: str | None) -> None:
    if root != manifest.root:
        raise BrokenChainError(
            f"The copy does not hold the {manifest.entries} entries that its manifest names.",
            hint="Use another backup.",
        )


def _password(settings: Settings) -> str:
    found = databases.password_of(settings)
    return found() if found is not None else ""


def _copy_name(database: Database) -> str:
    return "governance.db" if database.dialect == "sqlite" else "governance.dump"


def _copy_of(manifest: Manifest) -> str:
    return "governance.db" if manifest.dialect == "sqlite" else "governance.dump"


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST):
        with file.open("rb") as data:
            yield str(file.relative_to(folder)), hashlib.file_digest(data, "sha256").hexdigest()
