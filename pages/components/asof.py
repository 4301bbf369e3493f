"""The historical view: one day chosen once, kept while browsing the audit screen and the inventory, always announced.

The address carries the day (`asof=2026-09-30`), so a link shows the same past to everybody.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import streamlit as st

from pages.components import address, notices, session
from pages.components.format import day as day_words
from services.kernel.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from services.container import ControlRoom

_KEPT = "asof-kept"


def chosen(room: ControlRoom) -> date | None:
    """The day looked at, or None for today. A day the ledger cannot speak about is refused in words, once."""
    text = address.get("asof") or st.session_state.get(_KEPT, "")
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
        room.reports.moment(day)
    except ValueError:
        _leave()
        notices.show(InputError(f"“{text[:40]}” is not a day.", hint="Write it as 2026-09-30."))
        return None
    except InputError as error:
        _leave()
        notices.show(error)
        return None
    except UnavailableError as error:
        notices.show(error, known="The historical view cannot be built just now; what follows is today.")
        return None
    st.session_state[_KEPT] = text
    if address.get("asof") != text:
        address.put(asof=text)
    return day


def banner(day: date | None, *, follows: bool = True) -> None:
    """Amber, on every page of the historical view, with the way back. Says so where a section does not follow it."""
    if day is None:
        return
    words = (
        "Everything below is rebuilt from the ledger as recorded up to the end of that day (UTC). Buttons that change "
        "something are not part of it."
        if follows
        else "This section does not follow it: what is below is today."
    )
    with st.container(key="historical-view", horizontal=True, vertical_alignment="center"):
        st.warning(f"**Historical view: {day_words(day)}.** {words}", icon=":material/history:")
        st.button("Back to today", key="asof-leave", icon=":material/today:", on_click=_leave)


def picker(room: ControlRoom, day: date | None) -> None:
    """Chooses the day; only days the ledger can speak about can be picked."""
    first, last = room.reports.recorded()
    # A widget with a key reads its value from the session, so that the address and the picker never disagree.
    key = address.follow("asof", day or last)
    st.date_input(
        "Show the day",
        key=key,
        min_value=first,
        max_value=last,
        format="YYYY-MM-DD",
        on_change=_picked,
        width=180,
    )


def _picked() -> None:
    value = st.session_state.get("at-asof")
    if isinstance(value, date):
        text = "" if value >= session.now().date() else value.isoformat()
        st.session_state[_KEPT] = text
        address.put(asof=text)
        st.session_state["at-asof-raw"] = text


def _leave() -> None:
    st.session_state.pop(_KEPT, None)
    st.session_state.pop("at-asof", None)
    address.put(asof="")


def words(day: date | None) -> str:
    """For the note of an export."""
    return f"as of the end of {day.isoformat()} (UTC)" if day else "as of now"
