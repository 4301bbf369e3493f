"""The steps of an incident as dialogs: open, note, mitigated, severity, start of the impact, who, traffic."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from pages.components import forms, incident_facts, notices, places, reads, session
from pages.components.format import md, when
from services.attestation.models import Receipt
from services.incidents.models import (
    SEVERITIES,
    Assign,
    ChangeSeverity,
    FinishFollowUp,
    IncidentView,
    LinkChange,
    OpenIncident,
    StateImpact,
    Step,
    TakeStep,
)
from services.incidents.rules import LONGEST_ADDRESS
from services.kernel.errors import ControlRoomError

_SEVERITY_WORDS = {number: f"{number}: {words}" for number, words in SEVERITIES.items()}
_LONGEST = 4000


def show_open() -> None:
    forms.show_open_dialog(
        {"open-incident": _report_dialog, **{f"incident-{step.value}": dialog for step, dialog in _DIALOGS.items()}}
    )


# opening


def open_report(model: str) -> None:
    """Callback of the button; models are read once, when the dialog opens."""
    forms.open_dialog("open-incident", "incidents", models=(), model=model, problem=None)
    state = forms.opened()
    if state is None:
        return
    try:
        rows, _ = reads.find_models(model, 200)
        state["models"] = tuple(row.name for row in rows)
    except ControlRoomError as error:
        state["problem"] = error


@st.dialog("Open an incident", icon=":material/add_alert:", width="medium", on_dismiss=forms.close_dialog)
def _report_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    if state["problem"] is not None:
        notices.show(state["problem"], key="report-reload", on_reload=forms.close_dialog)
        return
    st.markdown(
        "**Effect:** engineers are told at once, and the clock runs from the moment you state. Traffic does not move "
        "by this; a rollback is a step of its own."
    )
    faults = forms.FieldErrors()
    with st.form("report", border=False, enter_to_submit=False):
        names = list(state["models"])
        model = st.selectbox(
            "Model",
            names,
            index=names.index(state["model"]) if state["model"] in names else None,
            placeholder="Choose the model",
            key="report-model",
        )
        severity = st.radio(
            "Severity", list(SEVERITIES), index=1, format_func=_SEVERITY_WORDS.__getitem__, key="report-severity"
        )
        title = st.text_input("What is wrong, in a few words", key="report-title", max_chars=160)
        text = st.text_area(
            "What happened", key="report-text", max_chars=_LONGEST, placeholder="Who noticed what, and where?"
        )
        faults.place("reason")
        day, clock = _moment_inputs("report", session.now())
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Open it", type="primary", icon=":material/add_alert:", key="report-go")
    faults.place("form")
    if go:
        _report(faults, model or "", severity or 0, title, text, _moment(day, clock))


def _report(  # noqa: PLR0917 - one caller, above
    faults: forms.FieldErrors, model: str, severity: int, title: str, text: str, start: datetime | None
) -> None:
    state = forms.opened()
    if state is None:
        return
    if not model or start is None:
        faults.say("form", "Choose the model, and the day and time since when.")
        return
    command = OpenIncident(
        command_id=state["command_id"],
        model=model,
        severity=severity,
        title=title,
        text=text,
        impact_start=start,
    )
    room, me = session.control_room(), session.signed_in()
    found: list[str] = []

    def call() -> Receipt:
        incident_id, receipt = room.incidents.report(command, actor=me)
        found.append(incident_id)
        return receipt

    if forms.submit(call, faults, done="The incident is open and recorded; engineers are told."):
        forms.close_dialog()
        st.switch_page(places.path("incidents"), query_params={"incident": found[0]})


# one step


def open_step(view: IncidentView, step: Step) -> None:
    """Callback of a step's button."""
    forms.open_dialog(f"incident-{step.value}", "incidents", view=view, people={}, problem=None)
    state = forms.opened()
    if state is None or step is not Step.ASSIGNED:
        return
    try:
        found = session.control_room().incidents.assignees()
        state["people"] = {person.subject: person.name for person in found}
    except ControlRoomError as error:
        state["problem"] = error


def acknowledge(view: IncidentView) -> None:
    """Callback: one click in an emergency. Its command is this state of the incident, so two clicks are one."""
    item = view.incident
    command = TakeStep(
        command_id=f"acknowledge-{item.incident_id}-{item.revision}",
        incident_id=item.incident_id,
        step=Step.ACKNOWLEDGED,
    )
    try:
        receipt = session.control_room().incidents.take(command, actor=session.signed_in())
    except ControlRoomError as error:
        st.session_state["incident_problem"] = error
        return
    reads.forget()
    notices.flash("You took it up; the others see that.", receipt)


