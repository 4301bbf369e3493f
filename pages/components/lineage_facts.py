"""Rows and sentences about lineage, small cells and feature tables. Pure: no Streamlit; everything typed is escaped."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pages.components import badges
from pages.components.format import md, plural
from services.inventory.access import ColumnHandling
from services.inventory.guard import CellCount, Cells, K, worst
from services.inventory.lineage import ColumnEdge, LineageChange, LineageGraph
from services.inventory.tables import CheckedTable, FeatureTable
from services.kernel.health import Health

KINDS = {
    "raw": "Raw source",
    "table": "Table",
    "data set": "Logged data set",
    "model": "Model version",
    "endpoint": "Where answers go",
}
SENSITIVE = ":red[:material/shield_person: personal]"


def sensitive_ways(graph: LineageGraph, personal: set[str]) -> set[tuple[str, str]]:
    """Edges between tables that carry a column which ends in a personal input, up to the model."""
    hops = {(hop.source, hop.target) for name in personal for path in graph.paths(name) for hop in path}
    own = f"{graph.model} version {graph.version}"
    if not personal & set(graph.inputs):
        return hops & set(graph.edges)
    into = {edge for edge in graph.edges if edge[1] == own}
    return (hops | into | {(graph.table, source) for source, _ in into}) & set(graph.edges)


def ways(graph: LineageGraph, personal: set[str]) -> pd.DataFrame:
    """The figure as a table: every hop, what it connects, and whether it carries personal columns."""
    kinds = {node.id: KINDS.get(node.kind, node.kind) for node in graph.nodes}
    marked = sensitive_ways(graph, personal)
    rows = [
        (md(a), kinds.get(a, ""), md(b), kinds.get(b, ""), SENSITIVE if (a, b) in marked else "")
        for a, b in graph.edges
    ]
    return pd.DataFrame(rows, columns=["From", "Is", "To", "Is then", "Carries"])


def columns(graph: LineageGraph, handling: Sequence[ColumnHandling]) -> pd.DataFrame:
    """Every input with its ways from raw columns, its tag and how people read it; sensitive ones first."""
    ordered = sorted(handling, key=lambda item: (item.tag is None or not item.is_personal, item.name))
    rows = [
        (
            f"**{md(item.name)}**" if item.is_personal else md(item.name),
            _paths(graph, item.name),
            _category(item),
            md(item.mask.words),
        )
        for item in ordered
    ]
    return pd.DataFrame(rows, columns=["Input", "From raw column to input", "Tag", "For people"])


def changes(lines: Sequence[LineageChange]) -> list[str]:
    signs = {"+": ":green[:material/add: added]", "-": ":red[:material/remove: gone]"}
    return [f"- {signs[line.sign]} {line.what.lower()} **{md(line.name)}**" for line in lines]


def cells_words(count: CellCount) -> str:
    """One sentence for the head of the card."""
    if count.problem:
        return count.problem
    if not count.as_read:
        return "People can read no column that could be joined with a list of known people."
    worst_one = worst(count.as_read)[0]
    if not worst_one.groups_below:
        smallest = min(item.smallest for item in count.as_read)
        return f"No combination that people can read singles out fewer than {K}; the smallest group has {smallest}."
    return (
        f"{plural(worst_one.people_below, 'person', 'people')} of {count.people:,} stand in groups of fewer than {K} "
        f"by {', '.join(worst_one.columns)}."
    )


def cells(found: Sequence[Cells]) -> pd.DataFrame:
    rows = [
        (
            md(" + ".join(item.columns)),
            f"{item.groups:,}",
            f":red[{item.groups_below:,}]" if item.groups_below else "0",
            f"{item.people_below:,}",
            f"{item.smallest:,}",
        )
        for item in worst(found)
    ]
    return pd.DataFrame(
        rows, columns=["Combination", "Groups", f"Groups below {K}", "People in them", "Smallest group"]
    )


def state_words(item: CheckedTable) -> str:
    """What is wrong with a table, the first fault first; or that nothing is."""
    if item.failing:
        return "; ".join(f"{result.words}: {result.sentence}" for result in item.failing)
    return " ".join(item.problems) or "Every rule is kept."


def rules(item: CheckedTable) -> pd.DataFrame:
    rows = [
        (md(result.words), badges.badge(result.state, _word(result.state)), md(result.sentence), f"{result.rows:,}")
        for result in item.results
    ]
    return pd.DataFrame(rows, columns=["Rule", "State", "Found", "Rows"])


def matches(table: FeatureTable, text: str) -> bool:
    wanted = text.casefold().split()
    held = " ".join((table.name, table.title, table.owner, table.documentation, *table.models)).casefold()
    return all(word in held for word in wanted)


def badge(item: CheckedTable) -> str:
    return badges.badge(item.state, _word(item.state))


def _word(state: Health) -> str:
    return {Health.HEALTHY: "Kept", Health.BREACH: "Broken", Health.UNKNOWN: "Not checked"}.get(state, "Watch")


def _category(item: ColumnHandling) -> str:
    if item.tag is None:
        return ":gray[no tag]"
    return badges.plain(item.tag.category, "violet" if item.is_personal else "gray", "shield_person")


def _paths(graph: LineageGraph, name: str) -> str:
    found = graph.paths(name)
    if not found:
        return ":orange[:material/help: nobody recorded where it comes from]"
    shown = [_path(path) for path in found[:6]]
    more = [f":gray[and {len(found) - 6} more]"] if len(found) > 6 else []
    return " · ".join([*shown, *more])


def _path(path: Sequence[ColumnEdge]) -> str:
    first, last = path[0], path[-1]
    names = [f"{first.source}.{first.column}", *(f"{hop.target}.{hop.feature}" for hop in path)]
    how = f" :gray[({md(last.how)})]" if last.how else ""
    return " → ".join(md(name) for name in names) + how
