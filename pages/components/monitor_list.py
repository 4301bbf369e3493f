"""Every model with its monitor: state, version, newest sketch and what a breach costs, the ones in need first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.components import badges, exporting, notices, parts, places, reads, session
from pages.components.format import NOTHING, day, md
from services.kernel.identity import Actor, Permission
from services.monitoring.monitor_views import MonitorRow
from services.monitoring.monitors import money

if TYPE_CHECKING:
    from services.container import ControlRoom


def show(room: ControlRoom, me: Actor) -> None:
    rows = reads.attempt("the monitors", room.monitors.monitors, key="monitors")
    with parts.header(
        "Monitors",
        ":gray[How each model is watched. A change is a new version; one that guards a release is signed.]",
    ):
        if rows:
            exporting.popover("monitors", lambda: [_exported(row) for row in rows], note="All monitors in force")
        if room.people.may(me, Permission.MANAGE_MONITOR):
            st.page_link(
                places.path("monitors"),
                label="Import a table",
                icon=":material/add_chart:",
                query_params={"new": "1"},
            )
    if rows is None:
        return
    if not rows:
        notices.empty(
            "No model to watch yet",
            "Monitors belong to models of the registry, and it has none.",
            page="inventory",
            link="Models",
        )
        return
    missing = sum(1 for row in rows if row.version is None)
    if missing:
        proposed = sum(1 for row in rows if row.proposal is not None)
        ready = f" For {proposed} a default is proposed: open the model, look at it and save it." if proposed else ""
        notices.remark(
            f"{missing} of {len(rows)} models have no monitor: nothing says how they are watched.{ready}", "help"
        )
    with parts.card("Models", f"{len(rows)} watched or to be watched"):
        columns = ["State", "Model", "Version", "Last sketch", "At risk on breach", "Who pays"]
        parts.table(pd.DataFrame([_row(row) for row in rows], columns=columns), alt="Monitors")
    _links(rows)


def _row(row: MonitorRow) -> tuple[str, ...]:
    version, monitor = row.version, row.monitor
    guard = " :material/shield:" if row.guards else ""
    return (
        f"{badges.badge(row.state)} :gray[{md(row.sentence)}]",
        f"{md(row.model)}{guard}",
        f"{version.version}, {'signed' if version.signed else 'unsigned'}" if version else _unsaved(row),
        day(row.last_day) if row.last_day else NOTHING,
        md(money(monitor.impact.breach_per_day, monitor.impact.currency)) if monitor else NOTHING,
        md(monitor.impact.payer) or NOTHING if monitor else NOTHING,
    )


def _unsaved(row: MonitorRow) -> str:
    return ":gray[proposed, unsigned]" if row.proposal is not None else NOTHING


def _links(rows: tuple[MonitorRow, ...]) -> None:
    with parts.card("Open one", "history, levels and changes", key="monitor-links"):
        for row in rows[:60]:
            st.page_link(
                places.path("monitors"),
                label=md(row.title or row.model),
                icon=badges.icon(row.state),
                query_params={"model": row.model},
                width="content",
            )


def _exported(row: MonitorRow) -> dict[str, object]:
    impact = row.monitor.impact if row.monitor else None
    return {
        "model": row.model,
        "tier": row.tier,
        "state": row.state.value,
        "sentence": row.sentence,
        "version": row.version.version if row.version else None,
        "signed": row.version.signed if row.version else None,
        "entry": row.version.seq if row.version else None,
        "saved_at": row.version.at.isoformat() if row.version else None,
        "last_sketch": row.last_day.isoformat() if row.last_day else None,
        "guards": row.guards,
        "breach_per_day": str(impact.breach_per_day) if impact and impact.breach_per_day is not None else None,
        "currency": impact.currency if impact else None,
        "payer": impact.payer if impact else None,
        "zone": str(session.zone()),
    }
