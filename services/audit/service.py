"""The ledger for readers: searching it, opening one entry with its proofs, verifying all of it."""

from __future__ import annotations

from collections.abc import Callable

from services.audit.models import EntryView, LedgerQuery, LedgerRow, Verification
from services.audit.ports import LedgerIndex
from services.kernel.clock import Clock
from services.kernel.page import Page
from services.ledger.ports import AnchorStore, LedgerReader


class AuditService:
    def __init__(self, *, reader: LedgerReader, index: LedgerIndex, anchors: AnchorStore, clock: Clock) -> None:
        self._reader = reader
        self._index = index
        self._anchors = anchors
        self._clock = clock

    def entries(self, query: LedgerQuery) -> Page[LedgerRow]:
        """Newest first. Raises StorageUnavailableError."""
        return self._index.search(query)

    def entry(self, seq: int) -> EntryView:
        """Raises InputError for an entry that does not exist, StorageUnavailableError."""
        raise NotImplementedError

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Verification:
        """Checks everything from genesis on; `progress(done, total)` is called about a hundred times."""
        raise NotImplementedError
