"""How a signer was recognised, as every signed statement says it: the session, and the key opened at that moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.kernel.clock import utc_text
from services.kernel.identity import Actor


def document(actor: Actor, *, at: datetime) -> dict[str, Any]:
    """Both components of the electronic signature, with the whole seconds since the person signed in."""
    return {
        "component1": {"kind": actor.method, "issuer": actor.issuer, "authTime": utc_text(actor.signed_in_at)},
        "component2": {"kind": "passphrase-key", "sinceLogin": str(since_login_seconds(actor, at=at))},
        "level": "L2",
    }


def since_login_seconds(actor: Actor, *, at: datetime) -> int:
    return max(0, int((at - actor.signed_in_at).total_seconds()))
