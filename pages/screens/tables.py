"""Feature tables: who answers for them, whether their rows keep the declared rules, and which models rest on them."""

from __future__ import annotations

import streamlit as st

from pages.components import address, lineage_facts, notices, parts, places, reads, session
from pages.components.format import md, plural, when
from services.inventory.tables import CheckedTable
from services.kernel.health import Health

session.enter("tables")
room = session.control_room()
STATES = {"broken": Health.BREACH, "unchecked": Health.UNKNOWN, "kept": Health.HEALTHY}
WORDS = {"broken": "Broken", "unchecked": "Not checked", "kept": "Kept"}


def _filters() -> tuple[str, str]:
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        st.text_input(
            "Search",
            key=address.follow("q", address.get("q")),
            on_change=address.writes("q"),
            placeholder="Name, owner, words or model",
            icon=":material/search:",
            label_visibility="collapsed",
            width=240,
        )
        state = address.one("state", {name: name for name in STATES}, "")
        st.segmented_control(
            "State",
            list(STATES),
            format_func=WORDS.__getitem__,
            key=address.follow("state", state or None),
            on_change=address.writes("state", lambda value: value or ""),
            label_visibility="collapsed",
        )
    return address.get("q"), state


def _table(item: CheckedTable, *, opened: bool) -> None:
    table = item.table
    note = f"last checked {when(item.checked_at, session.zone())}" if item.checked_at else "not checked yet"
    with parts.card(f"{md(table.title)} {lineage_facts.badge(item)}", note, key=f"table-{table.name}"):
        state = lineage_facts.state_words(item)
        st.markdown(f":red[{md(state)}]" if item.failing else f":gray[{md(state)}]")
        parts.facts(
            [
                ("Name", md(table.name)),
                ("Owner", md(table.owner) or ":orange[nobody]"),
                ("Holds", md(table.documentation) or ":orange[not documented]"),
                ("Models", _models(table.models)),
            ],
            alt=f"About {table.name}",
        )
        st.page_link(
            places.path("data_health"),
            label="Day by day, and who is hurt",
            icon=":material/health_metrics:",
            query_params={"table": table.name},
        )
        with st.expander(plural(len(item.results), "data-quality rule"), icon=":material/rule:", expanded=opened):
            parts.table(lineage_facts.rules(item), alt=f"Rules of {table.name}")


def _models(names: tuple[str, ...]) -> str:
    return ", ".join(f"**{md(name)}**" for name in names) or "none"


def _summary(tables: tuple[CheckedTable, ...]) -> str:
    counts = {state: sum(item.state is state for item in tables) for state in STATES.values()}
    words = [f"{counts[state]} {WORDS[name].lower()}" for name, state in STATES.items() if counts[state]]
    return f":gray[{plural(len(tables), 'table')}: {', '.join(words)}.]" if tables else ":gray[None is declared.]"


found = reads.attempt("the feature tables", room.handling.tables, key="tables")
with parts.header("Feature tables", _summary(found) if found is not None else ":gray[Not known just now.]"):
    pass
if found is not None and not found:
    notices.empty(
        "No feature table yet",
        "Tables are declared in the catalog with owner, documentation and rules; the worker checks them.",
        icon="table_view",
        page="inventory",
        link="Models",
    )
elif found:
    text, wanted = _filters()
    chosen = address.get("table")
    order = {Health.BREACH: 0, Health.UNKNOWN: 1}
    shown = [
        item
        for item in sorted(found, key=lambda item: (order.get(item.state, 2), item.table.title))
        if lineage_facts.matches(item.table, text)
        and (not wanted or item.state is STATES[wanted])
        and (not chosen or item.table.name == chosen)
    ]
    if chosen:
        st.page_link(places.path("tables"), label="All feature tables", icon=":material/arrow_back:")
    if not shown:
        notices.empty(
            "Nothing matches", "Change the search or the state.", icon="search_off", page="tables", link="All"
        )
    for item in shown:
        _table(item, opened=bool(item.failing) or bool(chosen))
