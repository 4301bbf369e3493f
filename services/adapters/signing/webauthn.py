"""The two ceremonies of WebAuthn, by the library of that name (Duo Labs): options for the browser, answers judged."""

from __future__ import annotations

import hashlib
import struct
from typing import Any, cast

import cbor2
import webauthn
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from services.attestation.keys import PublicKey, describe
from services.attestation.passkeys import RelyingParty
from services.kernel.errors import PasskeyRefusedError
from services.people.passkeys import NewCredential

_KINDS = [COSEAlgorithmIdentifier.ECDSA_SHA_256, COSEAlgorithmIdentifier.EDDSA]
"""What the offline verifier can check with a public key alone; RSA of old hardware is not among them."""
_NAME = "Countersign"
_UNREADABLE = (WebAuthnException, ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error)


class WebAuthn:
    """Implements people.passkeys.PasskeyProtocol."""

    def creation(self, *, party: RelyingParty, who: str, name: str, challenge: bytes, known: tuple[str, ...]) -> str:
        options = webauthn.generate_registration_options(
            rp_id=party.id,
            rp_name=_NAME,
            user_id=hashlib.sha256(who.encode("utf-8", "surrogatepass")).digest(),
            user_name=name,
            user_display_name=name,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.DISCOURAGED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(item)) for item in known],
            supported_pub_key_algs=_KINDS,
        )
        return options_to_json(options)

    def request(self, *, party: RelyingParty, challenge: bytes, allowed: tuple[str, ...]) -> str:
        options = webauthn.generate_authentication_options(
            rp_id=party.id,
            challenge=challenge,
            allow_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(item)) for item in allowed],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json(options)

    def created(self, answer: str, *, party: RelyingParty, challenge: bytes) -> NewCredential:
        try:
            found = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
                require_user_verification=True,
                supported_pub_key_algs=_KINDS,
            )
            public = _from_cose(found.credential_public_key)
        except _UNREADABLE as refused:
            raise PasskeyRefusedError(f"The new passkey does not hold: {refused}.", hint="Try again.") from refused
        return NewCredential(
            credential_id=bytes_to_base64url(found.credential_id), public=public, sign_count=found.sign_count
        )

    def require_answer(
        self, answer: str, *, party: RelyingParty, challenge: bytes, public: PublicKey, sign_count: int
    ) -> None:
        try:
            webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
                credential_public_key=_to_cose(public),
                credential_current_sign_count=sign_count,
                require_user_verification=True,
            )
        except _UNREADABLE as refused:
            raise PasskeyRefusedError(
                f"The answer of the passkey does not hold: {refused}.", hint="Confirm again."
            ) from refused


def _from_cose(data: bytes) -> PublicKey:
    """RFC 9053: key type 2 with curve P-256, or key type 1 with curve Ed25519."""
    said: dict[int, Any] = cbor2.loads(data)
    if said[1] == 1:
        return describe(Ed25519PublicKey.from_public_bytes(said[-2]))
    numbers = EllipticCurvePublicNumbers(int.from_bytes(said[-2], "big"), int.from_bytes(said[-3], "big"), SECP256R1())
    return describe(numbers.public_key())


def _to_cose(key: PublicKey) -> bytes:
    if key.keytype == "ed25519":
        return cbor2.dumps({1: 1, 3: -8, -1: 6, -2: bytes.fromhex(key.public)})
    point = cast("EllipticCurvePublicKey", load_pem_public_key(key.public.encode())).public_numbers()
    return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
