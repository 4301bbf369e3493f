"""The signed wrapper: DSSE with our own strict reader, since one accepted spelling is safer than several.

Bytes are verified before their meaning is read; nothing is ever encoded again for verification.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.attestation import canonical, passkeys
from services.attestation.canonical import is_sha256
from services.attestation.keys import PublicKey
from services.attestation.passkeys import Assertion, RelyingParty
from services.kernel.errors import ForeignStatementError, InputError

PAYLOAD_TYPE = "application/vnd.in-toto+json"
LARGEST_ENVELOPE = 60 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    key_id: str
    value: bytes
    passkey: Assertion | None = None
    """With it the signature is a passkey's, over the assertion that names these bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def signed_bytes(self) -> bytes:
        return pre_authentication(self.payload)

    def verified_by(self, keys: Mapping[str, PublicKey]) -> frozenset[str]:
        """Ids of those signatures whose key is in `keys` and that verify."""
        message = self.signed_bytes
        return frozenset(
            signature.key_id
            for signature in self.signatures
            if signature.passkey is None
            and signature.key_id in keys
            and keys[signature.key_id].verifies(message, signature.value)
        )

    def passkeys_verified_by(self, keys: Mapping[str, tuple[PublicKey, RelyingParty]]) -> frozenset[str]:
        """Ids of those passkeys in `keys` whose assertion is about these bytes and holds."""
        challenge = passkeys.challenge_of(self.signed_bytes)
        found = set()
        for signature in self.signatures:
            if signature.passkey is not None and signature.key_id in keys:
                key, party = keys[signature.key_id]
                problem = passkeys.problem_of(
                    signature.passkey, signature.value, key=key, party=party, challenge=challenge
                )
                found |= set() if problem else {signature.key_id}
        return frozenset(found)


def pre_authentication(payload: bytes) -> bytes:
    """What is signed: the DSSE pre-authentication encoding of our one payload type."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def write(payload: bytes, signatures: tuple[Signature, ...]) -> bytes:
    """Envelope bytes. Raises InputError when they would exceed 60 KiB: refer to big things by digest."""
    data = canonical.to_bytes(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [_signature_document(signature) for signature in signatures],
        }
    )
    if len(data) > LARGEST_ENVELOPE:
        raise InputError(f"The signed record would take {len(data):,} bytes; at most {LARGEST_ENVELOPE:,} are allowed.")
    return data


@lru_cache(maxsize=64)  # as for statements: whoever signs reads back what the log reads again
def read(data: bytes) -> Envelope:
    """Raises ForeignStatementError for anything `write` would not have written."""
    if len(data) > LARGEST_ENVELOPE:
        raise ForeignStatementError("This record is larger than any record Countersign writes.")
    document = canonical.parse(data)
    if set(document) != {"payload", "payloadType", "signatures"} or document["payloadType"] != PAYLOAD_TYPE:
        raise ForeignStatementError("This is not one of our records: its outer fields or payload type differ.")
    if not isinstance(document["signatures"], list) or not document["signatures"]:
        raise ForeignStatementError("This record carries no signature.")
    signatures = tuple(_read_signature(item) for item in document["signatures"])
    if len({signature.key_id for signature in signatures}) != len(signatures):
        raise ForeignStatementError("This record carries two signatures of one key.")
    return Envelope(payload=_decode(document["payload"]), signatures=signatures)


def _signature_document(signature: Signature) -> dict[str, Any]:
    said: dict[str, Any] = {"keyid": signature.key_id, "sig": base64.b64encode(signature.value).decode()}
    if signature.passkey is not None:
        said["webauthn"] = {
            "authenticatorData": passkeys.unpadded(signature.passkey.authenticator_data),
            "clientDataJSON": passkeys.unpadded(signature.passkey.client_data),
        }
    return said


def _read_signature(item: Any) -> Signature:
    shaped = isinstance(item, dict) and {"keyid", "sig"} <= set(item) <= {"keyid", "sig", "webauthn"}
    if not shaped or not is_sha256(item["keyid"]):
        raise ForeignStatementError("A signature of this record has the wrong shape.")
    passkey = _read_assertion(item["webauthn"]) if "webauthn" in item else None
    return Signature(key_id=item["keyid"], value=_decode(item["sig"]), passkey=passkey)


def _read_assertion(item: Any) -> Assertion:
    names = {"authenticatorData", "clientDataJSON"}
    if not isinstance(item, dict) or set(item) != names or not all(isinstance(item[name], str) for name in names):
        raise ForeignStatementError("The assertion of a passkey in this record has the wrong shape.")
    try:
        data, client = passkeys.padded(item["authenticatorData"]), passkeys.padded(item["clientDataJSON"])
    except ValueError as broken:
        raise ForeignStatementError("The assertion of a passkey in this record is not base64url.") from broken
    return Assertion(authenticator_data=data, client_data=client)


def _decode(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ForeignStatementError("This record holds something other than base64 text.")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as broken:
        raise ForeignStatementError("This record holds text that is not base64.") from broken
    # Unused bits and missing padding would give one payload several spellings.
    if base64.b64encode(data).decode() != text:
        raise ForeignStatementError("This record holds base64 in another than its canonical form.")
    return data
