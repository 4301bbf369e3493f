"""Recorded requests as slots with logarithmic latency buckets, so that quantiles can be merged."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path

from services.adapters.warehouse.duckdb import ParquetFolder, asking, at_microseconds, facts_of, statements
from services.adapters.warehouse.statements.latency import NO_LATENCY, REQUESTS, requests_by_bucket
from services.inventory.facts import Partition
from services.reliability.models import RequestSlot


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
        with asking(f"requests to {deployment}") as connection:
            live = facts_of(connection, "requests", files, REQUESTS, where="role = 'live'")
            found = statements(connection)(requests_by_bucket(live, slot_minutes=slot_minutes))
        groups: dict[tuple[date, int, str], list[tuple[int, int, int, int]]] = defaultdict(list)
        for day, slot, version, bucket, n, failed, injected in found:
            groups[day, int(slot), str(version or "")].append((int(bucket), int(n), int(failed), int(injected)))
        return tuple(
            (
                day,
                RequestSlot(
                    start=at_microseconds(slot),
                    version=version,
                    requests=sum(n for _, n, _, _ in cells),
                    errors=sum(failed for _, _, failed, _ in cells),
                    injected=sum(injected for *_, injected in cells),
                    buckets=tuple((bucket, n) for bucket, n, _, _ in cells if bucket != NO_LATENCY),
                ),
            )
            for (day, slot, version), cells in groups.items()
        )
