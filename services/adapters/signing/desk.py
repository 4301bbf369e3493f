"""The desk where statements are signed: a person's key opens for one signature, the service countersigns.

Signing writes to the database (attempts are counted there), so sign before opening a unit of work, not inside it.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.adapters.signing.files import (
    MACHINE_KEY,
    NOWHERE_ELSE,
    KeyFiles,
    Places,
    create_key_files,
    put_into_use,
    read_key_files,
    stamp,
    waiting_key,
    waiting_uses,
    write_new_key,
)
from services.adapters.signing.held import HeldKey, of_private
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

    def __init__(
        self,
        store: KeyStore,
        keys_folder: Path,
        clock: Clock,
        *,
        cost: Cost = PRODUCTION,
        places: Places = NOWHERE_ELSE,
        bundled: bool = False,
    ) -> None:
        """Raises TrustError when key files are missing or open to others; nothing is ever created here.

        `places` are where the next keys of the deployment are held; those in use stand in the key folder.
        `bundled`: the key folder is filled at each start, so that a key made here would be lost with the disk.
        `cost` applies to keys enrolled from now on; existing keys keep the parameters stored with them.
        """
        self._store = store
        self._clock = clock
        self._cost = cost
        self._folder = keys_folder
        self._places = places
        self._bundled = bundled
        self._turn = threading.Lock()
        self._loaded = _Loaded(read_key_files(keys_folder), stamp(keys_folder))
        if waiting_uses(keys_folder):
            # A process that ended between the entry and the change of files left this to the next one.
            self.adopt_deployment_keys()
            self._loaded = _Loaded(read_key_files(keys_folder), stamp(keys_folder))

    @staticmethod
    def make_machine_key(keys_folder: Path) -> None:
        """For a log founded before machines had keys: makes the file, once. The ledger names it afterwards."""
        with suppress(FileExistsError):
            write_new_key(keys_folder / MACHINE_KEY)

    @classmethod
    def create(
        cls,
        store: KeyStore,
        keys_folder: Path,
        clock: Clock,
        *,
        deployment: str,
        cost: Cost = PRODUCTION,
        places: Places = NOWHERE_ELSE,
        number: int = 1,
    ) -> KeyDesk:
        """Makes the key files of a new log; `number` is 2 for the one that follows the deployment's first, and so on.

        Raises TrustError when the log has entries, ConflictError when key files exist.
        """
        if not store.log_is_empty():
            raise TrustError(
                "The log has entries, so its key files are not made anew.",
                hint="Restore the key folder from its backup; without it this log cannot be continued.",
            )
        create_key_files(keys_folder, deployment=deployment, places=places, number=number)
        return cls(store, keys_folder, clock, cost=cost, places=places)

    @property
    def origin(self) -> str:
        return self._loaded.files.origin

    @property
    def log_key(self) -> PublicKey:
        return self._keys().log_key

    @property
    def service_key(self) -> PublicKey:
        return self._keys().service_key

    @property
    def machine_key(self) -> PublicKey | None:
        return self._keys().machine_key

    def _keys(self) -> _Loaded:
        """The key files as they are now: another process may have replaced one in a ceremony."""
        seen = stamp(self._folder)
        if seen == self._loaded.stamp:
            return self._loaded
        with self._turn:
            if waiting_uses(self._folder):
                self.adopt_deployment_keys()
            self._loaded = _Loaded(read_key_files(self._folder), stamp(self._folder))
        return self._loaded

    def prepare_deployment_key(self, use: str) -> PublicKey:
        """A key file, or a reference, beside the one in use; it signs nothing before the ledger names it.

        Raises InputError or KeyServiceError for a place that does not answer, RefusalError where it would be lost.
        """
        if self._bundled and use not in waiting_uses(self._folder):
            raise RefusalError(
                f"A new {use} key made here would be lost with the disk of this machine.",
                hint=f"Where the deployment was founded: python -m services keys next {use}, then keys put; restart "
                "app and worker, and ask again.",
            )
        return waiting_key(self._folder, use, self._places.get(use, "")).public

    def adopt_deployment_keys(self) -> None:
        """Puts waiting keys into use that the ledger names by now. Doing it twice, or after a crash, is the same."""
        named = self._store.deployment_keys()
        for use in waiting_uses(self._folder):
            if named.get(use) == waiting_key(self._folder, use).public.key_id:
                replaced = {
                    "service": self._loaded.service_key,
                    "log": self._loaded.log_key,
                    "machine": self._loaded.machine_key,
                }[use]
                put_into_use(self._folder, use, replaced=replaced.key_id if replaced else "none")

    def sign_checkpoint(self, *, size: int, root: bytes) -> str:
        checkpoint = note.Checkpoint(origin=self.origin, size=size, root=root)
        keys = self._keys()
        return note.sign(checkpoint, key=keys.log_key, signer=keys.files.log_key.sign)

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
            key,
            issuer=issuer,
            subject=subject,
            passphrase=passphrase,
            pepper=self._loaded.files.pepper,
            cost=self._cost,
        )
        self._store.add_key(sealed, at=self._clock.now(), waiting=waiting)
        return describe(key.public_key())

    def sign_as_service(self, payload: bytes) -> bytes:
        self._require_own(payload)
        keys = self._keys()
        return self._sealed_envelope(payload, (self._sign(payload, keys.files.service_key),), keys)

    def sign_as_machine(self, payload: bytes) -> bytes:
        claimed = self._require_own(payload).predicate.get("signer")
        if not claimed or (claimed["issuer"], claimed["sub"]) != (MACHINE_ISSUER, MACHINE_SUBJECT):
            raise InputError("The statement does not name the machine as its signer; nothing was signed.")
        keys = self._keys()
        if keys.files.machine_key is None:
            raise RefusalError(
                "The machine has no key of its own in this deployment, so it signs nothing under a plan.",
                hint="Restart Countersign: it makes and enrols one.",
            )
        signatures = (self._sign(payload, keys.files.machine_key), self._sign(payload, keys.files.service_key))
        return self._sealed_envelope(payload, signatures, keys)

    def countersign(self, data: bytes, *, issuer: str, subject: str, passphrase: Secret) -> bytes:
        read = envelope.read(data)
        self._require_own(read.payload)
        key = self._open(issuer, subject, passphrase)
        fresh = self._sign(read.payload, of_private(key))
        if fresh.key_id in {signature.key_id for signature in read.signatures}:
            raise InputError("Your signature is on it already; another person has to give the second one.")
        people, service = read.signatures[:-1], read.signatures[-1]
        return self._sealed_envelope(read.payload, (*people, fresh, service), self._keys())

    def sign_as_person(
        self, payload: bytes, *, subject: str, passphrase: Secret, passkey: envelope.Signature | None = None
    ) -> bytes:
        """The person named as signer in the statement must be `subject`; the issuer is taken from the statement."""
        claimed = self._require_own(payload).predicate.get("signer")
        if not claimed or claimed["sub"] != subject:
            raise InputError("The statement does not name this person as its signer; nothing was signed.")
        key = self._open(claimed["issuer"], subject, passphrase)
        keys = self._keys()
        own, service = self._sign(payload, of_private(key)), self._sign(payload, keys.files.service_key)
        signatures = (own, service) if passkey is None else (own, passkey, service)
        return self._sealed_envelope(payload, signatures, keys)

    def _open(self, issuer: str, subject: str, passphrase: Secret) -> Ed25519PrivateKey:
        sealed = self._store.key_of(issuer, subject)
        if sealed is None:
            waste_one_guess(passphrase, pepper=self._loaded.files.pepper, cost=self._cost)
            raise RefusalError(
                f"{subject} has no signing key in this deployment.", hint="Ask an administrator to enrol one."
            )
        now = self._clock.now()
        attempt = self._store.begin_attempt(sealed.key_id, now=now, limit=FAILURES_ALLOWED, lock_until=now + LOCKED_FOR)
        if not attempt.allowed:
            raise _locked(attempt.locked_until or now + LOCKED_FOR)
        key = unseal(sealed, passphrase=passphrase, pepper=self._loaded.files.pepper)
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

    def _sign(self, payload: bytes, key: HeldKey) -> envelope.Signature:
        return envelope.Signature(key_id=key.public.key_id, value=key.sign(envelope.pre_authentication(payload)))

    def _sealed_envelope(self, payload: bytes, signatures: tuple[envelope.Signature, ...], keys: _Loaded) -> bytes:
        data = envelope.write(payload, signatures)
        own = keys.service_key
        # Read back once, so that a fault in signing shows now and not to an auditor years later.
        if own.key_id not in envelope.read(data).verified_by({own.key_id: own}):
            raise SignatureMismatchError("The service's own signature did not verify; nothing was recorded.")
        return data


class _Loaded:
    """Key files as read at one moment, and what they are called in public."""

    def __init__(self, files: KeyFiles, seen: tuple[int, ...]) -> None:
        self.files = files
        self.stamp = seen
        self.service_key = files.service_key.public
        self.log_key = files.log_key.public
        self.machine_key = files.machine_key.public if files.machine_key is not None else None


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
