"""Our errors as calm messages, and receipts after a write. The tone follows the branch of the error.

Input stands next to its field, a refusal is a warning with the next step, a conflict offers to reload,
unavailable says how old the shown data is, and broken trust is red.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import streamlit as st

from pages.components import places
from pages.components.format import age, count, digest, md, sentence
from services.attestation.models import Receipt
from services.kernel.errors import (
    ConflictError,
    ControlRoomError,
    InputError,
    RefusalError,
    TrustError,
    UnavailableError,
)

_FLASH, _CAUTION = "flash", "flash_caution"


def show(
    error: ControlRoomError, *, known: str = "", key: str = "reload", on_reload: Callable[[], None] | None = None
) -> None:
    """One message for one error. `known` says how old the data is that is shown instead."""
    text = words(error)
    if isinstance(error, TrustError):
        st.error(f"**Not trustworthy.** {text}", icon=":material/gpp_bad:")
    elif isinstance(error, UnavailableError):
        st.warning(f"{text} {md(known)}".strip(), icon=":material/cloud_off:")
    elif isinstance(error, ConflictError):
        st.warning(f"**Changed since you looked.** {text}", icon=":material/sync_problem:")
        st.button("Reload", key=key, icon=":material/refresh:", on_click=on_reload)
    elif isinstance(error, RefusalError):
        st.warning(text, icon=":material/block:")
    elif isinstance(error, InputError):
        field(error)
    else:
        st.error(text, icon=":material/error:")


def field(error: ControlRoomError) -> None:
    """A fault of one field, to be placed directly under it."""
    st.markdown(f":red[:material/error: {words(error)}]")


def words(error: ControlRoomError) -> str:
    return md(f"{sentence(error.message)} {sentence(error.hint)}".strip())


def forbidden_page(title: str, role: str, permission: str) -> None:
    st.title(md(title), anchor=False)
    st.warning(
        f"As {md(role.lower())} you may not open this page: it needs the permission to {md(permission)}. "
        "Ask an administrator if your work needs it.",
        icon=":material/lock:",
    )
    st.page_link(places.path("overview"), label="Back to the overview", icon=":material/arrow_back:")


def empty(title: str, meaning: str, *, icon: str = "search_off", page: str = "", link: str = "") -> None:
    """An empty state: what it means, and the way out."""
    with st.container(border=True, key=f"empty-{icon}-{abs(hash(title)) % 10_000}", horizontal_alignment="center"):
        st.space("small")
        st.markdown(f":gray[:material/{icon}:]", text_alignment="center")
        st.markdown(f"**{title}**", text_alignment="center")
        st.markdown(f":gray[{meaning}]", text_alignment="center")
        if page:
            st.page_link(places.path(page), label=link, icon=":material/arrow_forward:", width="content")
        st.space("small")


def remark(text: str, icon: str = "info") -> None:
    """An ordinary remark: grey, no box. `text` is Markdown made by us."""
    st.markdown(f":gray[:material/{icon}: {text}]")


def amber(text: str, icon: str = "warning") -> None:
    """A remark about something that is not as it should be, and not broken. `text` is Markdown made by us."""
    st.markdown(f":orange[:material/{icon}: {text}]")


def flash(text: str, receipt: Receipt | None = None) -> None:
    """Shown at the top of the next page run: the sentence, and the receipt with its ledger entry."""
    st.session_state[_FLASH] = (text, receipt)


def caution(text: str) -> None:
    """As `flash`, for what did not come out as asked; `text` is ours, without Markdown."""
    st.session_state[_CAUTION] = text


def show_flash() -> None:
    if _CAUTION in st.session_state:
        st.warning(md(st.session_state.pop(_CAUTION)), icon=":material/history_toggle_off:")
    if _FLASH not in st.session_state:
        return
    text, receipt = st.session_state[_FLASH]
    with st.container(border=True, key="receipt"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f":green[:material/verified:] **{md(text)}**", width="content")
            st.button("Dismiss", key="flash-dismiss", on_click=dismiss_flash, type="tertiary")
        if receipt is not None:
            receipt_line(receipt)


def receipt_line(receipt: Receipt) -> None:
    again = " (already recorded before; nothing was written twice)" if receipt.repeated else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(
            places.path("audit"),
            label=f"Ledger entry {count(receipt.seq)}",
            icon=":material/receipt_long:",
            query_params={"entry": str(receipt.seq)},
        )
        st.markdown(f"`{digest(receipt.leaf_hash)}` :gray[of {count(receipt.size)} entries{again}]")


def stale(what: str, at: datetime | None, now: datetime) -> str:
    """How old the values are that stay on screen."""
    if at is None:
        return f"Nothing about {what} was read before, so nothing is shown as known."
    return f"What is shown about {what} was read {age(at, now)}."


def has_flash() -> bool:
    return _FLASH in st.session_state


def dismiss_flash() -> None:
    """Something newer is to be said, or the reader has read it."""
    st.session_state.pop(_FLASH, None)
