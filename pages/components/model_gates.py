"""Gates of one version of a model and, for those who may ask, the draft of a request with its button."""

from __future__ import annotations

import streamlit as st

from pages.components import (
    address,
    evidence,
    notices,
    parts,
    reads,
    request_changes,
    request_evaluation,
    session,
    submit_form,
)
from pages.components.format import md, plural, version
from pages.components.request_facts import rollback_words, way_words
from services.approvals.models import Purpose, RequestDraft
from services.inventory.models import GovernedModel, ModelVersion
from services.kernel.identity import Actor, Permission
from services.rollout.models import DeploymentView

PURPOSES = {purpose.value: purpose for purpose in Purpose if purpose is not Purpose.RETIREMENT}
"""A retirement is asked for where the return of the model is reviewed."""
_NEEDED = {Purpose.ADOPTION: Permission.ADOPT}


def section(
    model: GovernedModel, versions: tuple[ModelVersion, ...], live: DeploymentView | None, *, me: Actor
) -> None:
    by_number = {item.version: item for item in versions}
    chosen = address.one("v", by_number, versions[0])
    st.selectbox(
        "Version to judge",
        list(by_number),
        format_func=version,
        width=200,
        key=address.follow("v", chosen.version),
        on_change=address.writes("v", resets=("page", "purpose")),
    )
    request_evaluation.link(model.name, chosen.version)
    purpose = _purpose(chosen, live)
    if session.control_room().people.may(me, _needed(purpose)):
        _draft(model, chosen, purpose, me)
    else:
        _gates_only(model, chosen)


def _purpose(chosen: ModelVersion, live: DeploymentView | None) -> Purpose:
    """What can be asked for this version: approving it again when it serves, its promotion otherwise."""
    usual = Purpose.REATTESTATION if live is not None and live.champion == chosen.version else Purpose.PROMOTION
    return address.one("purpose", PURPOSES, usual)


def _needed(purpose: Purpose) -> Permission:
    return _NEEDED.get(purpose, Permission.REQUEST_PROMOTION)


def _gates_only(model: GovernedModel, chosen: ModelVersion) -> None:
    room = session.control_room()
    report = reads.attempt(
        "gates", lambda: room.evaluation.gates(model.name, chosen.version), key=f"gates-{model.name}-{chosen.version}"
    )
    if report is not None:
        request_evaluation.criteria_card(report, f"Gates for {version(chosen.version)}")
    notices.remark("A data science lead can ask for a decision on this version from here.")


def _draft(model: GovernedModel, chosen: ModelVersion, purpose: Purpose, me: Actor) -> None:
    room = session.control_room()
    draft = reads.attempt(
        "the draft",
        lambda: room.approvals.draft(model.name, chosen.version, actor=me, purpose=purpose),
        key=f"draft-{chosen.version}-{purpose.value}",
    )
    if draft is None:
        return
    left, right = st.columns([2, 1])
    with left:
        _what_changes(draft)
        request_evaluation.criteria_card(draft.report, "Gates")
    with right, parts.card(submit_form.TITLES[purpose], key="ask"):
        _ask(draft)


def _what_changes(draft: RequestDraft) -> None:
    if draft.diff:
        request_changes.drafted(draft)
        return
    with parts.card(f"Changed since {version(draft.base)}" if draft.base else "First release"):
        evidence.changes(draft.changes, draft.base, draft.version)


def _ask(draft: RequestDraft) -> None:
    quorum = evidence.quorum_words(draft.quorum)
    shares = way_words(draft.terms, draft.base)
    st.markdown(_meaning(draft))
    for stage in draft.stages:
        st.markdown(
            f":gray[Stage {stage.number}: {md(stage.title)}, due {plural(stage.due_days, 'day')} after it opens]  \n"
            f"{md(evidence.quorum_words(stage.roles))}"
        )
    if not draft.stages:
        st.markdown(f"Needed: {md(quorum)}.")
    release = f"Way: {md(shares)}. " if draft.purpose is Purpose.PROMOTION and shares else ""
    st.markdown(f"{release}The approval lasts {plural(draft.terms.approval_days, 'day')}.")
    st.markdown(f"Rollback plan: {md(rollback_words(draft.rollback, draft.base))}.")
    if draft.ahead:
        st.markdown(f":orange[:material/traffic_jam: {md(draft.ahead)}]")
    if draft.freeze:
        notices.remark(md(draft.freeze), "ac_unit")
    for words in draft.exceptions:
        st.markdown(f":orange[:material/rule_settings: {md(words)}]")
    for sentence in draft.blocked_by:
        st.markdown(f":red[:material/block: {md(sentence)}]")
    st.button(
        submit_form.TITLES[draft.purpose],
        type="primary",
        icon=":material/signature:",
        width="stretch",
        key="request-promotion",
        disabled=bool(draft.blocked_by),
        on_click=submit_form.open_submit,
        kwargs={
            "model": draft.model,
            "number": draft.version,
            "seen_evidence": draft.evidence_sha256,
            "quorum": quorum,
            "shares": shares or "nowhere: the supplier serves it",
            "purpose": draft.purpose,
        },
    )
    if draft.blocked_by:
        notices.remark("It cannot be submitted until this is fixed in a new version or in the record.", "build")


def _meaning(draft: RequestDraft) -> str:
    match draft.purpose:
        case Purpose.REATTESTATION:
            return f"**{version(draft.version)}** serves now. Its approval would be given again; traffic stays."
        case Purpose.ADOPTION:
            return f"**{version(draft.version)}** was put in place outside Countersign. Traffic stays as it is."
        case Purpose.RETIREMENT:
            return f"**{version(draft.version)}** serves now. All traffic would end; nothing more would be released."
        case Purpose.PROMOTION:
            if not draft.terms.shares and not draft.blocked_by:
                return f"**{version(draft.version)}** would be approved. The supplier serves it; nothing of ours moves."
            if draft.base:
                return f"**{version(draft.version)}** would replace **{version(draft.base)}**."
            return "Nothing is live yet."
