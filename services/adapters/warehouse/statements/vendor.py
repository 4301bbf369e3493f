"""The metric tables that Databricks data profiling keeps beside a monitored table: one row per window and column.

Rows of slices and of the whole table (`:table`) are left out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import FromClause, Select, literal_column, select

from services.adapters.warehouse.statements.dialects import databricks_dialect, relation, whole

MOST_ROWS = 20_000
STATISTICS = (
    ("js_distance", "Jensen-Shannon distance", ""),
    ("ks_test.statistic", "Kolmogorov-Smirnov statistic", "ks_test.pvalue"),
    ("wasserstein_distance", "Wasserstein distance", ""),
    ("population_stability_index", "population stability index", ""),
    ("chi_squared_test.statistic", "chi-squared statistic", "chi_squared_test.pvalue"),
    ("tv_distance", "total variation distance", ""),
    ("l_infinity_distance", "L-infinity distance", ""),
)
"""(column, title, column of its p-value)."""


def drift_metrics(name: tuple[str, ...], since: datetime) -> Select[Any]:
    """(start, end, granularity, column, compared with, then every statistic and its p-value), newest window first."""
    figures = [_field(path) for statistic, _, p in STATISTICS for path in (statistic, p) if path]
    fields = [_field(path) for path in ("window.start", "window.end", "granularity", "column_name", "drift_type")]
    return _whole(select(*fields, *figures), relation(name, (), databricks_dialect()), since)


def profile_metrics(name: tuple[str, ...], since: datetime) -> Select[Any]:
    """(start, end, column, rows, missing, mean), newest window first."""
    fields = [_field(path) for path in ("window.start", "window.end", "column_name", "count", "num_nulls", "avg")]
    statement = select(*fields).where(_field("log_type") == literal_column("'INPUT'"))
    return _whole(statement, relation(name, (), databricks_dialect()), since)


def _field(path: str) -> Any:
    """A column, or a field of a structure."""
    quote = databricks_dialect().identifier_preparer.quote_identifier
    return literal_column(".".join(quote(part) for part in path.split(".")))


def _whole(statement: Select[Any], table: FromClause, since: datetime) -> Select[Any]:
    moment: Any = literal_column(f"TIMESTAMP '{since.astimezone(UTC):%Y-%m-%d %H:%M:%S}'")
    start, column = _field("window.start"), _field("column_name")
    return (
        statement.select_from(table)
        .where(start >= moment, _field("slice_key").is_(None), column != literal_column("':table'"))
        .order_by(start.desc(), column)
        .limit(whole(MOST_ROWS))
    )
