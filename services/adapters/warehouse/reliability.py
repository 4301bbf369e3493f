"""Recorded requests as slots with logarithmic latency buckets, so that quantiles can be merged."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from math import log
from pathlib import Path

from services.adapters.warehouse.duckdb import ParquetFolder, asking, at_microseconds, rows, table_of
from services.inventory.facts import Partition
from services.reliability.latency import FASTEST_MS, GAMMA
from services.reliability.models import RequestSlot

_MICROSECONDS = 60_000_000
# A request fails when the service could not answer it: status 0 (no answer) or 5xx. A 4xx is the caller's mistake.
_SLOTS = """
WITH live AS (
    SELECT CAST("date" AS DATE) AS day, epoch_us(event_at) // {width} * {width} AS slot,
           CAST(version AS VARCHAR) AS version, (status = 0 OR status >= 500) AS failed,
           coalesce(injected, '') <> '' AS injected, TRY_CAST(latency_ms AS DOUBLE) AS ms
    FROM {requests} WHERE role = 'live' AND event_at IS NOT NULL
)
SELECT day, slot, version,
       CASE WHEN failed OR ms IS NULL OR NOT isfinite(ms) THEN NULL
            ELSE CAST(ceil(ln(CASE WHEN ms < {fastest} THEN {fastest} ELSE ms END) / {log_gamma}) AS INTEGER) END AS bucket,
       count(*), count(*) FILTER (failed), count(*) FILTER (injected)
FROM live GROUP BY ALL ORDER BY day, slot, version, bucket
"""  # noqa: E501


class DuckDbRequestFacts:
    """Implements reliability.ports.RequestFacts over the inference folder."""

    def __init__(self, folder: Path) -> None:
        self._parquet = ParquetFolder(folder)

    def partitions(self) -> tuple[Partition, ...]:
        return self._parquet.partitions("requests", "deployment")

    def slots(
        self, deployment: str, days: tuple[date, ...], *, slot_minutes: int
    ) -> tuple[tuple[date, RequestSlot], ...]:
        files = self._parquet.files("requests", deployment, days, "deployment")
        if not files:
            return ()
        sql = _SLOTS.format(
            requests=table_of("files"),
            width=slot_minutes * _MICROSECONDS,
            fastest=f"{FASTEST_MS:e}",
            log_gamma=f"{log(GAMMA):.17e}",
        )
        with asking(f"requests to {deployment}") as connection:
            found = rows(connection, sql, {"files": files})
        groups: dict[tuple[date, int, str], list[tuple[int | None, int, int, int]]] = defaultdict(list)
        for day, slot, version, *counts in found:
            groups[day, int(slot), str(version or "")].append((counts[0], *map(int, counts[1:])))
        return tuple(
            (
                day,
                RequestSlot(
                    start=at_microseconds(slot),
                    version=version,
                    requests=sum(n for _, n, _, _ in cells),
                    errors=sum(failed for _, _, failed, _ in cells),
                    injected=sum(injected for *_, injected in cells),
                    buckets=tuple((bucket, n) for bucket, n, _, _ in cells if bucket is not None),
                ),
            )
            for (day, slot, version), cells in groups.items()
        )
