"""What mirroring needs: somebody who reads the platform's tables, and our own tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Protocol

from services.mirror.models import Batch, Gap, Late, MirrorState, Record, Source


class SystemTables(Protocol):
    def scope(self, source: Source) -> str:
        """Which rows are wanted, as text; when it changes, everything that still exists is read again."""
        ...

    def read(self, source: Source, first: date, last: date) -> tuple[Record, ...]:
        """Rows of these days, all rows of a table that is read as a whole. Raises TelemetryUnavailableError."""
        ...


class MirrorStore(Protocol):
    """Methods raise StorageUnavailableError."""

    def states(self) -> Mapping[str, MirrorState]: ...

    def gaps(self) -> tuple[Gap, ...]: ...

    def count(self, source: str) -> int:
        """Records that are held and were not gone when last looked at."""
        ...

    def copy(self, batch: Batch) -> int:
        """Keeps what is new; the watermark moves in the transaction of the last rows. Number of rows written.

        A deep batch moves no watermark.

        A record that is known and unchanged is left alone. One that changed gets a further revision: nothing that was
        copied is overwritten or deleted.
        """
        ...

    def late(self) -> Mapping[str, Late]:
        """What deep batches found, by source; counted in the transaction that kept it."""
        ...

    def failed(self, source: str, *, at: datetime, error: str) -> None: ...

    def newest(self, source: str, limit: int) -> tuple[Mapping[str, Any], ...]: ...
