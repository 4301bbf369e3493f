"""Lineage and data of one version: the graph with its table, column paths, who is singled out, feature tables."""

from __future__ import annotations

import streamlit as st

from pages.components import address, charts, lineage_facts, notices, parts, places, reads, session
from pages.components.format import code, count, digest, md, plural, version, when
from services.approvals.models import Purpose, RequestState
from services.inventory.access import ColumnHandling
from services.inventory.guard import CellCount
from services.inventory.lineage import LineageChange, LineageGraph, Previous, previous
from services.inventory.metadata import LINEAGE
from services.inventory.models import GovernedModel, ModelVersion
from services.inventory.tables import CheckedTable

MOST_HOPS = 60
_APPROVED = {RequestState.APPROVED, RequestState.APPLIED}
_RELEASES = {Purpose.PROMOTION, Purpose.ADOPTION}


def section(model: GovernedModel, versions: tuple[ModelVersion, ...], champion: str | None) -> None:
    """`champion` is the version that answers now: the graph is compared with its graph."""
    if not versions:
        _declared(model)
        return
    chosen = _choose(versions)
    room, name = session.control_room(), model.name
    inputs = tuple(column for column, _ in chosen.inputs)
    handling = reads.attempt(
        "the access rules", lambda: room.handling.columns(model, inputs), key=f"handling-{name}-{chosen.version}"
    )
    found = reads.attempt(
        "the lineage", lambda: room.handling.graph(name, chosen.version), key=f"graph-{name}-{chosen.version}"
    )
    if found is None:
        with parts.card("Lineage"):
            notices.remark("The lineage of this version was not put together yet; the worker does it.", "help")
            notices.remark(md(LINEAGE), "edit_note")
    else:
        show_graph(found, handling or ())
        _changes(model, chosen, champion)
        _since_previous(model, chosen, versions, champion)
        _columns(found, handling or ())
    cells = reads.attempt("small groups", lambda: room.handling.cells(model, chosen), key=f"cells-{name}")
    if cells is not None:
        _cells(cells)
    tables = reads.attempt("the feature tables", lambda: room.handling.tables_of(name), key=f"tables-{name}")
    if tables is not None:
        _tables(tables)


def show_graph(
    graph: LineageGraph, handling: tuple[ColumnHandling, ...], *, key: str = "lineage", note: str = ""
) -> None:
    """The figure, and the same as a table that a keyboard reaches. `note`: of when it is, where that is not now."""
    personal = {item.name for item in handling if item.is_personal}
    with parts.card(f"Lineage of {version(graph.version)}", f"{note}digest {code(digest(graph.sha256))}"):
        edges = graph.edges[:MOST_HOPS]
        marked = lineage_facts.sensitive_ways(graph, personal)
        figure = charts.lineage(edges, parts.ink(), marked=[f"{graph.model} version {graph.version}"], sensitive=marked)
        parts.wide_chart(
            figure, key=key, alt="From raw source to endpoint: " + "; ".join(f"{a} to {b}" for a, b in edges)
        )
        if marked:
            st.caption(f":red[Red lines] carry columns that end in {plural(len(personal), 'personal input')}.")
        if graph.unexplained:
            notices.remark(f"Nobody recorded where these inputs come from: {md(', '.join(graph.unexplained))}.", "help")
        if not any(node.kind in {"raw", "table"} for node in graph.nodes):
            notices.remark(md(LINEAGE), "edit_note")
        with st.expander(f"The same as a table, {plural(len(graph.edges), 'hop')}", icon=":material/table_rows:"):
            parts.table(lineage_facts.ways(graph, personal), alt=f"Hops {key}")


def show_changes(lines: tuple[LineageChange, ...], base: str, what: str = "which is live") -> None:
    """`what` says which version the other one is."""
    if not lines:
        notices.remark(f"The same lineage as {version(base)}, {what}.", "check")
        return
    st.markdown(f"**{plural(len(lines), 'difference')} to {version(base)}, {what}**")
    listed(lines)


def listed(lines: tuple[LineageChange, ...]) -> None:
    st.markdown("\n".join(lineage_facts.changes(lines[:20])))
    if len(lines) > 20:
        st.caption(f"{len(lines) - 20} more are in the two graphs.")


def previous_of(model: str, number: str, listed: tuple[str, ...]) -> Previous | None:
    """The last version that was approved before this one, or the one before it by number."""
    asked = reads.attempt(
        "the requests of the model",
        lambda: session.control_room().approvals.requests_of(model),
        key=f"requests-{model}",
    )
    approved = {item.version for item in asked or () if item.state in _APPROVED and item.purpose in _RELEASES}
    return previous(number, listed, approved)


