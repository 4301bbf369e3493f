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
    key_created_at: datetime | None = None
    role_ends: tuple[tuple[Role, datetime], ...] = ()
    """Roles given for a time, with their end; one that ended is here and no longer among `roles`."""
    disabled_reason: str = ""

    @property
    def who(self) -> tuple[str, str]:
        return (self.issuer, self.subject)

    @property
    def access_until(self) -> datetime | None:
        """When the last of the roles ends; None when one of them has no end."""
        ends = dict(self.role_ends)
        if not ends or any(role not in ends for role in self.roles):
            return None
        return max(ends.values())

    def ended(self, role: Role, *, now: datetime) -> datetime | None:
        """When access in this role ended; None while it lasts, or if it was never given for a time."""
        end = dict(self.role_ends).get(role)
        return end if end is not None and end <= now else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoAccount:
    """Embedded mode only. The passphrase is printed on the sign-in screen: this is a demonstration, not a secret."""

    subject: str
    name: str
    role: Role
    passphrase: str
    does: str
    """What this person comes to do, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """Somebody lets another person sign in his role, up to a riskiest tier, for a time."""

    id: str
    role: str
    from_issuer: str
    from_subject: str
    from_name: str
    to_issuer: str
    to_subject: str
    to_name: str
    tier: int
    """The riskiest tier it covers: 1 covers all, 2 covers tiers 2 and 3."""
    since: datetime
    until: datetime
    reason: str
    seq: int
    leaf_hash: str
    withdrawn_at: datetime | None
    withdrawn_by: str = ""

    def in_force(self, now: datetime) -> bool:
        return self.withdrawn_at is None and self.since <= now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRecord:
    """One page an auditor looked at."""

    at: datetime
    issuer: str
    subject: str
    name: str
    screen: str
    about: str
    """What was open, as in the address: `request=req-1`."""
