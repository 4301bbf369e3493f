"""Dialogs of compliance: place a legal hold, release one, dispose of what is due. Each is signed."""

from __future__ import annotations

import streamlit as st

from pages.components import forms, session
from pages.components.format import md, plural
from services.audit.keeping import Dispose, PlaceHold, ReleaseHold


@st.dialog("Place a legal hold", icon=":material/gavel:", width="medium", on_dismiss=forms.close_dialog)
def hold_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()
    room, me = session.control_room(), session.signed_in()
    classes = {rule.id: rule.title for rule in room.reports.retention.schedule.rules}
    kind = st.segmented_control(
        "Scope",
        ["model", "class"],
        format_func=lambda word: {"model": "One model", "class": "One class of record"}[word],
        default="model",
        required=True,
        key="hold-kind",
    )
    faults = forms.FieldErrors()
    with st.form("hold", border=False, enter_to_submit=False):
        if kind == "class":
            scope = st.selectbox("Class", list(classes), format_func=classes.__getitem__, key="hold-class") or ""
        else:
            scope = st.selectbox("Model", room.reports.models(), key="hold-model") or ""
        reason = st.text_area("Reason", key="hold-reason", max_chars=500, placeholder="The matter and its basis")
        faults.place("reason")
        passphrase = forms.passphrase_field("hold-passphrase")
        faults.place("passphrase")
        st.markdown("**Effect:** nothing in this scope is disposed of until the hold is released.")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Sign and place", type="primary", icon=":material/signature:", key="hold-go")
    faults.place("form")
    if not go or not _has_passphrase(passphrase, faults):
        return
    command = PlaceHold(
        command_id=state["command_id"],
        scope_kind=kind or "model",
        scope=scope,
        reason=reason,
        passphrase=forms.secret(passphrase),
    )
    if forms.submit(lambda: room.reports.retention.place_hold(command, actor=me), faults, done="The hold stands."):
        forms.close_dialog()
        st.rerun()


@st.dialog("Release a legal hold", icon=":material/lock_open:", width="medium", on_dismiss=forms.close_dialog)
def release_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()
    room, me = session.control_room(), session.signed_in()
    st.markdown(f"**{md(state['scope'])}**")
    faults = forms.FieldErrors()
    with st.form("release-hold", border=False, enter_to_submit=False):
        reason = st.text_area("Reason", key="release-reason", max_chars=500, placeholder="Why it is no longer needed")
        faults.place("reason")
        passphrase = forms.passphrase_field("release-passphrase")
        faults.place("passphrase")
        st.markdown("**Effect:** what is due in this scope may be disposed of from now on.")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button(
                "Sign and release", type="primary", icon=":material/signature:", key="release-go"
            )
    faults.place("form")
    if not go or not _has_passphrase(passphrase, faults):
        return
    command = ReleaseHold(
        command_id=state["command_id"],
        hold_id=state["hold_id"],
        reason=reason,
        passphrase=forms.secret(passphrase),
    )
    if forms.submit(
        lambda: room.reports.retention.release_hold(command, actor=me), faults, done="The hold is released."
    ):
        forms.close_dialog()
        st.rerun()


@st.dialog("Dispose of what is due", icon=":material/delete_forever:", width="medium", on_dismiss=forms.close_dialog)
def dispose_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()
    room, me = session.control_room(), session.signed_in()
    st.markdown(f"**{md(state['title'])}**: {plural(state['expected'], 'text')}")
    st.markdown(
        "**Effect:** these texts and their salts are erased for good. Their entries in the ledger stay, and a "
        "certificate with your signature says what was erased, when and under which rule. This cannot be undone."
    )
    faults = forms.FieldErrors()
    with st.form("dispose", border=False, enter_to_submit=False):
        passphrase = forms.passphrase_field("dispose-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Sign and erase", type="primary", icon=":material/signature:", key="dispose-go")
    faults.place("form")
    if not go or not _has_passphrase(passphrase, faults):
        return
    command = Dispose(
        command_id=state["command_id"],
        class_id=state["class_id"],
        expected=state["expected"],
        passphrase=forms.secret(passphrase),
    )
    if forms.submit(
        lambda: room.reports.retention.dispose(command, actor=me), faults, done="Erased; the certificate is recorded."
    ):
        forms.close_dialog()
        st.rerun()


def _has_passphrase(passphrase: str, faults: forms.FieldErrors) -> bool:
    if not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
    return bool(passphrase)
