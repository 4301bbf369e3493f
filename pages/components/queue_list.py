"""The list of requests: what waits for the reader first, filters in the address, rows that open the exact step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import partial

import streamlit as st

from pages.components import address, badges, notices, parts, places, queue_tables, reads, session, tables
from pages.components.format import asked, due, md, role
from services.approvals.models import Purpose, QueueCounts, QueueQuery, QueueRow, RequestState
from services.inventory.models import Tier
from services.kernel.identity import Actor, Permission

PAGE_SIZE = 50
STATES = {state.value: state for state in RequestState}
WAITING = QueueQuery().states
TIERS = {str(int(tier)): tier for tier in Tier}
PURPOSES = {purpose.value: purpose for purpose in Purpose}
MINE = {"1": True, "0": False}
_EXPORT_PAGE = 500


def query() -> QueueQuery:
    """What the address asks for."""
    return QueueQuery(
        text=address.get("q"),
        mine_only=address.one("mine", MINE, default=False),
        tiers=tuple(int(tier) for tier in address.many("tier", TIERS)),
        states=address.many("state", STATES) or WAITING,
        purposes=address.many("purpose", PURPOSES),
        model=address.get("model"),
        offset=(address.number("page", 1, low=1, high=10_000) - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )


def show(asked_for: QueueQuery, me: Actor) -> None:
    room = session.control_room()
    counts = reads.attempt("the counts", lambda: room.approvals.counts(me), key=f"counts-{me.subject}")
    with parts.header("Approvals", headline(counts)):
        if room.people.may(me, Permission.EXPORT):
            _export(asked_for, me)
    page = reads.attempt(
        "the queue", lambda: room.approvals.queue(asked_for, actor=me), key=f"queue-{me.subject}-{asked_for}"
    )
    if counts is not None:
        _by_role(counts)
    _filters(asked_for, page.items if page else ())
    if page is None:
        return
    if not page.items:
        _nothing(asked_for)
        return
    _mine(page.items)
    frame, config = queue_tables.queue(page.items, session.now())
    chosen = parts.selectable(frame, config, key="queue", alt="Requests, those that wait for you first", row_height=40)
    parts.paging(page.total, asked_for.limit, key="queue")
    if chosen is not None:
        st.switch_page(places.path("approvals"), query_params=step_address(page.items[chosen]))
    st.caption("Select a row to open it. With the keyboard: arrow keys move, Shift and Space select.")


def headline(counts: QueueCounts | None) -> str:
    """`3 wait for your signature, 1 overdue`: the sentence under the title."""
    if counts is None:
        return ":gray[The queue cannot be counted just now.]"
    if not counts.mine:
        return ":gray[Nothing waits for your signature.]"
    words = f"{counts.mine:,} {'waits' if counts.mine == 1 else 'wait'} for your signature"
    late = f":red[{counts.overdue:,} overdue]" if counts.overdue else ":gray[none overdue]"
    return f":gray[{words},] {late}"


def step_address(row: QueueRow) -> dict[str, str]:
    """The exact step: the request, and the role of the reader's next step when there is one."""
    return {"request": row.request_id, **({"step": row.opens_step} if row.opens_step else {})}


def _by_role(counts: QueueCounts) -> None:
    if not counts.by_role:
        return
    words = [
        f"{md(role(name))} {waiting:,}" + (f" :red[({late:,} overdue)]" if late else "")
        for name, waiting, late in counts.by_role
    ]
    st.markdown(f":gray[:material/groups: Waiting now:] {' · '.join(words)}")


def _mine(rows: Sequence[QueueRow]) -> None:
    """The same rows as links: one key press from the top of the page, also without the table."""
    own = [row for row in rows if row.mine][:3]
    with st.container(key="queue-links", gap=None):
        for row in own:
            at = row.stage_due_at or row.due_at
            late = f":red[{due(at, session.now())}]" if row.overdue else due(at, session.now())
            st.page_link(
                places.path("approvals"),
                label=f"**{md(asked(row.purpose, row.title, row.version))}**, {late}",
                icon=":material/signature:",
                query_params=step_address(row),
            )


