"""Key files of one deployment: service, log and machine key, pepper and log name, in a folder only the owner may enter.

Made once, with the first entry of the log. Never overwritten, and never made again for a log that has entries.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.adapters.signing import held
from services.adapters.signing.held import HeldKey
from services.kernel.errors import ConflictError, TrustError
from services.ledger import note

SERVICE_KEY = "service.pem"
LOG_KEY = "log.pem"
MACHINE_KEY = "machine.pem"
PEPPER = "pepper"
ORIGIN = "origin"
_IN_USE = {"service": SERVICE_KEY, "log": LOG_KEY, "machine": MACHINE_KEY}
_ALL = (SERVICE_KEY, LOG_KEY, PEPPER, ORIGIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    service_key: HeldKey
    log_key: HeldKey
    machine_key: HeldKey | None
    """None for a log founded before machines had a key of their own."""
    pepper: bytes
    origin: str

    def __repr__(self) -> str:
        return f"KeyFiles(origin={self.origin!r})"


Places = Mapping[str, str]
"""Use (service, log, machine) to where its key is held, `URI` or `URI#FILE`; a use that is not named gets a file."""
NOWHERE_ELSE: Places = {}


def create_key_files(folder: Path, *, deployment: str, places: Places = NOWHERE_ELSE, number: int = 1) -> KeyFiles:
    """New keys for the log `<deployment>/countersign/log-<number>`, or references to those that are held elsewhere.

    Raises ConflictError when any key file exists, InputError or KeyServiceError for a place that does not answer.
    """
    origin = f"{deployment}/countersign/log-{number}"
    if not note.is_origin(origin):
        raise ConflictError(f"The deployment name {deployment!r} cannot name a log; use letters, digits, dots, dashes.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    existing = [name for name in (*_ALL, MACHINE_KEY) if (folder / name).exists()]
    if existing:
        raise ConflictError(
            f"The key folder already holds {', '.join(existing)}; key files are never overwritten.",
            hint="Use the existing keys, or choose an empty folder for a new log.",
        )
    elsewhere = {use: _held_elsewhere(use, place) for use, place in places.items()}
    for use, name in _IN_USE.items():
        if use in elsewhere:
            _write_new(folder / name, held.reference(elsewhere[use]))
        else:
            write_new_key(folder / name)
    _write_new(folder / PEPPER, secrets.token_bytes(32))
    _write_new(folder / ORIGIN, origin.encode())
    return read_key_files(folder)


def read_key_files(folder: Path) -> KeyFiles:
    """Raises TrustError when a file is missing, unreadable as a key, or open to other accounts of this machine."""
    missing = [name for name in _ALL if not (folder / name).is_file()]
    if missing:
        raise TrustError(
            f"The key files {', '.join(missing)} are missing from {folder.name}/ and are never replaced silently.",
            hint="Restore the key folder from its backup; without it this log cannot be continued.",
        )
    machine = folder / MACHINE_KEY
    for path in (folder, *(folder / name for name in _ALL), *([machine] if machine.is_file() else [])):
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise TrustError(
                f"{path.name} in the key folder can be read by other accounts of this machine.",
                hint="Take away the rights of group and others (folder 0700, files 0600), then start again.",
            )
    service_key = held.read((folder / SERVICE_KEY).read_bytes(), SERVICE_KEY)
    log_key = held.read((folder / LOG_KEY).read_bytes(), LOG_KEY)
    machine_key = held.read(machine.read_bytes(), MACHINE_KEY) if machine.is_file() else None
    _require_log_key(log_key)
    return KeyFiles(
        service_key=service_key,
        log_key=log_key,
        machine_key=machine_key,
        pepper=(folder / PEPPER).read_bytes(),
        origin=(folder / ORIGIN).read_text().strip(),
    )


def waiting_key(folder: Path, use: str, place: str = "") -> HeldKey:
    """The key to replace the one in use: the one at `place`, else one in a file, made now if there is none yet."""
    path = _waiting(folder, use)
    if place and (not path.is_file() or held.read(path.read_bytes(), path.name).uri != place.partition("#")[0]):
        named = _held_elsewhere(use, place)
        path.unlink(missing_ok=True)
        _write_new(path, held.reference(named))
    elif not path.is_file():
        return held.of_private(write_new_key(path))
    key = held.read(path.read_bytes(), path.name)
    if use == "log":
        _require_log_key(key)
    return key


def _held_elsewhere(use: str, place: str) -> HeldKey:
    named = held.named(place)
    if use == "log":
        _require_log_key(named)
    return named


def _require_log_key(key: HeldKey) -> None:
    """Checkpoints are signed notes, which know Ed25519."""
    if key.public.keytype != "ed25519":
        raise TrustError(
            "The log key is not an Ed25519 key, which checkpoints need.",
            hint="Leave COUNTERSIGN_KEY_LOG empty, or name a key service that holds Ed25519 keys.",
        )


def waiting_uses(folder: Path) -> tuple[str, ...]:
    return tuple(use for use in _IN_USE if _waiting(folder, use).is_file())


def put_into_use(folder: Path, use: str, *, replaced: str) -> None:
    """The waiting key takes the place of the one in use, which is kept beside it under its key id."""
    current, waiting = folder / _IN_USE[use], _waiting(folder, use)
    with suppress(FileNotFoundError, FileExistsError):
        # A link first: at no moment is there no file under the name in use. It is there already where a key bundle put
        # the replaced key back.
        (folder / f"{use}.{replaced[:16]}.old.pem").hardlink_to(current)
    with suppress(FileNotFoundError):
        waiting.replace(current)


def stamp(folder: Path) -> tuple[int, ...]:
    """Changes whenever a key file of the deployment was replaced or made. Asked at every signature, so it is quick."""
    place = str(folder)
    names = (*_IN_USE.values(), *(f"{use}.next.pem" for use in _IN_USE))
    return tuple(_inode(f"{place}/{name}") for name in names)


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino  # noqa: PTH116 - a tenth of the time of a Path
    except FileNotFoundError:
        return 0


def _waiting(folder: Path, use: str) -> Path:
    return folder / f"{use}.next.pem"


def write_new_key(path: Path) -> Ed25519PrivateKey:
    """A fresh key in a file of its own. Raises FileExistsError rather than overwrite one."""
    key = Ed25519PrivateKey.generate()
    _write_new(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def _write_new(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
