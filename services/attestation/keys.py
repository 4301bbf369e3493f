"""Public keys as the log describes them. The algorithm always comes from this description, never from an envelope.

`key_id` is the SHA-256 of the description in the canonical JSON of securesystemslib, so both agree on names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from services.kernel.errors import ForeignStatementError

_ED25519 = ("ed25519", "ed25519")
_P256 = ("ecdsa", "ecdsa-sha2-nistp256")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    keytype: str
    scheme: str
    public: str
    """Ed25519: 64 hexadecimal digits. P-256: PEM of the SubjectPublicKeyInfo."""

    @property
    def key_id(self) -> str:
        return _key_id(self)

    def document(self) -> dict[str, Any]:
        return {"keytype": self.keytype, "scheme": self.scheme, "keyval": {"public": self.public}}

    def raw(self) -> bytes:
        """The 32 bytes of an Ed25519 key. Raises ForeignStatementError for any other kind."""
        if (self.keytype, self.scheme) != _ED25519:
            raise ForeignStatementError("A log key must be an Ed25519 key.")
        return bytes.fromhex(self.public)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        return _verifies(self, message, signature)


def describe(key: Ed25519PublicKey | EllipticCurvePublicKey) -> PublicKey:
    if isinstance(key, Ed25519PublicKey):
        return PublicKey(keytype="ed25519", scheme="ed25519", public=key.public_bytes_raw().hex())
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return PublicKey(keytype="ecdsa", scheme="ecdsa-sha2-nistp256", public=pem)


def key_document(public: str) -> dict[str, Any]:
    """The description of a key of which only the public text is at hand: its form says which kind it is."""
    keytype, scheme = _P256 if public.startswith("-----BEGIN") else _ED25519
    return PublicKey(keytype=keytype, scheme=scheme, public=public).document()


def read_key(document: Any) -> PublicKey:
    """The key in a description. Raises ForeignStatementError for another shape or a key that does not load."""
    shaped = (
        isinstance(document, Mapping)
        and set(document) == {"keytype", "scheme", "keyval"}
        and isinstance(document["keyval"], Mapping)
        and set(document["keyval"]) == {"public"}
        and all(
            isinstance(text, str) for text in (document["keytype"], document["scheme"], document["keyval"]["public"])
        )
    )
    if not shaped:
        raise ForeignStatementError("A key description has the wrong shape.")
    key = PublicKey(keytype=document["keytype"], scheme=document["scheme"], public=document["keyval"]["public"])
    _load(key)
    return key


@lru_cache(maxsize=1024)
def _load(key: PublicKey) -> Ed25519PublicKey | EllipticCurvePublicKey:
    try:
        if (key.keytype, key.scheme) == _ED25519:
            raw = bytes.fromhex(key.public)
            if raw.hex() == key.public:
                return Ed25519PublicKey.from_public_bytes(raw)
        if (key.keytype, key.scheme) == _P256:
            loaded = load_pem_public_key(key.public.encode())
            if isinstance(loaded, EllipticCurvePublicKey) and isinstance(loaded.curve, SECP256R1):
                return loaded
    except ValueError as broken:
        raise ForeignStatementError("A key description holds no usable public key.") from broken
    raise ForeignStatementError(f"Keys of type {key.keytype!r} with scheme {key.scheme!r} are not accepted.")


@lru_cache(maxsize=1024)
def _key_id(key: PublicKey) -> str:
    return hashlib.sha256(_key_text(key).encode()).hexdigest()


@lru_cache(maxsize=64)  # the answer depends on these bytes alone; signing, appending and showing ask in a row
def _verifies(key: PublicKey, message: bytes, signature: bytes) -> bool:
    loaded = _load(key)
    try:
        if isinstance(loaded, Ed25519PublicKey):
            loaded.verify(signature, message)
        else:
            loaded.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _key_text(key: PublicKey) -> str:
    # Canonical JSON of securesystemslib: keys sorted, only quote and backslash escaped, line breaks left as they are.
    return (
        '{"keytype":' + _quoted(key.keytype) + ',"keyval":{"public":' + _quoted(key.public) + '},"scheme":'
        + _quoted(key.scheme) + "}"
    )  # fmt: skip


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
