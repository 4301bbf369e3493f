"""The run of the evaluation harness: how far it is, how it ended, and the buttons that start and cancel it.

A run belongs to the worker: leaving the page does not stop it, and it is found again here.
"""

from __future__ import annotations

import streamlit as st

from pages.components import badges, notices, parts, reads, session
from pages.components.format import md, plural, seconds, sentence, version, when
from services.evaluation.harness.models import WAITING, WORKING, HarnessRun, RunState, StartEvaluation, Status
from services.evaluation.harness.planner import TITLES
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor, Permission
from services.kernel.ids import new_id

_WATCH_SECONDS = 2.0


def latest(model: str, number: str) -> HarnessRun | None:
    harness = session.control_room().harness
    return reads.attempt(
        "the evaluation run", lambda: harness.latest(model, number), key=f"evaluation-run-{model}-{number}"
    )


def card(model: str, number: str, run: HarnessRun | None, *, me: Actor, measured: bool) -> None:
    """State with progress, and one button: what can be done now."""
    with parts.card("Run", f"{version(number)} of {md(model)}", key="evaluation-run"):
        if run is None and measured:
            notices.remark("The report was logged with the version; no run of it is recorded here.", "description")
        elif run is None:
            notices.remark("This version was never evaluated here.", "help")
        elif run.state.is_open:
            st.fragment(_progress, run_every=_WATCH_SECONDS)(run)
        else:
            _ended(run)
        _buttons(model, number, run, me=me, again=measured or run is not None)


def _progress(run: HarnessRun) -> None:
    try:
        now = session.control_room().harness.state(run.id)
    except ControlRoomError as problem:
        notices.show(problem, key="evaluation-reload")
        return
    if not now.state.is_open:
        # The report and the calm rhythm of the page come with a run of the whole page.
        reads.forget()
        st.rerun()
    st.markdown(f"{badges.badge(now.state)} :gray[asked for by {md(now.by)}]")
    working = next((step for step in now.steps if step.state == WORKING), None)
    doing = md(sentence(step_title(working.check)).rstrip(".")) if working else "Waiting for the worker"
    st.progress(now.share, text=f"{doing}. You may leave this page.")
    steps(now)


def _ended(run: HarnessRun) -> None:
    at = when(run.finished_at, session.zone())
    st.markdown(f"{badges.badge(run.state)} :gray[{at}, asked for by {md(run.by)}]")
    if run.error and run.state is RunState.CANCELLED:
        st.markdown(f":gray[{md(sentence(run.error))}]")
    elif run.error:
        st.markdown(f":red[:material/error: {md(sentence(run.error))}]")
    took = sum(step.seconds for step in run.steps)
    measured = sum(step.state == Status.DONE for step in run.steps)
    if run.steps:
        st.caption(f"{measured} of {plural(len(run.steps), 'check')} measured in {seconds(took)}.")
    if run.state is not RunState.DONE:
        steps(run)


def steps(run: HarnessRun) -> None:
    for step in run.steps:
        if step.state == WAITING:
            mark = ":gray[:material/radio_button_unchecked:]"
        elif step.state == WORKING:
            mark = ":blue[:material/sync:]"
        else:
            mark = badges.mark(Status(step.state))
        words = f" :gray[{md(step.sentence)}]" if step.sentence else ""
        st.markdown(f"{mark} {md(step_title(step.check))}{words}")


def step_title(check: str) -> str:
    return TITLES.get(check, check.replace("_", " ").capitalize())


def _buttons(model: str, number: str, run: HarnessRun | None, *, me: Actor, again: bool) -> None:
    if not session.control_room().people.may(me, Permission.RUN_EVALUATION):
        notices.remark("A data science lead or a validator can run the evaluation from here.")
        return
    if run is not None and run.state.is_open:
        st.button("Cancel", icon=":material/stop_circle:", key="evaluation-cancel", on_click=_cancel, args=(run.id, me))
        st.caption("Checks that ended stay listed, no report is written, and a new run begins from the start.")
        return
    st.button(
        "Run again" if again else "Run evaluation",
        type="primary",
        icon=":material/play_arrow:",
        key="evaluation-start",
        on_click=_start,
        args=(model, number, me),
    )
    st.caption("The worker loads the version, measures it on the held-out rows and logs the report to its run.")


def _start(model: str, number: str, me: Actor) -> None:
    # One command until it was accepted: a double click asks for the same run.
    key = f"evaluate-{model}-{number}"
    command = st.session_state.setdefault(key, new_id("cmd", session.now()))
    try:
        session.control_room().harness.start(StartEvaluation(command_id=command, model=model, version=number), actor=me)
    except ControlRoomError as problem:
        st.session_state["evaluation-problem"] = problem
        return
    st.session_state.pop(key, None)
    notices.flash("The evaluation is queued; the worker takes it up within seconds.")


def _cancel(run_id: str, me: Actor) -> None:
    try:
        session.control_room().harness.cancel(run_id, actor=me)
    except ControlRoomError as problem:
        st.session_state["evaluation-problem"] = problem
        return
    notices.flash("The evaluation is cancelled; no report was written.")


def show_problem() -> None:
    """What the last button could not do, once."""
    problem = st.session_state.pop("evaluation-problem", None)
    if problem is not None:
        notices.show(problem, key="evaluation-again")
