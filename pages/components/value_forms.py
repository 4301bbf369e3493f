"""Signing what a model is measured against, proposing a month, and attesting or cutting it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import streamlit as st

from pages.components import forms, parts, reads, session
from pages.components.format import md, money
from services.attestation.models import Receipt
from services.value import periods
from services.value.periods import AttestPeriod, PeriodRecord, ProposePeriod
from services.value.statements import SignStatement


def show_open() -> None:
    forms.show_open_dialog({"value-sign": _sign, "value-propose": _propose, "value-attest": _attest})


@st.dialog(
    "Sign what it is measured against", icon=":material/signature:", width="medium", on_dismiss=forms.close_dialog
)
def _sign() -> None:
    state = _state()
    st.markdown(
        f"**Effect:** version {state['based_on'] + 1} of the value statement of **{md(state['config'].model)}** is in "
        "force at once. The versions before stay readable, and the ledger says what changed and who signed."
    )
    faults = forms.FieldErrors()
    with st.form("value-sign", border=False, enter_to_submit=False):
        reason = st.text_area("Why the figures change", key="value-reason", max_chars=periods.REASON_MAX, height=90)
        faults.place("reason")
        passphrase = forms.passphrase_field("value-passphrase")
        faults.place("passphrase")
        go = _button("Sign", "signature")
    faults.place("form")
    if go:
        command = SignStatement(
            command_id=state["command_id"], config=state["config"], based_on=state["based_on"], reason=reason,
            passphrase=forms.secret(passphrase),
        )  # fmt: skip
        _submit(
            lambda: session.control_room().statements.sign(command, actor=session.signed_in()),
            faults,
            "Signed. Figures are computed with it from now on.",
        )


@st.dialog("Propose a month", icon=":material/upload:", width="medium", on_dismiss=forms.close_dialog)
def _propose() -> None:
    state = _state()
    room, model = session.control_room(), state["model"]
    month = st.selectbox("Month", list(state["months"]), key="value-month")
    claim = reads.attempt("this month", lambda: room.statements.claim(model, str(month)), key=f"claim-{model}-{month}")
    if claim is None:
        return
    rows = [
        (md(line.title), f"{money(Decimal(line.amount), claim.currency)} :gray[n = {line.n:,}]") for line in claim.lines
    ]
    low, high = money(Decimal(claim.low), claim.currency), money(Decimal(claim.high), claim.currency)
    rows.append(("Benefit claimed", f"**{money(Decimal(claim.benefit), claim.currency)}** :gray[({low} to {high})]"))
    rows.append(("Cost of the month", money(Decimal(claim.cost), claim.currency)))
    rows.append(("Computed with", f"version {claim.statement} of the value statement"))
    parts.facts(rows, alt="What you claim")
    faults = forms.FieldErrors()
    with st.form("value-propose", border=False, enter_to_submit=False):
        passphrase = forms.passphrase_field("value-passphrase")
        faults.place("passphrase")
        go = _button("Propose", "upload")
    faults.place("form")
    if go:
        command = ProposePeriod(
            command_id=state["command_id"], model=model, period=str(month),
            seen=periods.digest(periods.document(claim)), passphrase=forms.secret(passphrase),
        )  # fmt: skip
        _submit(
            lambda: room.statements.propose(command, actor=session.signed_in()), faults, "Proposed. Finance decides."
        )


@st.dialog("Attest or cut", icon=":material/fact_check:", width="medium", on_dismiss=forms.close_dialog)
def _attest() -> None:
    state = _state()
    record: PeriodRecord = state["record"]
    claim = record.claim
    st.markdown(
        f"{md(record.by_name)} claims **{money(record.amount, claim.currency)}** for **{md(record.period)}** of "
        f"**{md(record.model)}**. **Effect:** the amount you sign counts as attested; the rest counts for nothing."
    )
    rows = [(md(line.title), _claimed(line.amount, line.low, line.high, claim.currency)) for line in claim.lines]
    rows += [("Assumption", md(line.assumed)) for line in claim.lines if line.assumed]
    parts.facts(rows, alt="What is claimed")
    faults = forms.FieldErrors()
    with st.form("value-attest", border=False, enter_to_submit=False):
        amount = st.text_input(f"Amount you stand for, {claim.currency}", value=str(record.amount), key="value-amount")
        reason = st.text_area(
            "Why it is cut (needed for less than was claimed)", key="value-reason", max_chars=periods.REASON_MAX,
            height=90,
        )  # fmt: skip
        faults.place("reason")
        passphrase = forms.passphrase_field("value-passphrase")
        faults.place("passphrase")
        go = _button("Sign", "fact_check")
    faults.place("form")
    if go:
        command = AttestPeriod(
            command_id=state["command_id"], model=record.model, period=record.period, seen=record.sha256,
            amount=amount, reason=reason, passphrase=forms.secret(passphrase),
        )  # fmt: skip
        _submit(
            lambda: session.control_room().statements.attest(command, actor=session.signed_in()),
            faults,
            "Recorded with your signature.",
        )


def _claimed(amount: str, low: str, high: str, currency: str) -> str:
    ends = " to ".join(money(Decimal(end), currency) for end in (low, high))
    return f"{money(Decimal(amount), currency)} :gray[({ends})]"


def _state() -> forms.Dialog:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    return state


def _button(label: str, icon: str) -> bool:
    with st.container(horizontal=True, horizontal_alignment="right"):
        return st.form_submit_button(label, type="primary", icon=f":material/{icon}:", key="value-go")


def _submit(call: Callable[[], Receipt], faults: forms.FieldErrors, done: str) -> None:
    if forms.submit(call, faults, done=done):
        forms.close_dialog()
        st.rerun()
