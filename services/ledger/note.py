"""Checkpoints as C2SP signed notes, and receipts as C2SP tlog-proofs: short texts that other tools can check."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.attestation.keys import PublicKey
from services.kernel.errors import BrokenChainError, SignatureMismatchError

_ED25519 = b"\x01"
_ORIGIN = re.compile(r"[A-Za-z0-9._/-]{1,200}")
_COMPACT = re.compile(
    r"(?P<size>0|[1-9][0-9]{0,14}):(?P<root>[0-9a-f]{64}):(?P<signature>[A-Za-z0-9+/]{1,200}={0,2})", re.ASCII
)
_SIGNATURE = "\N{EM DASH} "


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes


def is_origin(text: str) -> bool:
    """Names of logs: no blanks and no plus sign, which separate the parts of a note and of a verifier key."""
    return _ORIGIN.fullmatch(text) is not None


def key_hash(origin: str, key: PublicKey) -> bytes:
    return hashlib.sha256(origin.encode() + b"\n" + _ED25519 + key.raw()).digest()[:4]


def verifier_key(origin: str, key: PublicKey) -> str:
    """`origin+hash+key`: what a witness or auditor configures."""
    return f"{origin}+{key_hash(origin, key).hex()}+{base64.b64encode(_ED25519 + key.raw()).decode()}"


def body(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n"


def sign(checkpoint: Checkpoint, *, key: PublicKey, signer: Callable[[bytes], bytes]) -> str:
    text = body(checkpoint)
    signature = base64.b64encode(key_hash(checkpoint.origin, key) + signer(text.encode())).decode()
    return f"{text}\n{_SIGNATURE}{checkpoint.origin} {signature}\n"


def read(note: str) -> Checkpoint:
    """What the note says, unverified. Raises BrokenChainError for anything but our three lines."""
    text, _, signatures = note.partition("\n\n")
    lines = text.split("\n")
    try:
        origin, size_text, root_text = lines
        root = base64.b64decode(root_text, validate=True)
        size = int(size_text)
    except (ValueError, binascii.Error) as broken:
        raise BrokenChainError("A checkpoint of the log does not have its three lines.") from broken
    checkpoint = Checkpoint(origin=origin, size=size, root=root)
    if not signatures.endswith("\n") or len(root) != 32 or size < 0 or body(checkpoint) != text + "\n":
        raise BrokenChainError("A checkpoint of the log is not written in its canonical form.")
    return checkpoint


def verify(note: str, *, origin: str, key: PublicKey) -> Checkpoint:
    """The checkpoint, once the log's own key vouches for it. Raises BrokenChainError, SignatureMismatchError."""
    checkpoint = read(note)
    if checkpoint.origin != origin:
        raise BrokenChainError(f"A checkpoint belongs to the log {checkpoint.origin!r}, not to {origin!r}.")
    text, _, signatures = note.partition("\n\n")
    expected = key_hash(origin, key)
    for line in signatures.splitlines():
        name, _, encoded = line.removeprefix(_SIGNATURE).partition(" ")
        try:
            signature = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error):
            continue
        ours = line.startswith(_SIGNATURE) and name == origin and signature[:4] == expected
        if ours and key.verifies((text + "\n").encode(), signature[4:]):
            return checkpoint
    raise SignatureMismatchError(f"The log key of {origin!r} did not sign the checkpoint of size {checkpoint.size}.")


def compact(note: str, *, origin: str) -> str:
    """`size:root hex:signature base64`, about 170 characters, for places that hold one short line."""
    checkpoint = read(note)
    start = f"{_SIGNATURE}{origin} "
    signature = next((line for line in note.partition("\n\n")[2].splitlines() if line.startswith(start)), "")
    if checkpoint.origin != origin or not signature:
        raise BrokenChainError(f"A checkpoint of the log {origin!r} is not signed by it.")
    return f"{checkpoint.size}:{checkpoint.root.hex()}:{signature.removeprefix(start)}"


def expanded(line: str, *, origin: str) -> str:
    """The signed note behind `compact`, unverified. Raises BrokenChainError for any other text."""
    found = _COMPACT.fullmatch(line)
    if found is None:
        raise BrokenChainError("This text is not a checkpoint in its short form.")
    checkpoint = Checkpoint(origin=origin, size=int(found["size"]), root=bytes.fromhex(found["root"]))
    return f"{body(checkpoint)}\n{_SIGNATURE}{origin} {found['signature']}\n"


def proof_text(*, index: int, path: Sequence[bytes], checkpoint: str) -> str:
    """The receipt: place, inclusion path and signed checkpoint; stands alone next to the envelope."""
    lines = ["c2sp.org/tlog-proof@v1", f"index {index}", *(base64.b64encode(node).decode() for node in path)]
    return "\n".join(lines) + "\n\n" + checkpoint


def read_proof(text: str) -> tuple[int, tuple[bytes, ...], str]:
    """(index, path, checkpoint note). Raises BrokenChainError."""
    head, _, checkpoint = text.partition("\n\n")
    title, *rest = head.split("\n")
    if title != "c2sp.org/tlog-proof@v1" or not rest or not rest[0].startswith("index "):
        raise BrokenChainError("This text is not a receipt of the log.")
    try:
        path = tuple(base64.b64decode(line, validate=True) for line in rest[1:])
        return int(rest[0].removeprefix("index ")), path, checkpoint
    except (ValueError, binascii.Error) as broken:
        raise BrokenChainError("This receipt of the log is damaged.") from broken
