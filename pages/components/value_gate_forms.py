"""Answering a review of a model's return: keep it for a reason, or ask that it goes. Both are signed."""

from __future__ import annotations

import streamlit as st

from pages.components import forms, parts, session
from pages.components.format import md, role
from services.approvals.models import RequestDraft
from services.rollout.retirement_models import RETIREMENT_REASONS
from services.value import gate as rules
from services.value import periods
from services.value.gate import KEEP_REASONS, KeepModel, RetireModel, Review


@st.dialog("Keep it in service", icon=":material/shield:", width="medium", on_dismiss=forms.close_dialog)
def keep() -> None:
    state = forms.required()
    review: Review = state["review"]
    today = f"{session.now():%Y-%m}"
    months = [rules.after(today, ahead) for ahead in range(state["longest"] + 1)]
    st.markdown(
        f"**Effect:** **{md(review.model)}** stays in service although it stayed under its gate up to "
        f"{md(review.period)}. It is judged again from the month you name on."
    )
    faults = forms.FieldErrors()
    with st.form("value-keep", border=False, enter_to_submit=False):
        code = st.selectbox("Reason", list(KEEP_REASONS), format_func=KEEP_REASONS.__getitem__, key="keep-code")
        reason = st.text_area(
            "In words", key="keep-reason", max_chars=periods.REASON_MAX, height=90,
            placeholder="No names and no numbers of people: the record is kept for years.",
        )  # fmt: skip
        faults.place("reason")
        ahead = st.selectbox("First month that is judged again", months, index=len(months) - 1, key="keep-next")
        passphrase = forms.signature_field("value-passphrase", faults)
        go = forms.go_button("Sign", icon="signature", key="value-go")
    faults.place("form")
    if go:
        command = KeepModel(
            command_id=state["command_id"], review_id=review.review_id, reason_code=str(code), reason=reason,
            next_period=str(ahead), passphrase=passphrase,
        )  # fmt: skip
        room, me = session.control_room(), session.signed_in()
        forms.finish(lambda: room.reviews.keep(command, actor=me), faults, done="It stays, with your signature.")


@st.dialog("Ask to retire it", icon=":material/archive:", width="medium", on_dismiss=forms.close_dialog)
def retire() -> None:
    state = forms.required()
    review: Review = state["review"]
    draft: RequestDraft = state["draft"]
    terms = draft.retirement
    st.markdown(
        f"**Effect:** a request to take **{md(review.model)}** out of service is opened in the queue with your "
        "signature. Nothing moves before all others have signed."
    )
    if terms is not None:
        days = "1 day" if terms.quiet_days == 1 else f"{terms.quiet_days} days"
        needed = ", ".join(f"{rule.needed} {role(rule.role).lower()}" for rule in draft.quorum)
        parts.facts(
            [
                ("Consumers", md(", ".join(terms.consumers)) or ":orange[none is recorded]"),
                ("What is not known", md(terms.consumers_note)),
                ("Needed after you", md(needed) or ":red[nobody]"),
                ("Closes", f"after {days} in which nobody was answered, as counted"),
            ],
            alt="What is asked for",
        )
    faults = forms.FieldErrors()
    with st.form("value-retire", border=False, enter_to_submit=False):
        code = st.selectbox(
            "Reason", list(RETIREMENT_REASONS), format_func=RETIREMENT_REASONS.__getitem__, key="retire-code"
        )
        reason = st.text_area(
            "In words", key="retire-reason", max_chars=periods.REASON_MAX, height=90,
            placeholder="What takes its place? No names and no numbers of people.",
        )  # fmt: skip
        faults.place("reason")
        passphrase = forms.signature_field("value-passphrase", faults)
        go = forms.go_button("Sign and ask", icon="signature", key="value-go")
    faults.place("form")
    if go:
        command = RetireModel(
            command_id=state["command_id"], review_id=review.review_id, reason_code=str(code), reason=reason,
            seen=draft.evidence_sha256, passphrase=passphrase,
        )  # fmt: skip
        room, me = session.control_room(), session.signed_in()
        forms.finish(
            lambda: room.reviews.retire(command, actor=me), faults, done="The request is open; others sign next."
        )
