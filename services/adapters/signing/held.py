"""Keys of the deployment where they are held: in a file of the key folder, or in a service that signs.

A key file holds a private key in PEM, or a reference, which is no secret:

    {"uri": "awskms:alias/countersign-machine", "public": {"keytype": ..., "scheme": ..., "keyval": {"public": ...}}}

References are opened by securesystemslib (`Signer.from_priv_key_uri`): awskms:, gcpkms:, azurekms:, hsm:, hv:, file2:,
and by two schemes of ours that read PEM, envvar:NAME and databricks-secret:SCOPE/KEY. Whatever the service says it
signed with, only the public key beside the reference counts: every signature is checked against it where it is used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Signer, SSlibKey  # type: ignore[attr-defined]

from services.attestation.keys import PublicKey, describe, read_key
from services.kernel.errors import InputError, KeyServiceError, TrustError
from services.kernel.secret import Secret

Private = Ed25519PrivateKey | EllipticCurvePrivateKey
_PROBE = b"countersign: does this key answer?"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    public: PublicKey
    signer: Signer
    uri: str = ""
    """Empty for a key in a file of the key folder."""

    def sign(self, data: bytes) -> bytes:
        """Raises KeyServiceError when the service gives no signature, or one by another key."""
        if not self.uri:
            return bytes.fromhex(self.signer.sign(data).signature)
        try:
            made = bytes.fromhex(self.signer.sign(data).signature)
        except Exception as away:  # noqa: BLE001 - every service has errors of its own, whose words may hold secrets
            raise KeyServiceError(
                f"The key service {scheme_of(self.uri)} gave no signature ({type(away).__name__}). "
                "Nothing was signed or recorded.",
                hint="Check the service, the network between and the rights of this account, then try again.",
            ) from None
        if not self.public.verifies(data, made):
            raise KeyServiceError(
                f"The key service {scheme_of(self.uri)} signed with another key than the ledger names. "
                "Nothing was recorded.",
                hint="Point the reference at the key that is in force, or rotate to the new one by a ceremony.",
            )
        return made

    def require_answer(self) -> None:
        """Signs a few bytes that mean nothing. Raises KeyServiceError."""
        self.sign(_PROBE)


def of_private(key: Private) -> HeldKey:
    return HeldKey(public=describe(key.public_key()), signer=CryptoSigner(key))


def read(data: bytes, name: str) -> HeldKey:
    """A key file. Raises TrustError for anything that is neither a private key nor a reference."""
    if data.lstrip().startswith(b"{"):
        try:
            document = json.loads(data)
            return opened(str(document["uri"]), read_key(document["public"]))
        except (ValueError, KeyError, TypeError) as broken:
            raise TrustError(f"{name} is no reference to a key.", hint="Restore it from its backup.") from broken
    try:
        key = load_pem_private_key(data, password=None)
    except ValueError as broken:
        raise TrustError("A key file does not hold a private key.", hint="Restore it from its backup.") from broken
    if not isinstance(key, Private):
        raise TrustError(f"{name} is neither an Ed25519 nor a P-256 key.")
    return of_private(key)


def reference(held: HeldKey) -> bytes:
    return json.dumps({"uri": held.uri, "public": held.public.document()}, sort_keys=True).encode()


def opened(uri: str, public: PublicKey) -> HeldKey:
    """Connects to nothing until something is signed, as far as the service's client allows. Raises KeyServiceError."""
    try:
        signer = Signer.from_priv_key_uri(uri, _theirs(public))
    except Exception as refused:  # noqa: BLE001 - as above
        raise KeyServiceError(
            f"The key service {scheme_of(uri)} cannot be used ({type(refused).__name__}).",
            hint="Is its client library installed, and is the key where the address says? See docs/signing.md.",
        ) from None
    return HeldKey(public=public, signer=signer, uri=uri)


