"""Holds the product's verifier and the one in every pack to the same verdict over the same envelopes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from services.adapters.sql.ledger import SqlLedgerReader
from services.attestation.models import LogHead, Receipt
from services.audit.offline import verify as offline
from services.kernel.errors import StorageUnavailableError
from services.ledger import merkle
from services.ledger.ports import StoredEntry
from services.ledger.verify import verify_log

Verdict = set[tuple[str, int]]
_WITHOUT_CHECKPOINTS = "No checkpoint vouches"


def product(envelopes: Iterable[bytes]) -> Verdict:
    frontier, entries = merkle.Frontier(), []
    for seq, data in enumerate(envelopes):
        leaf = merkle.leaf_hash(data)
        frontier = frontier.push(leaf)
        entries.append(StoredEntry(seq=seq, envelope=data, leaf_hash=leaf.hex(), root=frontier.root.hex()))
    report = verify_log(entries, checkpoints=())
    return {
        (item.severity, item.seq)
        for item in report.problems
        if item.seq is not None and not item.sentence.startswith(_WITHOUT_CHECKPOINTS)
    }


def pack(envelopes: Iterable[bytes]) -> Verdict:
    log = offline.Log()
    for data in envelopes:
        log.take(data)
    log.finish()
    return {(item.severity, item.entry) for item in log.problems if item.entry is not None}


def require_agreement(envelopes: Iterable[bytes]) -> Verdict:
    """What both say; fails when they differ."""
    held = list(envelopes)
    ours, theirs = product(held), pack(held)
    assert ours == theirs, f"only the product: {ours - theirs}; only the pack's verifier: {theirs - ours}"
    return ours


def judge_twice(book: SqlLedgerReader) -> None:
    """Every log a test leaves behind is judged by both, whatever the test did to it."""
    try:
        held = [entry.envelope for entry in book.entries()]
    except StorageUnavailableError:
        return  # the test took the database away
    if held:
        require_agreement(held)


class LooseBook:
    """A log in memory that takes whatever is signed: what somebody with the database's password could add."""

    def __init__(self, origin: str, envelopes: Iterable[bytes]) -> None:
        self.origin = origin
        self.envelopes: list[bytes] = []
        self._frontier = merkle.Frontier()
        for data in envelopes:
            self.append(data, idem="")

    def head(self) -> LogHead:
        return LogHead(origin=self.origin, size=self._frontier.size, root=self._frontier.root.hex())

    @contextmanager
    def writing(self) -> Iterator[LooseBook]:
        yield self

    def append(self, envelope: bytes, *, idem: str) -> Receipt:
        self.envelopes.append(envelope)
        leaf = merkle.leaf_hash(envelope)
        self._frontier = self._frontier.push(leaf)
        size, root = self._frontier.size, self._frontier.root.hex()
        return Receipt(seq=size - 1, leaf_hash=leaf.hex(), root=root, size=size, checkpoint="", key_id="")
