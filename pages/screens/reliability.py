"""Does the service keep its promise? Latency and errors per version with the promise as a line; runs for batch."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.components import (
    address,
    batch_promise,
    money_at_risk,
    notices,
    parts,
    promise_tables,
    reads,
    service_level,
    session,
)
from pages.components.format import md, version
from services.inventory.models import DeploymentKind, InventoryRow
from services.reliability.models import SlaView

SPANS = {"1": 1, "7": 7, "30": 30, "90": 90}

session.enter("reliability")
room = session.control_room()


def _realtime(row: InventoryRow, days: int) -> None:
    view = reads.attempt(
        "service levels", lambda: room.reliability.sla(row.name, days=days), key=f"sla-{row.name}-{days}"
    )
    if view is None:
        return
    if view.notice:
        notices.remark(md(view.notice))
    service_level.tiles(view)
    service_level.budget(row.name)
    if not view.points:
        notices.empty(
            "No request in this window", "Nothing was served, so nothing can be said about the promise.", icon="speed"
        )
    else:
        service_level.series(_of_version(view), days)
    promise_tables.months(row.name)
    promise_tables.endpoints(days)


def _of_version(view: SlaView) -> SlaView:
    """The charts of one version, chosen through the address; the tiles speak of all together."""
    names = sorted({point.version for point in view.points})
    chosen = address.one("version", {name: name for name in names}, "")
    if len(names) > 1:
        st.segmented_control(
            "Version",
            names,
            format_func=version,
            key=address.follow("version", chosen or None),
            on_change=address.writes("version", lambda value: value or ""),
            help="The charts below show this version alone; without a choice, all.",
        )
    return view if not chosen else replace(view, points=tuple(p for p in view.points if p.version == chosen))


def _window() -> int:
    days = address.one("days", SPANS, 7)
    st.segmented_control(
        "Window",
        list(SPANS),
        format_func=lambda name: f"{name} day{'s' if name != '1' else ''}",
        required=True,
        key=address.follow("days", str(days)),
        on_change=address.writes("days"),
        label_visibility="collapsed",
    )
    return days


def _body(row: InventoryRow) -> None:
    if row.kind is DeploymentKind.VENDOR:
        notices.empty(
            "Runs at the supplier", "The supplier reports no latency or errors to Countersign.", icon="storefront"
        )
        return
    if row.kind is DeploymentKind.BATCH:
        batch_promise.show(row, _window())
    else:
        _realtime(row, _window())
    money_at_risk.promises(row.name)


with parts.header("Reliability", ":gray[Whether each service keeps the promise of its use case.]"):
    pass
picked = parts.model_picker()
if picked is not None:
    _body(picked)
