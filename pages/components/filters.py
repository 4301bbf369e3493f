"""Filters of a long list: what is chosen stands in the address, and the database answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from pages.components import address, badges
from services.kernel.health import Health

HEALTHS = {state.value: state for state in (Health.BREACH, Health.WATCH, Health.HEALTHY, Health.UNKNOWN)}


def search(text: str, placeholder: str, *, width: int) -> None:
    st.text_input(
        "Search",
        key=address.follow("q", text),
        on_change=address.writes("q"),
        placeholder=placeholder,
        icon=":material/search:",
        label_visibility="collapsed",
        width=width,
    )


def states(label: str, name: str, chosen: Sequence[Health]) -> None:
    """`name` is that of the filter in the address."""
    st.segmented_control(
        label,
        list(HEALTHS),
        selection_mode="multi",
        format_func=lambda state: badges.word(HEALTHS[state]),
        key=address.follow(name, [state.value for state in chosen]),
        on_change=address.writes(name, ",".join),
        label_visibility="collapsed",
    )


def order(titles: Mapping[str, str], current: str, *, width: int) -> None:
    st.selectbox(
        "Order",
        list(titles),
        format_func=titles.__getitem__,
        key=address.follow("sort", current),
        on_change=address.writes("sort"),
        label_visibility="collapsed",
        width=width,
    )
