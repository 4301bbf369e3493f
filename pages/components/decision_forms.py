"""Signing a decision on a request: meaning, effect and digest are repeated before the passphrase is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import streamlit as st

from pages.components import forms, notices, oidc, passkey, request_receipt, session
from pages.components.format import code, digest, md, when
from pages.components.format import role as role_title
from services.approvals.models import MEANINGS, REASON_CODES, Decision, DelegationRef, SignOff
from services.kernel.errors import ControlRoomError
from services.policy.models import SigningTerms

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
_COUNTING = {Decision.APPROVE, Decision.ACKNOWLEDGE}
_ASKS_FOR_CHANGE = {Decision.REQUEST_CHANGES, Decision.REJECT}


def open_decision(
    *,
    request_id: str,
    decision: Decision,
    title: str,
    effect: str,
    meaning: str = "",
    role: str = "",
    delegation: DelegationRef | None = None,
    signing: SigningTerms | None = None,
) -> None:
    """Callback of a decision button. Opening the review gives the challenge that binds what is shown."""
    forms.open_dialog(
        "decide",
        "approvals",
        request_id=request_id,
        decision=decision,
        title=title,
        effect=effect,
        meaning=meaning or MEANINGS[decision],
        role=role,
        delegation=delegation,
        signing=signing if decision in _COUNTING else None,
        demand=None,
        written=None,
        challenge="",
    )
    _review()


def _review() -> None:
    state = forms.opened()
    me = session.actor()
    if state is None or me is None:
        return
    given: DelegationRef | None = state["delegation"]
    try:
        review = session.control_room().approvals.open_review(
            state["request_id"], actor=me, role=state["role"], delegation=given.id if given else ""
        )
    except ControlRoomError as error:
        state["problem"] = error
        return
    state.update(challenge=review.challenge, shown=review.shown_sha256, expires=review.expires_at, problem=None)


@st.dialog("Sign this decision", icon=":material/signature:", width="medium", on_dismiss=forms.close_dialog)
def decision_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own button: only a run of the whole page takes it away
    decision: Decision = state["decision"]
    st.markdown(f"**{md(state['title'])}**")
    st.markdown(f":gray[{md(state['request_id'])}, {_signed_as(state['role'], state['delegation'])}]")
    if state.get("problem") is not None:
        notices.show(state["problem"], key="review-reload", on_reload=forms.close_dialog)
        st.button("Close", key="review-close", on_click=forms.close_dialog)
        return
    st.markdown(f"**Effect:** {md(state['effect'])}")
    st.markdown(f"> **{VERBS[decision]}.** {state['meaning']}")
    _asked_besides(state["signing"])
    _decision_form(decision)
    st.markdown(
        f":gray[You sign the document shown, digest] {code(digest(state['shown'], 16))}:gray[. "
        f"This review is valid until {when(state['expires'], session.zone())}.]"
    )


def _asked_besides(signing: SigningTerms | None) -> None:
    """What the policy asks of this signature beside the passphrase, and the way to a fresh login where it is due."""
    if signing is None:
        return
    # A sentence, and no badge: a badge does not wrap on a narrow screen.
    st.markdown(f":blue[:material/security: {md(signing.sentence)}]")
    minutes, login = signing.fresh_login_minutes, session.signed_in().login
    if minutes is None or (
        login is not None
        and login.auth_time is not None
        and session.now() - login.auth_time <= timedelta(minutes=minutes)
    ):
        return
    if login is None or login.auth_time is None:
        st.markdown("Nobody here can say when you logged in, so the signature will be refused.")
    else:
        st.markdown("Your login is older than that. What you write below is lost on the way, so log in first.")
    oidc.again_button("decision-again")


def _signed_as(name: str, delegation: DelegationRef | None) -> str:
    me = session.signed_in()
    word = role_title(name) if name else me.role.label
    words = f"signed by {md(me.name)} as {md(word.lower())}"
    return f"{words}, for {md(delegation.for_name)} by delegation" if delegation else words


def _decision_form(decision: Decision) -> None:
    state = forms.required()
    answer = passkey.answer(state["demand"])
    if state["demand"] is not None and not answer:
        _confirm(state)
        return
    if answer:
        _write_again()
    faults = forms.FieldErrors()
    with st.form("decision", border=False, enter_to_submit=False):
        reason, comment = _reason_fields(decision, faults)
        passphrase = forms.passphrase_field("decision-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            cancelled = st.form_submit_button("Cancel", key="decision-cancel")
            go = st.form_submit_button(
                f"Sign and {VERBS[decision].lower()}", type="primary", icon=":material/signature:", key="decision-go"
            )
    faults.place("form")
    if cancelled:
        forms.close_dialog()
        st.rerun()
    if go:
        _sign(faults, decision, reason, comment, passphrase)
    elif answer:
        _record(replace(state["written"], passkey=answer), faults)


def _confirm(state: forms.Dialog) -> None:
    """What was written stands as text: the passkey confirms exactly that, and nothing can change under it."""
    written: SignOff = state["written"]
    st.markdown(f"**Comment:** {md(written.comment)}" if written.comment else ":gray[No comment.]")
    st.markdown("**One step is left.** Your passkey confirms this decision as it stands here; then it is signed.")
    passkey.ask(state["demand"], label="Confirm with your passkey")
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.button("Change what I wrote", key="decision-write-again", on_click=_write_again)


def _write_again() -> None:
    """Back to the fields, with the comment in its place; the passphrase is asked for again."""
    state = forms.required()
    state["demand"] = None
    st.session_state["decision-comment"] = state["written"].comment


def _reason_fields(decision: Decision, faults: forms.FieldErrors) -> tuple[str, str]:
    """Reason code and text. Where the word is no, both are needed; for changes and rejection also what must change."""
    if not decision.needs_reason:
        comment = st.text_area("Comment (optional)", key="decision-comment", placeholder=_HINT, max_chars=2000)
        faults.place("reason")
        return "", comment.strip()
    code_word = st.selectbox(
        "Reason code",
        list(REASON_CODES),
        format_func=lambda name: f"{name}: {REASON_CODES[name]}",
        index=None,
        key="decision-code",
        placeholder="Choose why",
    )
    comment = st.text_area("Reason", key="decision-comment", placeholder=_HINT, max_chars=1400, height=90)
    change = ""
    if decision in _ASKS_FOR_CHANGE:
        change = st.text_input("What must change", key="decision-change", max_chars=500, placeholder=_CHANGE).strip()
    faults.place("reason")
    comment = comment.strip()
    if decision in _ASKS_FOR_CHANGE:
        comment = f"{comment} What must change: {change}" if comment and change else ""
    return code_word or "", comment


_HINT = "What did you check, and why is this decision right?"
_CHANGE = "What would let you sign?"


def _sign(faults: forms.FieldErrors, decision: Decision, reason: str, comment: str, passphrase: str) -> None:
    state = forms.opened()
    if state is None:
        return
    if decision.needs_reason and not (reason and comment):
        also = " and what must change" if decision in _ASKS_FOR_CHANGE else ""
        faults.say("reason", f"Choose a reason code and write a sentence{also}; they become part of what you sign.")
        return
    if not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
        return
    given: DelegationRef | None = state["delegation"]
    command = SignOff(
        command_id=state["command_id"],
        request_id=state["request_id"],
        decision=decision,
        reason_code=reason,
        comment=comment,
        challenge=state["challenge"],
        passphrase=forms.secret(passphrase),
        role=state["role"],
        zone=session.zone(),
        delegation=given.id if given else "",
    )
    if state["signing"] is not None and state["signing"].passkey:
        _ask_passkey(command, faults)
    else:
        _record(command, faults)


def _record(command: SignOff, faults: forms.FieldErrors) -> None:
    room, me = session.control_room(), session.signed_in()
    receipt = forms.record(lambda: room.approvals.sign_off(command, actor=me), faults)
    if receipt is not None:
        request_receipt.keep(command.request_id, _DONE[command.decision], receipt)
        forms.close_dialog()
        st.rerun()


def _ask_passkey(command: SignOff, faults: forms.FieldErrors) -> None:
    """Keeps the command with its passphrase until the passkey answers, the dialog closes or something else is written.

    The dialog is drawn again as a whole: its fields give way to what was written.
    """
    state = forms.required()
    room, me = session.control_room(), session.signed_in()
    try:
        demand = room.approvals.confirm_with_passkey(command, actor=me)
    except ControlRoomError as error:
        faults.show(error)
        return
    state.update(demand=demand, written=command)
    st.rerun()
