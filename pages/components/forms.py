"""Every write goes through one dialog with one command id, made when the dialog opens.

A double click, a second run or a reload repeats the same command, and the service answers with the first receipt.
Dialogs are opened from session state, so they survive reruns, and closing one forgets what was typed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

import streamlit as st

from pages.components import notices, reads, session
from services.attestation.models import Receipt
from services.kernel.errors import ControlRoomError, InputError, KeyLockedError, MissingReasonError, PassphraseError
from services.kernel.ids import new_id
from services.kernel.logs import about
from services.kernel.secret import Secret
from services.observability.durations import DURATIONS

log = logging.getLogger("countersign.app")

_OPEN = "open_dialog"
Dialog = dict[str, Any]


def open_dialog(kind: str, page: str, **given: Any) -> None:
    """Callback of the button that opens a dialog; makes the command id."""
    st.session_state[_OPEN] = {"kind": kind, "page": page, "command_id": new_id("cmd", session.now()), **given}


def close_dialog() -> None:
    st.session_state.pop(_OPEN, None)


def opened() -> Dialog | None:
    return cast("Dialog | None", st.session_state.get(_OPEN))


def required() -> Dialog:
    """The dialog that is drawn. One closed by its own reload button ends here: a run of the page takes it away."""
    state = opened()
    if state is None:
        st.rerun()
    return state


def leave_dialog_of_other_pages(page: str) -> None:
    state = opened()
    if state is not None and state["page"] != page:
        close_dialog()


def show_open_dialog(dialogs: Mapping[str, Callable[[], None]]) -> None:
    """Last line of a screen: draws the dialog that is open, if it is one of this screen."""
    state = opened()
    if state is not None and state["kind"] in dialogs:
        dialogs[state["kind"]]()


def passphrase_field(key: str) -> str:
    return st.text_input(
        "Your signing passphrase",
        type="password",
        key=key,
        autocomplete="off",
        help="It opens your own signing key for this one signature. It is never stored.",
    )


def signature_field(key: str, faults: FieldErrors) -> Secret:
    """The passphrase with the place for what is wrong with it."""
    typed = passphrase_field(key)
    faults.place("passphrase")
    return secret(typed)


def go_button(label: str, *, icon: str, key: str) -> bool:
    """The one button of a form, at its right end."""
    with st.container(horizontal=True, horizontal_alignment="right"):
        return st.form_submit_button(label, type="primary", icon=f":material/{icon}:", key=key)


def secret(text: str) -> Secret:
    return Secret(text)


class FieldErrors:
    """Places under the fields of one form, so that a fault stands next to what has to be corrected."""

    def __init__(self, form: str = "") -> None:
        """`form` names a form that stands on the page itself: a dialog over it has places of its own."""
        self._form = form
        self._places: dict[str, Any] = {}
        self.last: ControlRoomError | None = None
        """What a service answered last, for a form that goes on in another way after some answers."""

    def place(self, name: str) -> None:
        self._places[name] = st.container(key=f"fault-{self._form}{name}")

    def say(self, name: str, sentence: str) -> None:
        with self._places[name]:
            notices.field(InputError(sentence))

    def show(self, error: ControlRoomError) -> None:
        self.last = error
        name = _field_of(error)
        if name in self._places and name != "form":
            with self._places[name]:
                notices.field(error)
            return
        with self._places["form"]:
            notices.show(error, key="dialog-reload", on_reload=close_dialog)


def _field_of(error: ControlRoomError) -> str:
    if isinstance(error, PassphraseError | KeyLockedError):
        return "passphrase"
    if isinstance(error, MissingReasonError):
        return "reason"
    return "form"


def record(call: Callable[[], Receipt], faults: FieldErrors) -> Receipt | None:
    """Runs one command; on an error the dialog stays and says it, on success caches of reads are emptied."""
    state = opened() or {}
    kind, command = str(state.get("kind", "form")), str(state.get("command_id", ""))
    try:
        with st.spinner("Recording…"), about(command=command), DURATIONS.measured("command", kind):
            receipt = call()
    except ControlRoomError as error:
        log.info("command not recorded", extra={"kind": kind, "command": command, "code": error.code})
        faults.show(error)
        return None
    log.info("command recorded", extra={"kind": kind, "command": command, "entry": receipt.seq})
    reads.forget()
    return receipt


def submit(call: Callable[[], Receipt], faults: FieldErrors, *, done: str) -> Receipt | None:
    """As `record`; on success the receipt waits for the next run of any page."""
    receipt = record(call, faults)
    if receipt is not None:
        notices.flash(done, receipt)
    return receipt


def finish(call: Callable[[], Receipt], faults: FieldErrors, *, done: str) -> None:
    """As `submit`; on success the dialog closes."""
    if submit(call, faults, done=done):
        close_dialog()
        st.rerun()
