"""Takes secrets out of a text: those this deployment was given, and whatever looks like a password in an address.

Both are needed. A library may repeat an address in its own spelling, and a password may stand alone in a sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from urllib.parse import parse_qsl, unquote, urlsplit

STARS = "****"
_IN_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)([^\s/@:]*):([^\s@]+)@", re.IGNORECASE)
_IN_QUERY = re.compile(r"(?i)\b((?:\w*(?:password|passwd|secret|token|apikey|api_key|access_key)\w*)=)[^\s&;,'\"]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
_SECRET_NAME = re.compile(r"(?i)(token|secret|passw|passphrase|credential|api_?key|_key$|_pat$)")
_SHORTEST = 4
"""A shorter text would be found in half of all words; in an address it is masked by its place."""
_PATH_PART = 8


class Mask:
    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first: a secret may be part of another one.
        self._secrets = sorted({text for text in secrets if len(text) >= _SHORTEST}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, STARS)
        text = _IN_ADDRESS.sub(rf"\1\2:{STARS}@", text)
        text = _IN_QUERY.sub(rf"\1{STARS}", text)
        return _BEARER.sub(rf"\1 {STARS}", text)


def secrets_of(addresses: Iterable[str], texts: Iterable[str], environment: Mapping[str, str]) -> Iterator[str]:
    """Passwords of addresses; texts that are secret as a whole (JSON: every address in it); secret variables."""
    for address in addresses:
        yield from _of_address(address)
    for text in texts:
        yield text
        with suppress(ValueError, AttributeError):
            for value in json.loads(text).values():
                yield str(value)
                yield from _of_address(str(value), whole=True)
    for name, value in environment.items():
        if _SECRET_NAME.search(name):
            yield value


def _of_address(address: str, *, whole: bool = False) -> Iterator[str]:
    """Password and secret parameters; of an address that is a secret as a whole, user and path, too."""
    try:
        parts = urlsplit(address)
    except ValueError:
        yield address
        return
    found = [parts.password or ""]
    found += [value for name, value in parse_qsl(parts.query) if _SECRET_NAME.search(name)]
    if whole:
        found += [parts.username or "", *(part for part in parts.path.split("/") if len(part) >= _PATH_PART)]
    for text in found:
        yield text
        yield unquote(text)
