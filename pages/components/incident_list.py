"""The list of incidents: figures with what they rest on, filters in the address, rows that open one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from pages.components import (
    address,
    badges,
    exporting,
    incident_forms,
    incident_tables,
    notices,
    parts,
    places,
    reads,
    session,
)
from pages.components.format import md, plural, took
from services.incidents.models import SEVERITIES, Figures, Incident, IncidentQuery, IncidentState, Spread, Summary
from services.kernel.errors import UnknownModelError
from services.kernel.health import Explanation
from services.kernel.identity import Actor, Permission

PAGE_SIZE = 50
STATES = {state.value: state for state in IncidentState}
LEVELS = {str(number): number for number in SEVERITIES}
_EXPORT_PAGE = 500
_FORMULA = (
    "To detect: detected minus start of the impact. To restore: mitigated, that is verified, minus start of the "
    "impact. Shown is the mean, with the number of incidents and the shortest and longest."
)


def query() -> IncidentQuery:
    """What the address asks for."""
    return IncidentQuery(
        text=address.get("q"),
        states=address.many("state", STATES),
        severities=address.many("severity", LEVELS),
        model=address.get("model"),
        offset=(address.number("page", 1, low=1, high=10_000) - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )


def show(asked_for: IncidentQuery, me: Actor) -> None:
    room = session.control_room()
    page = reads.attempt("the incidents", lambda: room.incidents.find(asked_for), key=f"incidents-{asked_for}")
    standing = reads.attempt("open incidents", lambda: room.incidents.open(asked_for.model), key="incidents-open")
    with parts.header("Incidents", _headline(standing)):
        if page is not None and room.people.may(me, Permission.EXPORT):
            exporting.popover("incidents", lambda: _rows(asked_for), note=filter_note(asked_for))
        if room.people.may(me, Permission.OPEN_INCIDENT):
            st.button(
                "Open an incident",
                icon=":material/add_alert:",
                type="primary",
                key="open-incident",
                on_click=incident_forms.open_report,
                args=(asked_for.model,),
            )
    st.fragment(_tiles, run_every=30)(asked_for.model)
    _filters(asked_for, page.items if page else ())
    if page is None:
        return
    if not page.items:
        _nothing(asked_for)
        return
    frame, config = incident_tables.incidents(page.items, session.now())
    chosen = parts.selectable(frame, config, key="incidents", alt="Incidents, those that are not closed first")
    parts.paging(page.total, asked_for.limit, key="incidents")
    if chosen is not None:
        st.switch_page(places.path("incidents"), query_params={"incident": page.items[chosen].incident_id})
    st.caption("Select a row to open it. With the keyboard: arrow keys move, Shift and Space select.")


def _headline(standing: Sequence[Incident] | None) -> str:
    if standing is None:
        return ":gray[Open incidents cannot be counted just now.]"
    if not standing:
        return ":gray[Nothing is wrong that anybody knows of.]"
    waiting = sum(item.state is IncidentState.OPEN for item in standing)
    running = sum(item.times.mitigated is None for item in standing)
    late = f":red[{waiting:,} not acknowledged]" if waiting else ":gray[all acknowledged]"
    return f":gray[{plural(len(standing), 'incident')} not closed, {running:,} not mitigated,] {late}"


def _tiles(model: str) -> None:
    """Reads again every half minute, beside whatever somebody types: it holds nothing to type into."""
    room = session.control_room()
    found = reads.attempt(
        "the figures", lambda: (room.incidents.summary(model), room.incidents.open(model)), key=f"figures-{model}"
    )
    if found is None:
        return
    summary, standing = found
    waiting = sum(item.state is IncidentState.OPEN for item in standing)
    first, second, third, fourth = st.columns(4)
    with first:
        words = (
            f"{waiting:,} of {len(standing):,}" if waiting else "all acknowledged" if standing else "nothing is open"
        )
        parts.tile("Not closed", f"{len(standing):,}", words, state=IncidentState.OPEN if waiting else None)
    with second:
        parts.tile("Mean time to detect", mean(summary.all.detect), spread_words(summary.all.detect))
    with third:
        parts.tile("Mean time to restore", mean(summary.all.restore), spread_words(summary.all.restore))
    with fourth:
        parts.tile("Last 30 days", f"{summary.recent.count:,}", _compared(summary))
    with st.container(horizontal=True, vertical_alignment="center"):
        parts.explain(_explanation(summary), key="incident-figures")
        if model:
            _on_call(model)


def _on_call(model: str) -> None:
    try:
        duty = reads.attempt("who is on call", lambda: session.control_room().incidents.on_call(model))
    except UnknownModelError as unknown:
        notices.field(unknown)
        return
    if duty is not None:
        colour = "gray" if duty.name else "red"
        icon = "support_agent" if duty.name else "phone_disabled"
        st.markdown(f":{colour}[:material/{icon}: {md(duty.sentence)}]")


def mean(spread: Spread) -> str:
    """In words; a mean of nothing is not known."""
    return took(spread.mean) if spread.mean is not None else "not known"


def spread_words(spread: Spread) -> str:
    """`n = 3, 4 min to 31 min; 1 left out: start not stated`."""
    words = f"n = {spread.n}"
    if spread.low is not None and spread.high is not None:
        words += f", {took(spread.low)} to {took(spread.high)}"
    left_out = [f"{spread.no_start} without a stated start"] if spread.no_start else []
    left_out += [f"{spread.clock_moved} across a moved clock"] if spread.clock_moved else []
    return f"{words}; left out: {', '.join(left_out)}" if left_out else words


def _compared(summary: Summary) -> str:
    return f"{_of(summary.recent)}; the 30 days before: {summary.before.count:,}, {_of(summary.before)}"


def _of(figures: Figures) -> str:
    if figures.restore.mean is None:
        return "none restored" if figures.count else "none detected"
    return f"restored in {took(figures.restore.mean)} (n = {figures.restore.n})"


def _explanation(summary: Summary) -> Explanation:
    return Explanation(
        formula=_FORMULA,
        source="Entries of the ledger: every step of every incident. Order is the number of the entry, so that a "
        "clock that was moved makes no negative time; such an incident is left out and counted.",
        window="all recorded incidents" + (f" of {summary.model}" if summary.model else "") + "; 30 days by detection",
        as_of=session.now(),
        n=summary.all.count,
        note="An incident whose start nobody has stated counts in no mean until somebody states it; rehearsals are no "
        "incidents.",
    )


def _filters(asked_for: IncidentQuery, rows: Sequence[Incident]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        st.text_input(
            "Search",
            key=address.follow("q", asked_for.text),
            on_change=address.writes("q"),
            placeholder="Title, model, person",
            icon=":material/search:",
            label_visibility="collapsed",
            width=220,
        )
        st.multiselect(
            "State",
            list(STATES),
            format_func=lambda name: badges.word(STATES[name]),
            placeholder="Any state",
            width=200,
            key=address.follow("state", [state.value for state in asked_for.states]),
            on_change=address.writes("state", ",".join),
            label_visibility="collapsed",
        )
        st.multiselect(
            "Severity",
            list(LEVELS),
            format_func=lambda name: f"{name}: {SEVERITIES[LEVELS[name]]}",
            placeholder="Any severity",
            width=200,
            key=address.follow("severity", [str(number) for number in asked_for.severities]),
            on_change=address.writes("severity", ",".join),
            label_visibility="collapsed",
        )
        names = list(dict.fromkeys([*([asked_for.model] if asked_for.model else []), *(row.model for row in rows)]))
        st.selectbox(
            "Model",
            names,
            index=None,
            placeholder="Any model",
            width=200,
            key=address.follow("model", asked_for.model or None),
            on_change=address.writes("model"),
            label_visibility="collapsed",
        )


def _nothing(asked_for: IncidentQuery) -> None:
    if asked_for == IncidentQuery(limit=PAGE_SIZE):
        notices.empty(
            "No incident was ever recorded",
            "A rollback opens one by itself, and so does a rule that is broken. People open one from here.",
            icon="done_all",
            page="rollouts",
            link="Rollouts",
        )
        return
    notices.empty("No incident matches these filters", "Closed incidents are included unless you choose a state.")
    with st.container(horizontal_alignment="center"):
        st.button("Clear filters", on_click=address.clear, key="clear-filters")


def filter_note(asked_for: IncidentQuery) -> str:
    words = [
        f"text “{asked_for.text}”" if asked_for.text else "",
        f"state {', '.join(state.value for state in asked_for.states)}" if asked_for.states else "",
        f"severity {', '.join(str(number) for number in asked_for.severities)}" if asked_for.severities else "",
        f"model {asked_for.model}" if asked_for.model else "",
    ]
    return "filter: " + ("; ".join(word for word in words if word) or "none")


def _rows(asked_for: IncidentQuery) -> list[dict[str, object]]:
    rows: list[Incident] = []
    while True:
        wanted = replace(asked_for, offset=len(rows), limit=_EXPORT_PAGE)
        page = session.control_room().incidents.find(wanted)
        rows += page.items
        if not page.items or len(rows) >= page.total:
            return incident_tables.export(rows)
