"""Data-quality rules of feature tables, counted in DuckDB. Implements inventory.tables.TableFacts."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from services.adapters.warehouse.duckdb import (
    ParquetFolder,
    asking,
    at_microseconds,
    columns_of,
    facts_of,
    statements,
)
from services.adapters.warehouse.recorded import recorded_days, recorded_files
from services.adapters.warehouse.statements.tables import rule_value
from services.inventory.tables import FeatureTable, Measured, QualityRule, RuleKind


class DuckDbTableFacts:
    def __init__(self, folder: Path) -> None:
        self._parquet = ParquetFolder(folder)

    def measure(self, table: FeatureTable, *, now: datetime) -> tuple[Measured, ...]:
        files = [table.file] if table.file else self._recorded(table, now)
        if not files:
            return tuple(Measured(rule=rule.id, rows=0) for rule in table.rules)
        with asking(f"the table {table.name}") as connection:
            there = set(columns_of(connection, files))
            return tuple(_measured(connection, files, rule, there) for rule in table.rules)

    def _recorded(self, table: FeatureTable, now: datetime) -> list[str]:
        """The last days; when there are none, the newest day there is, so that freshness can say how old it is."""
        days = recorded_days(self._parquet, table.recorded)
        first = (now - timedelta(days=table.days)).date()
        return recorded_files(self._parquet, table.recorded, [day for day in days if day >= first] or days[-1:])


def _measured(connection: duckdb.DuckDBPyConnection, files: list[str], rule: QualityRule, there: set[str]) -> Measured:
    missing = [column for column in rule.columns if column not in there]
    if missing:
        return Measured(rule=rule.id, rows=0, problem=f"The table has no column {missing[0]}.")
    table = facts_of(connection, "checked", files, tuple(dict.fromkeys(rule.columns)), copied=False)
    [(n, value)] = statements(connection)(rule_value(table, rule))
    if rule.kind is RuleKind.FRESHNESS:
        return Measured(rule=rule.id, rows=int(n), newest=None if value is None else at_microseconds(value))
    return Measured(rule=rule.id, rows=int(n), value=float(value or 0))
