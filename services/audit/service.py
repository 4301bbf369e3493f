"""The ledger for readers: searching it, opening one entry with its proofs, verifying all of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from services.attestation import envelope, statement
from services.attestation.envelope import Envelope
from services.audit.models import EntryView, Finding, LedgerQuery, LedgerRow, Verification
from services.audit.ports import LedgerIndex
from services.audit.tampering import SearchLines, broken_field
from services.kernel.clock import Clock
from services.kernel.errors import BrokenChainError, InputError
from services.kernel.page import Page
from services.ledger import merkle, note
from services.ledger.keyring import Keyring, replayed
from services.ledger.ports import AnchorStore, CheckpointSigner, LedgerReader, StoredEntry
from services.ledger.registry_anchors import NO_REGISTRY, RegistryAnchors, RegistryStanding
from services.ledger.summary import summarise
from services.ledger.verify import FINDING, INTEGRITY, NOTE, Trusted, verify_log


class AuditService:
    def __init__(
        self,
        *,
        reader: LedgerReader,
        index: LedgerIndex,
        anchors: AnchorStore,
        clock: Clock,
        registry: RegistryAnchors | None = None,
        keys: CheckpointSigner | None = None,
        pinned_genesis: str = "",
    ) -> None:
        """`keys` and `pinned_genesis` are what this deployment holds outside the database; the log is held to both."""
        self._reader = reader
        self._index = index
        self._anchors = anchors
        self._clock = clock
        self._registry = registry
        self._trusted = Trusted(
            genesis=pinned_genesis,
            origin=keys.origin if keys else "",
            log_key=keys.log_key if keys else None,
        )

    def entries(self, query: LedgerQuery) -> Page[LedgerRow]:
        """Newest first. Every word of `query.text` must occur. Raises StorageUnavailableError."""
        return self._index.search(query)

    def entry(self, seq: int) -> EntryView:
        """One entry as signed, who signed it and whether that holds, and a receipt that stands alone.

        Raises InputError for an entry that does not exist, ForeignStatementError for bytes that are no record of ours,
        StorageUnavailableError.
        """
        stored = self._reader.entry(seq)
        if stored is None:
            raise InputError(f"The ledger has no entry {seq}.", hint="Choose one from the list.")
        read = envelope.read(stored.envelope)
        said = statement.read(read.payload)
        return EntryView(
            row=self._index.row(seq) or _row_from(said, stored),
            statement=json.dumps(json.loads(read.payload), indent=2, ensure_ascii=False, sort_keys=True),
            signatures=self._signatures(read, seq),
            receipt=self._receipt(stored),
        )

    def envelope(self, seq: int) -> bytes:
        """The stored bytes of an entry, for download next to its receipt. Raises InputError."""
        stored = self._reader.entry(seq)
        if stored is None:
            raise InputError(f"The ledger has no entry {seq}.", hint="Choose one from the list.")
        return stored.envelope

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Verification:
        """Checks everything from genesis on; `progress(done, total)` is called about a hundred times.

        Raises StorageUnavailableError. Nothing it finds is raised: it is in the answer.
        """
        started = time.perf_counter()
        anchors = self._anchors.notes()
        tagged = self._registry.standing() if self._registry else NO_REGISTRY
        newest = self._reader.checkpoint()
        lines = SearchLines(self._index)
        report = verify_log(
            lines.watch(self._reader.entries()),
            checkpoints=self._reader.checkpoints(),
            anchors=anchors,
            tagged=tagged.notes,
            trusted=self._trusted,
            total=self._reader.head().size,
            progress=progress,
            growing_from=None if newest is None else (_size_of(newest), newest),
        )
        findings = [Finding(seq=item.seq, severity=item.severity, sentence=item.sentence) for item in report.problems]
        missing = self._reader.missing_triggers()
        if missing:
            sentence = f"Protections of the ledger are missing from the database: {', '.join(missing)}."
            findings.insert(0, Finding(seq=None, severity="finding", sentence=sentence))
        findings += [_misleading(seq, fields) for seq, fields in lines.differing]
        findings += _about_registry(tagged)
        broken = min(
            (item.seq for item in report.problems if item.severity == INTEGRITY and item.seq is not None), default=None
        )
        return Verification(
            intact=report.intact,
            entries=report.entries,
            root=report.root,
            origin=report.origin,
            genesis=report.genesis,
            findings=tuple(sorted(findings, key=lambda item: item.severity == NOTE)),
            seconds=round(time.perf_counter() - started, 3),
            anchors_checked=report.anchors_checked,
            anchors_in_files=len(anchors),
            anchors_in_registry=len(tagged.notes),
            registry_read_at=tagged.compared_at,
            not_compared=(tagged.not_compared,) if tagged.not_compared else (),
            checked_at=self._clock.now(),
            checkpoint_size=_size_of(newest) if newest else 0,
            broken_at=broken,
            broken_field=""
            if broken is None
            else broken_field(broken, self._reader.entry(broken), self._index.row(broken)),
        )

    def _signatures(self, read: Envelope, seq: int) -> tuple[tuple[str, str, bool], ...]:
        """(key id, owner, verifies), with the keys as they were known when the entry was added."""
        keys = self._keyring_at(seq).keys
        verified = read.verified_by({key_id: key.public for key_id, key in keys.items()})
        verified |= read.passkeys_verified_by(
            {key_id: (key.public, key.passkey) for key_id, key in keys.items() if key.passkey is not None}
        )
        return tuple(
            (
                signature.key_id,
                keys[signature.key_id].name if signature.key_id in keys else "unknown key",
                signature.key_id in verified,
            )
            for signature in read.signatures
        )

    def _keyring_at(self, seq: int) -> Keyring:
        places = sorted({0, *self._keyring_entries(seq)})
        return replayed(stored for place in places if (stored := self._reader.entry(place)) is not None)

    def _keyring_entries(self, before: int) -> list[int]:
        found: list[int] = []
        offset = 0
        while True:
            page = self._index.search(LedgerQuery(kinds=("keyring",), offset=offset, limit=500))
            found += [row.seq for row in page.items if row.seq < before]
            offset += len(page.items)
            if offset >= page.total or not page.items:
                return found

    def _receipt(self, stored: StoredEntry) -> str:
        checkpoint = self._reader.checkpoint()
        leaves = self._reader.leaf_hashes()
        if checkpoint is None or note.read(checkpoint).size > len(leaves):
            raise BrokenChainError("The newest checkpoint vouches for entries the database no longer holds.")
        path = merkle.inclusion_proof(leaves[: note.read(checkpoint).size], stored.seq)
        return note.proof_text(index=stored.seq, path=path, checkpoint=checkpoint)


def _about_registry(tagged: RegistryStanding) -> list[Finding]:
    """What is wrong with its tags, and what could not be compared."""
    found = [
        Finding(seq=None, severity=FINDING if item.grave else NOTE, sentence=item.sentence) for item in tagged.problems
    ]
    if tagged.not_compared:
        found.append(Finding(seq=None, severity=FINDING, sentence=tagged.not_compared))
    return found


def _misleading(seq: int, fields: tuple[str, ...]) -> Finding:
    words = ", ".join(fields)
    sentence = f"The search line of entry {seq} differs from what was signed: {words}. The signed entry counts."
    return Finding(seq=seq, severity=FINDING, sentence=sentence)


def _size_of(checkpoint: str) -> int:
    try:
        return note.read(checkpoint).size
    except BrokenChainError:
        return 0


def _row_from(said: statement.Statement, stored: StoredEntry) -> LedgerRow:
    line = summarise(said, seq=stored.seq, leaf_hash=stored.leaf_hash)
    return LedgerRow(
        seq=line.seq,
        at=line.at,
        kind=line.kind,
        event=line.event,
        actor=line.actor,
        role=line.role,
        subject=line.subject,
        sentence=line.sentence,
        leaf_hash=line.leaf_hash,
    )
