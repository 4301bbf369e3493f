"""The first start prepares the workspace itself, in the background, with progress that can be left and found again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from pages.components.format import md
from services.settings import Profile, Settings, read_settings
from services.workspace.marker import is_prepared

ROOT = Path(__file__).resolve().parents[2]
_STEP = re.compile(r"(?P<percent>\d{1,3})% (?P<words>.+)")


@dataclass
class Preparation:
    """Shared by all sessions of this process; only the preparing thread writes to it."""

    share: float = 0.0
    sentence: str = "Starting, or waiting for another process that prepares this workspace"
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
        """In a process of its own: MLflow stays out of the app, and training may start processes without running it."""
        command = [sys.executable, "-m", "services", "prepare"]
        environment = {**os.environ, "COUNTERSIGN_HOME": str(settings.home.resolve()), "PYTHONUNBUFFERED": "1"}
        said = ""
        with subprocess.Popen(  # noqa: S603  # our own command line
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout or ():
                said = line.strip() or said
                step = _STEP.match(said)
                if step:
                    self._note(step["words"], int(step["percent"]) / 100)
        if process.returncode == 0:
            self.finished = True
        else:
            self.failed = said.removeprefix("countersign: ") or f"the command ended with code {process.returncode}"

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
        if run.failed:
            st.error(
                f"Preparing failed: {md(run.failed)}. Nothing half-done is used; start again.", icon=":material/error:"
            )
            return
        bar.progress(run.share, text=md(run.sentence))
        time.sleep(0.5)
    st.rerun()
