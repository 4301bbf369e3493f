"""What the platform's own monitoring says, under its name: its figures stand in no chart and no verdict of ours."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from pages.components import exporting, notices, parts
from pages.components.format import NOTHING, age, count, md, plural, short_day
from services.kernel.clock import Clock
from services.kernel.health import Explanation
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
        with st.container(horizontal=True, key="vendor-actions"):
            parts.explain(_explanation(found), key="explain-vendor")
            exporting.popover(
                f"platform-monitoring-{model}",
                lambda: [_exported(found, item) for item in found.drift],
                note=f"Databricks' own monitoring of {found.table}",
                as_of=found.read_at,
            )


def _explanation(found: VendorReading) -> Explanation:
    counted = [profile.rows for item in found.drift if (profile := found.profile(item)) and profile.rows is not None]
    return Explanation(
        formula="Data profiling of the platform: its drift statistics of a window against its baseline or the window "
        "before. Bins, and the base of its Jensen-Shannon distance, are not documented.",
        source=f"Metric tables of {found.table}, newest window of each figure, copied every 15 minutes",
        window="As the table says, up to 60 days back",
        as_of=found.read_at,
        n=max(counted, default=None),
        note="n is that of the largest window; a figure whose profile is not there has none. The platform gives no "
        "interval.",
    )


def _exported(found: VendorReading, item: VendorDrift) -> dict[str, object]:
    profile = found.profile(item)
    return {
        "column": item.column,
        "statistic": item.statistic,
        "value": item.value,
        "p_value": item.p_value,
        "against": item.compared_with,
        "granularity": item.granularity,
        "start": item.start.isoformat(),
        "end": item.end.isoformat(),
        "n": profile.rows if profile else None,
    }


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
