"""Our DSSE reader accepts one form only, and agrees with an independent implementation about signatures and key ids."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as IndependentEnvelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from services.attestation import canonical, envelope, keys
from services.kernel.errors import ForeignStatementError, InputError

PAYLOAD = b'{"a":"1"}'


def signed(payload: bytes = PAYLOAD, private: object = None) -> tuple[bytes, keys.PublicKey]:
    private = private or Ed25519PrivateKey.generate()
    signature = CryptoSigner(private).sign(envelope.pre_authentication(payload))
    made = envelope.Signature(key_id=signature.keyid, value=bytes.fromhex(signature.signature))
    return envelope.write(payload, (made,)), keys.describe(private.public_key())


@pytest.mark.parametrize("private", [Ed25519PrivateKey.generate(), generate_private_key(SECP256R1())])
def test_both_algorithms_verify_and_share_key_ids_with_securesystemslib(private: object) -> None:
    data, key = signed(private=private)

    read = envelope.read(data)

    assert read.payload == PAYLOAD
    assert read.verified_by({key.key_id: key}) == {key.key_id}
    assert SSlibKey.from_crypto(private.public_key()).keyid == key.key_id == read.signatures[0].key_id
    theirs = SSlibKey(key.key_id, key.keytype, key.scheme, {"public": key.public})
    assert IndependentEnvelope.from_dict(json.loads(data)).verify([theirs], 1)
    assert keys.read_key(json.loads(json.dumps(key.document()))) == key


def test_pre_authentication_is_the_published_one() -> None:
    assert envelope.pre_authentication(b"hello world") == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


def test_changed_payload_or_foreign_key_does_not_verify() -> None:
    data, key = signed()
    _, other = signed()
    read = envelope.read(data)
    changed = envelope.Envelope(payload=b'{"a":"2"}', signatures=read.signatures)

    assert changed.verified_by({key.key_id: key}) == frozenset()
    assert read.verified_by({other.key_id: other}) == frozenset()
    # The key named by the envelope does not matter when the keyring holds another one under that id.
    assert read.verified_by({key.key_id: other}) == frozenset()


def tampered(change: str) -> bytes:
    document = json.loads(signed()[0])
    signature = document["signatures"][0]
    match change:
        case "payload type":
            document["payloadType"] = "application/json"
        case "unknown outer field":
            document["alg"] = "none"
        case "unknown field beside a signature":
            signature["cert"] = "x"
        case "missing keyid":
            del signature["keyid"]
        case "upper case keyid":
            signature["keyid"] = signature["keyid"].upper()
        case "url alphabet":
            signature["sig"] = base64.urlsafe_b64encode(b"\xff\xef" * 32).decode()
        case "missing padding":
            document["payload"] = document["payload"].rstrip("=") if "=" in document["payload"] else "YQ"
        case "unused bits":
            document["payload"] = "YR=="
        case "line break":
            document["payload"] = document["payload"][:4] + "\n" + document["payload"][4:]
        case "same signature twice":
            document["signatures"].append(signature)
        case "no signature":
            document["signatures"] = []
        case "signature as text":
            document["signatures"] = ["x"]
        case "payload as number":
            document["payload"] = 1
    return canonical.to_bytes(document)


@pytest.mark.parametrize(
    "change",
    [
        "payload type",
        "unknown outer field",
        "unknown field beside a signature",
        "missing keyid",
        "upper case keyid",
        "url alphabet",
        "missing padding",
        "unused bits",
        "line break",
        "same signature twice",
        "no signature",
        "signature as text",
        "payload as number",
    ],
)
def test_variants_are_refused(change: str) -> None:
    with pytest.raises(ForeignStatementError):
        envelope.read(tampered(change))


def test_large_envelopes_are_refused_on_both_sides() -> None:
    with pytest.raises(InputError):
        signed(payload=b"x" * envelope.LARGEST_ENVELOPE)
    with pytest.raises(ForeignStatementError):
        envelope.read(b"x" * (envelope.LARGEST_ENVELOPE + 1))


@given(st.binary())
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(ForeignStatementError):
        envelope.read(noise)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "zz"}},
        {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "AB" * 32}},
        {"keytype": "ed25519", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": "ab" * 32}},
        {"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": "x"}},
        {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": "not a key"}},
        {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "ab" * 32, "private": "x"}},
    ],
)
def test_unusable_keys_are_refused(document: dict[str, object]) -> None:
    with pytest.raises(ForeignStatementError):
        keys.read_key(document)


def test_a_log_key_is_an_ed25519_key() -> None:
    with pytest.raises(ForeignStatementError):
        keys.describe(generate_private_key(SECP256R1()).public_key()).raw()
