"""The ledger for other services: recording events, the head of the log, reading entries back, anchoring."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from services.attestation import envelope, statement
from services.attestation.models import LogHead, Receipt
from services.attestation.ports import SigningDesk
from services.kernel.clock import Clock
from services.kernel.errors import BrokenChainError, SignatureMismatchError, TrustError
from services.kernel.identity import Actor
from services.kernel.secret import Secret
from services.ledger import events, merkle, note
from services.ledger.attempts import RecordingDesk
from services.ledger.keyring import Keyring
from services.ledger.ports import AnchorReader, AnchorStore, CheckpointSigner, LedgerBook
from services.ledger.replay import replayed_people
from services.ledger.vouching import require_history


class LedgerService:
    def __init__(
        self,
        *,
        book: LedgerBook,
        desk: SigningDesk,
        keys: CheckpointSigner,
        clock: Clock,
        anchors: AnchorStore,
        elsewhere: AnchorReader | None = None,
    ) -> None:
        """`desk` and `keys` are usually one object: the key desk. `elsewhere` holds the registry's anchors."""
        self._book = book
        self._desk = desk
        self._keys = keys
        self._clock = clock
        self._anchors = anchors
        self._elsewhere = elsewhere
        self._seen: LogHead | None = None

    def head(self) -> LogHead:
        """Raises StorageUnavailableError."""
        return self._book.head()

    def record_event(
        self,
        *,
        event: str,
        actor: Actor | None,
        model: str = "",
        detail: Mapping[str, str],
        idem: str | None = None,
    ) -> Receipt:
        """A fact without effect on what may go live, signed by the service, in a transaction of its own.

        Do not call it inside an open unit of work. `detail["sentence"]`, where given, is what people read.
        Repeating `idem` returns the first receipt. Raises StorageUnavailableError.
        """
        head = self._seen or self.head()
        payload = events.payload(event, actor=actor, model=model, detail=detail, at=self._clock.now(), head=head)
        data = self._desk.sign_as_service(payload)
        with self._book.writing() as ledger:
            receipt = ledger.append(data, idem=idem or f"event:{secrets.token_hex(16)}")
        # The next fact is pinned to the state this one made: no question, and a log put back behind it is refused.
        self._seen = LogHead(origin=self._keys.origin, size=receipt.size, root=receipt.root)
        return receipt

    def record_signed_event(
        self,
        *,
        event: str,
        actor: Actor,
        passphrase: Secret,
        model: str = "",
        detail: Mapping[str, str],
        idem: str | None = None,
    ) -> Receipt:
        """A fact a person stands for, signed with that person's key: a legal hold, a certificate, a pack.

        As `record_event`; also raises PassphraseError (counted), KeyLockedError, RefusalError without a key.
        """
        earlier = self._earlier(idem)
        if earlier is not None:
            return earlier
        payload = events.payload(
            event, actor=actor, model=model, detail=detail, at=self._clock.now(), head=self.head(), signed=True
        )
        desk = RecordingDesk(self._desk, self)
        data = desk.sign_as_person(payload, subject=actor.subject, passphrase=passphrase)
        with self._book.writing() as ledger:
            return ledger.append(data, idem=idem or f"event:{secrets.token_hex(16)}")

    def _earlier(self, idem: str | None) -> Receipt | None:
        if idem is None:
            return None
        with self._book.writing() as ledger:
            return ledger.find(idem)

    def keyring(self) -> Keyring:
        """Keys, roles and signing rules as the log says now. Raises StorageUnavailableError."""
        return replayed_people(self._book.people_entries()).keyring

    def require_valid(self, seq: int, leaf_hash: str) -> Mapping[str, Any]:
        """The predicate of entry `seq`, once its bytes hash to `leaf_hash` and the service's signature holds.

        Raises BrokenChainError when the log holds something else there, SignatureMismatchError, ForeignStatementError.
        """
        entry = self._book.entry(seq)
        if entry is None or merkle.leaf_hash(entry.envelope).hex() != leaf_hash:
            raise BrokenChainError(f"Entry {seq} of the log is not the one that was recorded.")
        read = envelope.read(entry.envelope)
        service = self._keys.service_key
        if service.key_id not in read.verified_by({service.key_id: service}):
            raise SignatureMismatchError(f"Entry {seq} of the log does not carry this deployment's signature.")
        return statement.read(read.payload).predicate

    def anchor(self) -> int:
        """Keeps the newest checkpoint outside the database; the size it vouches for, 0 for an empty log.

        Raises BrokenChainError when a different log of that size was anchored before.
        """
        newest = self._book.checkpoint()
        if newest is None:
            return 0
        size = note.read(newest).size
        self._anchors.keep(size, newest)
        return size

    def require_trustworthy(self) -> None:
        """The start-up rule: never continue a log that is shorter than, or differs from, its highest anchor.

        Raises BrokenChainError, or TrustError when the protections in the database are missing. After either the
        control room may only be read.
        """
        self.require_anchored_history()
        missing = self._book.missing_triggers()
        if missing:
            raise TrustError(
                f"Protections of the ledger are missing from the database: {', '.join(missing)}.",
                hint="Verify the ledger, then restore the database from its backup.",
            )

    def require_anchored_history(self) -> None:
        """Raises BrokenChainError for a log shorter than its highest anchor, or another one; TrustError for a forgery.

        The registry's anchors are those of the copy that was read last.
        """
        require_history(self._anchors.notes(), "anchored", keys=self._keys, book=self._book)
        if self._elsewhere is not None:
            require_history(self._elsewhere.notes(), "anchored in the registry", keys=self._keys, book=self._book)
