"""The list of alerts: how many stand, filters in the address, one card each, and when anybody last looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import streamlit as st

from pages.components import address, alert_facts, alert_tables, badges, exporting, notices, parts, reads, session
from pages.components.format import age, md, plural
from services.alerts.models import STANDING, Alert, AlertKind, AlertQuery, AlertState, Counts, Look
from services.alerts.wording import KIND_WORDS
from services.kernel.health import Explanation
from services.kernel.identity import Actor, Permission

PAGE_SIZE = 20
STATES = {state.value: state for state in (*STANDING, AlertState.CLOSED)}
KINDS = {kind.value: kind for kind in AlertKind}
WHOSE = {"1": True, "0": False}
OLD = timedelta(minutes=10)
"""A look older than this is no look: the worker asks every minute."""
_EXPORT_PAGE = 500


def query(me: Actor) -> AlertQuery:
    """What the address asks for."""
    states = address.many("state", STATES) or STANDING
    return AlertQuery(
        model=address.get("model"),
        kinds=address.many("kind", KINDS),
        states=states,
        mine=me.subject if address.one("mine", WHOSE, default=False) else "",
        offset=(address.number("page", 1, low=1, high=10_000) - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )


def show(asked_for: AlertQuery, me: Actor) -> None:
    room = session.control_room()
    page = reads.attempt("the alerts", lambda: room.alerts.find(asked_for), key=f"alerts-{asked_for}")
    found = reads.attempt("what stands", lambda: (room.alerts.counts(), room.alerts.looks()), key="alerts-counts")
    counts, looks = found if found is not None else (None, ())
    with parts.header("Alerts", _headline(counts, looks)):
        if page is not None and room.people.may(me, Permission.EXPORT):
            exporting.popover("alerts", lambda: _rows(asked_for), note=filter_note(asked_for))
    alert_facts.blind(looks)
    _filters(asked_for, page.items if page else ())
    if page is None:
        return
    if not page.items:
        _nothing(asked_for, looks, known=found is not None)
        return
    for alert in page.items:
        alert_facts.row(alert, me)
    parts.paging(page.total, asked_for.limit, key="alerts")


def _headline(counts: Counts | None, looks: Sequence[Look]) -> str:
    if counts is None:
        return ":gray[Alerts cannot be counted just now.]"
    waiting = f":red[{counts.open:,} open]" if counts.open else ":gray[Nothing waits for an acknowledgement]"
    words = [f"{counts.acknowledged:,} acknowledged", f"{counts.snoozed:,} snoozed"]
    words += [f"{counts.unknown:,} not measured now, which stay open"] if counts.unknown else []
    return f"{waiting}:gray[, {', '.join(words)}; {looked(looks)}.]"


def looked(looks: Sequence[Look]) -> str:
    """When every source was last heard: the oldest of them, since the others do not stand in for it."""
    if not looks:
        return "nobody has looked yet"
    if any(look.last_success is None for look in looks):
        return "not everything could be looked at yet"
    oldest = min(look.last_success for look in looks if look.last_success is not None)
    return f"last looked {age(oldest, session.now())}"


def _explanation() -> Explanation:
    return Explanation(
        formula="Opens with one window in breach, two in a row at the warning level, or a measurement that is missing "
        "for a day. Closes after two healthy windows in a row; missing data never closes it. Back within a day, it is "
        "the same alert.",
        source="The verdicts of drift, performance, service levels, error budgets and rollbacks",
        window="every minute, of drift and performance what changed; a window counts once, however often it is seen",
        as_of=session.now(),
        n=None,
        note="Severity: state and business impact (breach 2, 2, 3; warning 3, 3, 4; not measured 3, 4, 4 for high, "
        "medium, low impact), one graver for a rollback that does not happen; the gravest since it opened. Impact is "
        "that of the risk tier, or greater where the monitor states more money a day at risk. All columns of a model "
        "that drift are one alert, and so are all rules of a feature table.",
    )


def _filters(asked_for: AlertQuery, rows: Sequence[Alert]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        st.segmented_control(
            "Whose",
            list(WHOSE)[::-1],
            format_func={"1": "Mine", "0": "All"}.__getitem__,
            required=True,
            key=address.follow("mine", "1" if asked_for.mine else "0"),
            on_change=address.writes("mine"),
            label_visibility="collapsed",
        )
        chosen = [] if asked_for.states == STANDING else [state.value for state in asked_for.states]
        st.multiselect(
            "State",
            list(STATES),
            format_func=lambda name: badges.word(STATES[name]),
            placeholder="Not closed",
            width=200,
            key=address.follow("state", chosen),
            on_change=address.writes("state", ",".join),
            label_visibility="collapsed",
        )
        st.multiselect(
            "Kind",
            list(KINDS),
            format_func=lambda name: KIND_WORDS[KINDS[name]],
            placeholder="Any kind",
            width=220,
            key=address.follow("kind", [kind.value for kind in asked_for.kinds]),
            on_change=address.writes("kind", ",".join),
            label_visibility="collapsed",
        )
        named = [asked_for.model] if asked_for.model else []
        st.selectbox(
            "Model",
            list(dict.fromkeys([*named, *(row.key.model for row in rows)])),
            index=None,
            placeholder="Any model",
            width=220,
            key=address.follow("model", asked_for.model or None),
            on_change=address.writes("model"),
            label_visibility="collapsed",
        )
        parts.explain(_explanation(), key="alert-rules", label="When does an alert open and close?")


def _nothing(asked_for: AlertQuery, looks: Sequence[Look], *, known: bool) -> None:
    if asked_for != AlertQuery(limit=PAGE_SIZE):
        notices.empty("No alert matches these filters", "Closed alerts are shown when you choose that state.")
        with st.container(horizontal_alignment="center"):
            st.button("Clear filters", on_click=address.clear, key="clear-filters")
        return
    fresh = looks and all(look.last_success and session.now() - look.last_success <= OLD for look in looks)
    if not known or not fresh:
        notices.empty(
            "Whether anything is wrong is not known",
            f"No alert stands, but {md(looked(looks))}. The worker looks every minute while it runs.",
            icon="help",
            page="settings",
            link="Settings",
        )
        return
    notices.empty(
        "No alert stands",
        f"Everything that is measured was looked at; {md(looked(looks))}, {plural(len(looks), 'source')}.",
        icon="done_all",
        page="drift",
        link="Drift",
    )


def filter_note(asked_for: AlertQuery) -> str:
    words = [
        f"state {', '.join(state.value for state in asked_for.states)}",
        f"kind {', '.join(kind.value for kind in asked_for.kinds)}" if asked_for.kinds else "",
        f"model {asked_for.model}" if asked_for.model else "",
        f"owner {asked_for.mine}" if asked_for.mine else "",
    ]
    return "filter: " + "; ".join(word for word in words if word)


def _rows(asked_for: AlertQuery) -> list[dict[str, object]]:
    rows: list[Alert] = []
    while True:
        page = session.control_room().alerts.find(replace(asked_for, offset=len(rows), limit=_EXPORT_PAGE))
        rows += page.items
        if not page.items or len(rows) >= page.total:
            return alert_tables.export(rows, session.now())
