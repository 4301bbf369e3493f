"""Tables of other estates: a Parquet folder, a Delta table or a SQL table, opened as one SQLAlchemy table.

Files are read by DuckDB; a SQL table is asked where it lies. Folders lie under the allowed ones, connections are named
in the settings. A Delta table is read by the list of its live files: a glob would count deleted rows again.
"""

# ruff: noqa: S608 - only names of files that were found on disk are rendered, with their quotes doubled.

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError
from sqlalchemy.pool import NullPool, StaticPool
from sqlalchemy.sql.elements import quoted_name

from services.adapters.warehouse.statements.dialects import compiled, databricks_dialect
from services.kernel.errors import InputError, TelemetryUnavailableError
from services.kernel.secret import Secret
from services.monitoring.monitor_rules import ColumnKind
from services.monitoring.monitors import Source, SourceKind
from services.monitoring.sources import Places, SourceColumn

_CONFIG = {"threads": 2, "memory_limit": "1GB", "autoinstall_known_extensions": False}
_HINT = "Write it as table, as schema.table, or on Databricks as catalog.schema.table."
_REFUSED_FEATURES = {
    "deletionVectors": "deletion vectors, so its files still hold rows that were deleted",
    "columnMapping": "column mapping, so the names in its files are not the names of its columns",
}


class SourceRefusedError(InputError):
    """A source that may not or cannot be read as it is."""

    code = "source-refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTable:
    """A source that can be asked. `files` of a source made of files, else empty."""

    connection: sa.Connection
    table: sa.TableClause
    columns: Mapping[str, SourceColumn]
    files: tuple[str, ...]
    words: str

    @property
    def dialect(self) -> str:
        return self.connection.dialect.name

    def column(self, name: str) -> sa.ColumnElement[Any]:
        """Raises SourceRefusedError for a column that is not there, as after a renaming."""
        if name not in self.table.c:
            raise SourceRefusedError(
                f"The {self.words} has no column {name!r} any more.",
                hint=f"It has {', '.join(sorted(self.columns)[:20])}. Say in the monitor which column it is now.",
            )
        return self.table.c[name]

    def kind(self, name: str) -> ColumnKind:
        self.column(name)
        return self.columns[name].kind

    def rows(self, statement: sa.Executable) -> Sequence[Any]:
        """Raises SourceRefusedError for values that are not what their column was said to be, else unavailable."""
        try:
            if self.dialect == "databricks":
                # It takes at most 256 parameters, and a column of a hundred values in twenty slices has more.
                return self.connection.exec_driver_sql(compiled(statement, databricks_dialect())).all()
            return self.connection.execute(statement).all()
        except SQLAlchemyError as broken:
            # A failed statement ends its transaction; what is asked next begins one that reads only, like the first.
            self.connection.rollback()
            _settle(self.connection)
            raise unreadable(self.words, broken) from broken


