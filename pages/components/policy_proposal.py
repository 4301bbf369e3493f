"""Proposing a policy: the text, its faults with their lines, what it would have changed, and the signature."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.components import badges, forms, notices, parts, session
from pages.components.format import NOTHING, code, digest, md, plural
from services.kernel.errors import ControlRoomError, InputError
from services.kernel.identity import Actor, Permission
from services.policy.models import Verdict
from services.policy.published import PublishedPolicy, PublishPolicy
from services.policy.rehearsal import Effect, Rehearsal

if TYPE_CHECKING:
    from services.container import ControlRoom
    from services.policy.publishing import Proposal

_TEXT, _SEEN = "policy-proposal", "policy-proposal-seen"
_FAULT = re.compile(r"(?=policy line \d+: )")
_MOST = 200


def section(room: ControlRoom, me: Actor, history: Sequence[PublishedPolicy]) -> None:
    st.session_state.setdefault(_TEXT, history[0].text if history else "")
    with parts.card("Proposed text", "nothing is changed by checking it", key="policy-propose"):
        st.file_uploader("A policy document in YAML", type=["yaml", "yml"], key="policy-upload", on_change=_uploaded)
        st.text_area("Text of the policy", key=_TEXT, height=420, max_chars=200_000)
        st.markdown(
            ":gray[Give it a higher version than the one in force. It is published for the tier the text names.]"
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Check and rehearse", type="primary", icon=":material/play_arrow:", key="policy-check", on_click=_look
            )
            if history:
                st.button(
                    f"Start from version {md(history[0].version)}",
                    key="policy-restart",
                    on_click=_restart,
                    args=(history[0].text,),
                )
    if st.session_state.get(_SEEN) != st.session_state[_TEXT]:
        return
    try:
        with st.spinner("Trying it on past requests…"):
            proposal = room.publishing.check(st.session_state[_TEXT])
            rehearsal = room.publishing.rehearse(st.session_state[_TEXT])
    except InputError as refused:
        _faults(refused)
        return
    except ControlRoomError as problem:
        notices.show(problem, key="policy-reload", on_reload=_look)
        return
    _rehearsed(rehearsal)
    _publication(room, me, proposal, rehearsal)


def _uploaded() -> None:
    file = st.session_state.get("policy-upload")
    if file is not None:
        st.session_state[_TEXT] = file.getvalue().decode("utf-8", "replace")
        st.session_state.pop(_SEEN, None)


def _restart(text: str) -> None:
    st.session_state[_TEXT] = text
    st.session_state.pop(_SEEN, None)


def _look() -> None:
    st.session_state[_SEEN] = st.session_state.get(_TEXT, "")


def _faults(refused: InputError) -> None:
    lines = [line.strip() for line in _FAULT.split(refused.message) if line.strip()]
    with parts.card("This is not a policy yet", plural(len(lines), "fault"), key="policy-faults"):
        for line in lines:
            st.markdown(f":red[:material/error:] {md(line.removeprefix('policy ').capitalize())}")
        if refused.hint:
            st.markdown(f":gray[{md(refused.hint)}]")


def _rehearsed(rehearsal: Rehearsal) -> None:
    with parts.card("Rehearsal on past requests", f"sha256 {digest(rehearsal.policy.sha256)}", key="policy-rehearsal"):
        st.markdown(f"**{md(rehearsal.sentence)}**")
        rows = [
            (
                badges.badge(item.effect),
                f"{md(item.model)} v{md(item.version)} {code(item.request_id)}",
                f"version {md(item.policy.version)}",
                md(change.title) if change else NOTHING,
                f"{_verdict(change.before)} → {_verdict(change.after)}" if change else NOTHING,
                md(change.sentence if change else item.problem),
            )
            for item in rehearsal.requests
            for change in (item.changes or ((None,) if item.effect is Effect.UNKNOWN else ()))
        ]
        if not rows:
            notices.remark("No verdict and no limit of a past request would differ.", "done_all")
            return
        columns = ["Effect", "Request", "Judged by", "Gate", "Then → proposed", "Why"]
        parts.table(pd.DataFrame(rows[:_MOST], columns=columns), alt="Rehearsal")
        if len(rows) > _MOST:
            notices.remark(f"{len(rows) - _MOST:,} more lines; the command `policy rehearse` prints all.", "more_horiz")


def _verdict(word: str) -> str:
    return badges.word(Verdict(word)) if word else "no such gate"


def _publication(room: ControlRoom, me: Actor, proposal: Proposal, rehearsal: Rehearsal) -> None:
    document = proposal.document
    name = f"{document.name} version {document.version}"
    with parts.card("Put it into force", md(name), key="policy-publish"):
        st.markdown(
            f"From the signature on, new requests of tier {document.tier} are judged by {md(name)}. Requests made "
            "before stay under the version they were made under. Traffic does not move."
        )
        if not room.people.may(me, Permission.PUBLISH_POLICY):
            st.markdown(":gray[:material/block: A compliance officer signs it. Send the text, with its digest.]")
            return
        st.button(
            "Sign and publish",
            icon=":material/signature:",
            key="policy-sign",
            on_click=_open,
            args=(proposal.text, proposal.sha256, name, rehearsal.sentence),
        )


def _open(text: str, sha256: str, name: str, sentence: str) -> None:
    forms.open_dialog("publish-policy", "policies", text=text, sha256=sha256, name=name, sentence=sentence)


@st.dialog("Sign and publish", icon=":material/gavel:", width="medium", on_dismiss=forms.close_dialog)
def publish_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    st.markdown(f"**{md(state['name'])} comes into force**")
    st.markdown(f"**Rehearsal:** {md(state['sentence'])}")
    st.markdown(f":gray[You sign the text with SHA-256] {code(state['sha256'])}")
    faults = forms.FieldErrors()
    with st.form("publish-policy", border=False, enter_to_submit=False):
        note = st.text_area("Why", key="publish-note", max_chars=500, placeholder="Who agreed, and what changes?")
        faults.place("reason")
        passphrase = forms.passphrase_field("publish-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button(
                "Sign and publish", type="primary", icon=":material/signature:", key="publish-go"
            )
    faults.place("form")
    if go:
        _publish(faults, note, passphrase)


def _publish(faults: forms.FieldErrors, note: str, passphrase: str) -> None:
    state = forms.opened()
    if state is None:
        return
    if len(note.strip()) < 3:
        faults.say("reason", "Say in a sentence why; the history of versions shows it.")
        return
    if not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
        return
    command = PublishPolicy(
        command_id=state["command_id"],
        text=state["text"],
        seen_sha256=state["sha256"],
        passphrase=forms.secret(passphrase),
        note=note,
    )
    room, me = session.control_room(), session.signed_in()
    done = f"{state['name']} is in force."
    if forms.submit(lambda: room.publishing.publish(command, actor=me), faults, done=done) is not None:
        st.session_state.pop(_SEEN, None)
        forms.close_dialog()
        st.rerun()
