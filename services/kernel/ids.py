"""Identifiers: sortable by time of creation, unguessable, safe in an address."""

from __future__ import annotations

import secrets
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str, at: datetime) -> str:
    """`act-` plus 10 characters of time (milliseconds) and 10 random ones, Crockford base 32."""
    millis = int(at.timestamp() * 1000)
    return f"{prefix}-{_base32(millis, 10)}{_base32(secrets.randbits(50), 10)}"


def _base32(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 32)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))
