"""What this person should know or do: unread first, what asks for something until it is done; and the ways outside."""

from __future__ import annotations

import streamlit as st

from pages.components import address, notice_channels, notice_list, notices, parts, reads, session
from pages.components.format import plural
from services.notices.models import NoticeKind, NoticeQuery
from services.notices.wording import KIND_WORDS

PAGE_SIZE = 25
TABS = {"now": "Current", "done": "Done and read", "channels": "Channels"}
UNREAD = {"1": True, "0": False}
KINDS = {kind.value: kind for kind in NoticeKind}

me = session.enter("notices")
room = session.control_room()


def _query(*, done: bool) -> NoticeQuery:
    return NoticeQuery(
        unread_only=not done and address.one("unread", UNREAD, default=False),
        done=done,
        kinds=address.many("kind", KINDS),
        offset=(address.number("page", 1, low=1, high=10_000) - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )


def _list(*, done: bool) -> None:
    query = _query(done=done)
    _filters(query)
    page = reads.attempt(
        "your notices", lambda: room.notices.mine(me, query), key=f"notices-{me.subject}-{me.role}-{query}"
    )
    if page is None:
        return
    if not page.items:
        _nothing(query)
        return
    notice_list.show(page.items)
    parts.paging(page.total, query.limit, key="notices")


def _filters(query: NoticeQuery) -> None:
    known = reads.attempt("your notices", lambda: room.notices.kinds(me), key=f"notice-kinds-{me.subject}") or ()
    offered = [kind.value for kind in NoticeKind if kind in known or kind in query.kinds]
    with st.container(horizontal=True, vertical_alignment="center", key="filters"):
        if not query.done:
            st.segmented_control(
                "Which",
                list(UNREAD),
                format_func={"1": "Unread", "0": "All current"}.__getitem__,
                required=True,
                key=address.follow("unread", "1" if query.unread_only else "0"),
                on_change=address.writes("unread"),
                label_visibility="collapsed",
            )
        st.multiselect(
            "Kind",
            offered,
            format_func=lambda name: KIND_WORDS[KINDS[name]],
            placeholder="Any kind",
            width=320,
            key=address.follow("kind", [kind.value for kind in query.kinds]),
            on_change=address.writes("kind", ",".join),
            label_visibility="collapsed",
        )


def _nothing(query: NoticeQuery) -> None:
    if query.kinds or query.unread_only:
        notices.empty("No notice matches these filters", "Others may be there.")
        with st.container(horizontal_alignment="center"):
            st.button("Clear filters", on_click=lambda: address.put(kind="", unread="", page=""), key="clear-filters")
    elif query.done:
        notices.empty("Nothing is done or read yet", "Notices move here when what they ask for is done.", icon="done")
    else:
        notices.empty(
            "Nothing to tell you",
            "You hear here of signatures asked for, changes of what you signed, and things that end.",
            icon="notifications",
            page="overview",
            link="Overview",
        )


def _channels() -> None:
    found = reads.attempt("the channels", lambda: room.notices.channels(me), key="notice-channels")
    if found is not None:
        notice_channels.show(found, room.notices.faults(), me)


unread = reads.unread(me)
fact = "How many are unread cannot be found out just now." if unread is None else f"{plural(unread, 'unread notice')}."
shown = address.one("show", {name: name for name in TABS}, "now")
with parts.header("Notices", f":gray[{fact}]"):
    if unread and shown == "now":
        st.button("Mark all read", key="mark-all", icon=":material/done_all:", on_click=notice_list.mark_all)
st.segmented_control(
    "Show",
    list(TABS),
    format_func=TABS.__getitem__,
    key=address.follow("show", shown),
    on_change=address.writes("show"),
    required=True,
    label_visibility="collapsed",
)
if shown == "channels":
    _channels()
else:
    _list(done=shown == "done")
