"""People, their roles and their sign-in. Identity is issuer plus subject; the rest is display data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.kernel.identity import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    issuer: str
    subject: str
    name: str
    roles: tuple[Role, ...]
    active: bool
    key_id: str | None
    key_locked_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoAccount:
    """Embedded mode only. The passphrase is printed on the sign-in screen: this is a demonstration, not a secret."""

    subject: str
    name: str
    role: Role
    passphrase: str
    does: str
    """What this person comes to do, in one line."""
