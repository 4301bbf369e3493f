"""The app as it is served, with an empty page more and a room that outlives Streamlit's caches, which are emptied.

python -m tests.benchmarks.served_room --server.port 8600
"""

from __future__ import annotations

import gc
import sys
from functools import cache

import streamlit as st
from streamlit.web import cli

from pages.components import frame, preparing, session
from services.container import ControlRoom, open_control_room
from services.kernel.identity import Actor
from services.settings import read_settings

_shipped = frame.pages


@cache
def _room() -> ControlRoom:
    opened = open_control_room(read_settings())
    gc.collect()
    gc.freeze()
    return opened


def _pages(me: Actor | None) -> dict[str, list[st.Page]]:
    found = _shipped(me)
    next(iter(found.values())).append(st.Page(_empty, title="Empty", url_path="empty", visibility="hidden"))
    return found


def _empty() -> None:
    st.title("Empty", anchor=False)


def main() -> None:
    _room()
    session.control_room = _room
    preparing.stands = lambda: True
    frame.pages = _pages
    sys.argv = ["streamlit", "run", str(frame.ROOT / "app.py"), *sys.argv[1:]]
    cli.main()


if __name__ == "__main__":
    main()
