"""Cells of several columns of large files laid at once, by threads that have a connection each."""

# ruff: noqa: S608 - names are quoted identifiers of the file, everything that anybody chooses is bound.

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Self

import duckdb
from sqlalchemy import FromClause

from services.adapters.warehouse.duckdb import beside, quoted, rows, statements, view_of
from services.adapters.warehouse.statements.counting import DAY
from services.adapters.warehouse.statements.dialects import duckdb_dialect, relation

FACTS = "facts"
_SORTED_ROWS = 65_536
THINNED_FROM = 4 * _SORTED_ROWS
"""Rows from which it pays to read a column twice, to draw some rows and to count all, rather than to sort it."""
_GOLDEN, _WORD = 2_654_435_761, 2**32
"""Multiples of the golden ratio of a word, modulo the word, are spread evenly, and always draw the same rows."""
_COLUMNS_BESIDE = 2
"""Sorting some rows of one column keeps one thread of the engine busy, and planning and reading another."""


class ColumnsBeside:
    """Asks about columns of these files; whoever asks in a thread of the `pool` asks by a connection of that thread.

    Some 65,000 rows are drawn of a column: edges of cells need not be sorted for exactly. A decile is then off by 0.2
    points of the share of its rows. Counts and sums are always those of all rows.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, files: Sequence[str], held: int, where: str) -> None:
        """`where` is the condition that rows have to meet."""
        self._first, self._files, self._where = connection, files, where
        self._drawn = f"(file_row_number * {_GOLDEN}) % {_WORD} < {_WORD * _SORTED_ROWS // held}"
        self._own, self._opened, self._opening = threading.local(), ExitStack(), threading.Lock()
        self.pool = ThreadPoolExecutor(_COLUMNS_BESIDE)

    def __enter__(self) -> Self:
        self._own.connection = self._first
        return self

    def __exit__(self, *raised: object) -> None:
        self.pool.shutdown(cancel_futures=True)
        self._opened.close()

    def ask(self, statement: Any) -> list[tuple[Any, ...]]:
        return statements(self._connection())(statement)

    def thinned(self, column: str) -> FromClause:
        some = (
            f"read_parquet($files, file_row_number = true, union_by_name = true) WHERE {self._drawn} AND {self._where}"
        )
        made = f"CREATE OR REPLACE TEMP TABLE thinned AS SELECT {quoted(column)} FROM {some}"
        rows(self._connection(), made, {"files": list(self._files)})
        return relation(("thinned",), (column,), duckdb_dialect())

    def _connection(self) -> duckdb.DuckDBPyConnection:
        if not hasattr(self._own, "connection"):
            with self._opening:
                opened = self._opened.enter_context(beside(self._first))
            as_one_day(opened, self._files, self._where)
            self._own.connection = opened
        connection: duckdb.DuckDBPyConnection = self._own.connection
        return connection


def as_one_day(connection: duckdb.DuckDBPyConnection, files: Sequence[str], where: str) -> None:
    """Relation `facts` of these files, as if all their rows were of one day."""
    view_of(connection, FACTS, files, f"DATE '1970-01-01' AS {quoted(DAY)}, *", where)


def rows_of(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> int:
    """Read off the footers."""
    [(held,)] = rows(connection, "SELECT sum(num_rows) FROM parquet_file_metadata($files)", {"files": list(files)})
    return int(held or 0)