def show_problem() -> None:
    """What went wrong with a click that has no dialog."""
    problem = st.session_state.pop("incident_problem", None)
    if problem is not None:
        notices.show(problem, key="incident-reload")


@st.dialog("Add a note", icon=":material/edit_note:", width="medium", on_dismiss=forms.close_dialog)
def _note_dialog() -> None:
    _form(
        "The note is part of the record of this incident, under your name. Traffic does not move.",
        lambda: {"text": st.text_area("Note", key="incident-text", max_chars=_LONGEST)},
        "Add the note",
        lambda state, given: lambda room, me: room.incidents.take(_taken(state, Step.NOTE, given["text"]), actor=me),
        done="The note is recorded.",
    )


@st.dialog("The impact is over", icon=":material/healing:", width="medium", on_dismiss=forms.close_dialog)
def _mitigated_dialog() -> None:
    _form(
        "The clock stops now. A verified rollback does this by itself; say it here only when no change of traffic "
        "ended the impact.",
        lambda: {
            "text": st.text_area(
                "How was it verified?", key="incident-text", max_chars=_LONGEST, placeholder="What was looked at?"
            )
        },
        "It is over",
        lambda state, given: (
            lambda room, me: room.incidents.take(_taken(state, Step.MITIGATED, given["text"]), actor=me)
        ),
        done="The end of the impact is recorded.",
    )


@st.dialog("Change the severity", icon=":material/swap_vert:", width="medium", on_dismiss=forms.close_dialog)
def _severity_dialog() -> None:
    def fields() -> dict[str, Any]:
        state = forms.opened()
        now = state["view"].incident.severity if state else 4
        levels = list(SEVERITIES)
        return {
            "severity": st.radio(
                "Severity",
                levels,
                index=levels.index(now),
                format_func=_SEVERITY_WORDS.__getitem__,
                key="incident-severity",
            ),
            "text": st.text_area("Why", key="incident-text", max_chars=_LONGEST),
        }

    _form(
        "It decides how soon somebody else is told while nobody takes it up.",
        fields,
        "Change it",
        lambda state, given: (
            lambda room, me: room.incidents.change_severity(
                ChangeSeverity(
                    command_id=state["command_id"],
                    incident_id=state["view"].incident.incident_id,
                    severity=given["severity"],
                    reason=given["text"],
                ),
                actor=me,
            )
        ),
        done="The severity is changed and recorded.",
    )


@st.dialog("When the impact began", icon=":material/history:", width="medium", on_dismiss=forms.close_dialog)
def _impact_dialog() -> None:
    def fields() -> dict[str, Any]:
        state = forms.opened()
        times = state["view"].incident.times if state else None
        day, clock = _moment_inputs("incident", (times.impact_start or times.detected) if times else session.now())
        text = st.text_area(
            "How was that found out?",
            key="incident-text",
            max_chars=_LONGEST,
            placeholder="Log, chart, first complaint",
        )
        return {"start": _moment(day, clock), "text": text}

    _form(
        "Times to detect and to restore are counted from here; the entry keeps what was stated before.",
        fields,
        "State it",
        lambda state, given: (
            lambda room, me: room.incidents.state_impact(
                StateImpact(
                    command_id=state["command_id"],
                    incident_id=state["view"].incident.incident_id,
                    impact_start=given["start"] or session.now(),
                    reason=given["text"],
                ),
                actor=me,
            )
        ),
        done="The start of the impact is recorded.",
    )


@st.dialog("Who works on it", icon=":material/person_add:", width="medium", on_dismiss=forms.close_dialog)
def _assign_dialog() -> None:
    def fields() -> dict[str, Any]:
        state = forms.opened()
        people: dict[str, str] = state["people"] if state else {}
        mine = session.signed_in().subject
        names = list(people)
        return {
            "subject": st.selectbox(
                "Person",
                names,
                index=names.index(mine) if mine in names else None,
                format_func=lambda name: f"{people[name]} (you)" if name == mine else people[name],
                key="incident-person",
                placeholder="Choose a person",
            )
        }

    _form(
        "Everybody sees who works on it. Choosing yourself takes it over.",
        fields,
        "Assign it",
        lambda state, given: (
            lambda room, me: room.incidents.assign(
                Assign(
                    command_id=state["command_id"],
                    incident_id=state["view"].incident.incident_id,
                    subject=given["subject"] or "",
                ),
                actor=me,
            )
        ),
        done="It is recorded who works on it.",
    )