def _filters(asked_for: QueueQuery, rows: Sequence[QueueRow]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        st.text_input(
            "Search",
            key=address.follow("q", asked_for.text),
            on_change=address.writes("q"),
            placeholder="Model, request, person",
            icon=":material/search:",
            label_visibility="collapsed",
            width=200,
        )
        st.segmented_control(
            "Whose",
            list(MINE),
            format_func={"1": "Waiting for me", "0": "All"}.__getitem__,
            required=True,
            key=address.follow("mine", "1" if asked_for.mine_only else "0"),
            on_change=address.writes("mine"),
            label_visibility="collapsed",
        )
        tiers = [str(tier) for tier in asked_for.tiers]
        _several("tier", "Risk tier", TIERS, chosen=tiers, empty="Any risk tier", width=130)
        chosen = [] if asked_for.states == WAITING else [state.value for state in asked_for.states]
        _several("state", "State", STATES, chosen=chosen, empty="Waiting ones", width=150)
        purposes = [item.value for item in asked_for.purposes]
        _several("purpose", "For", PURPOSES, chosen=purposes, empty="Any purpose", width=140)
        names = list(dict.fromkeys([*([asked_for.model] if asked_for.model else []), *(row.model for row in rows)]))
        st.selectbox(
            "Model",
            names,
            index=None,
            placeholder="Any model",
            width=150,
            key=address.follow("model", asked_for.model or None),
            on_change=address.writes("model"),
            label_visibility="collapsed",
        )


def _several(name: str, label: str, known: Mapping[str, Enum], *, chosen: list[str], empty: str, width: int) -> None:
    st.multiselect(
        label,
        list(known),
        format_func=lambda word: badges.word(known[word]),
        placeholder=empty,
        width=width,
        key=address.follow(name, chosen),
        on_change=address.writes(name, ",".join),
        label_visibility="collapsed",
    )


def _nothing(asked_for: QueueQuery) -> None:
    if asked_for == QueueQuery(limit=PAGE_SIZE):
        notices.empty(
            "No request waits",
            "Nobody has asked for a release. A data science lead starts one from a model's gates.",
            icon="done_all",
            page="inventory",
            link="Models",
        )
        return
    if asked_for == QueueQuery(limit=PAGE_SIZE, mine_only=True):
        notices.empty("Nothing waits for you", "New requests appear here as soon as it is your turn.", icon="done_all")
    else:
        notices.empty("No request matches these filters", "Decided requests are hidden unless you choose their state.")
    with st.container(horizontal_alignment="center"):
        st.button("Clear filters", on_click=address.clear, key="clear-filters")


def _export(asked_for: QueueQuery, me: Actor) -> None:
    stamp = f"{session.now():%Y%m%d-%H%M}"
    with st.popover("Export", icon=":material/download:"):
        st.caption(f"All rows, not only this page ({md(filter_note(asked_for))}), with the time of the data.")
        for kind, mime in (("csv", "text/csv"), ("json", "application/json")):
            st.download_button(
                kind.upper(),
                partial(_export_file, kind, asked_for, me),
                file_name=f"requests-{stamp}.{kind}",
                mime=mime,
                key=f"export-{kind}",
                on_click="ignore",
                width="stretch",
            )


def _export_file(kind: str, asked_for: QueueQuery, me: Actor) -> str:
    write = tables.to_csv if kind == "csv" else tables.to_json
    return write(queue_tables.export(_all_rows(asked_for, me)), note=filter_note(asked_for), as_of=session.now())


def filter_note(asked_for: QueueQuery) -> str:
    words = [
        f"text “{asked_for.text}”" if asked_for.text else "",
        "waiting for me" if asked_for.mine_only else "",
        f"tier {', '.join(str(tier) for tier in asked_for.tiers)}" if asked_for.tiers else "",
        f"state {', '.join(state.value for state in asked_for.states)}",
        f"purpose {', '.join(item.value for item in asked_for.purposes)}" if asked_for.purposes else "",
        f"model {asked_for.model}" if asked_for.model else "",
    ]
    return "filter: " + "; ".join(word for word in words if word)


def _all_rows(asked_for: QueueQuery, me: Actor) -> list[QueueRow]:
    rows: list[QueueRow] = []
    while True:
        wanted = replace(asked_for, offset=len(rows), limit=_EXPORT_PAGE)
        page = session.control_room().approvals.queue(wanted, actor=me)
        rows += page.items
        if not page.items or len(rows) >= page.total:
            return rows
