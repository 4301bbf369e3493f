"""Requests of callers, read from an inference table to be sent again. Implements rollout.serving_ports.LoggedRequests.

The only rows with inputs that this application takes out of the table: a bounded page at a time, for a version that is
in shadow, kept in memory until they were sent and nowhere else. A page ends before the hours whose rows may still
arrive, so that none is passed over; requests from more than some hours before that are, because a replay that falls
behind would compare yesterday.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from services.adapters.warehouse.duckdb import at_microseconds
from services.adapters.warehouse.payload_tables import Asking, PayloadTable, ServedVersions
from services.adapters.warehouse.statements import payload
from services.kernel.clock import Clock
from services.rollout.serving_ports import LoggedRequest

PAGE = 500
MOST_BEHIND = timedelta(hours=6)
_ASKED_SECONDS = 60.0


class PayloadLog:
    """For one deployment."""

    def __init__(
        self,
        warehouse: Asking,
        table: PayloadTable,
        *,
        versions: ServedVersions,
        clock: Clock,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._warehouse = warehouse
        self._table = table
        self._versions = versions
        self._clock = clock
        self._elapsed = elapsed
        self._page: tuple[LoggedRequest, ...] = ()
        self._end: tuple[str, float] | None = None
        """The last position that nothing came after, and when that was asked."""

    def after(self, deployment: str, position: str, limit: int) -> tuple[LoggedRequest, ...]:
        """Of an empty position: what the table is just complete for."""
        if deployment != self._table.model:
            return ()
        left = self._left(position)
        # At the end of the log the table is asked once a minute, however often somebody looks.
        if not left and (self._end is None or self._end[0] != position or self._passed() >= _ASKED_SECONDS):
            self._page = left = self._read(position)
            self._end = None if left else (position, self._elapsed())
        return left[:limit]

    def _left(self, position: str) -> tuple[LoggedRequest, ...]:
        return tuple(item for item in self._page if position and item.position > position)

    def _passed(self) -> float:
        return self._elapsed() - self._end[1] if self._end else _ASKED_SECONDS

    def _read(self, position: str) -> tuple[LoggedRequest, ...]:
        until = self._clock.now() - timedelta(seconds=self._table.late_seconds)
        at, ident = _place(position)
        begin = _microseconds(until - timedelta(minutes=5)) if at is None else at
        since = max(begin, _microseconds(until - MOST_BEHIND))
        if since >= _microseconds(until):
            return ()
        with self._warehouse.asking(f"requests in the {self._table.words}") as ask:
            asked = payload.logged(
                self._table.rows(ask), since, _microseconds(until), ident if since == at else "", PAGE
            )
            found = ask(asked)
            names = self._versions.of(ask, self._table.model, {str(entity) for _, _, entity, *_ in found})
        return tuple(
            LoggedRequest(
                position=f"{int(moment):017d} {ident}",
                request_id=str(ident),
                at=at_microseconds(moment),
                body=_object(request) or {},
                version=names[str(entity)],
                answer=_object(response),
            )
            for moment, ident, entity, request, response in found
        )


def _place(position: str) -> tuple[int | None, str]:
    moment, _, ident = position.partition(" ")
    return (int(moment), ident) if moment.isdigit() else (None, "")


def _object(text: object) -> Mapping[str, Any] | None:
    """None for what is no JSON object: such a body cannot be sent again, and such an answer cannot be compared."""
    try:
        found = json.loads(str(text)) if text is not None else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