class Estates:
    """Opens sources. `connections` is JSON text: name to SQLAlchemy address."""

    def __init__(self, *, folders: Sequence[Path], connections: Secret | None = None) -> None:
        self._folders = tuple(folders)
        self._connections = connections

    def places(self) -> Places:
        return Places(folders=tuple(str(folder) for folder in self._folders), connections=tuple(sorted(self._named())))

    def try_connection(self, name: str) -> None:
        """Opens it for reading and closes it. Raises SourceRefusedError, TelemetryUnavailableError."""
        try:
            engine = _engine(self._named()[name])
        except (SQLAlchemyError, ImportError, ValueError, KeyError) as broken:
            raise SourceRefusedError(
                f"The address of connection {name} cannot be used ({type(broken).__name__}).",
                hint="An administrator corrects COUNTERSIGN_MONITOR_CONNECTIONS.",
            ) from broken
        try:
            with engine.connect() as connection:
                _settle(connection)
        except SQLAlchemyError as broken:
            raise unreadable(f"through the connection {name}", broken) from broken
        finally:
            engine.dispose()

    @contextmanager
    def open(self, source: Source) -> Iterator[OpenTable]:
        """Raises SourceRefusedError, TelemetryUnavailableError."""
        if source.kind is SourceKind.INFERENCE:
            raise SourceRefusedError("The recorded predictions are not an import.", hint="Choose a table or a folder.")
        opened = self._sql(source) if source.kind is SourceKind.SQL else self._files(source)
        with opened as table:
            yield table

    # files

    @contextmanager
    def _files(self, source: Source) -> Iterator[OpenTable]:
        root, folder = self._allowed(source.folder)
        delta = source.kind is SourceKind.DELTA
        names = _delta_files(folder, root, source.words) if delta else _parquet_files(folder, root)
        engine = sa.create_engine("duckdb:///:memory:", connect_args={"config": _CONFIG}, poolclass=StaticPool)
        listed = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
        view = (
            f"CREATE TEMP VIEW source AS SELECT * FROM read_parquet([{listed}], union_by_name = true,"
            " hive_partitioning = true, hive_types_autocast = false)"
        )
        try:
            with engine.connect() as connection:
                try:
                    connection.exec_driver_sql("SET TimeZone = 'UTC'")
                    connection.exec_driver_sql(view)
                    described = connection.exec_driver_sql("DESCRIBE source").all()
                    connection.commit()
                except SQLAlchemyError as broken:
                    raise unreadable(source.words, broken) from broken
                columns = {str(row[0]): _described(str(row[0]), str(row[1])) for row in described}
                yield OpenTable(
                    connection=connection, table=_table("source", columns), columns=columns, files=tuple(names),
                    words=source.words,
                )  # fmt: skip
        finally:
            engine.dispose()

    def _allowed(self, text: str) -> tuple[Path, Path]:
        """(allowed folder, wanted folder), links followed. Raises SourceRefusedError."""
        named = "" if "\x00" in text else text.strip()
        for folder in self._folders:
            root = folder.resolve()
            wanted = (root / named).resolve()  # an absolute path stays what it is
            if named and wanted.is_relative_to(root) and wanted.is_dir():
                return root, wanted
        roots = ", ".join(str(folder) for folder in self._folders)
        raise SourceRefusedError(
            f"{text or 'The folder'} is not a folder under one that imports may read from.",
            hint=f"Allowed: {roots}. An administrator names more with COUNTERSIGN_MONITOR_ROOTS.",
        )

    # SQL

    @contextmanager
    def _sql(self, source: Source) -> Iterator[OpenTable]:
        address = self._named().get(source.connection)
        if address is None:
            known = ", ".join(sorted(self._named())) or "none"
            raise SourceRefusedError(
                f"There is no connection named {source.connection!r}.",
                hint=f"Known: {known}. An administrator names them with COUNTERSIGN_MONITOR_CONNECTIONS.",
            )
        *above, name = source.table.split(".")
        try:
            catalog, schema = _places(address, above)
            engine = _engine(address, catalog=catalog)
        except (SQLAlchemyError, ImportError, ValueError) as broken:
            raise SourceRefusedError(
                f"The address of connection {source.connection} cannot be used ({type(broken).__name__}).",
                hint="An administrator corrects COUNTERSIGN_MONITOR_CONNECTIONS.",
            ) from broken
        try:
            with engine.connect() as connection:
                _settle(connection)
                found = sa.inspect(connection).get_columns(name, schema=schema)
                columns = {str(item["name"]): _reflected(str(item["name"]), item["type"]) for item in found}
                if not columns:
                    raise SourceRefusedError(f"There is no {source.words}.", hint=_HINT)
                yield OpenTable(
                    connection=connection,
                    table=_table(name, columns, _schema(connection, catalog, schema)), columns=columns, files=(),
                    words=source.words,
                )  # fmt: skip
        except NoSuchTableError as absent:
            raise SourceRefusedError(f"There is no {source.words}.", hint=_HINT) from absent
        except SQLAlchemyError as broken:
            raise unreadable(source.words, broken) from broken
        finally:
            engine.dispose()

    def _named(self) -> dict[str, str]:
        text = self._connections.reveal() if self._connections else ""
        if not text.strip():
            return {}
        try:
            found = json.loads(text)
            return {str(name): str(address) for name, address in found.items()}
        except (ValueError, AttributeError) as odd:
            raise SourceRefusedError(
                "COUNTERSIGN_MONITOR_CONNECTIONS is not a JSON object of names and addresses.",
                hint="An administrator corrects it.",
            ) from odd


def unreadable(words: str, broken: Exception) -> InputError | TelemetryUnavailableError:
    """What a failed question means: a value of another type is the reader's to correct, everything else is away."""
    cause = getattr(broken, "orig", None) or broken
    kind = type(cause).__name__
    if kind in {
        "ConversionException",
        "DataError",
        "InvalidDatetimeFormat",
        "DatetimeFieldOverflow",
        "BinderException",
    }:
        return SourceRefusedError(
            f"A column of {words} holds values that are not of the type it was chosen for ({kind}).",
            hint="Look at the types in the preview and choose another column.",
        )
    return TelemetryUnavailableError(
        f"It was not possible to read {words} ({kind}).",
        hint="Check that the files are complete and the connection answers; nothing was changed.",
    )


def _parquet_files(folder: Path, root: Path) -> list[str]:
    if (folder / "_delta_log").is_dir():
        raise SourceRefusedError(
            f"{folder.name} is a Delta table.",
            hint="Choose the kind Delta: its folder also holds files of deleted rows.",
        )
    found = sorted(
        file
        for file in folder.rglob("*.parquet")
        if not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    )
    if not found:
        raise SourceRefusedError(f"There is no Parquet file in {folder.name}.", hint="Choose a folder with data.")
    return [_inside(file, root) for file in found]


