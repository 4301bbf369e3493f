"""What reading the ledger needs: the entries, their searchable lines, and the anchors outside the database."""

from __future__ import annotations

from typing import Protocol

from services.audit.models import LedgerQuery, LedgerRow
from services.kernel.page import Page


class LedgerIndex(Protocol):
    """Raises StorageUnavailableError."""

    def search(self, query: LedgerQuery) -> Page[LedgerRow]:
        """Newest first, filtered, counted and cut in the database."""
        ...

    def row(self, seq: int) -> LedgerRow | None: ...
