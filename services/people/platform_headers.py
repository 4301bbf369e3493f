"""What the platform's proxy says about a visitor, judged before and after the platform was asked. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from services.kernel.errors import NotSignedInError
from services.kernel.secret import Secret

TOKEN, EMAIL, USER = "x-forwarded-access-token", "x-forwarded-email", "x-forwarded-user"
NAMES = (TOKEN, EMAIL, USER, "x-forwarded-preferred-username")
_NEEDED = (TOKEN, EMAIL, USER)
_LONGEST = {TOKEN: 8192}
_RELOAD = "Reload the page; if it happens again, tell an administrator."

Headers = Mapping[str, tuple[str, ...]]
"""By name in small letters, every value that was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformPerson:
    """What the platform says about the owner of a token."""

    id: str
    """Stays the same when name and address change."""
    user_name: str
    name: str
    emails: tuple[str, ...]
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Whom the headers name, before anybody confirmed it."""

    token: Secret
    email: str
    user: str

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.token.reveal()}\x1f{self.email}\x1f{self.user}".encode()).hexdigest()


def named_in(headers: Headers) -> Named:
    """Raises NotSignedInError for a header that is missing, came twice, or holds what no proxy writes."""
    found = {name: _one(headers, name) for name in _NEEDED}
    for name in NAMES:
        if name not in _NEEDED and len(headers.get(name, ())) > 1:
            raise refused(f"The header {name} came more than once.")
    return Named(token=Secret(found[TOKEN]), email=found[EMAIL].casefold(), user=found[USER])


def mismatch(named: Named, owner: PlatformPerson) -> str:
    """Why headers and platform do not say the same, or an empty text.

    The user header of Databricks Apps holds the id, alone or followed by the workspace (`id@workspace`).
    """
    if not owner.active:
        return "The platform says that this account is not active."
    addresses = {text.casefold() for text in (*owner.emails, owner.user_name) if text}
    if named.email not in addresses:
        return "The token belongs to another account than the address that came with it."
    user = named.user.casefold()
    if user not in addresses and user.partition("@")[0] != owner.id.casefold():
        return "The token belongs to another account than the user that came with it."
    return ""


def _one(headers: Headers, name: str) -> str:
    values = headers.get(name, ())
    if not values:
        raise refused(f"The header {name} is missing.")
    if len(values) > 1:
        raise refused(f"The header {name} came more than once.")
    text = values[0].strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text or "," in text:
        raise refused(f"The header {name} holds something no proxy writes.")
    if len(text) > _LONGEST.get(name, 320):
        raise refused(f"The header {name} is too long.")
    return text


def refused(why: str) -> NotSignedInError:
    return NotSignedInError(f"You are not signed in. {why}", hint=_RELOAD)
