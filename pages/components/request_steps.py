"""Who has signed and who has to: stages with their due dates, signatures as printed, void ones struck through."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from pages.components import badges, evidence, parts, places, session
from pages.components.format import code, digest, due, md, plural, role, sentence, span, utc, when
from pages.components.request_facts import step_title
from services.approvals.models import Decision, RequestView, SignatureView, StageView, StepView

_STAGE_ICON = {"done": ":green[:material/check_circle:]", "overdue": ":red[:material/event_busy:]"}


def card(view: RequestView) -> None:
    with parts.card("Signatures", f"{view.row.signed} of {view.row.needed}", key="signatures"):
        st.progress(min(view.row.signed / view.row.needed, 1.0) if view.row.needed else 0.0)
        if not view.stages:
            evidence.signatures(view.quorum, view.signatures)
            return
        shown: set[int] = set()
        for stage in view.stages:
            _stage(stage)
            for step in stage.steps:
                shown |= _step(view, stage, step)
        rest = [item for item in view.signatures if item.seq not in shown]
        if rest:
            st.markdown(":gray[Not counted]")
        for item in rest:
            signature(item)


def signature(item: SignatureView, *, where: str = "") -> None:
    """One decision as printed: name, role, meaning, both times, how the key was opened, twelve characters, entry."""
    void = bool(item.void_reason) or not item.valid
    name = "void" if void else "signed"
    with st.container(key=f"{name}-{item.seq}{where}", gap=None):
        strike = "~~" if void else ""
        mark = badges.mark(badges.VOID) if void else badges.mark(item.decision)
        st.markdown(f"{strike}**{md(item.signer)}**{strike}, {md(role(item.role))} {mark} {badges.word(item.decision)}")
        if item.delegation:
            st.markdown(f":material/group: {md(sentence(item.delegation).rstrip('.'))}")
        if void:
            cause = item.void_reason.removeprefix("Void:") or "the signature does not verify"
            st.markdown(f":red[Void: {md(cause)}]")
        st.markdown(f":gray[“{md(item.meaning)}”]")
        if item.comment:
            st.markdown(f"“{md(item.comment)}”")
        limits = dict(item.bound).get("limitsOfUse", "")
        if limits and item.decision in {Decision.APPROVE, Decision.ACKNOWLEDGE}:
            st.markdown(f":gray[Signed with these limits of use: {md(limits)}]")
        st.markdown(f":gray[{when(item.at, session.zone())} · {utc(item.at)}{_how(item)}]")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(code(digest(item.leaf_hash)), width="content")
            evidence.entry_link(item.seq)


def _how(item: SignatureView) -> str:
    if item.since_login_seconds is None:
        return ""
    passkey = f", confirmed with a passkey of {md(item.passkey_of)}" if item.passkey_of else ""
    return f" · passphrase entered{passkey}, {span(timedelta(seconds=item.since_login_seconds))} after sign-in"


def _stage(stage: StageView) -> None:
    now = session.now()
    icon = _STAGE_ICON.get(stage.state, ":gray[:material/schedule:]")
    if stage.state == "done":
        words = "complete"
    elif stage.state == "later":
        words = "opens when the stage before is complete"
    elif stage.due_at is None:
        words = "open"
    else:
        words = f"{due(stage.due_at, now)}, {when(stage.due_at, session.zone())}"
    colour = "red" if stage.state == "overdue" else "gray"
    st.markdown(f"{icon} **Stage {stage.number}: {md(stage.title)}** :{colour}[{words}]")
    if stage.escalated_to:
        st.markdown(f"{badges.badge(badges.ESCALATED)} :gray[{md(stage.escalated_to)} was told]")


def _step(view: RequestView, stage: StageView, step: StepView) -> set[int]:
    mine = [item for item in view.signatures if _fills(item, step)]
    for item in mine:
        signature(item)
    if step.have < step.needed:
        missing = plural(step.needed - step.have, "signature")
        verb = "acknowledge" if step.decision == Decision.ACKNOWLEDGE.value else "approve"
        with st.container(key=f"waiting-{stage.number}-{step.role}", gap=None):
            st.markdown(f"**{step_title(step)}**")
            st.markdown(f":gray[:material/schedule: Waiting; {missing} to {verb}]")
            st.page_link(
                places.path("approvals"),
                label="Open this step",
                icon=":material/arrow_forward:",
                query_params={"request": view.row.request_id, "step": step.role},
                width="content",
            )
    return {item.seq for item in mine}


def _fills(item: SignatureView, step: StepView) -> bool:
    """Approvals and acknowledgements stand under their step, void ones too: that is where they are missed."""
    word = role(step.role)
    return item.decision.value == step.decision and item.role in {word, step.role}


def trail(view: RequestView) -> None:
    with parts.card("Trail", "newest first", key="trail"):
        evidence.trail(view.trail)
