"""Text people wrote, as it appears in a signed document: a salted digest, so that the text itself can be erased."""

from __future__ import annotations

import hashlib
import secrets


def salted(text: str) -> tuple[str, str]:
    """(salt, digest of salt and text). Salt and text are kept outside the ledger."""
    salt = secrets.token_hex(16)
    return salt, digest_of(salt, text)


def digest_of(salt: str, text: str) -> str:
    """What `salted` wrote, to compare a stored text with the signed digest."""
    return hashlib.sha256((salt + text).encode()).hexdigest()
