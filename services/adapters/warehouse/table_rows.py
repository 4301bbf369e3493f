"""Rows of feature tables as daily aggregates, counted in DuckDB. Implements data_health.ports.TableRows.

Days whose files have the same columns are counted in one statement: rows, newest time, and per column how many values
are missing or outside, lowest and highest. Columns and types come from the files, so a renamed column is seen.
"""

# ruff: noqa: S608 - names are quoted identifiers of the file, numbers are our own, everything else is bound.

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
from sqlalchemy import FromClause

from services.adapters.warehouse.duckdb import (
    ParquetFolder,
    asking,
    fingerprint_of,
    quoted,
    statements,
    text_literal,
)
from services.adapters.warehouse.recorded import recorded_files
from services.adapters.warehouse.statements.dialects import duckdb_dialect, relation
from services.adapters.warehouse.statements.tables import DAY, TimeKind, day_facts
from services.adapters.warehouse.table_days import Asked, TypedColumn, asked_of, counted_day, empty_day
from services.data_health.models import Family, TableDay, Zones
from services.data_health.rules import TableRules
from services.inventory.facts import Partition
from services.inventory.tables import FeatureTable

_SOURCES = ("features", "predictions")
_HIVE = frozenset({"date", "model"})
_REFERENCE_DAY = date(1970, 1, 1)
_FINITE = {"FLOAT", "DOUBLE"}

Shape = Mapping[str, frozenset[str]]


class DuckDbTableRows:
    def __init__(self, folder: Path) -> None:
        self._parquet = ParquetFolder(folder)

    def partitions(self, table: FeatureTable) -> tuple[Partition, ...]:
        if table.file:
            file = Path(table.file)
            if not file.is_file():
                return ()
            day = datetime.fromtimestamp(file.stat().st_mtime, UTC).date()
            return (Partition(source="file", owner=table.name, day=day, fingerprint=fingerprint_of([file])),)
        return tuple(
            partition
            for source in _SOURCES
            for partition in self._parquet.partitions(source)
            if partition.owner == table.recorded
        )

    def profile(
        self, table: FeatureTable, days: tuple[date, ...], rules: TableRules | None, *, now: datetime
    ) -> tuple[TableDay, ...]:
        if not days:
            return ()
        with asking(f"the table {table.name}") as connection:
            if table.file:
                files = {days[-1]: [table.file]}
            else:
                files = {day: found for day in days if (found := recorded_files(self._parquet, table.recorded, [day]))}
            return tuple(self._counted(connection, files, rules, now))

    def reference(self, table: FeatureTable) -> TableDay | None:
        if not table.recorded or not (file := self._parquet.reference_file(table.recorded)).is_file():
            return None
        with asking(f"the reference of {table.recorded}") as connection:
            now = datetime.now(UTC)
            found = list(self._counted(connection, {_REFERENCE_DAY: [str(file)]}, None, now))
        return found[0] if found else None

    def _counted(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: Mapping[date, list[str]],
        rules: TableRules | None,
        now: datetime,
    ) -> Iterator[TableDay]:
        groups: dict[tuple[tuple[str, frozenset[str]], ...], list[date]] = defaultdict(list)
        for day, names in files.items():
            groups[tuple(sorted(_shape(connection, names).items()))].append(day)
        for shape, days in groups.items():
            yield from _count(connection, dict(shape), {day: files[day] for day in days}, rules, now)


def _shape(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> dict[str, frozenset[str]]:
    """Every type that a column has in any of these files: two mean that the files disagree."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in files:
        for name, kind, *_ in connection.execute(
            "DESCRIBE SELECT * FROM read_parquet($file)", {"file": file}
        ).fetchall():
            found[str(name)].add(str(kind))
    return {name: frozenset(kinds) for name, kinds in found.items() if name not in _HIVE}


def _count(
    connection: duckdb.DuckDBPyConnection,
    shape: Shape,
    files: Mapping[date, list[str]],
    rules: TableRules | None,
    now: datetime,
) -> Iterator[TableDay]:
    asked = _asked(shape, rules, now)
    view = _view(connection, tuple(shape), files)
    answers = {day: answer for day, *answer in statements(connection)(day_facts(view, asked.table))}
    for day in files:
        if (answer := answers.get(day.isoformat())) is None:
            yield empty_day(day, asked)
        else:
            yield counted_day(day, answer, asked)


def _view(connection: duckdb.DuckDBPyConnection, columns: Sequence[str], files: Mapping[date, list[str]]) -> FromClause:
    """The day of a file is the day of its folder, which DuckDB would read as text; here it is known already."""
    listed = [(file, day.isoformat()) for day, names in files.items() for file in names]
    names, days = (", ".join(text_literal(pair[at]) for pair in listed) for at in (0, 1))
    day = f"list_extract([{days}], list_position([{names}], filename)) AS {quoted(DAY)}"
    source = f"read_parquet([{names}], hive_partitioning = true, union_by_name = true, hive_types_autocast = false"
    chosen = ", ".join([day, *map(quoted, columns)])
    connection.execute(f"CREATE OR REPLACE TEMP VIEW facts AS SELECT {chosen} FROM {source}, filename = true)")
    return relation(("facts",), (DAY, *columns), duckdb_dialect())


def _asked(shape: Shape, rules: TableRules | None, now: datetime) -> Asked:
    columns = [
        TypedColumn(
            name=name, family=_family(kinds), type=" and ".join(sorted(kinds)), may_be_nan=bool(kinds & _FINITE)
        )
        for name, kinds in shape.items()
    ]
    time = rules.time_column if rules else "event_at"
    time_kind, zones = _time(shape, time)
    role = "role" if "role" in shape else ""
    return asked_of(columns, rules, now=now, time=time, time_kind=time_kind, zones=zones, role=role)


def _time(shape: Shape, column: str) -> tuple[TimeKind, Zones]:
    """How the times are kept, and what the types alone say about zones; of text the values say it."""
    kinds = shape.get(column, frozenset())
    if not kinds:
        return TimeKind.NONE, Zones.NONE
    if kinds == {"VARCHAR"}:
        return TimeKind.TEXT, Zones.NONE
    stated = {kind for kind in kinds if kind == "TIMESTAMP WITH TIME ZONE"}
    silent = {kind for kind in kinds if kind == "DATE" or (kind.startswith("TIMESTAMP") and kind not in stated)}
    if kinds - stated - silent:
        return TimeKind.NONE, Zones.NONE
    return TimeKind.TYPED, Zones.MIXED if stated and silent else Zones.STATED if stated else Zones.SILENT


def _family(kinds: frozenset[str]) -> Family:
    families = {_family_of(kind) for kind in kinds}
    return families.pop() if len(families) == 1 else Family.OTHER


_WHOLE = frozenset(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
)


def _family_of(kind: str) -> Family:
    if kind in _WHOLE or kind in {"FLOAT", "DOUBLE"} or kind.startswith("DECIMAL"):
        return Family.NUMBER
    if kind == "BOOLEAN":
        return Family.TRUTH
    if kind == "VARCHAR" or kind.startswith("ENUM"):
        return Family.TEXT
    return Family.TIME if kind == "DATE" or kind.startswith("TIME") else Family.OTHER
