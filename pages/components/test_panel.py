"""Switches for testers, on the settings screen of the embedded demonstration; each says what it does and asks again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import streamlit as st

from pages.components import forms, notices, parts, reads, session
from pages.components.format import md, span
from services.inventory.models import DeploymentKind
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor

if TYPE_CHECKING:
    from services.workspace.test_panel import PanelState, TestPanel

_STEPS = {
    "1 hour": timedelta(hours=1),
    "1 day": timedelta(days=1),
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
}
_KIND = "test-panel"


def is_on() -> bool:
    return bool(session.control_room().settings.has_test_panel)


def banner() -> None:
    """On every page while the switches exist: nobody may take what is shown for the truth."""
    if not is_on():
        return
    try:
        state = _panel().state()
    except ControlRoomError:
        st.warning("**The test panel is on.** Its state cannot be read just now.", icon=":material/science:")
        return
    also = []
    if state.offset:
        also.append(f"the clock is {span(state.offset)} ahead")
    if state.tampered is not None:
        also.append(f"entry {state.tampered.seq} of the ledger was changed from outside")
    if state.tag_removed:
        also.append("a column's tag was taken away from outside")
    more = f" Now: {', '.join(also)}." if also else ""
    st.warning(
        f"**The test panel is on.** What you see may have been changed for a test.{more}", icon=":material/science:"
    )


def section(me: Actor) -> None:
    try:
        state = _panel().state()
    except ControlRoomError as problem:
        notices.show(problem)
        return
    notices.remark("Each switch is recorded in the ledger with your name before it does anything.", "science")
    left, right = st.columns(2)
    with left:
        _ledger(state)
        _clock(state)
    with right:
        _alias()
        _tag(state)
        _fault()
    forms.show_open_dialog({_KIND: lambda: _confirm(me)})


def _ledger(state: PanelState) -> None:
    with parts.card("Ledger row"):
        if state.tampered is not None:
            st.markdown(f"Entry {state.tampered.seq} was changed: {md(state.tampered.what)}.")
            _ask("Put its bytes back", "undo-tamper", f"Entry {state.tampered.seq} gets exactly the bytes it had.")
            return
        seq = st.number_input("Entry", 0, max(state.entries - 1, 0), max(state.entries - 1, 0), key="panel-seq")
        _ask(
            "Change this entry",
            "tamper",
            f"One field of entry {seq} is changed in the database, past the protections. Verification turns "
            "red at this entry until it is undone.",
            seq=int(seq),
        )


def _clock(state: PanelState) -> None:
    with parts.card("Clock", f"{span(state.offset)} ahead" if state.offset else "real time"):
        step = st.selectbox("Forward by", list(_STEPS), key="panel-step")
        _ask(
            "Move the clock",
            "clock",
            f"All processes of this demonstration see a time {step} later; sessions may end by that.",
            step=step,
        )
        if state.offset:
            _ask(
                "Back to the real time",
                "clock-reset",
                "What was recorded meanwhile keeps its later times; verification may list that.",
            )


def _alias() -> None:
    with parts.card("Alias"):
        model = _model("panel-alias-model")
        if model is None:
            return
        versions = [item.version for item in session.control_room().inventory.versions(model)]
        if not versions:
            notices.remark("This model has no version.")
            return
        version = st.selectbox("Version", versions, key=f"panel-alias-version-{model}")
        _ask(
            "Move the champion alias",
            "alias",
            f"The champion alias of {model} points to version {version}, past Countersign. "
            "An unsigned change is found within seconds.",
            model=model,
            version=version,
        )


def _tag(state: PanelState) -> None:
    with parts.card("Evidence"):
        if state.tag_removed:
            _ask("Put the tag back", "restore-tag", "The facts of the model are as they were.")
            return
        model = _model("panel-tag-model")
        if model is None:
            return
        columns = [item.name for item in session.control_room().inventory.model(model).sensitive]
        if not columns:
            notices.remark("This model has no tagged column.")
            return
        column = st.selectbox("Tagged column", columns, key=f"panel-tag-column-{model}")
        _ask(
            "Take the tag away",
            "remove-tag",
            f"The tag of {column} disappears from the database. Signatures that rest on it become void.",
            model=model,
            column=column,
        )


def _fault() -> None:
    with parts.card("Endpoint"):
        model = _model("panel-fault-model")
        if model is None:
            return
        versions = [item.version for item in session.control_room().inventory.versions(model)]
        if not versions:
            notices.remark("This model has no version.")
            return
        version = st.selectbox("Version", versions, key=f"panel-fault-version-{model}")
        delay = st.number_input("Delay in ms", 0, 10_000, 800, step=100, key="panel-delay")
        errors = st.number_input("Errors in %", 0, 100, 0, step=5, key="panel-errors")
        given = {"model": model, "version": version, "delay": int(delay), "errors": int(errors)}
        _ask(
            "Inject",
            "fault",
            f"Version {version} of {model} answers {delay} ms later and fails {errors} % of its requests.",
            **given,
        )
        _ask("End it", "fault-end", f"Version {version} of {model} answers as it is.", **given)
        _traffic(given)


def _traffic(given: dict[str, object]) -> None:
    """Without requests a breach shows only when somebody happens to call."""
    model, version = given["model"], given["version"]
    if session.control_room().inventory.model(str(model)).kind is not DeploymentKind.REALTIME:
        notices.remark("Its job scores this model, so no traffic can be sent to it.")
        return
    requests = st.number_input("Requests", 1, 12_000, 600, step=100, key="panel-requests")
    pace = st.number_input("A second", 1, 100, 20, key="panel-pace")
    more = {**given, "requests": int(requests), "pace": int(pace)}
    sending = f"{requests:,} held-out rows of {model} are sent as live requests, {pace} a second, and logged."
    _ask("Send traffic", "traffic", sending, **more)
    _ask(
        "Inject breach and send traffic",
        "breach",
        f"Version {version} of {model} answers {given['delay']} ms later and fails {given['errors']} % of its "
        f"requests until you end it. {sending}",
        **more,
    )


def _model(key: str) -> str | None:
    names = [model.name for model in session.control_room().inventory.models() if not model.vendor]
    if not names:
        notices.remark("There is no model yet.")
        return None
    return st.selectbox("Model", names, key=key)


def _ask(label: str, action: str, effect: str, **given: object) -> None:
    st.button(
        label,
        key=f"panel-{action}",
        on_click=forms.open_dialog,
        args=(_KIND, "settings"),
        kwargs={"action": action, "label": label, "effect": effect, "given": given},
    )


def _confirm(me: Actor) -> None:
    @st.dialog("Test panel", on_dismiss=forms.close_dialog)
    def dialog() -> None:
        state = forms.opened()
        if state is None:
            return
        st.markdown(f"**{md(state['label'])}**")
        st.markdown(md(state["effect"]))
        with st.container(horizontal=True):
            if st.button("Do it", type="primary", key="panel-confirm"):
                _run(me, state["action"], state["given"], state["label"])
            if st.button("Cancel", key="panel-cancel"):
                forms.close_dialog()
                st.rerun()

    dialog()


def _run(me: Actor, action: str, given: dict[str, object], label: str) -> None:
    forms.close_dialog()
    bar = st.progress(0.0, "Sending") if action in {"traffic", "breach"} else None

    def progress(done: int, of: int) -> None:
        if bar is not None:
            bar.progress(done / of, f"{done:,} of {of:,} answered")

    try:
        result = _actions(_panel(), me, given, progress)[action]()
    except ControlRoomError as problem:
        notices.show(problem)
        return
    reads.forget()
    sent = getattr(result, "sentence", "")
    notices.flash(f"Done: {label.lower()}. {sent}." if sent else f"Done: {label.lower()}.")
    st.rerun()


def _actions(
    panel: TestPanel, me: Actor, given: dict[str, object], progress: Callable[[int, int], None]
) -> dict[str, Callable[[], object]]:
    def text(name: str) -> str:
        return str(given[name])

    def number(name: str) -> int:
        return int(text(name))

    return {
        "tamper": lambda: panel.tamper(number("seq"), actor=me),
        "undo-tamper": lambda: panel.undo_tamper(actor=me),
        "clock": lambda: panel.move_clock(_STEPS[text("step")], actor=me),
        "clock-reset": lambda: panel.reset_clock(actor=me),
        "alias": lambda: panel.move_alias(text("model"), text("version"), actor=me),
        "remove-tag": lambda: panel.remove_tag(text("model"), text("column"), actor=me),
        "restore-tag": lambda: panel.restore_tag(actor=me),
        "fault": lambda: panel.inject_fault(
            text("model"), text("version"), latency_ms=number("delay"), error_rate=number("errors") / 100, actor=me
        ),
        "traffic": lambda: panel.send_traffic(
            text("model"), requests=number("requests"), per_second=number("pace"), actor=me, progress=progress
        ),
        "breach": lambda: panel.inject_and_send(
            text("model"),
            text("version"),
            latency_ms=number("delay"),
            error_rate=number("errors") / 100,
            requests=number("requests"),
            per_second=number("pace"),
            actor=me,
            progress=progress,
        ),
        "fault-end": lambda: panel.clear_fault(text("model"), text("version"), actor=me),
    }


def _panel() -> TestPanel:
    # Loaded only where the switch is on.
    from services.workspace.test_panel import TestPanel

    return TestPanel(session.control_room())
