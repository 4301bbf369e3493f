"""The key folder as one encrypted file, for a backup: AES-256-GCM under Argon2id of a passphrase of its own.

The first line says how the key is derived and is authenticated with the rest; whoever holds the file alone can only
guess the passphrase, at 64 MiB and three passes each time.
"""

from __future__ import annotations

import base64
import io
import json
import os
import secrets
import tarfile
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from services.adapters.signing.sealing import PRODUCTION, Cost
from services.kernel.errors import ConflictError, InputError, PassphraseError
from services.kernel.secret import Secret

SHORTEST = 16
_FORMAT = "countersign-keys-1"


def pack(folder: Path, target: Path, passphrase: Secret, *, cost: Cost = PRODUCTION) -> None:
    """Writes `target` (0600), which must not exist. Raises InputError for a short passphrase."""
    if len(passphrase.reveal()) < SHORTEST:
        raise InputError(f"The passphrase of a backup of keys must have at least {SHORTEST} characters.")
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    head = {"format": _FORMAT, "kdf": cost.document(), "salt": _text(salt), "nonce": _text(nonce)}
    first = json.dumps(head, sort_keys=True).encode()
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for file in sorted(folder.iterdir()):
            if file.is_file():
                archive.add(file, arcname=file.name, recursive=False)
    sealed = AESGCM(_key(passphrase, salt, cost.document())).encrypt(nonce, held.getvalue(), first)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(first + b"\n" + sealed)


def unpack(source: Path, folder: Path, passphrase: Secret) -> tuple[str, ...]:
    """Names of the files put into `folder`, which must be empty or absent. Raises PassphraseError, ConflictError."""
    if folder.is_dir() and any(folder.iterdir()):
        raise ConflictError("The key folder is not empty; keys are never overwritten.", hint="Move it aside first.")
    first, _, sealed = source.read_bytes().partition(b"\n")
    if _FORMAT.encode() not in first:
        raise InputError(f"{source.name} is no backup of keys.")
    try:
        head = json.loads(first)
        key = _key(passphrase, base64.b64decode(head["salt"]), head["kdf"])
        plain = AESGCM(key).decrypt(base64.b64decode(head["nonce"]), sealed, first)
    except (KeyError, ValueError, TypeError) as broken:
        raise InputError(f"{source.name} is no backup of keys.") from broken
    except InvalidTag:
        raise PassphraseError("The passphrase does not open this backup of keys, or the file was changed.") from None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = []
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            if content is None or Path(member.name).name != member.name:
                continue
            with os.fdopen(os.open(folder / member.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(content.read())
            names.append(member.name)
    return tuple(names)


def _key(passphrase: Secret, salt: bytes, kdf: dict[str, int]) -> bytes:
    derived = Argon2id(
        salt=salt, length=32, iterations=kdf["passes"], lanes=kdf["lanes"], memory_cost=kdf["memory_kib"]
    )
    return derived.derive(passphrase.reveal().encode())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
