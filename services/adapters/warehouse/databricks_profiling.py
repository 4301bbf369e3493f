"""Reads the metric tables that Databricks data profiling keeps beside a monitored table. Implements VendorMetrics.

They are small: one row per window, slice and column. Rows of slices and of the whole table (`:table`) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import FromClause, Select, literal_column, select

from services.adapters.warehouse.sql_warehouse import SqlWarehouse
from services.adapters.warehouse.statements.dialects import databricks_dialect, relation, whole
from services.monitoring.vendor import VendorDrift, VendorProfile

MOST_ROWS = 20_000
_STATISTICS = (
    ("js_distance", "Jensen-Shannon distance", ""),
    ("ks_test.statistic", "Kolmogorov-Smirnov statistic", "ks_test.pvalue"),
    ("wasserstein_distance", "Wasserstein distance", ""),
    ("population_stability_index", "population stability index", ""),
    ("chi_squared_test.statistic", "chi-squared statistic", "chi_squared_test.pvalue"),
    ("tv_distance", "total variation distance", ""),
    ("l_infinity_distance", "L-infinity distance", ""),
)
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
            return tuple(item for row in ask(_drift(self._drift, since)) for item in _drift_of(row))

    def profiles(self, since: datetime) -> tuple[VendorProfile, ...]:
        with self._warehouse.asking(f"Databricks' own profile table {'.'.join(self._profile)}") as ask:
            found = ask(_profile(self._profile, since))
        return tuple(
            VendorProfile(
                column=str(column), start=_utc(start), end=_utc(end), rows=int(rows or 0), missing=int(missing or 0),
                mean=None if mean is None else float(mean),
            )
            for start, end, column, rows, missing, mean in found
        )  # fmt: skip


def _field(path: str) -> Any:
    """A column, or a field of a structure."""
    quote = databricks_dialect().identifier_preparer.quote_identifier
    return literal_column(".".join(quote(part) for part in path.split(".")))


def _drift(name: tuple[str, ...], since: datetime) -> Select[Any]:
    figures = [_field(path) for statistic, _, p in _STATISTICS for path in (statistic, p) if path]
    fields = [_field(path) for path in ("window.start", "window.end", "granularity", "column_name", "drift_type")]
    return _whole(select(*fields, *figures), relation(name, (), databricks_dialect()), since)


def _profile(name: tuple[str, ...], since: datetime) -> Select[Any]:
    fields = [_field(path) for path in ("window.start", "window.end", "column_name", "count", "num_nulls", "avg")]
    statement = select(*fields).where(_field("log_type") == literal_column("'INPUT'"))
    return _whole(statement, relation(name, (), databricks_dialect()), since)


def _whole(statement: Select[Any], table: FromClause, since: datetime) -> Select[Any]:
    moment: Any = literal_column(f"TIMESTAMP '{since.astimezone(UTC):%Y-%m-%d %H:%M:%S}'")
    start, column = _field("window.start"), _field("column_name")
    return (
        statement.select_from(table)
        .where(start >= moment, _field("slice_key").is_(None), column != literal_column("':table'"))
        .order_by(start.desc(), column)
        .limit(whole(MOST_ROWS))
    )


def _drift_of(row: Sequence[Any]) -> Iterator[VendorDrift]:
    start, end, granularity, column, kind, *figures = row
    values = iter(figures)
    for _, title, p in _STATISTICS:
        value, p_value = next(values), next(values) if p else None
        if value is not None:
            yield VendorDrift(
                column=str(column), statistic=title, value=float(value), start=_utc(start), end=_utc(end),
                granularity=str(granularity), compared_with=_COMPARED.get(str(kind), str(kind).lower()),
                p_value=None if p_value is None else float(p_value),
            )  # fmt: skip


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
