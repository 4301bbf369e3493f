"""Measured CPU seconds and stored bytes by day, version and component."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from services.adapters.warehouse.duckdb import ParquetFolder, asking, facts_of, statements
from services.adapters.warehouse.statements import logged
from services.inventory.facts import Partition
from services.value.models import UsageDay


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
            use = facts_of(connection, "use", files, logged.USE)
            found = statements(connection)(logged.used(use))
        return tuple(
            UsageDay(
                day=day, version=version, component=str(component), cpu_seconds=float(cpu), bytes=int(stored),
                wall_seconds=float(wall),
            )
            for day, version, component, cpu, stored, wall in found
        )  # fmt: skip
