"""What Unity Catalog knows about the data behind a model: tables of each version, columns, tags.

    lineage = UnityLineage(client=workspace, warehouse=Warehouse(client=workspace, warehouse_id="abc"))
    lineage.declared(model)   # tables of every version, and the columns they were made of
    lineage.tags(model)       # who may be recognised by which input

Lineage tables hold tables, not models: the way from a version to its feature tables is in the version's dependencies.
They are a part of reality: what nobody ran on the platform is not in them, and the graph says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from services.adapters.databricks.statements import Row, Warehouse
from services.inventory.lineage import ColumnEdge, Declared
from services.inventory.models import GovernedModel, SensitiveColumn
from services.kernel.errors import RegistryUnavailableError

_UNITY_NAME = re.compile(r"[^.\s]+\.[^.\s]+\.[^.\s]+")
_DEEPEST = 5
"""Tables between a raw column and an input; the lineage of a whole lake is nobody's answer."""
_MOST_VERSIONS = 20
"""Newest versions whose dependencies are asked for."""
_DAYS = "365"

_COLUMNS = """
SELECT DISTINCT source_table_full_name AS source, source_column_name AS column_name,
       target_table_full_name AS target, target_column_name AS feature
FROM system.access.column_lineage
WHERE event_date >= date_sub(current_date(), CAST(:days AS INT))
  AND source_table_full_name IS NOT NULL AND source_column_name IS NOT NULL AND target_column_name IS NOT NULL
  AND source_table_full_name <> target_table_full_name
  AND array_contains(split(:tables, ','), target_table_full_name)
"""
_TAGS = """
SELECT concat_ws('.', catalog_name, schema_name, table_name) AS table_name, column_name, tag_name, tag_value
FROM system.information_schema.column_tags
WHERE array_contains(split(:tables, ','), concat_ws('.', catalog_name, schema_name, table_name))
"""
_CATEGORIES = {
    "phi": "PHI",
    "pii": "PII",
    "personal": "PII",
    "quasi-identifier": "quasi-identifier",
    "quasi_identifier": "quasi-identifier",
    "none": "not personal",
    "not personal": "not personal",
    "not_personal": "not personal",
}
_STRONGEST = ("PHI", "PII", "quasi-identifier", "not personal")
_TAG_NAMES = {"pii", "phi", "data_classification", "sensitivity", "personal_data"}
_YES = {"", "true", "yes", "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnityLineage:
    """Implements inventory.lineage.LineageSource and inventory.columns.TagSource."""

    client: Callable[[], Any]
    """Gives a `databricks.sdk.WorkspaceClient`, or anything with its `model_versions`."""
    warehouse: Warehouse

    def declared(self, model: GovernedModel) -> Declared:
        """Raises RegistryUnavailableError, TelemetryUnavailableError. A model of another registry: an empty answer."""
        tables = self._tables(model)
        columns = self._columns({table for found in tables.values() for table in found})
        into = {(table, f"{model.name} version {version}") for version, found in tables.items() for table in found}
        between = {(item.source, item.target) for item in columns}
        return Declared(columns=columns, edges=tuple(sorted(into | between)))

    def tags(self, model: GovernedModel) -> tuple[SensitiveColumn, ...]:
        """Tagged inputs by name: their own tags, and those of the columns they were made of. The strictest counts."""
        own = {table for found in self._tables(model).values() for table in found}
        columns = self._columns(own)
        by_column: dict[tuple[str, str], tuple[str, str]] = {}
        for row in self._ask(_TAGS, {*own, *(item.source for item in columns)}):
            found = _category(row)
            if found:
                place = (str(row["table_name"]), str(row["column_name"]))
                by_column[place] = min(found, by_column.get(place, found), key=_rank)
        tagged: dict[str, tuple[str, str]] = {}
        for (table, column), (category, word) in by_column.items():
            for name in _inputs_made_of(table, column, own, columns):
                if table not in own and category == "not personal":
                    continue  # says nothing about what was made of it together with other columns
                basis = f"Tag {word} of {table}.{column} in Unity Catalog"
                tagged[name] = min((category, basis), tagged.get(name, (category, basis)), key=_rank)
        return tuple(
            SensitiveColumn(name=name, category=category, basis=basis, tagged_by="Unity Catalog")
            for name, (category, basis) in sorted(tagged.items())
        )

    def _tables(self, model: GovernedModel) -> dict[str, tuple[str, ...]]:
        """Version to the tables it depends on, for the newest versions."""
        if not _UNITY_NAME.fullmatch(model.name):
            return {}
        try:
            versions = self.client().model_versions
            listed = sorted((int(item.version) for item in versions.list(model.name)), reverse=True)
            found = {number: versions.get(model.name, number) for number in listed[:_MOST_VERSIONS]}
        except Exception as fault:  # the client raises what its transport raises
            raise RegistryUnavailableError(
                f"Unity Catalog did not answer about {model.name} ({type(fault).__name__}).",
                hint="Check that this app may read the model.",
            ) from fault
        return {str(number): _depends_on(info) for number, info in found.items()}

    def _columns(self, tables: Collection[str]) -> tuple[ColumnEdge, ...]:
        """Level by level, since not every warehouse allows recursion; no table is asked for twice."""
        edges, seen, asked = set[ColumnEdge](), set[str](), set(tables)
        for _ in range(_DEEPEST):
            if not asked:
                break
            seen |= asked
            fresh = {
                ColumnEdge(
                    source=str(row["source"]),
                    column=str(row["column_name"]),
                    target=str(row["target"]),
                    feature=str(row["feature"]),
                )
                for row in self._ask(_COLUMNS, asked, days=_DAYS)
            }
            edges |= fresh
            asked = {item.source for item in fresh} - seen
        return tuple(sorted(edges, key=lambda item: (item.target, item.feature, item.source, item.column)))

    def _ask(self, sql: str, tables: Iterable[str], **named: str) -> tuple[Row, ...]:
        listed = ",".join(sorted(tables))
        return self.warehouse.rows(sql, tables=listed, **named) if listed else ()


def _depends_on(info: Any) -> tuple[str, ...]:
    """Set for models that were packaged with their feature tables; nothing else names them."""
    dependencies = info.model_version_dependencies.dependencies if info.model_version_dependencies else None
    names = {item.table.table_full_name for item in dependencies or () if item.table is not None}
    return tuple(sorted(name for name in names if name))


def _category(row: Row) -> tuple[str, str] | None:
    """(category, tag as it stands there), or None for a tag that says nothing about people."""
    name, value = str(row["tag_name"] or "").lower(), str(row["tag_value"] or "").strip().lower()
    if name.startswith("class."):  # set by the platform's own classification
        return "PII", str(row["tag_name"])
    if name not in _TAG_NAMES:
        return None
    word = f"{row['tag_name']}={row['tag_value']}" if value else str(row["tag_name"])
    if name in {"pii", "phi"} and value in _YES:
        return name.upper(), word
    if name in {"pii", "phi"} and value in {"false", "no", "0"}:
        return "not personal", word
    category = _CATEGORIES.get(value)
    if category is None and name in {"pii", "phi"}:
        category = name.upper()  # a value of the customer's own: taken for personal, the safe reading
    return (category, word) if category else None


def _rank(found: tuple[str, str]) -> tuple[int, str]:
    return _STRONGEST.index(found[0]), found[1]


def _inputs_made_of(table: str, column: str, own: Collection[str], columns: Collection[ColumnEdge]) -> set[str]:
    """Columns of the model's own tables that this column is, or that were made of it over any number of tables."""
    reached, waiting = set[tuple[str, str]](), {(table, column)}
    while waiting:
        reached |= waiting
        waiting = {(item.target, item.feature) for item in columns if (item.source, item.column) in waiting} - reached
    return {name for place, name in reached if place in own}
