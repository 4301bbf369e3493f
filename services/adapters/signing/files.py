"""Key files of one deployment: service, log and machine key, pepper and log name, in a folder only the owner may enter.

Made once, with the first entry of the log. Never overwritten, and never made again for a log that has entries.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from services.kernel.errors import ConflictError, TrustError
from services.ledger import note

SERVICE_KEY = "service.pem"
LOG_KEY = "log.pem"
MACHINE_KEY = "machine.pem"
PEPPER = "pepper"
ORIGIN = "origin"
_ALL = (SERVICE_KEY, LOG_KEY, PEPPER, ORIGIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    service_key: Ed25519PrivateKey | EllipticCurvePrivateKey
    log_key: Ed25519PrivateKey
    machine_key: Ed25519PrivateKey | None
    """None for a log founded before machines had a key of their own."""
    pepper: bytes
    origin: str

    def __repr__(self) -> str:
        return f"KeyFiles(origin={self.origin!r})"


def create_key_files(folder: Path, *, deployment: str) -> KeyFiles:
    """New keys for the log `<deployment>/countersign/log-1`. Raises ConflictError when any key file exists."""
    origin = f"{deployment}/countersign/log-1"
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
    for name in (SERVICE_KEY, LOG_KEY, MACHINE_KEY):
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
    try:
        service_key = load_pem_private_key((folder / SERVICE_KEY).read_bytes(), password=None)
        log_key = load_pem_private_key((folder / LOG_KEY).read_bytes(), password=None)
        machine_key = load_pem_private_key(machine.read_bytes(), password=None) if machine.is_file() else None
    except ValueError as broken:
        raise TrustError("A key file does not hold a private key.", hint="Restore it from its backup.") from broken
    if not isinstance(service_key, (Ed25519PrivateKey, EllipticCurvePrivateKey)):
        raise TrustError("The service key is neither an Ed25519 nor a P-256 key.")
    if not isinstance(log_key, Ed25519PrivateKey):
        raise TrustError("The log key is not an Ed25519 key.")
    if machine_key is not None and not isinstance(machine_key, Ed25519PrivateKey):
        raise TrustError("The key of the machine is not an Ed25519 key.")
    return KeyFiles(
        service_key=service_key,
        log_key=log_key,
        machine_key=machine_key,
        pepper=(folder / PEPPER).read_bytes(),
        origin=(folder / ORIGIN).read_text().strip(),
    )


_IN_USE = {"service": SERVICE_KEY, "log": LOG_KEY, "machine": MACHINE_KEY}


def waiting_key(folder: Path, use: str) -> Ed25519PrivateKey:
    """The key made to replace the one in use, made now if there is none yet."""
    path = _waiting(folder, use)
    if not path.is_file():
        return write_new_key(path)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TrustError(f"{path.name} does not hold an Ed25519 key.", hint="Remove it and propose the change again.")
    return key


def waiting_uses(folder: Path) -> tuple[str, ...]:
    return tuple(use for use in _IN_USE if _waiting(folder, use).is_file())


def put_into_use(folder: Path, use: str, *, replaced: str) -> None:
    """The waiting key takes the place of the one in use, which is kept beside it under its key id."""
    current, waiting = folder / _IN_USE[use], _waiting(folder, use)
    with suppress(FileNotFoundError):
        # A link first: at no moment is there no file under the name in use.
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
