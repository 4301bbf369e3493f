"""Notices one under the other: what, why, since when, for whom, when it is done, and the way to the exact step."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.components import badges, places, reads, session
from pages.components.format import age, count, md, role, when
from services.kernel.errors import ControlRoomError
from services.notices.models import Notice
from services.notices.wording import KIND_WORDS, opening

_PROBLEM = "notice_problem"


def show(items: Sequence[Notice]) -> None:
    problem = st.session_state.pop(_PROBLEM, "")
    if problem:
        st.warning(md(problem), icon=":material/cloud_off:")
    for item in items:
        _one(item)


def _one(item: Notice) -> None:
    file, query = places.parse_target(opening(item.target, item.notice_id))
    unread = item.read_at is None and item.done_at is None
    title = f"**{md(item.title)}**" if unread else md(item.title)
    with st.container(border=True, key=f"notice-{'new' if unread else 'read'}-{item.notice_id}", gap="xsmall"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.page_link(file, label=title, icon=badges.icon(item.severity), query_params=query, width="content")
            if unread:
                st.button(
                    "Mark read",
                    key=f"read-{item.notice_id}",
                    type="tertiary",
                    icon=":material/done:",
                    on_click=_mark,
                    args=(item.notice_id,),
                )
        st.markdown(md(item.why))
        st.markdown(_facts(item))


def _facts(item: Notice) -> str:
    for_whom = f"to the {role(item.role).lower()}" if item.role else "to you by name"
    kind = badges.badge(item.severity, KIND_WORDS[item.kind])
    since = f"{when(item.at, session.zone())}, {age(item.at, session.now())}"
    parts = [f"{kind} :gray[{since}, {md(for_whom)}"]
    if item.seq is not None:
        parts.append(f"ledger entry {count(item.seq)}")
    if item.done_at is not None:
        parts.append(f"done {when(item.done_at, session.zone())}")
    elif item.done_when:
        parts.append(md(item.done_when[0].lower() + item.done_when[1:].rstrip(".")))
    return " · ".join(parts) + "]"


def _mark(notice_id: str) -> None:
    me = session.actor()
    if me is None:
        return
    try:
        session.control_room().notices.mark_read((notice_id,), actor=me)
    except ControlRoomError as problem:
        st.session_state[_PROBLEM] = str(problem)
    reads.forget()


def mark_all() -> None:
    """Callback of the button over the list."""
    me = session.actor()
    if me is None:
        return
    try:
        session.control_room().notices.mark_all_read(me)
    except ControlRoomError as problem:
        st.session_state[_PROBLEM] = str(problem)
    reads.forget()
