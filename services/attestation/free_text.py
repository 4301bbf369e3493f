"""Text people wrote, as it appears in a signed document: a salted digest, so that the text itself can be erased."""

from __future__ import annotations

import hashlib
import secrets

from services.kernel.errors import InputError

ERASED = "[erased on "
"""How the words begin that stand in place of an erased text."""


def salted(text: str) -> tuple[str, str]:
    """(salt, digest of salt and text). Salt and text are kept outside the ledger. Raises InputError."""
    salt = secrets.token_hex(16)
    return salt, digest_of(salt, text)


def is_erased(salt: str, text: str) -> bool:
    """Disposal takes the salt and leaves words that say so; other words without a salt were put there."""
    return not salt and (not text or text.startswith(ERASED))


def digest_of(salt: str, text: str) -> str:
    """What `salted` wrote, to compare a stored text with the signed digest."""
    try:
        return hashlib.sha256((salt + text).encode()).hexdigest()
    except UnicodeEncodeError as broken:
        raise InputError("This text holds half a character and cannot be signed.", hint="Type it again.") from broken
