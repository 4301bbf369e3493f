"""Adding a passkey: its name and the passphrase, the authenticator, and the signed request to have it enrolled."""

from __future__ import annotations

import streamlit as st

from pages.components import forms, passkey, session
from pages.components.format import md
from services.kernel.errors import ControlRoomError, InputError, KeyLockedError, PassphraseError
from services.kernel.secret import Secret
from services.people.passkeys import EnrolPasskey

_KEPT = (PassphraseError, KeyLockedError, InputError)
"""Answers after which the passkey that was made serves for another try."""


@st.dialog("Add a passkey", icon=":material/passkey:", width="medium", on_dismiss=forms.close_dialog)
def passkey_dialog() -> None:
    """First the name and the passphrase, then the authenticator makes the passkey, and the request is signed."""
    state = forms.opened()
    if state is None:
        st.rerun()
    session.signed_in()
    st.markdown(
        f":gray[It will work for **{md(session.control_room().passkeys.party.id)}** alone, and asks for your finger, "
        "face or PIN each time. Administrators then put their names to it.]"
    )
    made = state["made"] or passkey.answer(state["demand"])
    if state["demand"] is not None and not made:
        _ask_authenticator(state)
        return
    just_made, state["made"] = bool(made) and not state["made"], made
    if just_made:
        st.session_state["passkey-label"] = state["label"]
    faults = forms.FieldErrors()
    with st.form("people-passkey-form", border=False, enter_to_submit=False):
        label = st.text_input("Name", key="passkey-label", max_chars=80, placeholder="Key in the drawer").strip()
        passphrase = forms.signature_field("passkey-passphrase", faults)
        go = forms.go_button("Ask to enrol it" if made else "Continue", icon="passkey", key="passkey-go")
    faults.place("form")
    if just_made:
        _enrol(faults, label, state["passphrase"])
    elif go and not (label and passphrase.reveal()):
        faults.say("form", "Give it a name and enter your signing passphrase: it signs the request to enrol it.")
    elif go and made:
        _enrol(faults, label, passphrase)
    elif go:
        _begin(faults, label, passphrase)


def _ask_authenticator(state: forms.Dialog) -> None:
    st.markdown(f"**Name:** {md(state['label'])}")
    st.markdown("**Now the authenticator.** It asks who you are and makes the passkey; then your request is signed.")
    passkey.ask(state["demand"], label="Make the passkey")
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.button("Change what I wrote", key="passkey-write-again", on_click=_write_again)


def _write_again() -> None:
    state = forms.required()
    st.session_state["passkey-label"] = state["label"]
    state.update(demand=None, made="")


def _begin(faults: forms.FieldErrors, label: str, passphrase: Secret) -> None:
    """Keeps what was typed until the authenticator answers or the dialog closes."""
    state, me = forms.required(), session.signed_in()
    try:
        demand = session.control_room().passkeys.begin(actor=me)
    except ControlRoomError as error:
        faults.show(error)
        return
    state.update(demand=demand, label=label, passphrase=passphrase)
    st.rerun()


def _enrol(faults: forms.FieldErrors, label: str, passphrase: Secret) -> None:
    """After a wrong passphrase the passkey is kept: the device must not fill with ones that nobody enrolled."""
    state, me, room = forms.required(), session.signed_in(), session.control_room()
    command = EnrolPasskey(
        command_id=state["command_id"],
        nonce=state["demand"].nonce,
        label=label,
        answer=state["made"],
        passphrase=passphrase,
    )
    done = "Your passkey is made. It counts once administrators have enrolled it."
    if forms.submit(lambda: room.passkeys.enrol(command, actor=me), faults, done=done):
        forms.close_dialog()
        st.rerun()
    elif isinstance(faults.last, _KEPT):
        st.markdown(":gray[:material/passkey: The passkey itself is made and kept for the next try.]")
    else:
        state.update(demand=None, made="")
