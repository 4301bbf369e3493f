"""Measured CPU seconds and stored bytes by day, version and component."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from services.adapters.warehouse.duckdb import ParquetFolder, asking, rows, table_of
from services.inventory.facts import Partition
from services.value.models import UsageDay

# CPU and wall time are used up and add; bytes are what lay there at the end of the day, so the largest report counts.
_USAGE = """
SELECT CAST("date" AS DATE), coalesce(CAST(version AS VARCHAR), ''), component,
       coalesce(sum(cpu_seconds), 0), coalesce(max(bytes), 0), coalesce(sum(wall_seconds), 0)
FROM {usage} GROUP BY ALL ORDER BY ALL
"""


class DuckDbUsageFacts:
    """Implements value.ports.UsageFacts over the inference folder."""

    def __init__(self, folder: Path) -> None:
        self._parquet = ParquetFolder(folder)

    def partitions(self) -> tuple[Partition, ...]:
        return self._parquet.partitions("usage")

    def usage(self, model: str, days: tuple[date, ...]) -> tuple[UsageDay, ...]:
        files = self._parquet.files("usage", model, days)
        if not files:
            return ()
        with asking(f"measured use of {model}") as connection:
            found = rows(connection, _USAGE.format(usage=table_of("files")), {"files": files})
        return tuple(
            UsageDay(
                day=day, version=version, component=str(component), cpu_seconds=float(cpu), bytes=int(stored),
                wall_seconds=float(wall),
            )
            for day, version, component, cpu, stored, wall in found
        )  # fmt: skip
