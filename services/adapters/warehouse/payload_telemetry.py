"""What a running release is judged by, counted in an inference table. Implements rollout.release_ports.Telemetry.

Rows arrive late and in no order, so the table is believed up to `late_seconds` before it was asked, and never beyond
its newest row: a table that is not written any more, or an endpoint that nobody asks, is complete up to its last word
and no further. Rows are counted as they are, also where they are a sample: a test may not be told of requests that
nobody saw. Failures have no callers here (who asks is mostly one service), so each counts.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.adapters.warehouse.duckdb import at_microseconds
from services.adapters.warehouse.payload_tables import Asked, Asking, NotSoOften, PayloadTable, ServedVersions
from services.adapters.warehouse.statements import payload
from services.adapters.warehouse.statements.latency import NO_LATENCY
from services.kernel.clock import Clock, require_utc
from services.rollout.release_models import TelemetryBatch, TelemetryCell

ASKED_SECONDS = 60.0
"""The watcher looks every few seconds; rows that come an hour late are not asked for as often."""
_NEWEST_WITHIN = timedelta(days=7)
_MISSING = "certainty that every failure is in the inference table (failures_logged)"

_Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    since: datetime
    """Ticks that begin here or later are whole."""
    batch: TelemetryBatch


class PayloadTelemetry:
    """For one deployment."""

    def __init__(
        self,
        warehouse: Asking,
        table: PayloadTable,
        *,
        versions: ServedVersions,
        clock: Clock,
        elapsed: Callable[[], float] = time.monotonic,
        patience: float | None = None,
    ) -> None:
        """`patience`: seconds until an answer that has not come is called away; it is there at the next look."""
        self._warehouse = warehouse
        self._table = table
        self._versions = versions
        self._clock = clock
        self._seldom = NotSoOften(ASKED_SECONDS, elapsed, patience)

    def since(
        self, deployment: str, since: datetime, *, tick_seconds: int, score_edges: tuple[float, ...] = ()
    ) -> TelemetryBatch:
        """Ticks start at multiples of `tick_seconds`, the first with what came before `since` in it; n edges make n + 1
        bins. An answer is at most a minute old. Raises TelemetryUnavailableError.
        """
        if deployment != self._table.model:
            return TelemetryBatch(cells=(), watermark=None)
        begin = _floor(require_utc(since), tick_seconds)
        found = self._seldom(
            (tick_seconds, score_edges),
            lambda: self._count(begin, tick_seconds, score_edges),
            still=lambda known: known.since <= begin,
        )
        return replace(found.batch, cells=tuple(cell for cell in found.batch.cells if cell.tick >= begin))

    def _count(self, begin: datetime, tick_seconds: int, edges: tuple[float, ...]) -> _Counted:
        table, now = self._table, self._clock.now()
        asked = (_microseconds(begin), max(_microseconds(begin), _microseconds(now)))
        with self._warehouse.asking(f"requests in the {table.words}") as ask:
            rows = table.rows(ask)
            counts = ask(payload.ticks(rows, *asked, tick_seconds=tick_seconds))
            scored: Sequence[Sequence[Any]] = ()
            if edges:
                by_bin = payload.scores(rows, *asked, tick_seconds=tick_seconds, edges=edges, path=table.score)
                scored = ask(by_bin)
            [(newest,)] = ask(payload.newest(rows, (now - _NEWEST_WITHIN).date(), _microseconds(now)))
            cells = self._cells(ask, counts, scored, bins=len(edges) + 1 if edges else 0)
        watermark = None
        if newest is not None:
            watermark = min(at_microseconds(newest), now - timedelta(seconds=table.late_seconds))
        missing = "" if table.failures_logged else _MISSING
        return _Counted(since=begin, batch=TelemetryBatch(cells=cells, watermark=watermark, failures_missing=missing))

    def _cells(
        self, ask: Asked, counts: Sequence[Sequence[Any]], scored: Sequence[Sequence[Any]], *, bins: int
    ) -> tuple[TelemetryCell, ...]:
        names = self._versions.of(ask, self._table.model, {str(entity) for entity, *_ in counts})
        groups: dict[_Key, list[tuple[int, int, int]]] = defaultdict(list)
        for entity, replayed, tick, bucket, n, bad in counts:
            groups[_key(names, entity, replayed, tick)].append((int(bucket), int(n), int(bad)))
        scores: dict[_Key, list[int]] = defaultdict(lambda: [0] * bins)
        for entity, replayed, tick, place, n in scored:
            scores[_key(names, entity, replayed, tick)][int(place)] += int(n)
        return tuple(
            TelemetryCell(
                version=key[0],
                role=key[1],
                tick=at_microseconds(key[2]),
                requests=sum(n for _, n, _ in group),
                errors=sum(bad for *_, bad in group),
                latency=_latency(group),
                scores=tuple(scores[key]) if bins else (),
            )
            for key, group in sorted(groups.items(), key=lambda item: (item[0][2], item[0][0], item[0][1]))
        )


def _key(names: dict[str, str], entity: object, replayed: object, tick: object) -> _Key:
    return names[str(entity)], "mirror" if replayed else "live", int(str(tick))


def _latency(group: list[tuple[int, int, int]]) -> tuple[tuple[int, int], ...]:
    """Two served entities of one version may share a bucket."""
    added: dict[int, int] = defaultdict(int)
    for bucket, n, _ in group:
        added[bucket] += n
    added.pop(NO_LATENCY, None)
    return tuple(sorted(added.items()))


def _floor(at: datetime, seconds: int) -> datetime:
    return at_microseconds(_microseconds(at) // (seconds * 1_000_000) * seconds * 1_000_000)


def _microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
