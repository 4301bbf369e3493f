"""The desk where statements are signed: a person's key opens for one signature, the service countersigns.

Signing writes to the database (attempts are counted there), so sign before opening a unit of work, not inside it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]

from services.adapters.signing.files import KeyFiles, create_key_files, read_key_files
from services.adapters.signing.sealing import EMBEDDED, PRODUCTION, Cost, seal, unseal, waste_one_guess
from services.attestation import envelope, statement
from services.attestation.keys import PublicKey, describe
from services.attestation.ports import Attempt, KeyStore
from services.kernel.clock import Clock, utc_text
from services.kernel.errors import (
    ForeignStatementError,
    InputError,
    KeyLockedError,
    PassphraseError,
    RefusalError,
    SignatureMismatchError,
    TrustError,
)
from services.kernel.identity import MACHINE_ISSUER, MACHINE_SUBJECT
from services.kernel.secret import Secret
from services.ledger import note

FAILURES_ALLOWED = 5
LOCKED_FOR = timedelta(minutes=15)
SHORTEST_PASSPHRASE = 12
EMBEDDED_ISSUER = "countersign:demo"

__all__ = ["EMBEDDED", "PRODUCTION", "KeyDesk"]


class KeyDesk:
    """Implements attestation.ports.SigningDesk and ledger.ports.FoundingDesk."""

    def __init__(self, store: KeyStore, keys_folder: Path, clock: Clock, *, cost: Cost = PRODUCTION) -> None:
        """Raises TrustError when key files are missing or open to others; nothing is ever created here.

        `cost` applies to keys enrolled from now on; existing keys keep the parameters stored with them.
        """
        self._store = store
        self._clock = clock
        self._cost = cost
        self._files: KeyFiles = read_key_files(keys_folder)
        self._service = CryptoSigner(self._files.service_key)
        self._log_key = describe(self._files.log_key.public_key())
        self._service_key = describe(self._files.service_key.public_key())
        machine = self._files.machine_key
        self._machine_key = describe(machine.public_key()) if machine is not None else None

    @classmethod
    def create(
        cls, store: KeyStore, keys_folder: Path, clock: Clock, *, deployment: str, cost: Cost = PRODUCTION
    ) -> KeyDesk:
        """Makes the key files of a new log.

        Raises TrustError when the log has entries, ConflictError when key files exist.
        """
        if not store.log_is_empty():
            raise TrustError(
                "The log has entries, so its key files are not made anew.",
                hint="Restore the key folder from its backup; without it this log cannot be continued.",
            )
        create_key_files(keys_folder, deployment=deployment)
        return cls(store, keys_folder, clock, cost=cost)

    @property
    def origin(self) -> str:
        return self._files.origin

    @property
    def log_key(self) -> PublicKey:
        return self._log_key

    @property
    def service_key(self) -> PublicKey:
        return self._service_key

    @property
    def machine_key(self) -> PublicKey | None:
        return self._machine_key

    def sign_checkpoint(self, *, size: int, root: bytes) -> str:
        checkpoint = note.Checkpoint(origin=self.origin, size=size, root=root)
        return note.sign(checkpoint, key=self._log_key, signer=self._files.log_key.sign)

    def enrol(self, subject: str, name: str, passphrase: Secret, *, issuer: str = EMBEDDED_ISSUER) -> PublicKey:
        """A new key for the person; earlier ones open no longer. It counts once a keyring entry names it.

        Raises InputError for a passphrase shorter than 12 characters.
        """
        return self._new_key(issuer, subject, name, passphrase, waiting=False)

    def prepare_key(self, *, issuer: str, subject: str, name: str, passphrase: Secret) -> PublicKey:
        """A new key that waits for its keyring entry; the one in use goes on opening until then."""
        return self._new_key(issuer, subject, name, passphrase, waiting=True)

    def _new_key(self, issuer: str, subject: str, name: str, passphrase: Secret, *, waiting: bool) -> PublicKey:
        if len(passphrase.reveal()) < SHORTEST_PASSPHRASE:
            raise InputError(f"The signing passphrase of {name} must have at least {SHORTEST_PASSPHRASE} characters.")
        key = Ed25519PrivateKey.generate()
        sealed = seal(
            key, issuer=issuer, subject=subject, passphrase=passphrase, pepper=self._files.pepper, cost=self._cost
        )
        self._store.add_key(sealed, at=self._clock.now(), waiting=waiting)
        return describe(key.public_key())

    def sign_as_service(self, payload: bytes) -> bytes:
        self._require_own(payload)
        return self._sealed_envelope(payload, (self._sign(payload, self._service),))

    def sign_as_machine(self, payload: bytes) -> bytes:
        claimed = self._require_own(payload).predicate.get("signer")
        if not claimed or (claimed["issuer"], claimed["sub"]) != (MACHINE_ISSUER, MACHINE_SUBJECT):
            raise InputError("The statement does not name the machine as its signer; nothing was signed.")
        if self._files.machine_key is None:
            raise RefusalError(
                "The machine has no key of its own in this deployment, so it signs nothing under a plan.",
                hint="Restart Countersign: it makes and enrols one.",
            )
        machine = CryptoSigner(self._files.machine_key)
        return self._sealed_envelope(payload, (self._sign(payload, machine), self._sign(payload, self._service)))

    def countersign(self, data: bytes, *, issuer: str, subject: str, passphrase: Secret) -> bytes:
        read = envelope.read(data)
        self._require_own(read.payload)
        key = self._open(issuer, subject, passphrase)
        fresh = self._sign(read.payload, CryptoSigner(key))
        if fresh.key_id in {signature.key_id for signature in read.signatures}:
            raise InputError("Your signature is on it already; another person has to give the second one.")
        people, service = read.signatures[:-1], read.signatures[-1]
        return self._sealed_envelope(read.payload, (*people, fresh, service))

    def sign_as_person(self, payload: bytes, *, subject: str, passphrase: Secret) -> bytes:
        """The person named as signer in the statement must be `subject`; the issuer is taken from the statement."""
        claimed = self._require_own(payload).predicate.get("signer")
        if not claimed or claimed["sub"] != subject:
            raise InputError("The statement does not name this person as its signer; nothing was signed.")
        key = self._open(claimed["issuer"], subject, passphrase)
        signatures = (self._sign(payload, CryptoSigner(key)), self._sign(payload, self._service))
        return self._sealed_envelope(payload, signatures)

    def _open(self, issuer: str, subject: str, passphrase: Secret) -> Ed25519PrivateKey:
        sealed = self._store.key_of(issuer, subject)
        if sealed is None:
            waste_one_guess(passphrase, pepper=self._files.pepper, cost=self._cost)
            raise RefusalError(
                f"{subject} has no signing key in this deployment.", hint="Ask an administrator to enrol one."
            )
        now = self._clock.now()
        attempt = self._store.begin_attempt(sealed.key_id, now=now, limit=FAILURES_ALLOWED, lock_until=now + LOCKED_FOR)
        if not attempt.allowed:
            raise _locked(attempt.locked_until or now + LOCKED_FOR)
        key = unseal(sealed, passphrase=passphrase, pepper=self._files.pepper)
        if key is None:
            raise _wrong(attempt)
        self._store.attempt_succeeded(sealed.key_id)
        return key

    def _require_own(self, payload: bytes) -> statement.Statement:
        read = statement.read(payload)
        if read.head.origin != self.origin:
            raise ForeignStatementError(
                f"The statement belongs to the log {read.head.origin!r}, not to {self.origin!r}; nothing was signed."
            )
        return read

    def _sign(self, payload: bytes, signer: CryptoSigner) -> envelope.Signature:
        signature = signer.sign(envelope.pre_authentication(payload))
        return envelope.Signature(key_id=signature.keyid, value=bytes.fromhex(signature.signature))

    def _sealed_envelope(self, payload: bytes, signatures: tuple[envelope.Signature, ...]) -> bytes:
        data = envelope.write(payload, signatures)
        # Read back once, so that a fault in signing shows now and not to an auditor years later.
        if self._service_key.key_id not in envelope.read(data).verified_by(
            {self._service_key.key_id: self._service_key}
        ):
            raise SignatureMismatchError("The service's own signature did not verify; nothing was recorded.")
        return data


def _wrong(attempt: Attempt) -> PassphraseError:
    counted = f"The passphrase does not open your signing key: {attempt.number} of {FAILURES_ALLOWED} wrong attempts."
    if attempt.locked_until is not None:
        return PassphraseError(
            f"{counted} The key is locked until {utc_text(attempt.locked_until)}.",
            hint="It opens again by waiting; nobody can shorten that.",
            attempt=attempt.number,
            locked_until=attempt.locked_until,
        )
    return PassphraseError(
        counted, hint=f"After {FAILURES_ALLOWED} the key is locked for 15 minutes.", attempt=attempt.number
    )


def _locked(until: datetime) -> KeyLockedError:
    return KeyLockedError(
        f"Your signing key is locked until {utc_text(until)} after {FAILURES_ALLOWED} wrong passphrases.",
        hint="Wait until then, or have a new key enrolled.",
        locked_until=until,
    )
