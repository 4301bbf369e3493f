"""Proposing a retraining set, and skipping a month with its reason."""

from __future__ import annotations

import streamlit as st

from pages.components import forms, session
from pages.components.format import md
from services.feedback.retraining import Calendar, PeriodState
from services.feedback.retraining_service import SkipMonth
from services.feedback.training_sets import ProposeSet
from services.kernel.identity import Permission

PAGE = "feedback"


def propose_button(model: str) -> None:
    if session.control_room().people.may(session.signed_in(), Permission.RECORD_CORRECTION):
        st.button(
            "Propose a set", icon=":material/dataset:", key="propose-set", on_click=forms.open_dialog,
            args=("set", PAGE), kwargs={"model": model},
        )  # fmt: skip


def skip_button(found: Calendar) -> None:
    """Only where a month can be skipped, and by who may."""
    open_ones = [item.month for item in found.periods if item.state in {PeriodState.DUE, PeriodState.MISSED}]
    if open_ones and session.control_room().people.may(session.signed_in(), Permission.EDIT_METADATA):
        st.button(
            "Skip a period", icon=":material/event_busy:", key="skip-month", on_click=forms.open_dialog,
            args=("skip", PAGE), kwargs={"model": found.model, "months": open_ones},
        )  # fmt: skip


@st.dialog("Propose a retraining set", icon=":material/dataset:", on_dismiss=forms.close_dialog)
def set_dialog() -> None:
    state = forms.required()
    model = str(state["model"])
    st.markdown(
        f"**{md(model)}** :gray[All reviewed predictions of the chosen days become one file with a digest: ids, labels "
        "and codes. It goes into the ledger under your name and into the registry within a minute.]"
    )
    faults = forms.FieldErrors()
    with st.form("set", border=False, enter_to_submit=False):
        days = st.number_input("Days of review", min_value=1, max_value=730, value=180, step=30, key="set-days")
        reason = st.text_input("What for", key="set-reason", max_chars=300, placeholder="Codes of the new catalogue")
        faults.place("reason")
        go = forms.go_button("Propose", icon="dataset", key="set-go")
    faults.place("form")
    command = ProposeSet(command_id=state["command_id"], model=model, reason=reason, days=int(days))
    room, me = session.control_room(), session.signed_in()
    done = "The set is recorded and reaches the registry within a minute."
    if go:
        forms.finish(lambda: room.training_sets.propose(command, actor=me), faults, done=done)


@st.dialog("Skip a period", icon=":material/event_busy:", on_dismiss=forms.close_dialog)
def skip_dialog() -> None:
    state = forms.required()
    model = str(state["model"])
    st.markdown(
        f"**{md(model)}** :gray[The period passes without a new version. The calendar shows it with the reason.]"
    )
    faults = forms.FieldErrors()
    with st.form("skip", border=False, enter_to_submit=False):
        month = st.selectbox("Period", state["months"], key="skip-which")
        reason = st.text_input("Why", key="skip-reason", max_chars=300, placeholder="Too few labels came in")
        faults.place("reason")
        go = forms.go_button("Skip it", icon="event_busy", key="skip-go")
    faults.place("form")
    command = SkipMonth(command_id=state["command_id"], model=model, month=str(month), reason=reason)
    room, me = session.control_room(), session.signed_in()
    if go:
        forms.finish(lambda: room.retraining.skip(command, actor=me), faults, done=f"{month} is skipped.")
