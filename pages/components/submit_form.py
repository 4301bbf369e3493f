"""Asking for a decision: the requester signs what would be judged, and who has to decide is said before."""

from __future__ import annotations

import streamlit as st

from pages.components import forms, places, session
from pages.components.format import asked, code, digest, md
from services.approvals.models import Purpose, SubmitRequest

TITLES = {
    Purpose.PROMOTION: "Request promotion",
    Purpose.REATTESTATION: "Ask for re-attestation",
    Purpose.ADOPTION: "Ask to adopt what is served",
}
_EFFECTS = {
    Purpose.PROMOTION: "production stays until all of them have signed; then the version goes this way: {shares}.",
    Purpose.REATTESTATION: "traffic stays as it is; when all of them have signed, the approval is valid again.",
    Purpose.ADOPTION: "traffic stays as it is; when all of them have signed, what is served is recorded as wanted.",
}
_DONE = {
    Purpose.PROMOTION: "The promotion request is signed and open.",
    Purpose.REATTESTATION: "The request for re-attestation is signed and open.",
    Purpose.ADOPTION: "The request to adopt is signed and open.",
}


def open_submit(
    *, model: str, number: str, seen_evidence: str, quorum: str, shares: str, purpose: Purpose = Purpose.PROMOTION
) -> None:
    """Callback of the button under a draft: the digest of the draft that was looked at travels with the command."""
    forms.open_dialog(
        "submit",
        "model",
        model=model,
        version=number,
        seen_evidence=seen_evidence,
        quorum=quorum,
        shares=shares,
        purpose=purpose,
    )


@st.dialog("Sign this request", icon=":material/signature:", width="medium", on_dismiss=forms.close_dialog)
def submit_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own button: only a run of the whole page takes it away
    me = session.signed_in()
    purpose: Purpose = state["purpose"]
    st.markdown(f"**{md(asked(purpose, state['model'], state['version']))}**")
    st.markdown(
        f":gray[You sign this request as {md(me.name)}, {md(me.role.label)}. You will not be able to approve it.]"
    )
    st.markdown(f"**Needed after this:** {md(state['quorum'])}.")
    st.markdown(f"**Effect:** {_EFFECTS[purpose].format(shares=md(state['shares']))}")
    faults = forms.FieldErrors()
    with st.form("submit", border=False, enter_to_submit=False):
        note = st.text_area(
            "Note to the reviewers", key="submit-note", max_chars=2000, placeholder="What is new, and why now?"
        )
        faults.place("reason")
        passphrase = forms.passphrase_field("submit-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            cancelled = st.form_submit_button("Cancel", key="submit-cancel")
            go = st.form_submit_button("Sign and submit", type="primary", icon=":material/signature:", key="submit-go")
    faults.place("form")
    st.markdown(f":gray[Evidence digest] {code(digest(state['seen_evidence'], 16))}")
    if cancelled:
        forms.close_dialog()
        st.rerun()
    if go:
        _submit(faults, note, passphrase)


def _submit(faults: forms.FieldErrors, note: str, passphrase: str) -> None:
    state = forms.opened()
    if state is None:
        return
    if not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
        return
    command = SubmitRequest(
        command_id=state["command_id"],
        model=state["model"],
        version=state["version"],
        note=note.strip(),
        seen_evidence=state["seen_evidence"],
        passphrase=forms.secret(passphrase),
        purpose=state["purpose"],
        zone=session.zone(),
    )
    room, me = session.control_room(), session.signed_in()
    if forms.submit(lambda: room.approvals.submit(command, actor=me), faults, done=_DONE[state["purpose"]]):
        forms.close_dialog()
        st.switch_page(places.path("approvals"))