def previous_words(found: Previous) -> str:
    return "the last version approved before it" if found.approved else "the version before it, which nobody approved"


def _choose(versions: tuple[ModelVersion, ...]) -> ModelVersion:
    by_number = {item.version: item for item in versions}
    chosen = address.one("v", by_number, versions[0])
    st.selectbox(
        "Version to look at",
        list(by_number),
        format_func=version,
        width=200,
        key=address.follow("v", chosen.version),
        on_change=address.writes("v"),
    )
    return chosen


def _declared(model: GovernedModel) -> None:
    """Vendor models have no version of ours; what is known about their data is in the inventory entry."""
    with parts.card("Lineage", "as far as it is known"):
        if not model.lineage:
            notices.remark("Nobody has recorded where this model's data comes from.", "help")
            notices.remark(md(LINEAGE), "edit_note")
            return
        edges = model.lineage[:MOST_HOPS]
        figure = charts.lineage(
            edges, parts.ink(), marked=[node for edge in edges for node in edge if model.name in node]
        )
        alt = "From raw table to endpoint: " + "; ".join(f"{a} to {b}" for a, b in edges)
        parts.wide_chart(figure, key="lineage", alt=alt)


def _changes(model: GovernedModel, chosen: ModelVersion, champion: str | None) -> None:
    if not champion or champion == chosen.version:
        return
    room = session.control_room()
    lines = reads.attempt(
        "the live version's lineage",
        lambda: room.handling.changes(model.name, champion, chosen.version),
        key=f"lineage-changes-{model.name}-{chosen.version}",
    )
    with parts.card("Changed since the live version"):
        if lines is None:
            notices.remark(f"The lineage of {version(champion)} is not known, so nothing can be compared.", "help")
        else:
            show_changes(lines, champion)


def _since_previous(
    model: GovernedModel, chosen: ModelVersion, versions: tuple[ModelVersion, ...], champion: str | None
) -> None:
    """Also of the live version itself, and where none is live."""
    found = previous_of(model.name, chosen.version, tuple(item.version for item in versions))
    if found is None:
        with parts.card("Changed since the version before"):
            notices.remark(f"{version(chosen.version)} is the first version: there is nothing to compare.", "looks_one")
        return
    if found.version == champion:
        return  # compared above
    lines = reads.attempt(
        "the earlier version's lineage",
        lambda: session.control_room().handling.changes(model.name, found.version, chosen.version),
        key=f"lineage-before-{model.name}-{chosen.version}",
    )
    with parts.card("Changed since the version before"):
        if lines is None:
            notices.remark(f"The lineage of {version(found.version)} is not known, so nothing can be compared.", "help")
        else:
            show_changes(lines, found.version, previous_words(found))


def _columns(graph: LineageGraph, handling: tuple[ColumnHandling, ...]) -> None:
    personal = sum(item.is_personal for item in handling)
    with parts.card("From raw column to model input", f"{count(len(graph.inputs))} inputs, {count(personal)} personal"):
        parts.table(lineage_facts.columns(graph, handling), alt="Column paths")


def _cells(found: CellCount) -> None:
    with parts.card("Who could be singled out", f"{count(found.people)} people counted" if found.people else ""):
        sentence = md(lineage_facts.cells_words(found))
        if found.problem:
            notices.remark(sentence, "help")
            return
        small = any(item.groups_below for item in found.as_read)
        st.markdown(f":red[:material/groups: {sentence}]" if small else f":material/groups: {sentence}")
        if found.as_read:
            parts.table(lineage_facts.cells(found.as_read), alt="Combinations as people read them")
        if found.as_served:
            with st.expander("The same for the values the model reads", icon=":material/visibility:"):
                parts.table(lineage_facts.cells(found.as_served), alt="Combinations as the model reads them")
        if found.counted_at and found.people:
            st.caption(
                f"Counted over different people in the recorded inputs, {when(found.counted_at, session.zone())}. "
                "A combination below the limit of the policy needs coarser access rules or a signed exception."
            )


def _tables(found: tuple[CheckedTable, ...]) -> None:
    with parts.card("Feature tables", plural(len(found), "table")):
        if not found:
            notices.remark("No feature table of this model is declared or checked yet.", "help")
            return
        for item in found:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.page_link(
                    places.path("tables"),
                    label=md(item.table.title),
                    query_params={"table": item.table.name},
                    width=260,
                )
                st.markdown(lineage_facts.badge(item), width="content")
                st.markdown(f":gray[{md(lineage_facts.state_words(item))}]")
