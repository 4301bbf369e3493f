"""One popover that exports any table: CSV and JSON with the filter that was set and the time of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import streamlit as st

from pages.components import session, tables

Rows = Callable[[], Sequence[Mapping[str, object]]]


def popover(name: str, rows: Rows, *, note: str, as_of: datetime | None = None, key: str = "") -> None:
    """`rows` is called only when somebody downloads. `name` becomes the file name; `note` is plain text."""
    at = as_of or session.now()
    stamp, place = f"{at:%Y%m%d-%H%M}", key or name
    with st.popover("Export", icon=":material/download:"):
        st.caption("All rows of the current filter, with the time of the data.")
        encoders: tuple[tuple[str, str, Callable[[], str]], ...] = (
            ("CSV", "text/csv", lambda: tables.to_csv(rows(), note=note, as_of=at)),
            ("JSON", "application/json", lambda: tables.to_json(rows(), note=note, as_of=at)),
        )
        for label, mime, encoded in encoders:
            st.download_button(
                label,
                encoded,
                file_name=f"{name}-{stamp}.{label.lower()}",
                mime=mime,
                key=f"{place}-{label.lower()}",
                on_click="ignore",
                width="stretch",
            )
