"""Signing what a model is measured against, proposing a month, and attesting or cutting it."""

from __future__ import annotations

from decimal import Decimal

import streamlit as st

from pages.components import forms, parts, reads, session, value_gate_forms
from pages.components.format import md, money
from services.attestation import documents
from services.value import periods
from services.value.periods import AttestPeriod, PeriodRecord, ProposePeriod
from services.value.statements import SignStatement


def show_open() -> None:
    forms.show_open_dialog(
        {
            "value-sign": _sign,
            "value-propose": _propose,
            "value-attest": _attest,
            "value-keep": value_gate_forms.keep,
            "value-retire": value_gate_forms.retire,
        }
    )


@st.dialog(
    "Sign what it is measured against", icon=":material/signature:", width="medium", on_dismiss=forms.close_dialog
)
def _sign() -> None:
    state = forms.required()
    st.markdown(
        f"**Effect:** version {state['based_on'] + 1} of the value statement of **{md(state['config'].model)}** is in "
        "force at once. The versions before stay readable, and the ledger says what changed and who signed."
    )
    faults = forms.FieldErrors()
    with st.form("value-sign", border=False, enter_to_submit=False):
        reason = st.text_area("Why the figures change", key="value-reason", max_chars=periods.REASON_MAX, height=90)
        faults.place("reason")
        passphrase = forms.signature_field("value-passphrase", faults)
        go = forms.go_button("Sign", icon="signature", key="value-go")
    faults.place("form")
    if go:
        command = SignStatement(
            command_id=state["command_id"], config=state["config"], based_on=state["based_on"], reason=reason,
            passphrase=passphrase,
        )  # fmt: skip
        forms.finish(
            lambda: session.control_room().statements.sign(command, actor=session.signed_in()),
            faults,
            done="Signed. Figures are computed with it from now on.",
        )


@st.dialog("Propose a month", icon=":material/upload:", width="medium", on_dismiss=forms.close_dialog)
def _propose() -> None:
    state = forms.required()
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
        passphrase = forms.signature_field("value-passphrase", faults)
        go = forms.go_button("Propose", icon="upload", key="value-go")
    faults.place("form")
    if go:
        command = ProposePeriod(
            command_id=state["command_id"], model=model, period=str(month),
            seen=documents.digest(periods.document(claim)), passphrase=passphrase,
        )  # fmt: skip
        forms.finish(
            lambda: room.statements.propose(command, actor=session.signed_in()),
            faults,
            done="Proposed. Finance decides.",
        )


@st.dialog("Attest or cut", icon=":material/fact_check:", width="medium", on_dismiss=forms.close_dialog)
def _attest() -> None:
    state = forms.required()
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
        passphrase = forms.signature_field("value-passphrase", faults)
        go = forms.go_button("Sign", icon="fact_check", key="value-go")
    faults.place("form")
    if go:
        command = AttestPeriod(
            command_id=state["command_id"], model=record.model, period=record.period, seen=record.sha256,
            amount=amount, reason=reason, passphrase=passphrase,
        )  # fmt: skip
        forms.finish(
            lambda: session.control_room().statements.attest(command, actor=session.signed_in()),
            faults,
            done="Recorded with your signature.",
        )


def _claimed(amount: str, low: str, high: str, currency: str) -> str:
    ends = " to ".join(money(Decimal(end), currency) for end in (low, high))
    return f"{money(Decimal(amount), currency)} :gray[({ends})]"
