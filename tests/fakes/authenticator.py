"""An authenticator and a browser in software: makes a passkey and answers as WebAuthn says, or as an attacker would."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from services.attestation.passkeys import unpadded

ORIGIN, HOST = "http://localhost:8501", "localhost"
PRESENT, VERIFIED, NEW = 0x01, 0x04, 0x40


@dataclass
class Authenticator:
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    credential: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    count: int = 0

    def create(self, options: str, *, origin: str = ORIGIN, host: str = HOST, flags: int = PRESENT | VERIFIED) -> str:
        """The answer to `navigator.credentials.create`, without attestation."""
        point = self.key.public_key().public_numbers()
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
        made = bytes(16) + len(self.credential).to_bytes(2, "big") + self.credential + public
        data = self._data(host, flags | NEW) + made
        client = _client("webauthn.create", json.loads(options)["challenge"], origin)
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(clientDataJSON=client, attestationObject=attested)

    def get(
        self,
        options: str,
        *,
        origin: str = ORIGIN,
        host: str = HOST,
        flags: int = PRESENT | VERIFIED,
        challenge: str = "",
        kind: str = "webauthn.get",
        counts: bool = True,
        **said: Any,
    ) -> str:
        """The answer to `navigator.credentials.get`."""
        self.count += int(counts)
        data = self._data(host, flags)
        client = _client(kind, challenge or json.loads(options)["challenge"], origin, **said)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ECDSA(SHA256()))
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signature)

    def _data(self, host: str, flags: int) -> bytes:
        return hashlib.sha256(host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _answer(self, **response: bytes) -> str:
        name = unpadded(self.credential)
        parts = {key: unpadded(value) for key, value in response.items()}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": parts})


def _client(kind: str, challenge: str, origin: str, **said: Any) -> bytes:
    return json.dumps({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False} | said).encode()
