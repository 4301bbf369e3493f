"""What an identity provider says of itself: reachable, the one that is accepted, with what signing in needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from services.doctor.models import Result, State
from services.settings import Settings

_SECONDS = 5.0
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_LONGEST = 200

Ask = Callable[[str], httpx.Response]
"""The answer at one address. Raises httpx.HTTPError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    origin: str
    """Scheme, host and port: what may be shown, since user, password and parameters are no part of it."""
    path: str
    in_clear: bool
    """Without encryption, and not within this machine."""


def address(url: Any) -> Address | None:
    """None for what is no address of the web."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not host:
        return None
    shown = f"[{host}]" if ":" in host else host
    origin = f"{parts.scheme}://{shown}" + (f":{port}" if port else "")
    return Address(origin=origin, path=parts.path, in_clear=parts.scheme == "http" and host not in _HERE)


def ask(url: str) -> httpx.Response:
    """As the sign-in library asks: no redirection is followed."""
    return httpx.get(url, timeout=_SECONDS, follow_redirects=False)


def described(url: Any, settings: Settings, ask: Ask, *, name: str, where: str) -> Result:
    """The provider's description of itself (OpenID Connect Discovery 1.0, section 4). `where` names the section."""
    fix = f"Correct server_metadata_url of {where}; it ends with /.well-known/openid-configuration."
    at = address(url)
    if at is None:
        return _fault(name, f"server_metadata_url of {where} is not an address.", fix)
    if at.in_clear:
        words = f"server_metadata_url leads to {at.origin} without encryption: anybody on the way is the provider."
        return _fault(name, words, fix)
    try:
        answer = ask(url)
    except httpx.HTTPError as away:
        return _fault(
            name,
            f"The provider's description at {at.origin} is not reachable ({type(away).__name__}): nobody can sign in.",
            f"Check the network from this machine, the provider's certificate and server_metadata_url of {where}.",
        )
    try:
        said = answer.json() if answer.status_code == httpx.codes.OK else None
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return _fault(name, f"{at.origin} answers with {answer.status_code} and no description of a provider.", fix)
    return _judged(said, settings, at.origin, name=name)


def _judged(said: Mapping[str, Any], settings: Settings, origin: str, *, name: str) -> Result:
    issuer = said.get("issuer")
    if not isinstance(issuer, str) or issuer.rstrip("/") != settings.oidc_issuer.rstrip("/"):
        return _fault(
            name,
            f"The provider at {origin} calls itself {str(issuer)[:_LONGEST]!r}, and COUNTERSIGN_OIDC_ISSUER is "
            f"{settings.oidc_issuer!r}: every login would be refused.",
            "Set COUNTERSIGN_OIDC_ISSUER to what it calls itself, if that is the provider you mean.",
        )
    lacks = [key for key in _NEEDED if not said.get(key)]
    if lacks:
        return _fault(name, f"The description at {origin} lacks {', '.join(lacks)}.", "Ask whoever runs the provider.")
    claims = said.get("claims_supported")
    if settings.oidc_step_up and isinstance(claims, list) and "auth_time" not in claims:
        return Result(
            name=name,
            state=State.WARNING,
            found=f"{origin} does not list auth_time among its claims. Without it no fresh login can be proved, and "
            "signatures that need one are refused.",
            fix="Ask whoever runs the provider to send auth_time.",
        )
    return Result(name=name, state=State.OK, found=f"{origin} answers, and is the issuer that is accepted.")


def _fault(name: str, found: str, fix: str) -> Result:
    return Result(name=name, state=State.FAULT, found=found, fix=fix)
