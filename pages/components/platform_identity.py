"""Signing in inside Databricks Apps: what its proxy sent is handed to the service, which asks the workspace."""

from __future__ import annotations

import streamlit as st

from pages.components import notices, session
from pages.components.format import md
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Role
from services.people.platform_sign_in import PlatformSignIn


def screen(sign_in: PlatformSignIn) -> None:
    """What stands on the sign-in screen where the platform knows the people."""
    try:
        door = sign_in.look(session.platform_headers())
    except ControlRoomError as refused:
        with st.container(border=True, key="sign-in-refused"):
            notices.show(refused)
        return
    st.markdown(f"**{md(door.person.name)}**, in which role do you work now?")
    with st.container(horizontal=True, key="sign-in-roles"):
        for role in door.roles:
            st.button(
                md(role.label),
                key=f"sign-in-as-{role.value}",
                icon=":material/badge:",
                on_click=_open,
                args=(sign_in, role),
            )
    notices.remark(
        "The workspace says who you are. What you may do here is written in the ledger, by two administrators; a "
        "signature asks for your own passphrase besides.",
        "info",
    )


def _open(sign_in: PlatformSignIn, role: Role) -> None:
    try:
        st.session_state["token"] = sign_in.open(session.platform_headers(), role=role)
    except ControlRoomError as refused:
        st.session_state["sign_in_problem"] = str(refused)
