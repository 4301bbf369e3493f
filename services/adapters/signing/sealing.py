"""How a person's key is locked: PKCS#8 under a password of HMAC(pepper, Argon2id(passphrase, salt)).

The PKCS#8 format's own key derivation is weak (PBKDF2 with 2,048 rounds), so a raw passphrase is never its password.
A stolen database alone does not allow guessing: the pepper is kept outside it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_der_private_key,
)

from services.attestation.keys import describe
from services.attestation.ports import SealedKey
from services.kernel.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one guess of a passphrase costs, stored with each key."""

    memory_kib: int
    passes: int
    lanes: int = 1

    def document(self) -> dict[str, int]:
        return {"memory_kib": self.memory_kib, "passes": self.passes, "lanes": self.lanes}


PRODUCTION = Cost(memory_kib=64 * 1024, passes=3)
EMBEDDED = Cost(memory_kib=19 * 1024, passes=2)
"""The smallest recommended parameters: passphrases of the demonstration are printed on its sign-in screen."""


def seal(
    key: Ed25519PrivateKey, *, issuer: str, subject: str, passphrase: Secret, pepper: bytes, cost: Cost
) -> SealedKey:
    salt = secrets.token_bytes(16)
    public = describe(key.public_key())
    password = _password(passphrase, salt=salt, kdf=cost.document(), pepper=pepper)
    return SealedKey(
        key_id=public.key_id,
        issuer=issuer,
        subject=subject,
        public=public.document(),
        pkcs8=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(password)),
        salt=salt,
        kdf=cost.document(),
    )


def unseal(sealed: SealedKey, *, passphrase: Secret, pepper: bytes) -> Ed25519PrivateKey | None:
    """The key, or None when the passphrase does not open it."""
    password = _password(passphrase, salt=sealed.salt, kdf=sealed.kdf, pepper=pepper)
    try:
        key = load_der_private_key(sealed.pkcs8, password=password)
    except ValueError:
        return None
    return key if isinstance(key, Ed25519PrivateKey) else None


def waste_one_guess(passphrase: Secret, *, pepper: bytes, cost: Cost) -> None:
    """Takes as long as opening a key, so that a refusal does not tell who has one."""
    _password(passphrase, salt=bytes(16), kdf=cost.document(), pepper=pepper)


def _password(passphrase: Secret, *, salt: bytes, kdf: Mapping[str, int], pepper: bytes) -> bytes:
    derived = Argon2id(
        salt=salt, length=32, iterations=kdf["passes"], lanes=kdf["lanes"], memory_cost=kdf["memory_kib"]
    ).derive(passphrase.reveal().encode())
    return hmac.new(pepper, derived, hashlib.sha256).digest()
