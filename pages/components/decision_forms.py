"""Signing a decision on a request, and submitting a request: what will be signed is repeated before the button."""

from __future__ import annotations

import streamlit as st

from pages.components import badges, forms, notices, places, session
from pages.components.format import code, digest, md, version, when
from services.approvals.models import MEANINGS, REASON_CODES, Decision, SignOff, SubmitRequest
from services.kernel.errors import ControlRoomError

VERBS = {
    Decision.APPROVE: "Approve",
    Decision.ACKNOWLEDGE: "Acknowledge",
    Decision.REQUEST_CHANGES: "Request changes",
    Decision.REJECT: "Reject",
    Decision.ABSTAIN: "Abstain",
    Decision.WITHDRAW: "Withdraw",
    Decision.REVOKE: "Revoke",
}
_DONE = {
    Decision.APPROVE: "Your approval is signed and recorded.",
    Decision.ACKNOWLEDGE: "Your acknowledgement is signed and recorded.",
    Decision.REQUEST_CHANGES: "Your request for changes is signed and recorded.",
    Decision.REJECT: "Your rejection is signed and recorded.",
    Decision.ABSTAIN: "Your abstention is signed and recorded.",
    Decision.WITHDRAW: "The request is withdrawn.",
    Decision.REVOKE: "The approval is revoked.",
}


def open_decision(request_id: str, decision: Decision, title: str, effect: str) -> None:
    """Callback of a decision button. Opening the review gives the challenge that binds what is shown."""
    forms.open_dialog(
        "decide", "approvals", request_id=request_id, decision=decision, title=title, effect=effect, challenge=""
    )
    _review_again()


def _review_again() -> None:
    state = forms.opened()
    me = session.actor()
    if state is None or me is None:
        return
    try:
        review = session.control_room().approvals.open_review(state["request_id"], actor=me)
    except ControlRoomError as error:
        state["problem"] = error
        return
    state.update(challenge=review.challenge, shown=review.shown_sha256, expires=review.expires_at, problem=None)


@st.dialog("Sign this decision", icon=":material/signature:", width="medium", on_dismiss=forms.close_dialog)
def decision_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    me = session.signed_in()
    decision: Decision = state["decision"]
    st.markdown(f"**{md(state['title'])}**")
    st.markdown(f":gray[{md(state['request_id'])}, {VERBS[decision].lower()} as {md(me.name)}, {md(me.role.label)}]")
    if state.get("problem") is not None:
        notices.show(state["problem"], key="review-reload", on_reload=forms.close_dialog)
        return
    st.markdown(f"> {MEANINGS[decision]}")
    st.markdown(f"**Effect:** {md(state['effect'])}")
    _decision_form(decision)
    st.markdown(
        f":gray[You sign the document shown, digest] {code(digest(state['shown'], 16))}:gray[. "
        f"This review is valid until {when(state['expires'], session.zone())}.]"
    )


def _decision_form(decision: Decision) -> None:
    faults = forms.FieldErrors()
    with st.form("decision", border=False, enter_to_submit=False):
        reason = ""
        if decision.needs_reason:
            reason = (
                st.selectbox(
                    "Reason code",
                    list(REASON_CODES),
                    format_func=REASON_CODES.__getitem__,
                    index=None,
                    key="decision-code",
                    placeholder="Choose why",
                )
                or ""
            )
        comment = st.text_area(
            "Reason" if decision.needs_reason else "Comment (optional)",
            key="decision-comment",
            placeholder="What did you check, and why is this decision right?",
            max_chars=2000,
        )
        faults.place("reason")
        passphrase = forms.passphrase_field("decision-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button(
                f"Sign and {VERBS[decision].lower()}", type="primary", icon=":material/signature:", key="decision-go"
            )
    faults.place("form")
    if go:
        _sign(faults, decision, reason, comment, passphrase)


def _sign(faults: forms.FieldErrors, decision: Decision, reason: str, comment: str, passphrase: str) -> None:
    state = forms.opened()
    if state is None:
        return
    if decision.needs_reason and not (reason and comment.strip()):
        faults.say("reason", "Choose a reason code and write a sentence; both become part of what you sign.")
        return
    if not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
        return
    command = SignOff(
        command_id=state["command_id"],
        request_id=state["request_id"],
        decision=decision,
        reason_code=reason,
        comment=comment.strip(),
        challenge=state["challenge"],
        passphrase=forms.secret(passphrase),
    )
    room, me = session.control_room(), session.signed_in()
    if forms.submit(lambda: room.approvals.sign_off(command, actor=me), faults, done=_DONE[decision]):
        forms.close_dialog()
        st.rerun()


def open_submit(model: str, number: str, seen_evidence: str, quorum: str, shares: str) -> None:
    """Callback of the button under a draft: the digest of the draft that was looked at travels with the command."""
    forms.open_dialog(
        "submit", "model", model=model, version=number, seen_evidence=seen_evidence, quorum=quorum, shares=shares
    )


@st.dialog("Ask for promotion", icon=":material/signature:", width="medium", on_dismiss=forms.close_dialog)
def submit_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    me = session.signed_in()
    st.markdown(f"**Promote {md(state['model'])} {version(state['version'])} to production**")
    st.markdown(
        f":gray[You sign this request as {md(me.name)}, {md(me.role.label)}. You will not be able to approve it.]"
    )
    st.markdown(f"**Needed after this:** {md(state['quorum'])}.")
    st.markdown(
        "**Effect:** nothing changes in production until all of them have signed; "
        f"then traffic goes {md(state['shares'])}."
    )
    faults = forms.FieldErrors()
    with st.form("submit", border=False, enter_to_submit=False):
        note = st.text_area(
            "Note to the reviewers", key="submit-note", max_chars=2000, placeholder="What is new, and why now?"
        )
        faults.place("reason")
        passphrase = forms.passphrase_field("submit-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Sign and submit", type="primary", icon=":material/signature:", key="submit-go")
    faults.place("form")
    st.markdown(f":gray[Evidence digest] {code(digest(state['seen_evidence'], 16))}")
    if not go:
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
    )
    room = session.control_room()
    if forms.submit(
        lambda: room.approvals.submit(command, actor=me), faults, done="The promotion request is signed and open."
    ):
        forms.close_dialog()
        st.switch_page(places.path("approvals"))


def decision_word(decision: Decision) -> str:
    return badges.badge(decision)
