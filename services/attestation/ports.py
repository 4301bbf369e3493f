"""What signing needs from the outside: keys that open at the moment of signing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.attestation.envelope import Signature
from services.attestation.keys import PublicKey
from services.attestation.models import LogHead, Receipt
from services.kernel.secret import Secret


class SigningDesk(Protocol):
    @property
    def machine_key(self) -> PublicKey | None:
        """The key machine actions are signed with; None where this deployment has none yet."""
        ...

    def sign_as_person(
        self, payload: bytes, *, subject: str, passphrase: Secret, passkey: Signature | None = None
    ) -> bytes:
        """Envelope bytes with the person's signature and the service's; between them that of a passkey, if given.

        Raises PassphraseError (attempt counted), KeyLockedError, or RefusalError when the person has no key.
        """
        ...

    def sign_as_service(self, payload: bytes) -> bytes:
        """Envelope bytes with the service's signature alone: what the product observed or did, never an approval."""
        ...

    def sign_as_machine(self, payload: bytes) -> bytes:
        """Envelope bytes with the machine's signature and the service's: an action under a plan people signed.

        The statement names the machine as its signer. Raises RefusalError when the machine has no key.
        """
        ...

    def countersign(self, data: bytes, *, issuer: str, subject: str, passphrase: Secret) -> bytes:
        """The same payload with one more person's signature: how two administrators sign one keyring entry.

        Raises as `sign_as_person`, and InputError when that person's signature is on it already.
        """
        ...


class LedgerWriter(Protocol):
    """The one way to add to the log; works inside a unit of work and commits with it."""

    def head(self) -> LogHead: ...

    def append(self, envelope: bytes, *, idem: str) -> Receipt:
        """Adds one entry, or returns the earlier receipt when `idem` is already in the log."""
        ...

    def find(self, idem: str) -> Receipt | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKey:
    """A person's private key as stored: encrypted, with what is needed to derive the password again."""

    key_id: str
    issuer: str
    subject: str
    public: Mapping[str, Any]
    pkcs8: bytes
    salt: bytes
    kdf: Mapping[str, int]
    """Argon2id parameters of this key: `memory_kib`, `passes`, `lanes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a passphrase, counted before it is made."""

    allowed: bool
    """False while the key is locked; the passphrase is then not looked at."""
    number: int
    """How many wrong ones in a row this is, if it turns out wrong."""
    locked_until: datetime | None
    """Set when the key is locked, also by this very attempt."""


class KeyStore(Protocol):
    """Keeps sealed keys and counts attempts. Raises StorageUnavailableError."""

    def add_key(self, key: SealedKey, *, at: datetime, waiting: bool = False) -> None:
        """Adds the key and retires earlier keys of the same person; a `waiting` one opens from its entry on."""
        ...

    def key_of(self, issuer: str, subject: str) -> SealedKey | None:
        """The person's key in use."""
        ...

    def begin_attempt(self, key_id: str, *, now: datetime, limit: int, lock_until: datetime) -> Attempt:
        """Counts an attempt before it is made. The attempt that reaches the limit locks the key.

        Counting first keeps parallel guesses of all processes within the limit.
        """
        ...

    def attempt_succeeded(self, key_id: str) -> None: ...

    def deployment_keys(self) -> Mapping[str, str]:
        """Key ids the ledger names for `service`, `log` and `machine`."""
        ...

    def log_is_empty(self) -> bool:
        """True before the first entry. Key files are made only then."""
        ...
