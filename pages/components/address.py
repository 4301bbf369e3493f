"""The address is the truth for every object and filter: links, reloads and bookmarks show the same page.

Unknown values give a calm notice and the default. A widget follows its parameter, and writes it when changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st

from pages.components.format import md

T = TypeVar("T")
_NOTES = "address_notes"
_PLACE = "address_notes_place"


def get(name: str) -> str:
    return str(st.query_params.get(name, ""))


def put(**values: str) -> None:
    """Sets parameters; an empty text removes one."""
    for name, text in values.items():
        if text:
            st.query_params[name] = text
        elif name in st.query_params:
            del st.query_params[name]


def clear() -> None:
    st.query_params.clear()


def one(name: str, allowed: Mapping[str, T], default: T) -> T:
    """The value behind the parameter, or the default with a notice when the address names something unknown."""
    text = get(name)
    if not text:
        return default
    if text not in allowed:
        _note(name, text)
        return default
    return allowed[text]


def many(name: str, allowed: Mapping[str, T]) -> tuple[T, ...]:
    """Values of a comma-separated parameter; unknown ones are named in a notice and left out."""
    found = []
    for text in [part for part in get(name).split(",") if part]:
        if text in allowed:
            found.append(allowed[text])
        else:
            _note(name, text)
    return tuple(found)


def number(name: str, default: int, *, low: int, high: int) -> int:
    text = get(name)
    if not text:
        return default
    if not text.isdecimal() or not low <= int(text) <= high:
        _note(name, text)
        return default
    return int(text)


def follow(name: str, value: Any) -> str:
    """Key of a widget that shows `value`, the reading of parameter `name`. An address changed elsewhere wins."""
    key = f"at-{name}"
    raw = get(name)
    if key not in st.session_state or st.session_state.get(f"{key}-raw") != raw:
        st.session_state[key] = value
        st.session_state[f"{key}-raw"] = raw
    return key


def writes(name: str, encode: Callable[[Any], str] = str, *, resets: Sequence[str] = ("page",)) -> Callable[[], None]:
    """Callback for the widget of `follow`: puts its value into the address and goes back to the first page."""

    def write() -> None:
        value = st.session_state.get(f"at-{name}")
        text = "" if value is None else encode(value)
        put(**{name: text}, **{other: "" for other in resets if other != name})
        st.session_state[f"at-{name}-raw"] = text

    return write


def begin() -> None:
    """Start of a run: no place for notices yet, and none left over."""
    st.session_state.pop(_PLACE, None)
    st.session_state.pop(_NOTES, None)


def hold_notes() -> None:
    """The place for notices about the address, under the page header; those read earlier in this run come first."""
    place = st.container(key="address-notes")
    st.session_state[_PLACE] = place
    for note in st.session_state.pop(_NOTES, []):
        place.markdown(note)


def _note(name: str, text: str) -> None:
    asked = f"The address asks for {md(name)} “{md(text[:60])}”, which does not exist here; showing the default."
    note = f":gray[:material/info: {asked}]"
    place = st.session_state.get(_PLACE)
    if place is not None:
        place.markdown(note)
    else:
        st.session_state.setdefault(_NOTES, []).append(note)
