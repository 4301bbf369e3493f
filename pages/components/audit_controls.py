"""The control matrix: control, live evidence with count and age, and where it stands in the frameworks."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.components import asof, audit_ledger, exporting, notices, parts, tables
from pages.components.format import age, plural, utc
from services.audit.controls import ControlLine

if TYPE_CHECKING:
    from services.container import ControlRoom


def section(room: ControlRoom, chosen: date | None) -> None:
    lines: tuple[ControlLine, ...] = room.reports.controls(chosen)
    at = room.reports.moment(chosen)
    with st.container(horizontal=True, vertical_alignment="bottom", key="asof-bar"):
        asof.picker(room, chosen)
        exporting.popover(
            "controls", lambda: list(map(_row, lines)), note=f"filter: none; {asof.words(chosen)}", as_of=at
        )
    shown = sum(bool(line.count) for line in lines)
    st.markdown(
        f":gray[{plural(len(lines), 'control')}, {shown} with at least one entry. No entry means nothing happened yet "
        "that this control would record, not that it failed.]"
    )
    frame = pd.DataFrame(
        {
            "id": [line.control.id for line in lines],
            "title": [line.control.title for line in lines],
            "count": [line.count for line in lines],
            "age": [age(line.newest, at) if line.newest else "no entry yet" for line in lines],
            "nist": [line.control.nist for line in lines],
            "iso": [line.control.iso or "none named" for line in lines],
            "part11": [line.control.part11 or "none named" for line in lines],
        }
    )
    config = {
        "id": tables.text("Control", width=75),
        "title": tables.text("Statement", width=420),
        "count": tables.numeric("Entries", "%d", width=75),
        "age": tables.text("Newest", width=110),
        "nist": tables.text("NIST AI RMF", width=170),
        "iso": tables.text("ISO/IEC 42001", width=110),
        "part11": tables.text("21 CFR Part 11", width=140),
    }
    chosen_row = parts.selectable(frame, config, key="controls", alt="Controls with their live evidence")
    if chosen_row is not None and (seq := lines[chosen_row].seq) is not None:
        audit_ledger.open_entry(seq, f"Newest evidence, entry {seq}")
    notices.remark("A reference names the clause a control relates to; it is not a statement of conformity.")


def _row(line: ControlLine) -> dict[str, object]:
    return {
        "control": line.control.id,
        "statement": line.control.title,
        "evidence": "; ".join(line.control.evidence),
        "entries": line.count,
        "newest": utc(line.newest) if line.newest else "no entry yet",
        "newest_entry": line.seq if line.seq is not None else "",
        "nist_ai_rmf": line.control.nist,
        "iso_42001": line.control.iso,
        "part_11": line.control.part11,
    }
