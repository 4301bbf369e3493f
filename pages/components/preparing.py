"""The first start prepares the workspace itself, in the background, with progress that can be left and found again."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import streamlit as st

from pages.components import notices
from pages.components.format import md
from services.kernel.errors import ControlRoomError
from services.settings import Profile, Settings, read_settings
from services.workspace.marker import is_prepared


@dataclass
class Preparation:
    """Shared by all sessions of this process; only the preparing thread writes to it."""

    share: float = 0.0
    sentence: str = "Starting, or waiting for another process that prepares this workspace"
    problem: ControlRoomError | None = None
    failed: str = ""
    finished: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: threading.Thread | None = None

    def start(self, settings: Settings) -> None:
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(
                    target=self._run, args=(settings,), name="prepare-workspace", daemon=True
                )
                self.thread.start()

    def _run(self, settings: Settings) -> None:
        from services.workspace.prepare import prepare

        try:
            prepare(settings, self._note)
        except ControlRoomError as problem:
            self.problem = problem
        except Exception as failure:  # noqa: BLE001  # a dead thread would look like endless progress
            self.failed = f"{type(failure).__name__}: {failure}"
        else:
            self.finished = True

    def _note(self, sentence: str, share: float) -> None:
        self.share, self.sentence = min(max(share, 0.0), 1.0), sentence


@st.cache_resource(show_spinner=False)
def _preparation() -> Preparation:
    return Preparation()


def stands() -> bool:
    """True when there is a workspace to open. Raises SettingsError when the configuration is not valid."""
    if "control_room" in st.session_state:
        return True
    settings = read_settings()
    return settings.profile is not Profile.EMBEDDED or is_prepared(settings)


def show() -> None:
    """Starts the preparation unless it already runs, draws its progress, and reruns the page when it is done."""
    run = _preparation()
    run.start(read_settings())
    _watch(run)


def _watch(run: Preparation) -> None:
    st.title("Preparing your workspace", anchor=False)
    st.markdown(
        ":gray[Training real models, replaying half a year of requests and signing what happened. This takes a few "
        "minutes and happens once; you may close this page and come back.]"
    )
    bar = st.progress(run.share, text=md(run.sentence))
    while not run.finished:
        if run.problem is not None:
            notices.show(run.problem, key="prepare-again")
            return
        if run.failed:
            st.error(
                f"Preparing failed: {md(run.failed)}. Nothing half-done is used; start again.", icon=":material/error:"
            )
            return
        bar.progress(run.share, text=md(run.sentence))
        time.sleep(0.5)
    st.rerun()
