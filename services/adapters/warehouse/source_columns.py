"""Which columns a table of another estate has on which day, so that one that went or came is told with its date.

Files keep the columns they were written with, so every day has those of its files. A table that is asked where it lies
has the columns it has now: they are noted for its newest day, and days that are over keep what was noted then.
"""

# ruff: noqa: S608 - only names of files that were found on disk are rendered, with their quotes doubled.

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import sqlalchemy as sa

from services.adapters.warehouse.duckdb import kind_of
from services.adapters.warehouse.source_reader import as_day
from services.adapters.warehouse.source_sql import day
from services.adapters.warehouse.sources import OpenTable
from services.monitoring.monitor_rules import ColumnKind
from services.monitoring.monitors import ColumnMapping
from services.monitoring.recorded_schema import Columns

_KINDS = {ColumnKind.NUMBER: "number", ColumnKind.TEXT: "text", ColumnKind.BOOLEAN: "text", ColumnKind.TIME: "time"}
_FILE = "__file"


def columns_by_day(table: OpenTable, mapping: ColumnMapping, days: Sequence[date]) -> tuple[tuple[date, Columns], ...]:
    """Of the days asked about those of which it can be said, oldest first."""
    return _of_files(table, mapping, days) if table.files else _of_newest(table, mapping, days)


def _of_newest(table: OpenTable, mapping: ColumnMapping, days: Sequence[date]) -> tuple[tuple[date, Columns], ...]:
    [(found,)] = table.rows(sa.select(sa.func.max(day(table, mapping.timestamp))))
    newest = as_day(found)
    if newest is None or newest not in days:
        return ()
    return ((newest, {name: _KINDS.get(column.kind, "other") for name, column in table.columns.items()}),)


def _of_files(table: OpenTable, mapping: ColumnMapping, days: Sequence[date]) -> tuple[tuple[date, Columns], ...]:
    wanted, by_file = set(days), dict[str, dict[str, str]]()
    found: dict[date, dict[str, str]] = defaultdict(dict)
    for value, file in _files_of_days(table, mapping):
        on = as_day(value)
        if on not in wanted:
            continue
        if file not in by_file:
            by_file[file] = _top_level(_schema(table, file))
        merged(found[on], by_file[file])
    return tuple((on, found[on]) for on in sorted(found))


def merged(known: dict[str, str], more: Mapping[str, str]) -> None:
    """Columns of several files of one day; a number in one and a text in another is read as text."""
    for name, kind in more.items():
        before = known.get(name, "empty")
        if before == "empty":
            known[name] = kind
        elif kind not in {"empty", before}:
            known[name] = "text"


def _files_of_days(table: OpenTable, mapping: ColumnMapping) -> Sequence[Any]:
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in table.files)
    view = (
        f"CREATE OR REPLACE TEMP VIEW dated AS SELECT * FROM read_parquet([{listed}], union_by_name = true,"
        f" hive_partitioning = true, hive_types_autocast = false, filename = '{_FILE}')"
    )
    table.connection.exec_driver_sql(view)
    columns: list[Any] = [sa.column(name) for name in table.columns]
    dated = replace(table, table=sa.table("dated", *columns, sa.column(_FILE)))
    return dated.rows(sa.select(day(dated, mapping.timestamp), dated.column(_FILE)).distinct())


def _schema(table: OpenTable, file: str) -> Sequence[Any]:
    name = file.replace("'", "''")
    asked = f"SELECT name, duckdb_type, num_children FROM parquet_schema('{name}')"
    return table.connection.exec_driver_sql(asked).all()


def _top_level(described: Iterable[Sequence[Any]]) -> dict[str, str]:
    """The footer lists every element before what is inside it, the whole row first."""
    found: dict[str, str] = {}
    rows = iter(described)
    next(rows, None)
    for name, type_name, children in rows:
        found[str(name)] = "other" if children else kind_of(str(type_name))
        _skip(rows, int(children or 0))
    return found


def _skip(rows: Any, elements: int) -> None:
    for _ in range(elements):
        _, _, children = next(rows)
        _skip(rows, int(children or 0))