@st.dialog("Link a change of traffic", icon=":material/alt_route:", width="medium", on_dismiss=forms.close_dialog)
def _link_dialog() -> None:
    def fields() -> dict[str, Any]:
        state = forms.opened()
        choices = {item.action_id: item for item in state["view"].linkable} if state else {}
        return {
            "action": st.selectbox(
                "Change",
                list(choices),
                index=None,
                format_func=lambda name: (
                    f"{incident_facts.change_words(choices[name])}, {when(choices[name].asked_at, session.zone())}"
                ),
                key="incident-action",
                placeholder="Choose one of the last changes of this model",
            )
        }

    _form(
        "A rollback that was verified ends the impact at the time it was read back; that stops the clock.",
        fields,
        "Link it",
        lambda state, given: (
            lambda room, me: room.incidents.link(
                LinkChange(
                    command_id=state["command_id"],
                    incident_id=state["view"].incident.incident_id,
                    action_id=given["action"] or "",
                ),
                actor=me,
            )
        ),
        done="The change of traffic is linked.",
    )


def open_follow_up(view: IncidentView, number: int) -> None:
    """Callback of the button beside a follow-up."""
    forms.open_dialog(
        f"incident-{Step.FOLLOW_UP.value}", "incidents", view=view, people={}, problem=None, number=number
    )


@st.dialog("A follow-up is done", icon=":material/task_alt:", width="medium", on_dismiss=forms.close_dialog)
def _follow_up_dialog() -> None:
    def fields() -> dict[str, Any]:
        state = forms.opened()
        number = state["number"] if state else 1
        if state is not None:
            st.markdown(f"**{md(state['view'].incident.post_mortem.follow_ups[number - 1].text)}**")
        return {
            "number": number,
            "evidence": st.text_input(
                "Where it can be seen",
                key="incident-evidence",
                max_chars=LONGEST_ADDRESS,
                placeholder="https://… the change, the ticket, the new alert",
            ),
        }

    _form(
        "It is recorded under your name, with the link. The signed post-mortem stays as it was signed.",
        fields,
        "It is done",
        lambda state, given: (
            lambda room, me: room.incidents.finish_follow_up(
                FinishFollowUp(
                    command_id=state["command_id"],
                    incident_id=state["view"].incident.incident_id,
                    number=given["number"],
                    evidence=given["evidence"],
                ),
                actor=me,
            )
        ),
        done="The follow-up is done and recorded.",
    )


_DIALOGS: dict[Step, Callable[[], None]] = {
    Step.NOTE: _note_dialog,
    Step.MITIGATED: _mitigated_dialog,
    Step.SEVERITY: _severity_dialog,
    Step.IMPACT: _impact_dialog,
    Step.ASSIGNED: _assign_dialog,
    Step.LINKED: _link_dialog,
    Step.FOLLOW_UP: _follow_up_dialog,
}


def _form(
    effect: str,
    fields: Callable[[], dict[str, Any]],
    button: str,
    prepare: Callable[[forms.Dialog, dict[str, Any]], Callable[[Any, Any], Receipt]],
    *,
    done: str,
) -> None:
    """Effect first, then the fields, then one button; a fault stands under its field."""
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    if state["problem"] is not None:
        notices.show(state["problem"], key="step-reload", on_reload=forms.close_dialog)
        return
    st.markdown(f":gray[{md(state['view'].incident.incident_id)}: {md(state['view'].incident.title)}]")
    st.markdown(f"**Effect:** {effect}")
    faults = forms.FieldErrors()
    with st.form("incident-step", border=False, enter_to_submit=False):
        given = fields()
        faults.place("reason")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button(button, type="primary", key="incident-go")
    faults.place("form")
    if not go:
        return
    call = prepare(state, given)
    room, me = session.control_room(), session.signed_in()
    if forms.submit(lambda: call(room, me), faults, done=done):
        forms.close_dialog()
        st.rerun()


def _taken(state: forms.Dialog, step: Step, text: str) -> TakeStep:
    return TakeStep(
        command_id=state["command_id"], incident_id=state["view"].incident.incident_id, step=step, text=text
    )


def _moment_inputs(name: str, at: datetime) -> tuple[date | None, time | None]:
    """Day and time in the reader's own zone, which is named."""
    local = at.astimezone(_zone())
    left, right = st.columns(2)
    day = left.date_input(
        "Since (day)", value=local.date(), max_value=local.date() + timedelta(days=1), key=f"{name}-day"
    )
    clock = right.time_input(
        f"Since (time, {md(local.tzname() or 'UTC')})",
        value=local.time().replace(second=0, microsecond=0),
        step=60,
        key=f"{name}-clock",
    )
    return (day if isinstance(day, date) else None), clock


def _moment(day: date | None, clock: time | None) -> datetime | None:
    if day is None or clock is None:
        return None
    return datetime.combine(day, clock, _zone()).astimezone(UTC)


def _zone() -> ZoneInfo:
    try:
        return ZoneInfo(session.zone() or "UTC")
    except (KeyError, ValueError):
        return ZoneInfo("UTC")
