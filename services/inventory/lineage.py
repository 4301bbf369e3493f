"""Where a version's inputs come from and where its answers go, as one graph with a digest. Pure.

    graph = build(governed, version, declared)   # raw -> feature table -> data set -> version -> endpoint
    graph.paths("prior_docvis")                  # hops from raw columns to the input
    changed = diff(live_graph, graph)

The graph comes from three sources: edges and columns that are declared (catalog file, lineage tables), data sets that
the training run logged, and the signature. What none of them states is missing in words, never drawn.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.attestation.canonical import sha256_hex, to_bytes
from services.inventory.models import GovernedModel, ModelVersion

FORMAT = "countersign.lineage/1"
_LONGEST_PATH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnEdge:
    """One column made of another. `how`: in words; empty when it is the same value."""

    source: str
    column: str
    target: str
    feature: str
    how: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What is known about a model's columns outside the registry."""

    columns: tuple[ColumnEdge, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    """Edges beyond those of the inventory entry: between tables, into the model, or into `MODEL version N` alone."""


class LineageSource(Protocol):
    """Embedded: the catalog file. On Databricks: lineage system tables and the model version's dependencies."""

    def declared(self, model: GovernedModel) -> Declared:
        """Raises UnavailableError when it cannot be asked; an unknown model is an empty answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """`kind`: raw, table, data set, model, endpoint."""

    id: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageGraph:
    model: str
    version: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    columns: tuple[ColumnEdge, ...]
    inputs: tuple[str, ...]
    table: str
    """The feature table the model reads, or empty when nothing says so."""

    @property
    def document(self) -> bytes:
        """Canonical bytes: what is kept with a request."""
        return to_bytes(
            {
                "format": FORMAT,
                "model": self.model,
                "version": self.version,
                "nodes": [{"id": node.id, "kind": node.kind} for node in self.nodes],
                "edges": [list(edge) for edge in self.edges],
                "columns": [[item.source, item.column, item.target, item.feature, item.how] for item in self.columns],
                "inputs": list(self.inputs),
                "table": self.table,
            }
        )

    @property
    def sha256(self) -> str:
        return sha256_hex(self.document)

    @property
    def unexplained(self) -> tuple[str, ...]:
        """Inputs whose origin nobody recorded."""
        known = {item.feature for item in self.columns if item.target == self.table}
        return tuple(name for name in self.inputs if name not in known)

    def paths(self, feature: str) -> tuple[tuple[ColumnEdge, ...], ...]:
        """Every way from a raw column to this input, as hops in order; empty when nothing is recorded."""
        found: list[tuple[ColumnEdge, ...]] = []
        self._walk(self.table, feature, (), found)
        return tuple(found)

    def _walk(
        self, table: str, column: str, after: tuple[ColumnEdge, ...], found: list[tuple[ColumnEdge, ...]]
    ) -> None:
        into = [item for item in self.columns if (item.target, item.feature) == (table, column) and item not in after]
        if not into or len(after) >= _LONGEST_PATH:
            if after:
                found.append(after)
            return
        for item in into:
            self._walk(item.source, item.column, (item, *after), found)


def build(model: GovernedModel, version: ModelVersion, declared: Declared) -> LineageGraph:
    """The same facts give the same bytes: everything is in a fixed order."""
    name = f"{model.name} version {version.version}"
    ways = ((_named(a, model.name, name), _named(b, model.name, name)) for a, b in (*model.lineage, *declared.edges))
    edges = {way for way in ways if not _is_of_another(way, model.name, name)}
    inputs = tuple(column for column, _ in version.inputs)
    feeding = sorted(source for source, target in edges if target == name)
    table = _feature_table(feeding, declared.columns)
    sets = {f"data set {item.name} {item.digest}": item for item in version.datasets}
    for title in sets:
        edges |= {(table, title)} if table else set()
        edges.add((title, name))
    columns = _reaching(declared.columns, table, inputs)
    ids = sorted({node for edge in edges for node in edge} | {name})
    return LineageGraph(
        model=model.name,
        version=version.version,
        nodes=tuple(Node(id=node, kind=_kind(node, name, sets, edges)) for node in ids),
        edges=tuple(sorted(edges)),
        columns=columns,
        inputs=inputs,
        table=table,
    )


def read(document: bytes) -> LineageGraph:
    """Raises ValueError for bytes that are not a lineage document."""
    data: dict[str, Any] = json.loads(document)
    if data.get("format") != FORMAT:
        raise ValueError(f"not a document of format {FORMAT}")
    return LineageGraph(
        model=data["model"],
        version=data["version"],
        nodes=tuple(Node(**node) for node in data["nodes"]),
        edges=tuple((a, b) for a, b in data["edges"]),
        columns=tuple(
            ColumnEdge(source=source, column=column, target=target, feature=feature, how=how)
            for source, column, target, feature, how in data["columns"]
        ),
        inputs=tuple(data["inputs"]),
        table=data["table"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenGraph:
    """A graph as it was when a request cited it."""

    graph: LineageGraph
    kept_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageChange:
    """One line of the difference. `sign`: `+` or `-`."""

    sign: str
    what: str
    name: str


def diff(before: LineageGraph, after: LineageGraph) -> tuple[LineageChange, ...]:
    """What the newer version adds and drops. The versions' own nodes are the same thing under another number."""
    old, new = _comparable(before), _comparable(after)
    return tuple(
        LineageChange(sign=sign, what=what, name=name)
        for what in new
        for sign, names in (("+", new[what] - old[what]), ("-", old[what] - new[what]))
        for name in sorted(names)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """The version that another is compared with. `approved`: it is the last one that was; else only the one before."""

    version: str
    approved: bool


def previous(version: str, listed: Sequence[str], approved: Collection[str]) -> Previous | None:
    """`listed`: every version, newest first. None for the first one."""
    before = listed[listed.index(version) + 1 :] if version in listed else ()
    found = next((item for item in before if item in approved), None)
    if found is not None:
        return Previous(version=found, approved=True)
    return Previous(version=before[0], approved=False) if before else None


def _comparable(graph: LineageGraph) -> dict[str, set[str]]:
    own = f"{graph.model} version {graph.version}"
    edges = ((_named(a, own, "the model"), _named(b, own, "the model")) for a, b in graph.edges)
    return {
        "Input": set(graph.inputs),
        "Data": {node.id for node in graph.nodes if node.kind != "model"},
        "Way": {f"{a} → {b}" for a, b in edges if "data set " not in a + b},
        "Column": {f"{item.source}.{item.column} → {item.target}.{item.feature}" for item in graph.columns},
    }


def _named(node: str, old: str, new: str) -> str:
    return new if node == old else node


def _is_of_another(way: tuple[str, str], model: str, name: str) -> bool:
    """A way into or out of another version of the same model: each version may have tables of its own."""
    return any(node != name and node.startswith(f"{model} version ") for node in way)


def _feature_table(feeding: list[str], columns: Iterable[ColumnEdge]) -> str:
    """The one table into the model; among several, the one whose columns are recorded."""
    known = {item.target for item in columns}
    return next((name for name in feeding if name in known), feeding[0] if len(feeding) == 1 else "")


def _reaching(columns: Iterable[ColumnEdge], table: str, inputs: tuple[str, ...]) -> tuple[ColumnEdge, ...]:
    """Only columns that end in an input of this version."""
    edges = sorted(columns, key=lambda item: (item.target, item.feature, item.source, item.column, item.how))
    wanted, kept = {(table, name) for name in inputs}, set[ColumnEdge]()
    while True:
        fresh = {item for item in edges if (item.target, item.feature) in wanted} - kept
        if not fresh:
            return tuple(item for item in edges if item in kept)
        kept |= fresh
        wanted |= {(item.source, item.column) for item in fresh}


def _kind(node: str, model: str, sets: Iterable[str], edges: Iterable[tuple[str, str]]) -> str:
    if node == model:
        return "model"
    if node in set(sets):
        return "data set"
    reached, pairs = {model}, list(edges)
    while fresh := {target for source, target in pairs if source in reached} - reached:
        reached |= fresh
    if node in reached:
        return "endpoint"
    return "table" if any(target == node for _, target in pairs) else "raw"
