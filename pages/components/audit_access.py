"""Recorded views: which pages an auditor opened, and when. Visible to both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from pages.components import address, exporting, notices, parts, session, tables
from pages.components.format import plural, utc, when
from services.kernel.identity import Actor, Permission

if TYPE_CHECKING:
    from services.container import ControlRoom

PAGE_SIZE = 100


def section(room: ControlRoom, me: Actor) -> None:
    if not room.people.may(me, Permission.VIEW_ACCESS_LOG):
        notices.remark("Auditors see their own views here; compliance officers and administrators see all.", "lock")
        return
    offset = (address.number("page", 1, low=1, high=100_000) - 1) * PAGE_SIZE
    page = room.people.views(actor=me, limit=PAGE_SIZE, offset=offset)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f":gray[{plural(page.total, 'recorded view')}. Views of auditors are recorded, nobody else's.]")
        exporting.popover(
            "access-log",
            lambda: _all(room, me),
            note="filter: views this person may see",
        )
    if not page.items:
        notices.empty(
            "No recorded view yet",
            "Views are recorded when an auditor opens a page; sign-ins are in the ledger.",
            icon="visibility",
        )
        return
    frame = pd.DataFrame(
        {
            "when": [when(view.at, session.zone()) for view in page.items],
            "person": [view.name for view in page.items],
            "screen": [view.screen for view in page.items],
            "about": [view.about for view in page.items],
        }
    )
    config: Any = {
        "when": tables.text("When", width=180),
        "person": tables.text("Who", width=160),
        "screen": tables.text("Screen", width=140),
        "about": tables.text("Looked at", width=420),
    }
    st.dataframe(frame, column_config=config, hide_index=True, key="views", alt="Recorded views, newest first")
    parts.paging(page.total, PAGE_SIZE, key="views")


def _all(room: ControlRoom, me: Actor) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    while True:
        page = room.people.views(actor=me, limit=PAGE_SIZE, offset=len(rows))
        rows += [
            {
                "at": utc(view.at),
                "person": view.name,
                "subject": view.subject,
                "screen": view.screen,
                "about": view.about,
            }
            for view in page.items
        ]
        if not page.items or len(rows) >= page.total:
            return rows
