"""What reading and keeping the record needs: the ledger's lines, facts kept beside it, and text that may be erased."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Protocol

from services.attestation.ports import LedgerWriter
from services.audit.lookup import PredictionFact
from services.audit.models import LedgerQuery, LedgerRow
from services.audit.retention import Erasable
from services.kernel.page import Page


class LedgerIndex(Protocol):
    """Raises StorageUnavailableError."""

    def search(self, query: LedgerQuery) -> Page[LedgerRow]:
        """Newest first, filtered, counted and cut in the database."""
        ...

    def row(self, seq: int) -> LedgerRow | None: ...

    def rows(self, *, start: int, limit: int) -> tuple[LedgerRow, ...]:
        """The stored lines from entry `start` on, oldest first."""
        ...


class PredictionLog(Protocol):
    """The inference log. Raises TelemetryUnavailableError."""

    def find(self, prediction_id: str, *, model: str = "") -> tuple[PredictionFact, ...]:
        """Every answer given under this id, oldest first; a repeated batch run answers again."""
        ...

    def days(self, source: str) -> tuple[int, date | None]:
        """How many days of records of `predictions`, `requests` or `reviews` there are, and the oldest one."""
        ...


class Disposal(Protocol):
    """Texts outside the ledger, inside a unit of work."""

    def erasable(self) -> tuple[Erasable, ...]:
        """Everything that still holds its text, oldest first."""
        ...

    def erase(self, items: tuple[Erasable, ...], *, words: str) -> int:
        """Replaces each text by `words` and drops its salt; unused forms are removed. The number of changed records."""
        ...


class DisposalUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def disposal(self) -> Disposal: ...


class DisposalUnits(Protocol):
    """`write` commits certificate and erasure together, or neither. Raises StorageUnavailableError."""

    def write(self) -> AbstractContextManager[DisposalUnit]: ...

    def read(self) -> AbstractContextManager[DisposalUnit]: ...


class AccessLog(Protocol):
    """Recorded views, kept outside the ledger. Raises StorageUnavailableError."""

    def view_count(self) -> tuple[int, datetime | None]:
        """How many views are recorded and when the oldest one was."""
        ...
