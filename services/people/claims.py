"""What an identity provider said about a person, and whether it opens a session here. Pure.

The claims come from an ID token whose signature, audience, nonce and time were verified by the sign-in library
(OpenID Connect Core 1.0, 3.1.3.7); they are read again here because its cookie outlives the token by weeks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from services.kernel.errors import LoginRefusedError
from services.kernel.identity import Login, Role
from services.people.models import Person

FRESH_TOKEN = timedelta(minutes=10)
"""A token older than this opens no session: whoever comes later signs in again."""
SKEW = timedelta(seconds=60)
_LONGEST = 300
_AROUND = frozenset({"origin", "is_logged_in", "provider", "tokens"})
"""What the sign-in library adds beside the claims."""


class Binding(StrEnum):
    """Which claim administrators name people by."""

    SUBJECT = "subject"
    """The subject itself: nothing has to be remembered."""
    EMAIL = "email"
    """The verified address at the first sign-in; from then on the subject that came with it, and no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRules:
    """What the administrators of this deployment laid down."""

    issuer: str
    client_id: str
    binding: Binding = Binding.SUBJECT
    groups_claim: str = "groups"
    group_roles: tuple[tuple[str, Role], ...] = ()
    """A role can be used only with one of its groups; empty: groups are not asked for."""
    longest: timedelta = timedelta(hours=12)
    """From the login at the provider to the end of the session."""
    name: str = "your organisation"
    provider: str = ""
    """Section of the sign-in library's secrets; empty for the first one."""
    step_up: str = ""
    """Section that makes the provider ask for password or key again; empty: there is none."""

    @property
    def limits_roles(self) -> bool:
        return bool(self.group_roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    issuer: str
    subject: str
    audience: tuple[str, ...]
    login: Login
    expires_at: datetime
    email: str
    """Small letters; empty unless the provider says that it verified the address."""
    groups: frozenset[str]
    sha256: str
    """Of all claims: one login opens one session."""


def read_claims(given: Mapping[str, Any], *, groups_claim: str, id_token: str = "") -> Claims:
    """Raises LoginRefusedError for claims without issuer, subject, audience or times."""
    said = {name: value for name, value in given.items() if name not in _AROUND}
    verified = said.get("email_verified") in {True, "true"}
    return Claims(
        issuer=_text(said, "iss").rstrip("/"),
        subject=_text(said, "sub"),
        audience=_many(said.get("aud")),
        login=Login(
            issued_at=_time(said, "iat"),
            auth_time=_time(said, "auth_time") if said.get("auth_time") is not None else None,
            acr=str(said.get("acr") or "")[:_LONGEST],
            token_sha256=hashlib.sha256(id_token.encode()).hexdigest() if id_token else "",
        ),
        expires_at=_time(said, "exp"),
        email=_text(said, "email").lower() if verified and said.get("email") else "",
        groups=frozenset(_many(said.get(groups_claim))),
        sha256=hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest(),
    )


def require_believable(claims: Claims, rules: LoginRules, *, now: datetime) -> None:
    """The login is of our provider, for us, of now. Raises LoginRefusedError."""
    if claims.issuer != rules.issuer.rstrip("/"):
        raise LoginRefusedError(
            "This login comes from another identity provider than this deployment accepts.",
            hint="Sign in with the provider your administrator named.",
        )
    if rules.client_id not in claims.audience:
        raise LoginRefusedError("This login was made for another application.", hint="Sign in again, from this page.")
    login = claims.login
    if max(login.issued_at, login.since) > now + SKEW:
        raise LoginRefusedError(
            "This login lies in the future.", hint="The clocks of this machine and of the provider differ; tell both."
        )
    if claims.expires_at <= now or now - login.issued_at > FRESH_TOKEN:
        raise LoginRefusedError("This login has run out.", hint="Sign in again.")
    if now - login.since >= rules.longest:
        raise LoginRefusedError(
            f"You logged in at the provider more than {hours(rules.longest)} ago, which is as long as a session lasts.",
            hint="Log in there again, with password or key.",
        )


def usable_roles(person: Person, claims: Claims, rules: LoginRules) -> tuple[Role, ...]:
    """Roles the ledger gives that the groups of this login allow: a group limits a role and never gives one."""
    if not rules.limits_roles:
        return person.roles
    allowed = {role for group, role in rules.group_roles if group in claims.groups}
    return tuple(role for role in person.roles if role in allowed)


def missing_groups(person: Person, claims: Claims, rules: LoginRules) -> tuple[str, ...]:
    """Groups any of which would let the person act in a role the ledger gives."""
    return tuple(
        sorted({group for group, role in rules.group_roles if role in person.roles and group not in claims.groups})
    )


def hours(length: timedelta) -> str:
    whole = round(length.total_seconds() / 3600)
    return f"{whole} hour" if whole == 1 else f"{whole} hours"


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST or not value.isprintable():
        raise _lacking(name)
    return value.strip()


def _time(said: Mapping[str, Any], name: str) -> datetime:
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _lacking(name)
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (OverflowError, ValueError, OSError) as odd:
        raise _lacking(name) from odd


def _many(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()


def _lacking(name: str) -> LoginRefusedError:
    return LoginRefusedError(
        f"The identity provider sent no usable “{name}”.", hint="Ask whoever runs it; nothing can be believed without."
    )
