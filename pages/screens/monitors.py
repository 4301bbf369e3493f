"""How each model is watched: the monitors in force, one of them in depth with its history, and importing a table.

`monitors?model=delay_claim_score&show=history` opens the versions of one monitor; `monitors?new=1` the import.
"""

from __future__ import annotations

import streamlit as st

from pages.components import (
    address,
    forms,
    monitor_facts,
    monitor_form,
    monitor_list,
    monitor_wizard,
    notices,
    parts,
    reads,
    session,
)
from services.kernel.errors import InputError
from services.monitoring.monitor_views import MonitorView

TABS = {"monitor": "In force", "edit": "Change", "history": "History"}

me = session.enter("monitors")
room = session.control_room()


def _one(model: str) -> None:
    try:
        view = reads.attempt("this monitor", lambda: room.monitors.view(model), key=f"monitor-{model}")
    except InputError as error:
        with parts.header("Monitors", ":gray[This address leads to no model.]", back=("monitors", "All monitors")):
            pass
        notices.show(error)
        return
    if view is None:
        with parts.header("Monitors", ":gray[It cannot be read just now.]", back=("monitors", "All monitors")):
            pass
        return
    with parts.header(f"Monitor of {model}", monitor_facts.fact(view), back=("monitors", "All monitors")):
        monitor_facts.links(view)
    _tabs(view)


def _tabs(view: MonitorView) -> None:
    shown = address.one("show", {name: name for name in TABS}, "monitor")
    st.segmented_control(
        "Show",
        list(TABS),
        format_func=TABS.__getitem__,
        key=address.follow("show", shown),
        on_change=address.writes("show", resets=()),
        required=True,
        label_visibility="collapsed",
    )
    if shown == "history":
        monitor_facts.history(view)
    elif shown == "edit":
        monitor_form.section(room, me, view)
    else:
        monitor_facts.in_force(view)


wanted = address.get("model")
if address.get("new"):
    monitor_wizard.show(room, me)
elif wanted:
    _one(wanted)
else:
    monitor_list.show(room, me)
forms.show_open_dialog({"save-monitor": monitor_form.save_dialog})
