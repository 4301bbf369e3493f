"""What signing needs from the outside: keys that open at the moment of signing."""

from __future__ import annotations

from typing import Protocol

from services.attestation.models import LogHead, Receipt
from services.kernel.secret import Secret


class SigningDesk(Protocol):
    def sign_as_person(self, payload: bytes, *, subject: str, passphrase: Secret) -> bytes:
        """Envelope bytes with the person's signature and the service's.

        Raises PassphraseError (attempt counted), KeyLockedError, or RefusalError when the person has no key.
        """
        ...

    def sign_as_service(self, payload: bytes) -> bytes:
        """Envelope bytes with the service's signature alone: machine actions, never an approval."""
        ...


class LedgerWriter(Protocol):
    """The one way to add to the log; works inside a unit of work and commits with it."""

    def head(self) -> LogHead: ...

    def append(self, envelope: bytes, *, idem: str) -> Receipt:
        """Adds one entry, or returns the earlier receipt when `idem` is already in the log."""
        ...

    def find(self, idem: str) -> Receipt | None: ...
