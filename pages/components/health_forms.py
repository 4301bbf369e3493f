"""The form that changes the data rules of a feature table: limits, key, and those of one column, with a reason."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.components import forms, notices, session
from pages.components.format import md
from services.data_health.models import Family
from services.data_health.rules import ColumnRule, TableRules
from services.data_health.service import REASON_MIN, ChangeRules
from services.kernel.identity import Permission

PAGE = "data_health"


def button(rules: TableRules) -> None:
    room = session.control_room()
    if not room.people.may(session.signed_in(), Permission.EDIT_METADATA):
        notices.remark("A data science lead can change these rules from here.")
        return
    st.button("Change rules", icon=":material/rule:", key="change-rules", on_click=_open, args=(rules,))


def _open(rules: TableRules) -> None:
    forms.open_dialog("rules", PAGE, rules=rules)


@st.dialog("Change data rules", icon=":material/rule:", width="large", on_dismiss=forms.close_dialog)
def dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    rules: TableRules = state["rules"]
    st.markdown(f"**{md(rules.table)}**, revision {rules.revision}")
    st.markdown(":gray[The change goes into the ledger under your name; all days on record are judged again by it.]")
    names = [item.name for item in rules.columns]
    chosen = st.selectbox("Column", names, index=None, placeholder="Only limits of the table", key="rules-column")
    column = rules.column(chosen) if chosen else None
    faults = forms.FieldErrors()
    with st.form("rules", border=False, enter_to_submit=False):
        changed = _table_fields(rules)
        if column is not None:
            changed = _with(changed, _column_fields(column))
        reason = st.text_input("Why", key="rules-reason", max_chars=300, placeholder="What changed in the world?")
        faults.place("reason")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Record the change", type="primary", icon=":material/rule:", key="rules-go")
    faults.place("form")
    if go:
        _change(faults, changed, reason.strip(), state["command_id"])


def _table_fields(rules: TableRules) -> TableRules:
    left, middle, right = st.columns(3)
    hours = left.number_input(
        "Oldest newest row, hours",
        min_value=0.0,
        value=_real(rules.fresh_hours),
        placeholder="no rule",
        key="rules-hours",
    )
    deviations = middle.number_input(
        "Volume, deviations",
        min_value=0.0,
        value=_real(rules.deviations),
        placeholder="no rule",
        key="rules-deviations",
    )
    zone = right.text_input("Time zone of its days", value=rules.zone, key="rules-zone")
    key = st.multiselect(
        "Key, unique within a day", [item.name for item in rules.columns], default=list(rules.key), key="rules-key"
    )
    return replace(rules, fresh_hours=hours, deviations=deviations, zone=zone.strip(), key=tuple(key))


def _column_fields(item: ColumnRule) -> ColumnRule:
    first, second, third, fourth = st.columns(4)
    name = item.name
    missing = first.number_input(
        "Missing at most, %",
        min_value=0.0,
        max_value=100.0,
        value=None if item.most_missing is None else 100.0 * item.most_missing,
        placeholder="no limit",
        key=f"rules-missing-{name}",
    )
    changed = replace(item, most_missing=None if missing is None else missing / 100)
    if item.family is not Family.NUMBER:
        return changed
    low = second.number_input("Lowest", value=_real(item.low), placeholder="any", key=f"rules-low-{name}")
    high = third.number_input("Highest", value=_real(item.high), placeholder="any", key=f"rules-high-{name}")
    outside = fourth.number_input(
        "Outside at most, %",
        min_value=0.0,
        max_value=100.0,
        value=100.0 * item.most_outside,
        key=f"rules-outside-{name}",
    )
    changed = replace(changed, low=low, high=high, most_outside=outside / 100)
    # Bounds that a person gave are stated from now on, and broken ones are a breach.
    return replace(changed, stated=item.stated or (changed.low, changed.high) != (item.low, item.high))


def _real(value: float | None) -> float | None:
    """A whole number read from a document is an integer, which the field would not take beside a limit of 0.0."""
    return None if value is None else float(value)


def _with(rules: TableRules, changed: ColumnRule) -> TableRules:
    return replace(rules, columns=tuple(changed if item.name == changed.name else item for item in rules.columns))


def _change(faults: forms.FieldErrors, changed: TableRules, reason: str, command_id: str) -> None:
    if len(reason) < REASON_MIN:
        faults.say("reason", f"Write at least {REASON_MIN} characters: the reason stays in the ledger.")
        return
    room, me = session.control_room(), session.signed_in()
    command = ChangeRules(rules=changed, reason=reason, command_id=command_id)
    done = f"The rules of {changed.table} are changed; its days are judged again within minutes."
    if forms.submit(lambda: room.data_health.change_rules(command, actor=me), faults, done=done):
        forms.close_dialog()
        st.rerun()
