"""Home: the numbers of this person's role, what needs this person now, and what waits on others."""

from __future__ import annotations

import streamlit as st

from pages.components import notices, parts, reads, release_parts, session
from pages.components.format import md, when
from services.oversight.models import Home

me = session.enter("overview")
room = session.control_room()


def _body(home: Home) -> None:
    if home.tiles:
        parts.tiles(home.tiles)
    left, right = st.columns([3, 2])
    with left, parts.card("What needs you now", f"{len(home.todo)} open", key="todo"):
        if home.todo:
            parts.todo(home.todo, key="mine")
        else:
            notices.remark("Nothing waits for you. New work appears here as soon as somebody asks for it.", "done_all")
    with right, parts.card("Waiting on others", f"{len(home.others)} open", key="others"):
        if home.others:
            parts.todo(home.others, key="others")
        else:
            notices.remark("Nobody else is holding anything up.", "done_all")
    if home.on_call:
        with parts.card("On call", f"for what serves now {release_parts.heartbeat()}", key="on-call"):
            parts.todo(home.on_call, key="on-call")
    if home.reviews:
        with parts.card("Reviews due", f"{len(home.reviews)} overdue or within 30 days", key="reviews"):
            parts.todo(home.reviews, key="reviews")
    if not home.tiles and not home.todo and not home.others:
        notices.empty(
            "The inventory is empty",
            "Models appear here after the registry was read for the first time.",
            icon="inventory_2",
            page="settings",
            link="Look at the environment",
        )


home = reads.attempt("your overview", lambda: room.oversight.home(me), key=f"home-{me.subject}")
fact = f":gray[{md(home.greeting)}]" if home else ":gray[Some facts are missing just now.]"
with parts.header("Overview", fact):
    st.markdown(f":gray[{when(session.now(), session.zone())}]", width="content")
if home is not None:
    _body(home)
