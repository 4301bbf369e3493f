"""Column lineage and feature tables as the catalog file declares them. Light: the web process reads it, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from services.inventory.lineage import ColumnEdge, Declared
from services.inventory.models import GovernedModel
from services.inventory.tables import FeatureTable, QualityRule, RuleKind
from services.kernel.errors import TelemetryUnavailableError

CATALOG_FILE = Path(__file__).with_name("catalog.yaml")
ACCESS_FILE = Path(__file__).with_name("access.yaml")
DATA_FOLDER = Path(__file__).parent.parent / "data"
_THREE_NAMES = re.compile(r"[^.\s`]+(\.[^.\s`]+){2}\Z")


class DeclaredCatalog:
    """Implements inventory.lineage.LineageSource and inventory.tables.FeatureTableSource."""

    def __init__(self, file: Path = CATALOG_FILE, data: Path = DATA_FOLDER) -> None:
        self._file = file
        self._data = data
        self._read: tuple[tuple[int, int], _Content] | None = None

    def declared(self, model: GovernedModel) -> Declared:
        """The model's own ways, and columns of tables that lie on them."""
        content = self._content()
        own = content.ways.get(model.name, ())
        ways = {*model.lineage, *own}
        columns = tuple(item for item in content.columns if (item.source, item.target) in ways)
        return Declared(columns=columns, edges=own)

    def tables(self) -> tuple[FeatureTable, ...]:
        return self._content().tables

    def _content(self) -> _Content:
        try:
            facts = self._file.stat()
            version = (facts.st_mtime_ns, facts.st_size)
            if self._read is None or self._read[0] != version:
                data = yaml.safe_load(self._file.read_text(encoding="utf-8"))
                edges = tuple(edge for way in data.get("column_lineage") or () for edge in _edges(way))
                tables = tuple(_table(entry, self._data) for entry in data.get("feature_tables") or ())
                self._read = (version, _Content(columns=edges, tables=tables, ways=_ways(data)))
            return self._read[1]
        except _CatalogError as wrong:
            raise TelemetryUnavailableError(
                f"The catalog file cannot be used: {wrong}", hint=f"Correct {self._file.name}."
            ) from wrong
        except (OSError, yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as broken:
            raise TelemetryUnavailableError(
                f"The catalog file cannot be read ({type(broken).__name__}).", hint=f"Check {self._file.name}."
            ) from broken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    columns: tuple[ColumnEdge, ...]
    tables: tuple[FeatureTable, ...]
    ways: Mapping[str, tuple[tuple[str, str], ...]]
    """By model."""


class _CatalogError(ValueError):
    """An entry that says nothing that could be looked at; the text is for people."""


def _ways(data: dict[str, Any]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Of full entries of models, and under `lineage` for models whose other facts are kept elsewhere."""
    given = [(entry["name"], entry.get("lineage") or ()) for entry in data.get("models") or ()]
    found: dict[str, list[tuple[str, str]]] = {}
    for name, ways in (*given, *(data.get("lineage") or {}).items()):
        for way in ways:
            if not isinstance(way, list) or len(way) != 2:
                raise _CatalogError(f"lineage of {name} has the entry {way!r}; [source, target] is needed.")
            found.setdefault(str(name), []).append((str(way[0]), str(way[1])))
    return {name: tuple(ways) for name, ways in found.items()}


def _edges(way: dict[str, Any]) -> Iterator[ColumnEdge]:
    source, target = str(way["from"]), str(way["to"])
    for name in way.get("same") or ():
        yield ColumnEdge(source=source, column=name, target=target, feature=name)
    for feature, (columns, how) in (way.get("columns") or {}).items():
        for column in columns:
            yield ColumnEdge(source=source, column=column, target=target, feature=feature, how=how)


def _table(entry: dict[str, Any], data: Path) -> FeatureTable:
    rows = entry["rows"]
    name, kinds = entry["name"], [kind for kind in ("recorded", "file", "table") if kind in rows]
    if len(kinds) != 1:
        raise _CatalogError(f"rows of {name} name {len(kinds)} of recorded, file and table; exactly one is needed.")
    if "table" in rows and not _THREE_NAMES.match(str(rows["table"])):
        raise _CatalogError(f"rows of {name} name the table {rows['table']!r}; catalog.schema.table is needed.")
    return FeatureTable(
        name=name,
        title=entry["title"],
        owner=entry.get("owner", ""),
        documentation=entry.get("documentation", "").strip(),
        models=tuple(entry["models"]),
        rules=tuple(_rule(rule) for rule in entry.get("rules") or ()),
        recorded=rows.get("recorded", ""),
        days=int(rows.get("days", 30)),
        file=str(data / rows["file"]) if "file" in rows else "",
        table=str(rows.get("table", "")),
        time=str(rows.get("time", "")),
        written=str(rows.get("written", "")),
    )


def _rule(given: dict[str, Any]) -> QualityRule:
    return QualityRule(
        id=given["id"],
        kind=RuleKind(given["kind"]),
        columns=tuple(given["columns"]) if "columns" in given else (given["column"],),
        limit=float(given.get("within_hours", given.get("at_most", 0))),
        low=None if given.get("low") is None else float(given["low"]),
        high=None if given.get("high") is None else float(given["high"]),
    )
