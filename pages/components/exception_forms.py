"""Exceptions of one model: which gate may stay red, until when, owned by whom, what is done instead; and the forms."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import streamlit as st

from pages.components import address, badges, evidence, forms, notices, parts, reads, session
from pages.components.format import day, md, plural, when
from services.exceptions.models import (
    DecideException,
    EndException,
    ExceptionState,
    ExceptionTerms,
    ExceptionView,
    ProposeException,
)
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor, Permission

if TYPE_CHECKING:
    from services.container import ControlRoom

_OPEN = (ExceptionState.PROPOSED, ExceptionState.ACTIVE)


def section(room: ControlRoom, me: Actor, model: str) -> None:
    """The card of one model, and the dialog that is open, if it is one of these."""
    found = reads.attempt("exceptions", lambda: room.exceptions.all(model), key=f"exceptions-{model}")
    with parts.card("Exceptions", _counted(found or ()), key="exceptions"):
        if found is None:
            return
        wanted = address.get("exception")
        for item in sorted(found, key=lambda item: (item.id != wanted, item.state not in _OPEN and not item.late)):
            _line(room, me, item, marked=item.id == wanted)
        if not found:
            notices.remark("Every gate of this model counts; nobody has asked for an exception.", "done_all")
        if room.people.may(me, Permission.PROPOSE_EXCEPTION):
            st.button(
                "Ask for an exception",
                icon=":material/rule:",
                key="ask-exception",
                on_click=_open_proposal,
                args=(model,),
            )
    forms.show_open_dialog({"propose-exception": _proposal_dialog, "exception-step": _step_dialog})


def _counted(found: tuple[ExceptionView, ...]) -> str:
    active = sum(item.state is ExceptionState.ACTIVE for item in found)
    late = sum(item.late for item in found)
    return f"{active} active" + (f", {late} late" if late else "")


def _line(room: ControlRoom, me: Actor, item: ExceptionView, *, marked: bool) -> None:
    with st.container(border=True, key=f"{'marked' if marked else 'exception'}-{item.id}", gap="xsmall"):
        _facts(item)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            evidence.entry_link(item.seq)
            if item.state is ExceptionState.PROPOSED and room.people.may(me, Permission.GRANT_EXCEPTION):
                refusal = room.exceptions.refusal_to_decide(item.id, actor=me)
                for word, grant in (("Grant", True), ("Refuse", False)):
                    st.button(
                        word,
                        key=f"{word.lower()}-{item.id}",
                        disabled=bool(refusal),
                        on_click=_open_step,
                        args=(item, "grant" if grant else "refuse"),
                    )
                if refusal:
                    st.markdown(f":gray[:material/block: {md(refusal)}]")
            if _may_end(room, me, item):
                st.button("End it", key=f"end-{item.id}", on_click=_open_step, args=(item, "end"))


def _may_end(room: ControlRoom, me: Actor, item: ExceptionView) -> bool:
    if item.state not in _OPEN and not item.late:
        return False
    return not room.exceptions.refusal_to_end(item.id, actor=me)


def _facts(item: ExceptionView) -> None:
    zone = session.zone()
    late = f" {badges.badge(badges.OVERDUE)}" if item.late else ""
    st.markdown(f"{badges.badge(item.state)}{late} **{md(item.gate_title)}** :gray[gate {md(item.gate)}]")
    st.markdown(f"Instead: {md(item.control)}")
    st.markdown(
        f"Owner **{md(item.owner_name)}**, until **{when(item.until, zone)}**. "
        f":gray[Why: {md(item.reason)} Asked by {md(item.proposed_by)}"
        + (f", decided by {md(item.granted_by)}" if item.granted_by else "")
        + ".]"
    )
    if item.ended_why:
        ended = f" {when(item.ended_at, zone)}" if item.ended_at else ""
        colour = "red" if item.late else "gray"
        st.markdown(f":{colour}[:material/event_busy: No longer counts{ended}. {md(item.ended_why)}]")
    elif item.state is ExceptionState.PROPOSED and item.late:
        st.markdown(":red[:material/event_busy: Waits for a compliance officer for more than three days.]")


# asking


def _open_proposal(model: str) -> None:
    room, me = session.control_room(), session.actor()
    forms.open_dialog("propose-exception", "model", model=model, terms=None, failing={}, problem=None)
    state = forms.opened()
    if state is None or me is None:
        return
    try:
        state["terms"] = room.exceptions.terms(model)
        state["owners"] = {person.subject: person.name for person in room.exceptions.owners()}
        state["failing"] = _failing(room, model, state["terms"])
    except ControlRoomError as error:
        state["problem"] = error


def _failing(room: ControlRoom, model: str, terms: ExceptionTerms) -> dict[str, str]:
    """Gates of the newest version that stand in the way and may be excepted; single comparisons by their own name."""
    versions = room.inventory.versions(model)
    if not versions:
        return {}
    report = room.evaluation.gates(model, versions[0].version)
    found = {}
    for outcome in report.outcomes:
        gate = terms.of(outcome.gate)
        if outcome.verdict.blocks and gate is not None and not gate.refusal:
            found[outcome.gate] = outcome.title
    return found


@st.dialog("Ask for an exception", icon=":material/rule:", width="medium", on_dismiss=forms.close_dialog)
def _proposal_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    if state["problem"] is not None:
        notices.show(state["problem"], key="proposal-reload", on_reload=forms.close_dialog)
        return
    terms: ExceptionTerms = state["terms"]
    titles = state["failing"] | {
        item.gate: item.title for item in terms.gates if not item.refusal and item.gate not in state["failing"]
    }
    st.markdown(f"**One gate of {md(state['model'])} may stay red for a time**")
    st.markdown(
        "**Effect:** nothing changes until a compliance officer grants it. Then versions with this gate red can be "
        "asked for and signed; the verdict stays red and the exception stands beside it. Traffic does not move."
    )
    never = [item for item in terms.gates if item.refusal]
    faults = forms.FieldErrors()
    with st.form("proposal", border=False, enter_to_submit=False):
        gate = st.selectbox(
            "Gate",
            list(titles),
            index=0 if len(state["failing"]) == 1 else None,
            format_func=lambda name: titles[name] + (" (fails now)" if name in state["failing"] else ""),
            key="proposal-gate",
            placeholder="Choose the gate",
        )
        st.caption(f"Never excepted: {', '.join(md(item.title) for item in never)}.")
        reason = st.text_area("Why", key="proposal-reason", max_chars=2000, placeholder="What fails, and why now?")
        control = st.text_area(
            "Compensating control", key="proposal-control", max_chars=2000, placeholder="What is done instead?"
        )
        faults.place("reason")
        left, right = st.columns(2)
        owner = left.selectbox(
            "Owner",
            list(state["owners"]),
            index=None,
            format_func=state["owners"].__getitem__,
            key="proposal-owner",
            placeholder="Choose a person",
        )
        today = session.now().date()
        ends = right.date_input(
            "Ends on (00:00 UTC)",
            value=today + timedelta(days=min(30, terms.longest_days)),
            min_value=today + timedelta(days=1),
            max_value=today + timedelta(days=terms.longest_days),
            key="proposal-until",
            help=f"At most {plural(terms.longest_days, 'day')} under this policy.",
        )
        passphrase = forms.passphrase_field("proposal-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Sign and ask", type="primary", icon=":material/signature:", key="proposal-go")
    faults.place("form")
    if go:
        _propose(faults, gate or "", reason, control, owner=owner or "", ends=ends, passphrase=passphrase)


def _propose(
    faults: forms.FieldErrors, gate: str, reason: str, control: str, *, owner: str, ends: date, passphrase: str
) -> None:
    state = forms.opened()
    if state is None:
        return
    if not gate or not owner:
        faults.say("reason", "Choose the gate and the person who owns the exception.")
        return
    if not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
        return
    command = ProposeException(
        command_id=state["command_id"],
        model=state["model"],
        gate=gate,
        reason=reason.strip(),
        control=control.strip(),
        owner_subject=owner,
        until=datetime.combine(ends, time(), UTC),
        passphrase=forms.secret(passphrase),
    )
    room, me = session.control_room(), session.signed_in()
    done = f"The exception is asked for, until {day(ends)}; a compliance officer decides."
    if forms.submit(lambda: room.exceptions.propose(command, actor=me), faults, done=done):
        forms.close_dialog()
        st.rerun()


# deciding and ending

_VERBS = {"grant": "grant the exception", "refuse": "refuse the exception", "end": "end the exception"}
_EFFECTS = {
    "grant": "This gate stops holding up requests of this model until the end date. The verdict stays red, "
    "and whoever signs a request sees the exception. Traffic does not move.",
    "refuse": "Nothing is excepted; the gate holds requests up as before. Traffic does not move.",
    "end": "The gate counts as failed again at once: open requests that rest on it become stale, and approvals that "
    "rest on it are marked for confirmation. Traffic does not move by this.",
}
_DONE = {
    "grant": "The exception is granted and recorded.",
    "refuse": "The refusal is signed and recorded.",
    "end": "The end of the exception is signed and recorded.",
}


def _open_step(item: ExceptionView, step: str) -> None:
    forms.open_dialog("exception-step", "model", item=item, step=step)


@st.dialog("Sign this step", icon=":material/signature:", width="medium", on_dismiss=forms.close_dialog)
def _step_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    me = session.signed_in()
    step: str = state["step"]
    st.markdown(f":gray[You {_VERBS[step]} as {md(me.name)}, {md(me.role.label)}]")
    _facts(state["item"])
    st.markdown(f"**Effect:** {_EFFECTS[step]}")
    faults = forms.FieldErrors()
    with st.form("exception-step", border=False, enter_to_submit=False):
        label = "Comment (optional)" if step == "grant" else "Reason"
        reason = st.text_area(label, key="step-reason", max_chars=2000)
        faults.place("reason")
        passphrase = forms.passphrase_field("step-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button(
                f"Sign and {_VERBS[step]}", type="primary", icon=":material/signature:", key="step-go"
            )
    faults.place("form")
    if go:
        _sign_step(faults, state["item"].id, step, reason, passphrase)


def _sign_step(faults: forms.FieldErrors, exception_id: str, step: str, reason: str, passphrase: str) -> None:
    state = forms.opened()
    if state is None:
        return
    if not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
        return
    room, me = session.control_room(), session.signed_in()
    secret, words = forms.secret(passphrase), reason.strip()
    if step == "end":
        ending = EndException(
            command_id=state["command_id"], exception_id=exception_id, reason=words, passphrase=secret
        )
        receipt = forms.submit(lambda: room.exceptions.end(ending, actor=me), faults, done=_DONE[step])
    else:
        decision = DecideException(
            command_id=state["command_id"],
            exception_id=exception_id,
            grant=step == "grant",
            reason=words,
            passphrase=secret,
        )
        receipt = forms.submit(lambda: room.exceptions.decide(decision, actor=me), faults, done=_DONE[step])
    if receipt is not None:
        forms.close_dialog()
        st.rerun()
