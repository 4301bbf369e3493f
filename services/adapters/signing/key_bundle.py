"""What a machine without a lasting disk needs of the key folder, as one text that is secret as a whole.

    {"format": "countersign-key-bundle-1", "genesis": "<leaf hash of the first entry>",
     "files": {"service.pem": "<base64>", "log.pem": ..., "machine.pem": ..., "pepper": ..., "origin": ...}}

A key that waits for its ceremony (`service.next.pem`) goes along, so that every machine can take it into use. No error
of this module repeats anything of the text.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.adapters.signing import held
from services.adapters.signing.files import LOG_KEY, MACHINE_KEY, ORIGIN, PEPPER, SERVICE_KEY, read_key_files
from services.kernel.errors import ConflictError, InputError, TrustError
from services.kernel.secret import Secret

FORMAT = "countersign-key-bundle-1"
_NEEDED = (SERVICE_KEY, LOG_KEY, MACHINE_KEY, PEPPER, ORIGIN)
_WAITING = tuple(f"{use}.next.pem" for use in ("service", "log", "machine"))
_FIXED = (PEPPER, ORIGIN)
"""What names a log and opens its people's keys: it never changes."""
_GENESIS = re.compile(r"[0-9a-f]{64}")
_HINT = "Make it again where the deployment was founded: python -m services keys put."


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBundle:
    genesis: str
    files: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"KeyBundle(genesis={self.genesis!r}, files={sorted(self.files)})"

    def text(self) -> Secret:
        files = {name: base64.b64encode(data).decode("ascii") for name, data in self.files.items()}
        return Secret(json.dumps({"format": FORMAT, "genesis": self.genesis, "files": files}, sort_keys=True))


def collected(folder: Path, genesis_file: Path) -> KeyBundle:
    """From a key folder in order. Raises TrustError when anything is missing."""
    read_key_files(folder)
    absent = [file.name for file in (folder / MACHINE_KEY, genesis_file) if not file.is_file()]
    if absent:
        raise TrustError(
            f"There is no {' and no '.join(absent)} here, so the bundle would be incomplete.",
            hint="Make it where the deployment was founded, after its worker ran once.",
        )
    names = (*_NEEDED, *(name for name in _WAITING if (folder / name).is_file()))
    genesis = genesis_file.read_text(encoding="ascii").strip()
    return _complete(KeyBundle(genesis=genesis, files={name: (folder / name).read_bytes() for name in names}))


def read(text: Secret) -> KeyBundle:
    """Raises TrustError for anything that is not a complete bundle."""
    try:
        document = json.loads(text.reveal())
        files = {str(name): base64.b64decode(data, validate=True) for name, data in document["files"].items()}
        found = KeyBundle(genesis=str(document["genesis"]), files=files)
        known = document["format"] == FORMAT
    except (ValueError, KeyError, TypeError, AttributeError):
        known = False
    if not known:
        raise TrustError("What COUNTERSIGN_KEY_BUNDLE names is no key bundle.", hint=_HINT) from None
    return _complete(found)


def put_in_place(bundle: KeyBundle, folder: Path, genesis_file: Path) -> None:
    """Key files (0600, in a folder of 0700) and the pin. A key that differs is kept beside the new one, by its key id.

    Raises TrustError where another log stands, or a key cannot be read; then nothing was changed.
    """
    require_same_log(bundle, folder, genesis_file)
    genesis_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder.parent / f".{folder.name}-{secrets.token_hex(8)}"
    draft.mkdir(mode=0o700)
    try:
        for name, data in bundle.files.items():
            _write(draft / name, data)
        read_key_files(draft)
        _write(draft / genesis_file.name, f"{bundle.genesis}\n".encode("ascii"))
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        for name in bundle.files:
            _replace(draft / name, folder / name)
        (draft / genesis_file.name).replace(genesis_file)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def fetched(place: str) -> KeyBundle:
    """From `databricks-secret:SCOPE/KEY` or `file2:PATH`. Raises KeyServiceError, TrustError."""
    return read(Secret(held.secret_at(place).decode("utf-8", errors="replace")))


def sent(bundle: KeyBundle, place: str) -> None:
    """Into `databricks-secret:SCOPE/KEY`, as whom the environment names. Raises InputError, KeyServiceError."""
    if held.scheme_of(place) != "databricks-secret":
        raise InputError(
            "Only a secret of a scope can be written here: databricks-secret:SCOPE/KEY.",
            hint="For anything else: python -m services keys export FILE, and put the file where it belongs.",
        )
    held.keep_secret(place, bundle.text())


def exported(bundle: KeyBundle, file: Path) -> None:
    """A file for its owner alone, which must not exist. Raises ConflictError."""
    try:
        _write(file, bundle.text().reveal().encode())
    except FileExistsError:
        raise ConflictError(f"{file} exists already; nothing was written.", hint="Name another file.") from None


def _complete(bundle: KeyBundle) -> KeyBundle:
    missing = [name for name in _NEEDED if not bundle.files.get(name)]
    if not _GENESIS.fullmatch(bundle.genesis):
        missing.append("genesis")
    if missing:
        raise TrustError(f"The key bundle is incomplete: {', '.join(missing)} missing.", hint=_HINT)
    odd = sorted(bundle.files.keys() - {*_NEEDED, *_WAITING})
    if odd:
        raise TrustError(f"The key bundle holds {len(odd)} files that belong to no key folder.", hint=_HINT)
    return bundle


def require_same_log(bundle: KeyBundle, folder: Path, genesis_file: Path) -> None:
    """Raises TrustError where the pin, the name or the pepper of another log stands."""
    given = {folder / name: bundle.files[name] for name in _FIXED}
    given[genesis_file] = bundle.genesis.encode("ascii")
    other = [file.name for file, data in given.items() if file.is_file() and file.read_bytes().strip() != data.strip()]
    if other:
        raise TrustError(
            f"The key bundle belongs to another log: {', '.join(other)} differ from what stands in {folder.parent}.",
            hint="Choose another COUNTERSIGN_HOME, or name the bundle of this log.",
        )


def _replace(new: Path, current: Path) -> None:
    if current.is_file():
        if current.read_bytes() == new.read_bytes():
            return
        replaced = held.read(current.read_bytes(), current.name).public.key_id
        with suppress(FileExistsError):
            current.with_name(f"{current.name.partition('.')[0]}.{replaced[:16]}.old.pem").hardlink_to(current)
    new.replace(current)


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