def _delta_files(folder: Path, root: Path, words: str) -> list[str]:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        table = DeltaTable(str(folder))
        protocol, settings = table.protocol(), table.metadata().configuration
        asked = set(protocol.reader_features or ())
        if settings.get("delta.enableDeletionVectors", "").lower() == "true":
            asked.add("deletionVectors")
        if settings.get("delta.columnMapping.mode", "none").lower() != "none":
            asked.add("columnMapping")
        for feature, why in _REFUSED_FEATURES.items():
            if feature in asked:
                raise SourceRefusedError(
                    f"{folder.name} uses {why}.",
                    hint="Read it through a SQL connection, or write a plain copy of it.",
                )
        found = table.file_uris()
    except (DeltaError, OSError, ValueError) as broken:
        raise TelemetryUnavailableError(
            f"It was not possible to read {words} ({type(broken).__name__}).",
            hint="Check that the folder is a Delta table and its log is complete.",
        ) from broken
    if not found:
        raise SourceRefusedError(f"{folder.name} is an empty Delta table.", hint="Choose a table with rows.")
    # The log may name files anywhere: only those below the allowed folder are read.
    return [_inside(Path(unquote(urlparse(name).path) if "://" in name else name), root) for name in found]


def _inside(file: Path, root: Path) -> str:
    place = file.resolve()
    if not place.is_relative_to(root):
        raise SourceRefusedError(
            f"The file {file.name} lies outside the allowed folder.", hint="Links that lead elsewhere are not followed."
        )
    return str(place)


def _places(address: str, above: Sequence[str]) -> tuple[str, str | None]:
    """(catalog, schema) of a table. Its dialect asks for columns in the catalog of the connection alone."""
    if len(above) == 2 and sa.make_url(address).get_backend_name() == "databricks":
        return above[0], above[1]
    return "", ".".join(above) or None


def _schema(connection: sa.Connection, catalog: str, schema: str | None) -> str | None:
    """Each name in quotes of its own: both together would be one name with a dot in it."""
    if not catalog or not schema:
        return schema
    quote = connection.dialect.identifier_preparer.quote
    return quoted_name(f"{quote(catalog)}.{quote(schema)}", quote=False)


def _engine(address: str, *, catalog: str = "") -> sa.Engine:
    url = sa.make_url(address)
    if catalog:
        url = url.update_query_dict({"catalog": catalog})
    given: dict[str, Any] = {"read_only": True} if url.get_backend_name() == "duckdb" else {}
    file = url.database or ""
    if url.get_backend_name() in {"sqlite", "duckdb"} and file not in {"", ":memory:"} and not Path(file).exists():
        raise ValueError("its file does not exist")  # opening it would create an empty one
    return sa.create_engine(url, poolclass=NullPool, connect_args=given)


def _settle(connection: sa.Connection) -> None:
    """Reading only, days in UTC."""
    name = connection.dialect.name
    if name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    elif name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
    elif name == "duckdb":
        connection.exec_driver_sql("SET TimeZone = 'UTC'")
    elif name == "databricks":
        connection.exec_driver_sql("SET TIME ZONE 'UTC'")


def _table(name: str, columns: Mapping[str, SourceColumn], schema: str | None = None) -> sa.TableClause:
    return sa.table(name, *(sa.column(item) for item in columns), schema=schema)


def _described(name: str, kind: str) -> SourceColumn:
    upper = kind.upper()
    if upper.startswith(("TIMESTAMP", "DATE")):
        found = ColumnKind.TIME
    elif upper == "BOOLEAN":
        found = ColumnKind.BOOLEAN
    elif upper == "VARCHAR" or upper.startswith("ENUM") or upper == "UUID":
        found = ColumnKind.TEXT
    elif upper.endswith("]") or upper.startswith(("STRUCT", "MAP", "BLOB", "TIME", "INTERVAL", "BIT", "JSON")):
        found = ColumnKind.OTHER
    else:
        found = ColumnKind.NUMBER
    return SourceColumn(name=name, kind=found, type=kind)


def _reflected(name: str, kind: sa.types.TypeEngine[Any]) -> SourceColumn:
    # Databricks wraps its times and its smallest integer.
    meant = kind.impl_instance if isinstance(kind, sa.types.TypeDecorator) else kind
    found = next((word for types, word in _REFLECTED if isinstance(meant, types)), ColumnKind.OTHER)
    return SourceColumn(name=name, kind=found, type=f"{kind} WITH TIME ZONE" if _is_instant(kind) else str(kind))


def _is_instant(kind: sa.types.TypeEngine[Any]) -> bool:
    """A type whose times are placed. Databricks calls it TIMESTAMP, and the other one TIMESTAMP_NTZ."""
    databricks = type(kind).__module__.startswith("databricks.") and type(kind).__name__ == "TIMESTAMP"
    return databricks or bool(getattr(kind, "timezone", False))


_REFLECTED: tuple[tuple[tuple[type[Any], ...], ColumnKind], ...] = (
    ((sa.types.Boolean,), ColumnKind.BOOLEAN),
    ((sa.types.Integer, sa.types.Numeric, sa.types.Float), ColumnKind.NUMBER),
    ((sa.types.Date, sa.types.DateTime), ColumnKind.TIME),
    ((sa.types.String, sa.types.Uuid), ColumnKind.TEXT),
)
