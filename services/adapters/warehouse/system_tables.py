"""System tables of Databricks, read through a SQL warehouse. Implements mirror.ports.SystemTables.

Every answer becomes records of our own columns. Of an audit event only the parameters that name a model, version,
alias, tag or endpoint are taken: the others may hold secrets of the one who called.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import FromClause

from services.adapters.warehouse.sql_warehouse import SqlWarehouse
from services.adapters.warehouse.statements import system
from services.adapters.warehouse.statements.dialects import databricks_dialect, relation
from services.kernel.errors import TelemetryUnavailableError
from services.mirror import sources
from services.mirror.models import Record, Source

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = ("started_at", "ended_at", "starts_at", "ends_at", "changed_at", "deleted_at", "at")
_DECIMALS = ("quantity", "price")
_COUNTS = ("requests", "failed", "input_tokens", "output_tokens")
_NULLABLE = frozenset({*_TIMES, "ingested", "config_version", "status"})
_PARAMETERS = frozenset({
    "name", "full_name", "full_name_arg", "model_name", "version", "version_arg", "alias", "alias_arg", "key",
    "tag_key", "tag_name", "value", "tag_value", "endpoint_name", "endpoint_id", "served_model_name", "job_id",
    "run_id", "securable_type", "securable_full_name", "entity_name", "entity_type",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which usage is copied: of these products, and whatever carries the tag that names a model."""

    products: tuple[str, ...]
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """Columns that a statement reads, the statement, and which of its answer are the identity of a record."""

    columns: tuple[str, ...]
    statement: Callable[..., Any]
    key: tuple[str, ...] = ()
    at: str = "day"


_WAYS: Mapping[str, _Way] = {
    sources.USAGE: _Way(columns=system.USAGE, statement=system.usage, at="ended_at"),
    sources.PRICES: _Way(
        columns=system.PRICES, statement=system.prices, key=("sku", "cloud", "unit", "currency", "starts_at"),
        at="starts_at",
    ),
    sources.SERVED_ENTITIES: _Way(
        columns=system.ENTITIES, statement=system.served_entities,
        key=("workspace_id", "served_entity_id", "config_version", "changed_at"), at="changed_at",
    ),
    sources.ENDPOINT_USAGE: _Way(
        columns=system.REQUESTS, statement=system.endpoint_usage, key=("day", "workspace_id", "served_entity_id")
    ),
    sources.TABLE_LINEAGE: _Way(
        columns=system.TABLES, statement=system.table_lineage,
        key=("day", "workspace_id", "entity_type", "job_id", "pipeline_id", "source", "target"),
    ),
    sources.COLUMN_LINEAGE: _Way(
        columns=system.COLUMNS, statement=system.column_lineage,
        key=("day", "source", "source_column", "target", "target_column"),
    ),
    sources.COLUMN_TAGS: _Way(
        columns=system.TAGS, statement=system.column_tags, key=("table_name", "column_name", "tag_name"), at=""
    ),
    sources.AUDIT: _Way(columns=system.AUDIT, statement=system.audit, at="at"),
}  # fmt: skip


class DatabricksSystemTables:
    def __init__(self, warehouse: SqlWarehouse, *, wanted: Callable[[], Wanted], catalog: str = "system") -> None:
        self._warehouse = warehouse
        self._wanted = wanted
        self._catalog = catalog

    def scope(self, source: Source) -> str:
        if source.name != sources.USAGE:
            return ""
        wanted = self._wanted()
        return json.dumps([sorted(wanted.products), wanted.tag])

    def read(self, source: Source, first: date, last: date) -> tuple[Record, ...]:
        way = _WAYS[source.name]
        rows = relation((self._catalog, *source.table.split(".")), way.columns, databricks_dialect())
        statement = self._statement(source, way, rows, first, last)
        names = [column.name for column in statement.selected_columns]
        with self._warehouse.asking(f"{self._catalog}.{source.table}") as ask:
            return tuple(_record(way, dict(zip(names, row, strict=True)), source) for row in ask(statement))

    def _statement(self, source: Source, way: _Way, rows: FromClause, first: date, last: date) -> Any:
        if source.whole:
            return way.statement(rows)
        if source.name == sources.USAGE:
            wanted = self._wanted()
            return way.statement(rows, first, last, products=wanted.products, tag=wanted.tag)
        return way.statement(rows, first, last)


def _record(way: _Way, given: dict[str, Any], source: Source) -> Record:
    try:
        key = str(given.pop("key")) if not way.key else ""
        values = {name: _value(name, value) for name, value in given.items()}
        at = values.get(way.at)
        if isinstance(at, date) and not isinstance(at, datetime):
            at = datetime(at.year, at.month, at.day, tzinfo=UTC)
        return Record(key=_key(key, [values[name] for name in way.key]), at=at, values=values)
    except (ValueError, TypeError, InvalidOperation) as odd:
        raise TelemetryUnavailableError(
            f"A row of {source.table} cannot be read ({odd}).",
            hint="Nothing of this statement was copied. Compare its columns with the documentation of the platform.",
        ) from odd


def _key(given: str, names: list[Any]) -> str:
    if given and len(given) <= 64:
        return given
    return hashlib.sha256(json.dumps(names or given, default=str).encode()).hexdigest()


def _value(name: str, value: Any) -> Any:
    if value is None:
        return _nothing(name)
    return _MADE.get(name, str)(value)


def _nothing(name: str) -> Any:
    if name == "day":
        raise ValueError("it has no day")
    return None if name in _NULLABLE else 0 if name in _COUNTS else "{}" if name == "tags" else ""


def _time(micros: Any) -> datetime:
    return _EPOCH + timedelta(microseconds=int(micros))


def _decimal(value: Any) -> str:
    return f"{Decimal(str(value)).normalize():f}"


def _date(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _sorted_json(text: str, *, only: frozenset[str] | None) -> str:
    """A map has no order: the same tags must always be the same text."""
    found = json.loads(text)
    return json.dumps(
        {key: found[key] for key in sorted(found) if only is None or key in only}, ensure_ascii=False, sort_keys=True
    )


_MADE: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_TIMES, _time),
    **dict.fromkeys(_DECIMALS, _decimal),
    **dict.fromkeys(("day", "ingested"), _date),
    **dict.fromkeys((*_COUNTS, "config_version", "status"), int),
    "tags": lambda text: _sorted_json(text, only=None),
    "parameters": lambda text: _sorted_json(text, only=_PARAMETERS),
}
