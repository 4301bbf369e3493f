"""Where a model stands: its approvals and until when, requests, findings, exceptions and the rollback plan in force."""

from __future__ import annotations

from functools import partial

import streamlit as st

from pages.components import badges, notices, parts, places, reads, session
from pages.components.format import asked, md, span, version, when
from services.approvals.models import ApprovalStatus, Purpose
from services.inventory.models import GovernedModel
from services.kernel.health import Health
from services.kernel.identity import Actor, Permission
from services.oversight.models import TodoItem
from services.oversight.todo import ENDING_WITHIN
from services.rollout.models import DeploymentView


def approvals(model: GovernedModel, live: DeploymentView | None, *, me: Actor) -> None:
    """One line per version that serves: whether a complete approval stands, until when, and why not."""
    serving = [name for name, _ in live.desired] if live is not None else []
    with parts.card("Approvals", key="approvals"):
        if not serving:
            notices.remark("No version serves, so no approval is in force.")
        for name in serving:
            status = reads.attempt(
                f"the approval of {version(name)}",
                partial(session.control_room().approvals.approved, model.name, name),
                key=f"approved-{model.name}-{name}",
            )
            if status is not None:
                _approval(status)
        _ask_again(model, live, me)
    _rollback_plan(live)


def _approval(status: ApprovalStatus) -> None:
    now, zone = session.now(), session.zone()
    with st.container(gap=None):
        if not status.valid:
            word = badges.badge(badges.VOID) if status.void_cause else badges.badge(badges.FINDING, "Not approved")
            st.markdown(f"**{version(status.version)}** {word} :red[{md(status.void_cause or status.reason)}]")
        else:
            ends = status.valid_until
            soon = ends is not None and ends - now <= ENDING_WITHIN
            mark = f" {badges.badge(badges.ENDING, f'{span(ends - now)} left')}" if soon and ends else ""
            until = f"Approved until {when(ends, zone)}"
            st.markdown(f"**{version(status.version)}** :green[:material/verified: {until}]{mark}")
        if status.signers:
            st.markdown(f":gray[Signed by {md(', '.join(status.signers))}]")
        if status.request_id:
            st.page_link(
                places.path("approvals"),
                label="The request and its signatures",
                icon=":material/signature:",
                query_params={"request": status.request_id},
                width="content",
            )


def _ask_again(model: GovernedModel, live: DeploymentView | None, me: Actor) -> None:
    if live is None or not live.champion:
        return
    if not session.control_room().people.may(me, Permission.REQUEST_PROMOTION):
        return
    st.page_link(
        places.path("model"),
        label="Ask for re-attestation",
        icon=badges.icon(Purpose.REATTESTATION),
        query_params={"name": model.name, "show": "gates", "v": live.champion, "purpose": "reattestation"},
        width="content",
    )


def _rollback_plan(live: DeploymentView | None) -> None:
    if live is None:
        return
    with parts.card("Rollback plan in force"):
        if not live.rollback_plan:
            notices.remark("None is signed for what serves now: only people roll back.", "pan_tool")
            return
        for words in live.rollback_plan:
            st.markdown(f"- {md(words)}")
        if live.plan_signers:
            st.markdown(f":gray[Signed by {md(', '.join(live.plan_signers))}]")


def open_work(model: GovernedModel) -> None:
    room = session.control_room()
    requests = (
        reads.attempt("requests", lambda: room.approvals.requests_of(model.name), key=f"requests-{model.name}") or ()
    )
    found = reads.attempt("findings", lambda: room.oversight.findings(model.name), key=f"findings-{model.name}") or ()
    with parts.card("Requests and findings"):
        for finding in found[:5]:
            _finding(finding)
        for request in requests[:5]:
            name = md(asked(request.purpose, request.title, request.version))
            late = f" :red[{badges.OVERDUE.word.lower()}]" if request.overdue else ""
            st.page_link(
                places.path("approvals"),
                label=f"{name}: {badges.word(request.state)}{late}",
                icon=badges.icon(request.state),
                query_params={"request": request.request_id},
            )
        if not requests and not found:
            notices.remark("No request and no finding for this model.", "done_all")


def _finding(item: TodoItem) -> None:
    file, query = places.parse_target(item.target)
    red = item.state is Health.BREACH
    lead = badges.badge(badges.FINDING) if red else badges.badge(item.state)
    with st.container(gap=None):
        st.markdown(f"{lead} **{md(item.title)}** :gray[{md(item.why)}]")
        st.page_link(file, label="Look at it", icon=":material/arrow_forward:", query_params=query, width="content")
