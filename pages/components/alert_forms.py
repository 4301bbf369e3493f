"""What people do with an alert: one click to acknowledge or to open an incident, a form to snooze or to close."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import streamlit as st

from pages.components import forms, notices, places, reads, session
from pages.components.format import md, when
from services.alerts import rules
from services.alerts.models import Acknowledge, Alert, CloseAlert, RaiseIncident, SnoozeAlert, WakeAlert
from services.attestation.models import Receipt
from services.kernel.errors import ControlRoomError

_PROBLEM = "alert_problem"
_OPENED = "alert_incident"
_SPANS = {
    "1 hour": timedelta(hours=1),
    "4 hours": timedelta(hours=4),
    "8 hours": timedelta(hours=8),
    "1 day": timedelta(days=1),
    "3 days": timedelta(days=3),
    "7 days": timedelta(days=7),
}


def show_problem() -> None:
    """What went wrong with a click that has no dialog; and the way to an incident that was just opened."""
    opened = st.session_state.pop(_OPENED, "")
    if opened:
        st.switch_page(places.path("incidents"), query_params={"incident": opened})
    problem = st.session_state.pop(_PROBLEM, None)
    if problem is not None:
        notices.show(problem, key="alert-reload")


def show_open() -> None:
    forms.show_open_dialog(
        {"alert-acknowledge": _acknowledge_dialog, "alert-snooze": _snooze_dialog, "alert-close": _close_dialog}
    )


def open_form(kind: str, alert: Alert) -> None:
    """Callback of a button."""
    forms.open_dialog(f"alert-{kind}", "alerts", alert=alert)


def acknowledge(alert: Alert) -> None:
    """Callback: one click. Its command is this state of the alert, so two clicks are one."""
    command = Acknowledge(command_id=f"acknowledge-{alert.alert_id}-{alert.revision}", alert_id=alert.alert_id, note="")
    _click(
        lambda: session.control_room().alerts.acknowledge(command, actor=session.signed_in()),
        "You took it up; the others see that.",
    )


def wake(alert: Alert) -> None:
    """Callback."""
    command = WakeAlert(command_id=f"wake-{alert.alert_id}-{alert.revision}", alert_id=alert.alert_id)
    _click(
        lambda: session.control_room().alerts.wake(command, actor=session.signed_in()),
        "The snooze is over; it waits for an acknowledgement.",
    )


def raise_incident(alert: Alert) -> None:
    """Callback: opens an incident with the words of the alert, and leads there."""
    command = RaiseIncident(command_id=f"incident-{alert.alert_id}-{alert.revision}", alert_id=alert.alert_id)

    def call() -> Receipt:
        incident_id, receipt = session.control_room().alerts.raise_incident(command, actor=session.signed_in())
        st.session_state[_OPENED] = incident_id
        return receipt

    _click(call, "The incident is open and linked to the alert.")


def _click(call: Callable[[], Receipt], done: str) -> None:
    try:
        receipt = call()
    except ControlRoomError as error:
        st.session_state[_PROBLEM] = error
        return
    reads.forget()
    notices.flash(done, receipt)


@st.dialog("Acknowledge", icon=":material/back_hand:", width="medium", on_dismiss=forms.close_dialog)
def _acknowledge_dialog() -> None:
    alert = _opened()
    st.markdown(
        "**Effect:** nobody else is called about it. It stays in the list until its condition is healthy again."
    )
    faults = forms.FieldErrors()
    with st.form("alert-acknowledge", border=False, enter_to_submit=False):
        note = st.text_area(
            "What you do about it (optional)", key="alert-note", max_chars=rules.LONGEST_TEXT, height=100
        )
        go = _button("Acknowledge", "back_hand")
    faults.place("form")
    state = forms.opened()
    if go and state is not None:
        command = Acknowledge(command_id=state["command_id"], alert_id=alert.alert_id, note=note)
        _submit(lambda: session.control_room().alerts.acknowledge(command, actor=session.signed_in()), faults)


@st.dialog("Snooze", icon=":material/snooze:", width="medium", on_dismiss=forms.close_dialog)
def _snooze_dialog() -> None:
    alert = _opened()
    now = session.now()
    last = rules.snooze_at_most(alert, now=now)
    spans = {name: span for name, span in _SPANS.items() if now + span <= last}
    st.markdown(
        f"**Effect:** nobody is told until the end you choose. A model of tier {alert.tier} is snoozed at most until "
        f"{when(last, session.zone())}. If it becomes graver than severity {alert.severity}, the snooze ends at once."
    )
    faults = forms.FieldErrors()
    with st.form("alert-snooze", border=False, enter_to_submit=False):
        span = st.segmented_control("For", list(spans), default=next(iter(spans)), key="alert-span", required=True)
        reason = st.text_area(
            "Why it may wait", key="alert-reason", max_chars=rules.LONGEST_TEXT, height=100,
            placeholder="What is known about it, and what happens meanwhile?",
        )  # fmt: skip
        faults.place("reason")
        go = _button("Snooze it", "snooze")
    faults.place("form")
    state = forms.opened()
    if go and state is not None:
        until = now + spans[str(span)]
        command = SnoozeAlert(command_id=state["command_id"], alert_id=alert.alert_id, until=until, reason=reason)
        _submit(lambda: session.control_room().alerts.snooze(command, actor=session.signed_in()), faults)


@st.dialog("Close without a measurement", icon=":material/task_alt:", width="medium", on_dismiss=forms.close_dialog)
def _close_dialog() -> None:
    alert = _opened()
    st.markdown(
        "**Effect:** it leaves the list although nobody knows that its condition is healthy. Do this for what is not "
        "measured any more, such as a retired feature."
    )
    faults = forms.FieldErrors()
    with st.form("alert-close", border=False, enter_to_submit=False):
        reason = st.text_area("Why it is over", key="alert-reason", max_chars=rules.LONGEST_TEXT, height=100)
        faults.place("reason")
        go = _button("Close it", "task_alt")
    faults.place("form")
    state = forms.opened()
    if go and state is not None:
        command = CloseAlert(command_id=state["command_id"], alert_id=alert.alert_id, reason=reason)
        _submit(lambda: session.control_room().alerts.close(command, actor=session.signed_in()), faults)


def _opened() -> Alert:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    alert: Alert = state["alert"]
    st.markdown(f":gray[{md(alert.alert_id)}: {md(alert.title)}, {md(alert.key.model)}]")
    return alert


def _button(label: str, icon: str) -> bool:
    with st.container(horizontal=True, horizontal_alignment="right"):
        return st.form_submit_button(label, type="primary", icon=f":material/{icon}:", key="alert-go")


def _submit(call: Callable[[], Receipt], faults: forms.FieldErrors) -> None:
    if forms.submit(call, faults, done="It is recorded, with your name."):
        forms.close_dialog()
        st.rerun()
