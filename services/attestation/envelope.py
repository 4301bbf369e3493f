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

from services.attestation import canonical
from services.attestation.canonical import is_sha256
from services.attestation.keys import PublicKey
from services.kernel.errors import ForeignStatementError, InputError

PAYLOAD_TYPE = "application/vnd.in-toto+json"
LARGEST_ENVELOPE = 60 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    key_id: str
    value: bytes


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
            if signature.key_id in keys and keys[signature.key_id].verifies(message, signature.value)
        )


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
            "signatures": [
                {"keyid": signature.key_id, "sig": base64.b64encode(signature.value).decode()}
                for signature in signatures
            ],
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


def _read_signature(item: Any) -> Signature:
    if not isinstance(item, dict) or set(item) != {"keyid", "sig"} or not is_sha256(item["keyid"]):
        raise ForeignStatementError("A signature of this record has the wrong shape.")
    return Signature(key_id=item["keyid"], value=_decode(item["sig"]))


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
