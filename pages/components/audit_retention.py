"""Retention: what is kept how long and why, legal holds, and disposal with its certificate.

Auditors and everybody else read; only compliance sees a button, and no button here touches a ledger entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.components import audit_ledger, exporting, forms, notices, parts, retention_forms, session
from pages.components.format import NOTHING, count, day, md, plural, utc, when
from services.audit.retention import ClassState, Hold, Schedule
from services.kernel.identity import Actor, Permission

if TYPE_CHECKING:
    from services.container import ControlRoom


def section(room: ControlRoom, me: Actor) -> None:
    retention = room.reports.retention
    states = retention.classes()
    manages = room.people.may(me, Permission.MANAGE_RETENTION)
    schedule = retention.schedule
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(
            f":gray[Schedule version {md(schedule.version)} of {md(schedule.date)}. Rules switched on: "
            f"{_profiles(schedule, retention.profiles)}.]"
        )
        exporting.popover("retention", lambda: list(map(_row, states)), note="filter: all classes")
    _classes(states)
    _holds(retention.holds(), manages=manages)
    _disposal(room, states, manages=manages)
    _platform(schedule)
    forms.show_open_dialog(
        {
            "hold": retention_forms.hold_dialog,
            "release-hold": retention_forms.release_dialog,
            "dispose": retention_forms.dispose_dialog,
        }
        if manages
        else {}
    )


def _profiles(schedule: Schedule, on: frozenset[str]) -> str:
    words = [f"{md(item.title)} ({'on' if item.id in on else 'off'})" for item in schedule.profiles]
    return ", ".join(words)


def _classes(states: tuple[ClassState, ...]) -> None:
    parts.table(
        pd.DataFrame(
            [
                {
                    "Class": f"**{md(state.rule.title)}** :gray[{md(state.rule.holds)}]",
                    "Kept": _kept(state),
                    "Source": md(state.reason),
                    "Records": count(state.records) if state.applies else NOTHING,
                    "Oldest": day(state.oldest.date()) if state.oldest else NOTHING,
                    "Next due": _due(state),
                    "Holds": plural(len(state.holds), "hold") if state.holds else NOTHING,
                }
                for state in states
            ]
        ),
        alt="Retention classes",
    )
    for state in states:
        if state.due_words and state.applies:
            notices.remark(f"{md(state.rule.title)}: {md(state.due_words)}")


_STARTS = {
    "model-retired": "after the model is retired",
    "recorded": "after it was recorded",
    "last-used": "after last use",
}


def _kept(state: ClassState) -> str:
    if not state.applies:
        return ":gray[its profile is off]"
    return f"{plural(state.years, 'year')} {_STARTS.get(state.rule.start, md(state.rule.start))}"


def _due(state: ClassState) -> str:
    if not state.applies or state.next_due is None:
        return NOTHING
    return day(state.next_due)


def _holds(holds: tuple[Hold, ...], *, manages: bool) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Legal holds", anchor=False, width="content")
        if manages:
            st.button(
                "Place a legal hold",
                icon=":material/gavel:",
                key="hold-open",
                on_click=forms.open_dialog,
                args=("hold", "audit"),
            )
    if not holds:
        notices.remark("No legal hold was ever placed.")
        return
    for hold in holds:
        with st.container(border=True, key=f"hold-{hold.id}"):
            state = (
                ":orange-badge[:material/gavel: stands]"
                if hold.stands
                else ":gray-badge[:material/lock_open: released]"
            )
            what = "class" if hold.scope_kind == "class" else "model"
            st.markdown(f"**{md(hold.scope)}** :gray[{what}] {state}")
            st.markdown(md(hold.reason))
            placed = f"Placed by {md(hold.placed_by)}, {when(hold.placed_at, session.zone())}"
            released = (
                f" · released by {md(hold.released_by)}, {when(hold.released_at, session.zone())}"
                if hold.released_at
                else ""
            )
            st.markdown(f":gray[{placed}{released}]")
            with st.container(horizontal=True):
                audit_ledger.open_entry(hold.seq, f"Placed, entry {hold.seq}")
                if hold.seq_released is not None:
                    audit_ledger.open_entry(hold.seq_released, f"Released, entry {hold.seq_released}")
                if manages and hold.stands:
                    st.button(
                        "Release",
                        key=f"release-{hold.id}",
                        icon=":material/lock_open:",
                        on_click=_open_release,
                        args=(hold.id, hold.scope),
                    )


def _open_release(hold_id: str, scope: str) -> None:
    forms.open_dialog("release-hold", "audit", hold_id=hold_id, scope=scope)


def _open_disposal(class_id: str, title: str, expected: int) -> None:
    forms.open_dialog("dispose", "audit", class_id=class_id, title=title, expected=expected)


def _disposal(room: ControlRoom, states: tuple[ClassState, ...], *, manages: bool) -> None:
    st.header("Disposal", anchor=False)
    notices.remark(
        "Only text outside the ledger can be erased: comments, notes and reasons with their salts, and unused forms. "
        "Ledger entries are never erased; their digests keep proving that the text was there."
    )
    for state in states:
        if not state.rule.erasable or not state.applies:
            continue
        held = f", {count(state.held)} more kept by a legal hold" if state.held else ""
        free = (
            f"{plural(state.due_now, 'text')} may be erased today" if state.due_now else "nothing may be erased today"
        )
        with st.container(horizontal=True, vertical_alignment="center", key=f"disposal-{state.rule.id}"):
            st.markdown(f"**{md(state.rule.title)}**: {free}{held} :gray[of {plural(state.erasable, 'text')}]")
            if manages and state.due_now:
                st.button(
                    "Dispose",
                    icon=":material/delete_forever:",
                    key=f"dispose-{state.rule.id}",
                    on_click=_open_disposal,
                    args=(state.rule.id, state.rule.title, state.due_now),
                )
    certificates = room.reports.retention.certificates()
    if not certificates:
        notices.remark("No disposal was ever carried out.")
    for item in certificates:
        st.markdown(
            f":material/verified: **{md(item.sentence)}** "
            f":gray[{when(item.at, session.zone())}, signed by {md(item.by)}]"
        )
        audit_ledger.open_entry(item.seq, f"Disposal certificate, entry {item.seq}")


def _platform(schedule: Schedule) -> None:
    with st.expander("Tables of the platform that roll off", icon=":material/database:"):
        st.markdown(
            ":gray[The platform removes their rows by itself. Countersign would mirror them before that; this "
            "workspace is not connected to a Databricks account, so there is nothing to mirror.]"
        )
        parts.table(
            pd.DataFrame(
                [
                    {
                        "Table": f"`{table.name}`",
                        "Holds": md(table.what),
                        "Rolls off after": plural(table.days, "day"),
                        "Mirror": ":gray-badge[:material/link_off: not connected]",
                    }
                    for table in schedule.platform_tables
                ]
            ),
            alt="Platform tables that roll off",
        )


def _row(state: ClassState) -> dict[str, object]:
    return {
        "class": state.rule.id,
        "title": state.rule.title,
        "applies": state.applies,
        "years": state.years,
        "start": state.rule.start,
        "source": state.reason,
        "records": state.records,
        "oldest": utc(state.oldest) if state.oldest else "",
        "next_due": state.next_due.isoformat() if state.next_due else state.due_words,
        "due_now": state.due_now,
        "held": state.held,
    }