def named(place: str) -> HeldKey:
    """`URI` or `URI#FILE`, where the file holds the public key in PEM; schemes that read PEM need none.

    Raises InputError, KeyServiceError; asks the service for one signature to be sure that both belong together.
    """
    uri, _, file = place.partition("#")
    if file:
        try:
            key: Any = load_pem_public_key(Path(file).read_bytes())
            held = opened(uri, describe(key))
        except (OSError, ValueError, AttributeError) as broken:
            raise InputError(f"{file} does not hold a public key in PEM ({type(broken).__name__}).") from broken
    elif scheme_of(uri) in _IN_PEM:
        held = HeldKey(public=_public_of(uri), signer=_from_pem(uri), uri=uri)
    else:
        raise InputError(
            f"The public key of {scheme_of(uri)} must be named as well: URI#FILE.",
            hint="Let the service export it in PEM, for example `aws kms get-public-key`.",
        )
    held.require_answer()
    return held


def scheme_of(uri: str) -> str:
    return uri.partition(":")[0]


def _theirs(public: PublicKey) -> SSlibKey:
    return SSlibKey(public.key_id, public.keytype, public.scheme, {"public": public.public})


def _public_of(uri: str) -> PublicKey:
    key = _private_of(uri)
    return describe(key.public_key())


def _from_pem(uri: str) -> Signer:
    return CryptoSigner(_private_of(uri))


def _private_of(uri: str) -> Private:
    try:
        key = load_pem_private_key(_IN_PEM[scheme_of(uri)](uri.partition(":")[2]), password=None)
    except Exception as broken:  # noqa: BLE001 - as above
        raise KeyServiceError(
            f"The key at {scheme_of(uri)}: cannot be read ({type(broken).__name__}).",
            hint="It must be a private key in PEM, and this account must be allowed to read it.",
        ) from None
    if not isinstance(key, Private):
        raise KeyServiceError(f"The key at {scheme_of(uri)}: is neither an Ed25519 nor a P-256 key.")
    return key


def secret_at(place: str) -> bytes:
    """A secret as a whole, from one of our own schemes. Raises KeyServiceError."""
    scheme = scheme_of(place)
    try:
        found: bytes = _IN_PEM[scheme](place.partition(":")[2])
    except Exception as away:  # noqa: BLE001 - as above
        raise KeyServiceError(
            f"The secret at {scheme}: cannot be read ({type(away).__name__}).",
            hint="Is it where the address says, and may this account read it?",
        ) from None
    return found


def keep_secret(place: str, text: Secret) -> None:
    """Into `databricks-secret:SCOPE/KEY`. Raises KeyServiceError."""
    scope, _, key = place.partition(":")[2].partition("/")
    try:
        _workspace().secrets.put_secret(scope, key, string_value=text.reveal())
    except Exception as refused:  # noqa: BLE001 - as above
        raise KeyServiceError(
            f"The secret could not be put into the scope {scope} ({type(refused).__name__}).",
            hint="Does the scope exist, and has this account WRITE on it? databricks secrets create-scope makes one.",
        ) from None


def _variable(name: str) -> bytes:
    return os.environ[name].encode()


def _file(path: str) -> bytes:
    return Path(path).read_bytes()


def _databricks_secret(place: str) -> bytes:
    """SCOPE/KEY of a secret scope, signed in as the Databricks SDK finds it in the environment."""
    import base64

    scope, _, key = place.partition("/")
    return base64.b64decode(_workspace().secrets.get_secret(scope, key).value or "")


def _workspace() -> Any:
    """Short limits, as a start waits for the answer."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    return WorkspaceClient(config=Config(http_timeout_seconds=10, retry_timeout_seconds=20))


_IN_PEM: Mapping[str, Any] = {"file2": _file, "envvar": _variable, "databricks-secret": _databricks_secret}


class _PemSigner(CryptoSigner):
    """securesystemslib's signer on a private key that stands somewhere else than in a file."""

    @classmethod
    def from_priv_key_uri(cls, priv_key_uri: str, public_key: Any, secrets_handler: Any = None) -> CryptoSigner:  # noqa: ARG003 - the library's signature
        return CryptoSigner(_private_of(priv_key_uri), public_key)


SIGNER_FOR_URI_SCHEME["envvar"] = _PemSigner
SIGNER_FOR_URI_SCHEME["databricks-secret"] = _PemSigner
