"""People per group of quasi-identifying columns, counted in DuckDB over the recorded inputs.

Implements inventory.guard.CellCounter: one statement per sixty combinations, and only counts leave it.
"""

# ruff: noqa: S608 - names are quoted identifiers of the file, numbers are our own, everything else is bound.

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from services.adapters.warehouse.duckdb import ParquetFolder, asking, columns_of, quoted, rows, table_of
from services.adapters.warehouse.masking import shown
from services.adapters.warehouse.recorded import recorded_days, recorded_files
from services.inventory.access import Mask
from services.inventory.guard import Cells
from services.kernel.errors import TelemetryUnavailableError

_AT_ONCE = 60
_LAST_DAYS = 200
"""Half a year and a little: what people can look up."""
_PERSON = "coalesce(nullif(CAST(entity AS VARCHAR), ''), CAST(prediction_id AS VARCHAR))"


class DuckDbCells:
    def __init__(self, folder: Path) -> None:
        self._parquet = ParquetFolder(folder)

    def fingerprint(self, model: str) -> str:
        """By finished days: today's file grows every few seconds and would have everything counted again each time."""
        days = recorded_days(self._parquet, model)[:-1][-_LAST_DAYS:]
        return hashlib.sha256(" ".join(day.isoformat() for day in days).encode()).hexdigest() if days else ""

    def count(
        self, model: str, columns: Sequence[tuple[str, Mask]], sets: Sequence[tuple[str, ...]], *, k: int
    ) -> tuple[int, tuple[Cells, ...]]:
        files = recorded_files(self._parquet, model, recorded_days(self._parquet, model)[-_LAST_DAYS:])
        if not files:
            raise TelemetryUnavailableError(f"No inputs of {model} are recorded yet.", hint="Wait for the first run.")
        with asking(f"inputs of {model}") as connection:
            missing = sorted({name for name, _ in columns} - set(columns_of(connection, files)))
            if missing:
                raise TelemetryUnavailableError(
                    f"The recorded inputs of {model} have no column {missing[0]}.", hint="Serve or replay it first."
                )
            values = "".join(f", {shown(name, mask)} AS {quoted(name)}" for name, mask in columns)
            connection.execute(
                f'CREATE TEMP TABLE seen AS SELECT {_PERSON} AS "the person"{values} FROM {table_of("files")}',
                {"files": files},
            )
            [(people,)] = rows(connection, 'SELECT count(DISTINCT "the person") FROM seen', {})
            found: dict[tuple[str, ...], Cells] = {}
            for start in range(0, len(sets), _AT_ONCE):
                part = sets[start : start + _AT_ONCE]
                found |= {
                    tuple(names): Cells(
                        columns=tuple(names), groups=int(groups), groups_below=int(below), people_below=int(inside),
                        smallest=int(smallest),
                    )
                    for names, groups, below, inside, smallest in rows(connection, _statement(part, k), {})
                }  # fmt: skip
        empty = {"groups": 0, "groups_below": 0, "people_below": 0, "smallest": 0}
        return int(people), tuple(found.get(names, Cells(columns=names, **empty)) for names in sets)


def _statement(sets: Sequence[tuple[str, ...]], k: int) -> str:
    """One scan per combination, all in one statement; a group is named by its values, never returned."""
    parts = [
        f"SELECT {_names(names)} AS names, count(*), count(*) FILTER (n < {int(k)}),"
        f" coalesce(sum(n) FILTER (n < {int(k)}), 0), coalesce(min(n), 0)"
        f' FROM (SELECT count(DISTINCT "the person") AS n FROM seen GROUP BY {", ".join(map(quoted, names))})'
        for names in sets
    ]
    return " UNION ALL ".join(parts)


def _names(names: Sequence[str]) -> str:
    return "[" + ", ".join("'" + name.replace("'", "''") + "'" for name in names) + "]"
