"""The frame of Countersign: page settings, navigation, sign-in gate, then the screen.

Navigation is declared on every run and before anything can stop it, also when nobody is signed in:
otherwise Streamlit would fall back to serving files of the pages folder without this frame.
"""

from __future__ import annotations

import logging
import secrets

import streamlit as st

from pages.components import forms, frame, notices, oidc, preparing, session, test_panel
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor
from services.kernel.logs import about
from services.observability.durations import DURATIONS

log = logging.getLogger("countersign.app")


def main() -> None:
    st.set_page_config(
        page_title="Countersign",
        page_icon=str(frame.STATIC / "favicon.png"),
        layout="wide",
        initial_sidebar_state="auto",
    )
    frame.settle()
    frame.begin()
    me, problem = _who_is_here()
    current = st.navigation(frame.pages(me), position="sidebar" if me else "hidden", expanded=True)
    if problem is not None:
        notices.show(problem)
        return
    if not preparing.stands():
        preparing.show()
        return
    if me is None:
        session.keep_typed()
        frame.sign_in_screen()
        session.keep_cookie()
        return
    oidc.renew(me)
    oidc.go_on()
    frame.sidebar(me)
    frame.bell(me)
    forms.leave_dialog_of_other_pages(current.url_path or "overview")
    frame.banner()
    test_panel.banner()
    if frame.watch(me, current.url_path or "overview"):
        _run_guarded(current)


def _who_is_here() -> tuple[Actor | None, ControlRoomError | None]:
    """The signed-in person, or why nobody can be known: the workspace may be missing or not readable."""
    try:
        return (session.actor(active=True) if preparing.stands() else None), None
    except ControlRoomError as problem:
        return None, problem


def _run_guarded(current: st.Page) -> None:
    """One place for what no screen expected: a number to quote instead of a trace."""
    correlation, page = secrets.token_hex(6), current.url_path or "overview"
    try:
        with about(correlation=correlation, page=page), DURATIONS.measured("page", page):
            current.run()
    except ControlRoomError as error:
        notices.show(error)
    except Exception:
        incident = secrets.token_hex(4)
        with about(correlation=correlation, page=page):
            log.exception("unexpected failure, incident %s", incident)
        st.error(
            f"Something failed that should not have, and nothing was written by this page. Incident `{incident}` is in "
            "the log of the app with the details.",
            icon=":material/error:",
        )


main()
