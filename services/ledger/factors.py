"""What a request asks of every signature beside the passphrase: a passkey, a fresh login. Pure; part of the law."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.attestation.statement import Statement
from services.kernel.clock import from_utc_text
from services.ledger.keyring import VoidEntryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    passkey: bool = False
    fresh_login: timedelta | None = None
    """A login at the identity provider may be this old, by its own account of when it happened."""


def asked_of(terms: Mapping[str, Any]) -> Factors:
    """From the terms of a signed request; one that says nothing asks for nothing."""
    asked = terms.get("signing")
    if not isinstance(asked, Mapping):
        return Factors()
    minutes = asked.get("freshLoginMinutes")
    return Factors(
        passkey=asked.get("secondFactor") == "passkey",
        fresh_login=timedelta(minutes=minutes) if isinstance(minutes, int) else None,
    )


def require(statement: Statement, asked: Factors) -> None:
    """Raises VoidEntryError when the signature lacks what was asked. That the passkey signed was checked before."""
    how = statement.predicate["authentication"]
    if asked.passkey and not isinstance(how.get("component3"), Mapping):
        raise VoidEntryError("the request asks for a passkey, and it was signed without one")
    if asked.fresh_login is None:
        return
    began = login_time(how)
    if began is None:
        raise VoidEntryError("the request asks for a fresh login, and none is stated")
    if statement.at - began > asked.fresh_login:
        raise VoidEntryError("the login it was signed after was not fresh any more")


def login_time(authentication: Mapping[str, Any]) -> datetime | None:
    """When the signer logged in at an identity provider; None when it was elsewhere, or nobody said."""
    session = authentication.get("component1")
    if not isinstance(session, Mapping) or session.get("kind") != "oidc":
        return None
    try:
        return from_utc_text(session["authTime"])
    except (KeyError, TypeError, ValueError):
        return None
