"""Recorded facts as Parquet folders, asked through DuckDB: `<source>/<owner key>=<owner>/date=<day>/*.parquet`.

Statements return aggregates, never rows for the application to count. A folder that does not exist is an empty
answer; a file that cannot be read is TelemetryUnavailableError, never a zero.
"""

# ruff: noqa: S608 - names are quoted identifiers of the file, everything that anybody chooses is bound.

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import FromClause, Select

from services.adapters.warehouse.statements.dialects import compiled, duckdb_dialect, relation
from services.inventory.facts import Partition
from services.kernel.errors import TelemetryUnavailableError

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "memory_limit": "1GB",
    "autoinstall_known_extensions": False,
}
_NUMBERS = frozenset({"HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE"}) | {
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ParquetFolder:
    """One inference folder. Cheap to make; every question opens its own in-memory connection."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def partitions(self, source: str, owner_key: str = "model") -> tuple[Partition, ...]:
        """Every day on disk with a fingerprint of names, sizes and times of change of its files."""
        with _translated(source):
            return tuple(self._partitions(source, owner_key))

    def _partitions(self, source: str, owner_key: str) -> Iterator[Partition]:
        for owner, owner_folder in _children(self._folder / source, owner_key):
            for day_text, day_folder in _children(owner_folder, "date"):
                fingerprint = fingerprint_of(parquet_files(day_folder))
                day = _day(day_text)
                if fingerprint and day is not None:
                    yield Partition(source=source, owner=owner, day=day, fingerprint=fingerprint)

    def files(self, source: str, owner: str, days: Sequence[date], owner_key: str = "model") -> list[str]:
        """Files of these days that exist now, oldest day first."""
        with _translated(source):
            wanted = {day.isoformat() for day in days}
            owners = dict(_children(self._folder / source, owner_key))
            folders = sorted(_children(owners[owner], "date")) if owner in owners else []
            return [str(file) for day, folder in folders if day in wanted for file in parquet_files(folder)]

    def days(self, source: str, owner: str, owner_key: str = "model") -> list[date]:
        with _translated(source):
            owners = dict(_children(self._folder / source, owner_key))
            texts = [text for text, _ in _children(owners[owner], "date")] if owner in owners else []
            return sorted(day for text in texts if (day := _day(text)) is not None)

    def mark(self, files: Sequence[str]) -> str:
        """Changes when one of these files grows or is replaced. Raises TelemetryUnavailableError for one that went."""
        with _translated("the recorded facts"):
            return fingerprint_of([Path(file) for file in files])

    def reference_file(self, model: str) -> Path:
        return self._folder / "reference" / f"{model}.parquet"

    def reference_partitions(self) -> tuple[Partition, ...]:
        """Reference windows. Their day has no meaning; the fingerprint changes with the file."""
        with _translated("reference"):
            return tuple(
                Partition(source="reference", owner=file.stem, day=date(1970, 1, 1), fingerprint=fingerprint_of([file]))
                for file in parquet_files(self._folder / "reference")
            )


@contextmanager
def asking(about: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose failures speak our language. Raises TelemetryUnavailableError."""
    with _translated(about):
        connection = duckdb.connect(":memory:", config=_CONFIG)
        try:
            yield _settled(connection)
        finally:
            connection.close()


@contextmanager
def beside(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """One more connection for another thread: threads and memory are shared, names of relations are its own."""
    with connection.cursor() as other:
        yield _settled(other)


def _settled(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    connection.execute("SET TimeZone = 'UTC'")
    # A profile reads every file once per column: their footers are kept once, and not per column.
    connection.execute("SET parquet_metadata_cache = true")
    return connection


def rows(connection: duckdb.DuckDBPyConnection, sql: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Answers of one statement; only parameters that the statement names are passed."""
    return connection.execute(sql, {name: value for name, value in given.items() if f"${name}" in sql}).fetchall()


def arrays(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, NDArray[Any]]:
    """Columns of numbers that one statement answers, by name; NULL is masked."""
    return {name: np.ma.asarray(column) for name, column in connection.execute(sql).fetchnumpy().items()}


def table_of(name: str) -> str:
    """A table function over the files bound to parameter `name`; the day of the folder is column `date` (text)."""
    return f"read_parquet(${name}, hive_partitioning = true, union_by_name = true, hive_types_autocast = false)"


def statements(connection: duckdb.DuckDBPyConnection) -> Callable[[Any], list[tuple[Any, ...]]]:
    """Runs SQLAlchemy Core statements on this connection."""
    return lambda statement: connection.execute(compiled(statement, duckdb_dialect())).fetchall()


_SMALL_BYTES = 16 * 2**20


def view_of(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    files: Sequence[str],
    columns: str,
    where: str,
    *,
    copied: bool = True,
    named: bool = False,
) -> None:
    """A relation over these files. Few bytes are copied, so that files are opened once and not once per column.

    Many bytes stay where they are: every GROUP BY then decodes its own column only, and memory stays flat.
    """
    listed = ", ".join(map(text_literal, files))
    source = table_of("files").replace("$files", f"[{listed}]")
    source = f"{source[:-1]}, filename = true)" if named else source
    asked = f"SELECT {columns} FROM {source} WHERE {where}"
    # The name is always a view: neither kind replaces the other, and files of one question may be small and large.
    held = quoted(f"{name} held")
    if copied and small(files):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {held} AS {asked}")
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS SELECT * FROM {held}")
    else:
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS {asked}")
        connection.execute(f"DROP TABLE IF EXISTS {held}")


def small(files: Sequence[str]) -> bool:
    """Whether these files are copied rather than opened once per column."""
    return sum(Path(file).stat().st_size for file in files) <= _SMALL_BYTES


def facts_of(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    files: Sequence[str],
    columns: Sequence[str],
    *,
    where: str = "true",
    copied: bool = True,
    file_as: str = "",
) -> FromClause:
    """These columns of these files as a relation that Core statements are asked of; `date` is that of the folder.

    `copied` False where one statement is asked, which may leave out what it does not need. `file_as` names one more
    column with the path of the file.
    """
    chosen = [*map(quoted, columns), *([f"filename AS {quoted(file_as)}"] if file_as else [])]
    view_of(connection, name, files, ", ".join(chosen), where, copied=copied, named=bool(file_as))
    return relation((name,), (*columns, *([file_as] if file_as else [])), duckdb_dialect())


def table_from(connection: duckdb.DuckDBPyConnection, name: str, asked: Select[Any]) -> FromClause:
    """An answer that several questions build on, asked once."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(name)} AS {compiled(asked, duckdb_dialect())}")
    return relation((name,), tuple(str(column.name) for column in asked.selected_columns), duckdb_dialect())


def kind_of(type_name: str) -> str:
    """`number` and `text` have a distribution; `time`, `empty` (all values missing) and `other` have none."""
    name = type_name.upper()
    if name in _NUMBERS or name.startswith("DECIMAL"):
        return "number"
    if name in {"VARCHAR", "BOOLEAN"} or name.startswith("ENUM"):
        return "text"
    if name.startswith(("TIMESTAMP", "DATE", "TIME", "INTERVAL")):
        return "time"
    return "empty" if name in {'"NULL"', "NULL"} else "other"


def columns_of(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> dict[str, str]:
    """Column names and types over all these files."""
    described = connection.execute(f"DESCRIBE SELECT * FROM {table_of('files')}", {"files": list(files)}).fetchall()
    return {str(name): str(kind) for name, kind, *_ in described}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def number(column: str) -> str:
    return f"TRY_CAST({quoted(column)} AS DOUBLE)"


def at_microseconds(value: int | None) -> datetime:
    return _EPOCH + timedelta(microseconds=int(value or 0))


def parquet_files(folder: Path) -> list[Path]:
    """Finished files in order. Writers use other endings or a leading dot until a file is complete."""
    if not folder.is_dir():
        return []
    names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(".parquet"))
    return [folder / name for name in names if not name.startswith((".", "_"))]


def fingerprint_of(files: Sequence[Path]) -> str:
    """Changes when a file appears, goes, grows or is replaced; empty without files."""
    if not files:
        return ""
    digest = hashlib.sha256()
    for file in files:
        facts = file.stat()
        digest.update(f"{file.name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _children(folder: Path, key: str) -> Iterator[tuple[str, Path]]:
    if not folder.is_dir():
        return
    prefix = f"{key}="
    for entry in os.scandir(folder):
        if entry.name.startswith(prefix) and entry.is_dir():
            yield unquote(entry.name.removeprefix(prefix)), Path(entry.path)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@contextmanager
def _translated(about: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as broken:
        raise TelemetryUnavailableError(
            f"The recorded facts about {about} cannot be read ({type(broken).__name__}).",
            hint="The last known figures stay. Check the Parquet files in the inference folder.",
        ) from broken
