"""A passkey's signature over a statement: what a browser and an authenticator sign, and when it holds. Pure.

W3C Web Authentication level 3, 7.2: the authenticator signs `authenticatorData || SHA-256(clientDataJSON)`, and
`clientDataJSON` names the challenge. Ours is the SHA-256 of the DSSE pre-authentication encoding of the statement,
which carries a nonce of its own; so the assertion is about exactly these bytes, and holds without asking anybody.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.attestation.keys import PublicKey

_PRESENT, _VERIFIED = 0x01, 0x04
_HEADER = 37
"""SHA-256 of the relying party id, one byte of flags, four of the counter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What the browser handed back, beside the signature itself."""

    authenticator_data: bytes
    client_data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """Where the passkey was enrolled: it signs for this host, on pages of this origin."""

    id: str
    origin: str


def challenge_of(signed_bytes: bytes) -> bytes:
    """The challenge for a statement, from the bytes that its other signatures sign."""
    return hashlib.sha256(signed_bytes).digest()


def problem_of(assertion: Assertion, signature: bytes, *, key: PublicKey, party: RelyingParty, challenge: bytes) -> str:
    """Why the assertion does not hold, in words; empty when it does."""
    said = _client_data(assertion.client_data)
    data = assertion.authenticator_data
    if said is None or len(data) < _HEADER:
        return "what the browser sent cannot be read"
    wrong = (
        (said.get("type") != "webauthn.get", "it is not a signature but something else"),
        (said.get("challenge") != unpadded(challenge), "it was made for another statement"),
        (
            said.get("origin") != party.origin or said.get("crossOrigin", False) is not False,
            "it was made on a page of another origin",
        ),
        (data[:32] != hashlib.sha256(party.id.encode()).digest(), "it was made for another host"),
        (not data[32] & _PRESENT or not data[32] & _VERIFIED, "the authenticator did not verify its owner"),
        (
            not key.verifies(data + hashlib.sha256(assertion.client_data).digest(), signature),
            "its signature does not match the enrolled passkey",
        ),
    )
    return next((words for fails, words in wrong if fails), "")


def sign_count(assertion: Assertion) -> int:
    """How often the authenticator says it signed; 0 where it does not count (most synchronised passkeys)."""
    return int.from_bytes(assertion.authenticator_data[33:_HEADER], "big")


def unpadded(data: bytes) -> str:
    """base64url without padding, as WebAuthn spells bytes."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def padded(text: str) -> bytes:
    """The bytes of base64url text. Raises ValueError for anything `unpadded` would not have written."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if unpadded(data) != text:
        msg = "not base64url in its one spelling"
        raise ValueError(msg)
    return data


def _client_data(data: bytes) -> Mapping[str, Any] | None:
    try:
        said = json.loads(data.decode("utf-8"))
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
