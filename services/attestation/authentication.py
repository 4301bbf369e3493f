"""How a signer was recognised, as every signed statement says it: the session, and the key opened at that moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.kernel.clock import utc_text
from services.kernel.identity import Actor


def document(actor: Actor, *, at: datetime, passkey_of: str = "") -> dict[str, Any]:
    """The components of the electronic signature, with the whole seconds since the person signed in.

    `passkey_of` is the host whose passkey signs beside the person's key; which one it was is in the envelope.
    """
    said = {
        "component1": _session(actor),
        "component2": {"kind": "passphrase-key", "sinceLogin": str(since_login_seconds(actor, at=at))},
        "level": "L3" if passkey_of else "L2",
    }
    return said | ({"component3": {"kind": "passkey", "relyingParty": passkey_of}} if passkey_of else {})


def _session(actor: Actor) -> dict[str, Any]:
    said: dict[str, Any] = {"kind": actor.method, "issuer": actor.issuer}
    if actor.login is None:
        return said | {"authTime": utc_text(actor.signed_in_at)}
    # A provider that does not say when somebody logged in leaves only the time of its token, under another name.
    named = "tokenTime" if actor.login.auth_time is None else "authTime"
    said[named] = utc_text(actor.login.since)
    if actor.login.acr:
        said["acr"] = actor.login.acr
    if actor.login.token_sha256:
        said["idToken"] = {"sha256": actor.login.token_sha256}
    return said


def since_login_seconds(actor: Actor, *, at: datetime) -> int:
    """Of the whole second that the statement states: made again from that, it has to come out the same."""
    return max(0, int((at.replace(microsecond=0) - actor.signed_in_at).total_seconds()))
