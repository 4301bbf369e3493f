"""Batch runs on screen: what consumers read, which outputs wait or were withheld and why, and the decisions about them.

`section(room, me, model)` draws everything about one model, with its dialog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.components import badges, evidence, forms, notices, parts, reads, session
from pages.components.format import count, md, plural, version, when
from services.attestation.models import Receipt
from services.kernel.identity import Actor, Permission
from services.rollout.batch_models import BatchRun, BatchView, Crossing, DecideRun, Rerun, RunState, TriggerReading

if TYPE_CHECKING:
    from services.container import ControlRoom

_PAGE = "rollouts"
_IN_FULL = {RunState.HELD, RunState.QUARANTINED, RunState.FAILED, RunState.ORDERED}
_OPEN_SHOWN, _LISTED = 6, 12
PUBLISH, WITHHOLD, AGAIN = "publish", "withhold", "again"
_WORDS = {PUBLISH: "Publish it", WITHHOLD: "Withhold it", AGAIN: "Score the window again"}
_POSSIBLE = {
    RunState.HELD: (PUBLISH, WITHHOLD, AGAIN),
    RunState.QUARANTINED: (AGAIN, PUBLISH),
    RunState.PUBLISHED: (WITHHOLD, AGAIN),
    RunState.REPLACED: (PUBLISH, AGAIN),
    RunState.FAILED: (AGAIN,),
    RunState.ORDERED: (),
}


def section(room: ControlRoom, me: Actor, model: str) -> None:
    """The card of one batch model, and the dialog that is open, if it is this one. Nothing for other models."""
    view = reads.attempt("batch runs", lambda: room.batch.runs(model), key=f"batch-runs-{model}")
    if view is None:
        return
    may = room.people.may(me, Permission.MANAGE_BATCH_RUN)
    with parts.card("Batch runs", _counted(view), key="batch-runs"):
        _consumers(view)
        waiting = [run for run in view.runs if run.state in _IN_FULL]
        for run in waiting[:_OPEN_SHOWN]:
            _in_full(view, run, may=may)
        if len(waiting) > _OPEN_SHOWN:
            st.caption(f"{plural(len(waiting) - _OPEN_SHOWN, 'older run')} like these are not shown.")
        _list(view)
        if may and view.runs:
            _choose_another(view)
    forms.show_open_dialog({"batch-run": _dialog})


def _counted(view: BatchView) -> str:
    words = [f"{version(view.pinned)} pinned" if view.pinned else "no version pinned"]
    if view.held:
        words.append(f"{view.held} held")
    if view.quarantined:
        words.append(f"{view.quarantined} withheld")
    return ", ".join(words)


def _consumers(view: BatchView) -> None:
    zone = session.zone()
    if view.handed is not None:
        handed = view.handed
        st.markdown(
            f"Consumers read the window of **{when(handed.window_start, zone)}**, {version(handed.version)}, "
            f"{plural(handed.rows, 'row')} :gray[published {when(handed.published_at, zone)}]"
        )
    elif not view.problem:
        notices.remark("Nothing is published yet: consumers read nothing of this model here.", "visibility_off")
    if view.problem:
        st.markdown(f":orange[:material/help: What consumers read is not known just now. {md(view.problem)}]")
    if view.consumers:
        st.markdown(f":gray[Consumers: {md(', '.join(view.consumers))}]")
    if view.next_run is not None:
        due = when(view.next_run, zone)
        late = f":red[:material/event_busy: The run of {due} did not come.]"
        st.markdown(late if view.overdue else f":gray[Next run {due} with {version(view.pinned)}]")
    rule = (
        "The first output of a new version is published without a person once every trigger is clear."
        if view.unattended_release
        else "The first output of a new version waits for a person, also when every trigger is clear."
    )
    st.caption(rule)


def _in_full(view: BatchView, run: BatchRun, *, may: bool) -> None:
    with st.container(border=True, key=f"run-{run.run_id}", gap="xsmall"):
        _head(run)
        for reading in run.triggers:
            _trigger(reading)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            evidence.entry_link(run.seq)
            if may and _POSSIBLE[run.state]:
                st.button(
                    "Decide", icon=":material/gavel:", key=f"decide-{run.run_id}", on_click=_open, args=(view, run)
                )


def _head(run: BatchRun) -> None:
    again = " · scored again" if run.rerun_of else " · first output" if run.first else ""
    st.markdown(
        f"{badges.badge(run.state)} **{when(run.window_start, session.zone())}** {version(run.version)}, "
        f"{plural(run.rows, 'row')} :gray[{again}]"
    )
    told = _beyond_triggers(run)
    if told:
        st.markdown(f":gray[{md(told)}]")
    if run.note:
        st.markdown(f":gray[:material/person: {md(run.decided_by)}: {md(run.note)}]")
    if not run.settled:
        st.markdown(":orange[:material/hourglass_top: Decided; what consumers read follows within seconds.]")


def _beyond_triggers(run: BatchRun) -> str:
    """The reason without the sentences of triggers, which stand below it."""
    told = run.reason
    for reading in run.triggers:
        told = told.replace(reading.sentence, "")
    return told.strip()


def _trigger(reading: TriggerReading) -> None:
    st.markdown(f"{badges.badge(reading.crossing)} **{md(reading.title)}** :gray[{md(reading.sentence)}]")


def _list(view: BatchView) -> None:
    rows = [run for run in view.runs if run.state not in _IN_FULL][:_LISTED]
    if not rows:
        return
    frame = pd.DataFrame(
        [
            {
                "Window": when(run.window_start, session.zone()),
                "Version": version(run.version),
                "State": badges.badge(run.state),
                "Rows": count(run.rows),
                "Triggers": _summary(run),
            }
            for run in rows
        ]
    )
    parts.table(frame, alt="Batch runs")


def _summary(run: BatchRun) -> str:
    """The triggers that are not clear; a run taken over from before was never judged."""
    if not run.triggers:
        return ":gray[not judged]"
    open_ones = [item for item in run.triggers if item.crossing is not Crossing.CLEAR]
    if not open_ones:
        return badges.badge(Crossing.CLEAR)
    return " ".join(f"{badges.badge(item.crossing)} :gray[{md(item.title)}]" for item in open_ones)


def _choose_another(view: BatchView) -> None:
    """Runs in the table are decided about here: one button per line would make the table a wall of buttons."""
    rows = {run.run_id: run for run in view.runs if run.state not in _IN_FULL}
    if not rows:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.selectbox(
            "Decide about a run",
            list(rows),
            index=None,
            format_func=lambda name: f"{when(rows[name].window_start, session.zone())}, {version(rows[name].version)}",
            key="batch-other",
            placeholder="Choose a window",
            width=320,
        )
        st.button(
            "Decide",
            icon=":material/gavel:",
            key="decide-other",
            disabled=chosen is None,
            on_click=_open,
            args=(view, rows[chosen] if chosen else None),
        )


# deciding


def _open(view: BatchView, run: BatchRun | None) -> None:
    if run is not None:
        forms.open_dialog("batch-run", _PAGE, run=run, view=view)


@st.dialog("Decide about this output", icon=":material/gavel:", width="medium", on_dismiss=forms.close_dialog)
def _dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    run, view = state["run"], state["view"]
    _head(run)
    for reading in run.triggers:
        _trigger(reading)
    possible = [word for word in _POSSIBLE[run.state] if word != AGAIN or view.rerun_versions]
    faults = forms.FieldErrors()
    with st.form("batch-run", border=False, enter_to_submit=False):
        what = st.radio(
            "Decision",
            possible,
            index=None,
            format_func=_WORDS.__getitem__,
            captions=[_effect(word, view) for word in possible],
            key="batch-what",
        )
        chosen = None
        if AGAIN in possible:
            others = [name for name in view.rerun_versions if name != run.version] or list(view.rerun_versions)
            chosen = st.selectbox(
                "Version, for scoring again",
                [*others, *(name for name in view.rerun_versions if name not in others)],
                format_func=version,
                key="batch-version",
            )
        reason = st.text_area("Reason", key="batch-reason", max_chars=2000, placeholder="What did you look at?")
        faults.place("reason")
        passphrase = forms.passphrase_field("batch-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Sign", type="primary", icon=":material/signature:", key="batch-go")
    faults.place("form")
    if go:
        _decide(run, faults, what=what, chosen=chosen, reason=reason, passphrase=passphrase)


def _effect(word: str, view: BatchView) -> str:
    if word == PUBLISH:
        return "Consumers read this output for its window; other held outputs of this version follow."
    if word == WITHHOLD:
        return "Consumers read nothing for this window until another run is published."
    versions = ", ".join(version(name) for name in view.rerun_versions)
    return f"The same rows, scored by another version ({versions}); published unless a trigger is crossed again."


def _decide(
    run: BatchRun, faults: forms.FieldErrors, *, what: str | None, chosen: str | None, reason: str, passphrase: str
) -> None:
    state = forms.opened()
    if state is None:
        return
    if what is None or not reason.strip():
        faults.say("reason", "Choose what becomes of it and write why; both are signed.")
    elif not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
    elif forms.submit(
        lambda: _send(state["command_id"], run, (what, chosen or ""), reason.strip(), passphrase),
        faults,
        done=f"Decided: {_WORDS[what].lower()}.",
    ):
        forms.close_dialog()
        st.rerun()


def _send(command_id: str, run: BatchRun, decision: tuple[str, str], reason: str, passphrase: str) -> Receipt:
    what, chosen = decision
    room, me, secret = session.control_room(), session.signed_in(), forms.secret(passphrase)
    if what == AGAIN:
        again = Rerun(command_id=command_id, run_id=run.run_id, version=chosen, reason=reason, passphrase=secret)
        return room.batch.rerun(again, actor=me)
    command = DecideRun(
        command_id=command_id, run_id=run.run_id, revision=run.revision, reason=reason, passphrase=secret
    )
    return (room.batch.publish if what == PUBLISH else room.batch.quarantine)(command, actor=me)
