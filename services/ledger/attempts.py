"""A signing desk that leaves a trace: every wrong passphrase and every lock becomes an entry of the ledger.

Without it guessing would be stopped but not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Protocol

from services.attestation import statement
from services.attestation.canonical import sha256_hex
from services.attestation.envelope import Signature
from services.attestation.keys import PublicKey
from services.attestation.models import Receipt
from services.attestation.ports import SigningDesk
from services.kernel.clock import utc_text
from services.kernel.errors import KeyLockedError, PassphraseError, UnavailableError
from services.kernel.identity import Actor
from services.kernel.secret import Secret


class EventRecorder(Protocol):
    def record_event(
        self, *, event: str, actor: Actor | None, model: str = "", detail: Mapping[str, str], idem: str | None = None
    ) -> Receipt: ...


class RecordingDesk:
    """Implements attestation.ports.SigningDesk on another desk."""

    def __init__(self, desk: SigningDesk, events: EventRecorder) -> None:
        self._desk = desk
        self._events = events

    @property
    def machine_key(self) -> PublicKey | None:
        return self._desk.machine_key

    def sign_as_service(self, payload: bytes) -> bytes:
        return self._desk.sign_as_service(payload)

    def sign_as_machine(self, payload: bytes) -> bytes:
        return self._desk.sign_as_machine(payload)

    def sign_as_person(
        self, payload: bytes, *, subject: str, passphrase: Secret, passkey: Signature | None = None
    ) -> bytes:
        signer = statement.read(payload).predicate.get("signer") or {}
        with self._watched(signer.get("issuer", ""), subject, signer.get("name", subject)):
            return self._desk.sign_as_person(payload, subject=subject, passphrase=passphrase, passkey=passkey)

    def countersign(self, data: bytes, *, issuer: str, subject: str, passphrase: Secret) -> bytes:
        with self._watched(issuer, subject, subject):
            return self._desk.countersign(data, issuer=issuer, subject=subject, passphrase=passphrase)

    @contextmanager
    def _watched(self, issuer: str, subject: str, name: str) -> Iterator[None]:
        try:
            yield
        except PassphraseError as wrong:
            self._record("passphrase-wrong", f"{name} entered a wrong passphrase, number {wrong.attempt}.", subject)
            if wrong.locked_until is not None:
                self._record_lock(issuer, subject, name, wrong.locked_until)
            raise
        except KeyLockedError as locked:
            # One entry for a lock, however often somebody knocks at it.
            self._record(
                "key-locked-attempt",
                f"Somebody tried to sign as {name} while that key was locked.",
                subject,
                idem=_idem("knock", issuer, subject, locked.locked_until),
            )
            raise

    def _record_lock(self, issuer: str, subject: str, name: str, until: datetime) -> None:
        self._record(
            "key-locked",
            f"The signing key of {name} is locked until {utc_text(until)}.",
            subject,
            idem=_idem("lock", issuer, subject, until),
        )

    def _record(self, event: str, sentence: str, subject: str, *, idem: str | None = None) -> None:
        # The refusal stands in any case; a ledger that cannot be written must not turn it into something else.
        with suppress(UnavailableError):
            self._events.record_event(
                event=event, actor=None, detail={"sentence": sentence, "subject": subject}, idem=idem
            )


def _idem(word: str, issuer: str, subject: str, until: datetime | None) -> str:
    about = "\x1f".join((issuer, subject, utc_text(until) if until else ""))
    return f"{word}:{sha256_hex(about.encode())}"
