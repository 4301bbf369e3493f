"""What the platform's own monitoring says, under its name: its figures stand in no chart and no verdict of ours."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from pages.components import notices, parts
from pages.components.format import NOTHING, age, count, md, plural, short_day
from services.kernel.clock import Clock
from services.monitoring.vendor import VendorDrift
from services.monitoring.vendor_service import VendorReading, VendorService

TITLE = "Databricks' own monitoring"
_MOST = 40


def show(vendor: VendorService, model: str, clock: Clock, read: Callable[[str], VendorReading | None]) -> None:
    """Nothing where no platform is configured; one line where a model could be mapped and is not."""
    if (found := read(model)) is None:
        if vendor.offered:
            notices.remark(
                f"{TITLE}: no profiled table is mapped to this model. An administrator names it under `profiling` in "
                "COUNTERSIGN_DATABRICKS_TABLES.",
                "help",
            )
        return
    with parts.card(TITLE, f"table {md(found.table)}"):
        if found.error:
            notices.remark(f"The last attempt to read it failed: {md(found.error)}", "warning")
        if found.read_at is None:
            notices.remark("Nothing was read yet, so nothing is known. Unknown is not healthy.", "help")
            return
        if not found.drift:
            notices.remark("Its tables hold no figure of the last 60 days for the whole table.", "help")
        else:
            _figures(found)
        until = f"Newest window to {short_day(found.until)}. " if found.until else ""
        st.caption(
            f"{until}Read {age(found.read_at, clock.now())}. Computed by the platform with bins and limits of its own, "
            "so compare it with itself: it moves no verdict here."
        )


def _figures(found: VendorReading) -> None:
    shown = sorted(found.drift, key=lambda item: (item.column, item.statistic, item.compared_with))
    frame = pd.DataFrame([_row(found, item) for item in shown[:_MOST]])
    parts.table(frame, alt="Figures of the platform itself")
    if len(shown) > _MOST:
        st.caption(f"{plural(len(shown) - _MOST, 'more figure')} in its tables.")


def _row(found: VendorReading, item: VendorDrift) -> dict[str, str]:
    profile = found.profile(item)
    p = "" if item.p_value is None else f" :gray[p {item.p_value:.3g}]"
    return {
        "Column": md(item.column),
        "Statistic": md(item.statistic),
        "Value": f"{item.value:.4g}{p}",
        "Against": item.compared_with,
        "Window": f"{short_day(item.start)} to {short_day(item.end)}",
        "n": count(profile.rows) if profile else NOTHING,
    }
