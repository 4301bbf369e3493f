"""Reads the metric tables that Databricks data profiling keeps beside a monitored table. Implements VendorMetrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from services.adapters.warehouse.sql_warehouse import SqlWarehouse
from services.adapters.warehouse.statements.vendor import STATISTICS, drift_metrics, profile_metrics
from services.monitoring.vendor import VendorDrift, VendorProfile

_COMPARED = {"BASELINE": "baseline", "CONSECUTIVE": "previous window"}


class DatabricksProfiling:
    """`drift_table` and `profile_table` are catalog, schema, name; by default `<table>_drift_metrics` and so on."""

    def __init__(
        self,
        warehouse: SqlWarehouse,
        table: tuple[str, ...],
        *,
        drift_table: tuple[str, ...] = (),
        profile_table: tuple[str, ...] = (),
    ) -> None:
        self._warehouse = warehouse
        self._drift = drift_table or (*table[:-1], f"{table[-1]}_drift_metrics")
        self._profile = profile_table or (*table[:-1], f"{table[-1]}_profile_metrics")

    def drift(self, since: datetime) -> tuple[VendorDrift, ...]:
        with self._warehouse.asking(f"Databricks' own drift table {'.'.join(self._drift)}") as ask:
            return tuple(item for row in ask(drift_metrics(self._drift, since)) for item in _drift_of(row))

    def profiles(self, since: datetime) -> tuple[VendorProfile, ...]:
        with self._warehouse.asking(f"Databricks' own profile table {'.'.join(self._profile)}") as ask:
            found = ask(profile_metrics(self._profile, since))
        return tuple(
            VendorProfile(
                column=str(column), start=_utc(start), end=_utc(end), rows=int(rows or 0), missing=int(missing or 0),
                mean=None if mean is None else float(mean),
            )
            for start, end, column, rows, missing, mean in found
        )  # fmt: skip


def _drift_of(row: Sequence[Any]) -> Iterator[VendorDrift]:
    start, end, granularity, column, kind, *figures = row
    values = iter(figures)
    for _, title, p in STATISTICS:
        value, p_value = next(values), next(values) if p else None
        if value is not None:
            yield VendorDrift(
                column=str(column), statistic=title, value=float(value), start=_utc(start), end=_utc(end),
                granularity=str(granularity), compared_with=_COMPARED.get(str(kind), str(kind).lower()),
                p_value=None if p_value is None else float(p_value),
            )  # fmt: skip


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
