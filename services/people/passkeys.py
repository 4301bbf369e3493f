"""Passkeys as a second factor: what is known of them, and what enrolling and asking need from the outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.attestation import envelope
from services.attestation.keys import PublicKey
from services.attestation.passkeys import RelyingParty
from services.kernel.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    key_id: str
    issuer: str
    subject: str
    credential_id: str
    """base64url."""
    public: PublicKey
    party: RelyingParty
    label: str
    sign_count: int
    created_at: datetime
    last_used_at: datetime | None = None
    seq: int | None = None
    """The entry that enrolled it; None while administrators have not signed."""
    revoked_seq: int | None = None

    @property
    def counts(self) -> bool:
        return self.seq is not None and self.revoked_seq is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a browser was asked for. `document` is what the answer will be held against."""

    nonce: str
    purpose: str
    issuer: str
    subject: str
    document: Mapping[str, Any]
    expires_at: datetime
    used: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """For the browser: `options` is JSON of WebAuthn, and `nonce` names the demand when the answer comes back."""

    nonce: str
    kind: str
    """`create` or `get`."""
    options: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolPasskey:
    """Command: the browser's answer to the demand `nonce`, and the passphrase that signs the request to enrol it."""

    command_id: str
    nonce: str
    label: str
    answer: str
    passphrase: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """An answer that was judged and holds, not yet counted."""

    passkey: Passkey
    signature: envelope.Signature
    document: Mapping[str, Any]
    payload: bytes
    count: int


class PasskeyStore(Protocol):
    """Raises StorageUnavailableError."""

    def add_passkey(self, item: Passkey) -> bool:
        """False when this credential is known already."""
        ...

    def passkeys(self, issuer: str, subject: str) -> tuple[Passkey, ...]:
        """All the person ever made, newest first."""
        ...

    def every_passkey(self) -> tuple[Passkey, ...]:
        """Those that count, of everybody."""
        ...

    def ask(self, asked: Asked) -> None:
        """Keeps the demand; an earlier one of the same nonce is replaced unless it was answered."""
        ...

    def asked(self, nonce: str) -> Asked | None: ...

    def answer(self, nonce: str, *, at: datetime, key_id: str = "", was: int = 0, count: int = 0) -> bool:
        """Uses the demand up and moves the passkey's counter on, in one transaction. False when somebody was first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    credential_id: str
    public: PublicKey
    sign_count: int


class PasskeyProtocol(Protocol):
    """The two ceremonies of WebAuthn in JSON."""

    def creation(self, *, party: RelyingParty, who: str, name: str, challenge: bytes, known: tuple[str, ...]) -> str:
        """Options for `navigator.credentials.create`; `known` credentials are not made again."""
        ...

    def request(self, *, party: RelyingParty, challenge: bytes, allowed: tuple[str, ...]) -> str:
        """Options for `navigator.credentials.get`."""
        ...

    def created(self, answer: str, *, party: RelyingParty, challenge: bytes) -> NewCredential:
        """Raises PasskeyRefusedError."""
        ...

    def require_answer(
        self, answer: str, *, party: RelyingParty, challenge: bytes, public: PublicKey, sign_count: int
    ) -> None:
        """Raises PasskeyRefusedError."""
        ...
