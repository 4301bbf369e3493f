"""What the signer keeps: the entry, the signature as printed, and the receipt as a file."""

from __future__ import annotations

import streamlit as st

from pages.components import notices, request_steps, session
from pages.components.format import md
from services.approvals.models import RequestView
from services.attestation.models import Receipt

_KEPT = "decision_receipt"


def keep(request_id: str, text: str, receipt: Receipt) -> None:
    """Callback after signing: shown on the next run of the request's page."""
    notices.dismiss_flash()  # what was said before it is older news
    st.session_state[_KEPT] = (request_id, text, receipt)


def show(view: RequestView) -> None:
    kept = st.session_state.get(_KEPT)
    if kept is None or kept[0] != view.row.request_id:
        return
    _, text, receipt = kept
    with st.container(border=True, key="receipt-decision" if notices.has_flash() else "receipt"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f":green[:material/verified:] **{md(text)}**", width="content")
            with st.container(horizontal=True, width="content"):
                st.download_button(
                    "Download receipt",
                    lambda: receipt_file(receipt),
                    file_name=f"receipt-{receipt.seq}.txt",
                    mime="text/plain",
                    icon=":material/download:",
                    key="receipt-download",
                    on_click="ignore",
                )
                st.button("Dismiss", key="receipt-dismiss", on_click=_dismiss, type="tertiary")
        notices.receipt_line(receipt)
        mine = next((item for item in view.signatures if item.seq == receipt.seq), None)
        if mine is not None:
            request_steps.signature(mine, where="-receipt")


def receipt_file(receipt: Receipt) -> str:
    """The inclusion proof and the signed statement, enough to check this one signature without the app."""
    entry = session.control_room().audit.entry(receipt.seq)
    return f"{entry.receipt}\n{entry.statement}\n"


def _dismiss() -> None:
    st.session_state.pop(_KEPT, None)
