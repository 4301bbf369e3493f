"""Handing in corrections: one by form, many by file. A fault stands beside its field or in a list of lines."""

from __future__ import annotations

import streamlit as st

from pages.components import exporting, feedback_facts, forms, notices, reads, session
from pages.components.format import count, md, plural
from services.feedback.corrections import (
    CONFIRMED,
    LARGEST_FILE,
    REASONS,
    Checked,
    CorrectionRow,
    CorrectionsRefusedError,
    ImportFile,
    RecordCorrections,
    Via,
)
from services.feedback.intake import OPTIONAL, REQUIRED
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Permission

PAGE = "feedback"


def buttons(model: str) -> None:
    if not session.control_room().people.may(session.signed_in(), Permission.RECORD_CORRECTION):
        notices.remark("Business owners and data science leads hand in corrections.")
        return
    st.button("Record one", icon=":material/edit_note:", key="record-one", on_click=_open, args=("correction", model))
    st.button("Upload a file", icon=":material/upload:", key="record-file", on_click=_open, args=("corrections", model))


def _open(kind: str, model: str) -> None:
    forms.open_dialog(kind, PAGE, model=model)


@st.dialog("Record a correction", icon=":material/edit_note:", on_dismiss=forms.close_dialog)
def one_dialog() -> None:
    state = forms.required()
    model = str(state["model"])
    st.markdown(
        f"**{md(model)}** :gray[Ids and codes only. It goes into the ledger under your name and is counted within "
        "a minute; the prediction itself stays as it was recorded.]"
    )
    known = reads.attempt("the reasons", lambda: session.control_room().corrections.reasons(model)) or ()
    faults = forms.FieldErrors()
    with st.form("correction", border=False, enter_to_submit=False):
        ident = st.text_input("Prediction id", key="correction-id", max_chars=200, placeholder="clt-003867")
        faults.place("prediction_id")
        reason = st.selectbox("Reason", known, index=None, format_func=_reason, key="correction-reason")
        faults.place("reason_code")
        value = st.text_input(
            "What is right", key="correction-value", max_chars=40, placeholder="1", help="Empty for a confirmed one."
        )
        faults.place("corrected_value")
        note = st.text_input(
            "Note, if a code does not say it", key="correction-note", max_chars=200, help="Nothing about a person."
        )
        faults.place("note")
        go = forms.go_button("Record", icon="edit_note", key="correction-go")
    faults.place("form")
    if go:
        row = CorrectionRow(
            prediction_id=ident, corrected_value=value, reason_code=reason or "",
            reviewer=session.signed_in().subject, note=note,
        )  # fmt: skip
        _record(RecordCorrections(command_id=state["command_id"], model=model, rows=(row,), via=Via.FORM), faults)


def _reason(code: str) -> str:
    return f"{code}: {REASONS[code].lower()}" if code in REASONS else code


def _record(command: RecordCorrections, faults: forms.FieldErrors) -> None:
    room, me = session.control_room(), session.signed_in()
    try:
        with st.spinner("Recording…"):
            receipt = room.corrections.record(command, actor=me)
    except CorrectionsRefusedError as refused:
        for fault in refused.checked.faults:
            faults.say(fault.column if fault.column != "reviewer" else "form", fault.sentence)
        return
    except ControlRoomError as error:
        faults.show(error)
        return
    reads.forget()
    notices.flash("The review is recorded and counted within a minute.", receipt)
    forms.close_dialog()
    st.rerun()


@st.dialog("Upload corrections", icon=":material/upload:", width="large", on_dismiss=forms.close_dialog)
def file_dialog() -> None:
    state = forms.required()
    model = str(state["model"])
    st.markdown(
        f"**{md(model)}** :gray[A CSV in UTF-8. All lines are recorded by one ledger entry, or none: with any fault "
        "nothing is written.]"
    )
    st.code(",".join((*REQUIRED, *OPTIONAL)) + f"\nclt-003867,1,WRONG-OUTCOME,reviewer-04,,\nclt-003870,,{CONFIRMED},"
            "reviewer-04,,", language=None)  # fmt: skip
    with st.expander("Columns and reasons", icon=":material/info:"):
        st.markdown(_columns(model))
    given = st.file_uploader(
        "File",
        type=["csv"],
        key="corrections-file",
        max_upload_size=LARGEST_FILE // 1024**2,
        accept_multiple_files=False,
    )
    if given is None:
        return
    command = ImportFile(command_id=state["command_id"], model=model, name=given.name, data=given.getvalue())
    room, me = session.control_room(), session.signed_in()
    try:
        with st.spinner("Checking every line…"):
            checked = room.corrections.check_file(command, actor=me)
    except ControlRoomError as error:
        notices.show(error, key="corrections-reload")
        return
    if checked.faults:
        _report(checked)
        return
    faults = forms.FieldErrors()
    st.markdown(
        f"**{plural(checked.rows, 'reviewed prediction')}** without a fault: {count(checked.corrected)} corrected, "
        f"{count(checked.rows - checked.corrected)} confirmed."
    )
    if checked.corrected == checked.rows:
        notices.remark(f"Without lines that say {CONFIRMED} the override rate of this list is 100 %.", "help")
    go = st.button("Record all of them", type="primary", icon=":material/upload:", key="corrections-go")
    faults.place("form")
    done = f"{plural(checked.rows, 'review')} recorded; they are counted within a minute."
    if go:
        forms.finish(lambda: room.corrections.import_file(command, actor=me), faults, done=done)


def _columns(model: str) -> str:
    known = reads.attempt("the reasons", lambda: session.control_room().corrections.reasons(model)) or ()
    return (
        "`prediction_id` as recorded; `corrected_value` a number, empty for a confirmed one; `reason_code` one of "
        f"{', '.join(f'`{code}`' for code in known)}; `reviewer` an id, never a name; `reviewed_at` a time with a "
        "zone, empty is now; `note` nothing about a person. Other columns are refused."
    )


def _report(checked: Checked) -> None:
    st.warning(
        f"**Nothing was recorded.** {plural(len(checked.faults), 'fault')} in {plural(checked.rows, 'line')}. Correct "
        "them and upload the whole file again.",
        icon=":material/block:",
    )
    shown = feedback_facts.faults(checked).head(200)
    st.dataframe(shown, hide_index=True, key="corrections-faults", height=280, alt="Faults by line")
    if len(checked.faults) > len(shown):
        st.caption(f"The first {len(shown)}; the export has all {count(len(checked.faults))}.")
    exporting.popover("correction-faults", lambda: feedback_facts.fault_rows(checked), note="Faults by line")
