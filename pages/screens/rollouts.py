"""Where traffic goes: asked for and read back, the running release, rolling back, and the production timeline."""

from __future__ import annotations

import streamlit as st

from pages.components import (
    address,
    badges,
    emergency_forms,
    evidence,
    forms,
    notices,
    parts,
    places,
    reads,
    session,
    traffic_forms,
)
from pages.components.format import md, plural, routes, sentence, version, when
from services.kernel.identity import Permission
from services.rollout.models import ActionState, ActionView, DeploymentView

me = session.enter("rollouts")
room = session.control_room()


def _differs(view: DeploymentView) -> bool:
    return view.observed is not None and dict(view.observed.routes) != dict(view.desired)


def _line(view: DeploymentView) -> None:
    with st.container(border=True, key=f"deployment-{view.model}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.page_link(
                places.path("rollouts"),
                label=f"**{md(view.model)}**",
                icon=":material/alt_route:",
                query_params={"model": view.model},
                width="content",
            )
            st.markdown(_state(view), width="content")
        evidence.split(view, key=f"split-{view.model}")


def _state(view: DeploymentView) -> str:
    if view.observed is None:
        return ":gray-badge[:material/help: Unknown]"
    if view.finding or _differs(view):
        return badges.badge(badges.FINDING)
    if view.candidate:
        return f":blue-badge[:material/rocket_launch: Releasing {version(view.candidate)}]"
    return ":green-badge[:material/check_circle: As asked for]"


def _overview(views: tuple[DeploymentView, ...]) -> None:
    running = sum(view.candidate is not None for view in views)
    differing = sum(_differs(view) or bool(view.finding) for view in views)
    fact = (
        f"{plural(len(views), 'deployment')}, {plural(running, 'release')} running, "
        f"{plural(differing, 'difference')} between asked for and served."
    )
    with parts.header("Rollouts", f":gray[{fact}]"):
        pass
    if not views:
        notices.empty(
            "Nothing is deployed",
            "A version goes live after its request has all signatures.",
            icon="alt_route",
            page="approvals",
            link="Approvals",
        )
        return
    for start in range(0, len(views[:40]), 2):
        for column, view in zip(st.columns(2), views[start : start + 2], strict=False):
            with column:
                _line(view)


def _one(view: DeploymentView) -> None:
    since = f"live since {when(view.live_since, session.zone())}" if view.live_since else "nothing live yet"
    fact = f"{_state(view)} :gray[champion {version(view.champion)}, {since}]"
    with parts.header(view.model, fact, back=("rollouts", "All rollouts")):
        st.page_link(
            places.path("model"), label="The model", icon=":material/deployed_code:", query_params={"name": view.model}
        )
        _rollback_button(view)
    emergency_forms.banner(room, view.model)
    _finding(view)
    left, right = st.columns([3, 2])
    with left:
        with parts.card("Traffic", "asked for and read back"):
            evidence.split(view, key="split")
            alias = (
                f"`champion` in the registry points to {version(view.alias_champion)}"
                if view.alias_champion
                else "The registry alias is not known"
            )
            st.markdown(f":gray[{alias}.]")
        _timeline(view.model)
    with right:
        _release(view)
        emergency_forms.section(room, me, view.model)
        _actions(view.model)
    forms.show_open_dialog(
        {
            "rollback": traffic_forms.rollback_dialog,
            "advance": traffic_forms.advance_dialog,
            "revert": traffic_forms.revert_dialog,
        }
    )


def _finding(view: DeploymentView) -> None:
    """What was signed, what is there, since when, who, and the ways out; nothing when all is as signed."""
    if not view.changes:
        return
    since = when(view.finding_since, session.zone()) if view.finding_since else "not known"
    with parts.card("Changed without a signature", f"first seen {since}"):
        for change in view.changes:
            st.markdown(f"{badges.badge(badges.FINDING)} **{md(change.there)}**")
            st.markdown(f":gray[{md(change.signed)} {md(change.by)}]")
        evidence.entry_link(view.finding_seq)
        traffic_forms.ways_out(view)


def _rollback_button(view: DeploymentView) -> None:
    if room.people.may(me, Permission.ROLL_BACK):
        st.button(
            "Roll back",
            icon=":material/undo:",
            key="roll-back",
            on_click=traffic_forms.open_rollback,
            args=(view.model,),
            type="primary",
        )


def _release(view: DeploymentView) -> None:
    with parts.card("Release"):
        if view.candidate is None or not view.plan:
            notices.remark(
                "No release is running. The next one starts when a request has all its signatures.", "done_all"
            )
            return
        share = dict(view.desired).get(view.candidate, 0)
        steps = " → ".join(f"**{step} %**" if step == share else f":gray[{step} %]" for step in view.plan)
        st.markdown(f"{version(view.candidate)} replaces {version(view.champion)}: {steps}")
        st.progress(min(share, 100) / 100)
        if view.next_share is None:
            notices.remark("The plan is complete.", "done_all")
        elif room.people.may(me, Permission.ADVANCE_ROLLOUT):
            st.button(
                f"Raise to {view.next_share} %",
                icon=":material/trending_up:",
                key="advance",
                width="stretch",
                on_click=traffic_forms.open_advance,
                args=(view.model, view.candidate, view.next_share, routes(view.desired)),
            )
            st.caption(f"{version(view.candidate)} then answers {view.next_share} % of the requests.")
        else:
            notices.remark(f"Next: {view.next_share} %, raised by a site reliability engineer.", "schedule")


def _signed_plan(view: DeploymentView) -> None:
    with parts.card("Rollback plan", "what the machine may do by itself"):
        if not view.rollback_plan:
            notices.remark("No signed plan: only a site reliability engineer brings traffic back.", "front_hand")
            return
        for line in view.rollback_plan:
            st.markdown(f":material/undo: {md(line)}")
        st.markdown(f":gray[Signed by {md(', '.join(view.plan_signers))}.]")


def _actions(model: str) -> None:
    actions = reads.attempt("actions", lambda: room.rollout.actions(model, limit=10), key=f"actions-{model}") or ()
    with parts.card("What the machine did", f"last {len(actions)}"):
        if not actions:
            notices.remark("No action was needed yet.", "done_all")
        for number, action in enumerate(actions[:4]):
            with st.container(gap="xsmall"):
                _action(action, in_full=number == 0 or action.state in {ActionState.PENDING, ActionState.RUNNING})


def _action(action: ActionView, *, in_full: bool) -> None:
    at = when(action.created_at, session.zone())
    st.markdown(f"{badges.badge(action.kind)} {badges.badge(action.state)} :gray[{at}]")
    st.markdown(
        f"{version(action.from_version)} → **{version(action.to_version)}**, asked by {md(action.requested_by)}. "
        f":gray[{md(sentence(action.detail))}]"
    )
    if in_full:
        for step, what in action.steps:
            st.markdown(f":green[:material/check:] {md(step.capitalize())} :gray[{md(what)}]")
    evidence.entry_link(action.seq_outcome or action.seq_intent)


def _timeline(model: str) -> None:
    changes = reads.attempt("the production timeline", lambda: room.rollout.history(model), key=f"history-{model}")
    with parts.card("Production timeline", "newest first"):
        if not changes:
            notices.remark("No traffic has ever moved here.", "history")
            return
        for change in changes:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f":gray[{when(change.at, session.zone())}]", width=180)
                with st.container(gap=None):
                    st.markdown(f"{badges.badge(change.kind)} **{md(routes(change.routes))}**")
                    st.markdown(f":gray[{md(change.actor)}: {md(change.reason)}]")
                evidence.entry_link(change.seq)


views = reads.attempt("traffic", room.rollout.deployments, key="deployments") or ()
by_model = {view.model: view for view in views}
chosen = address.one("model", by_model, None)
if chosen is None:
    _overview(views)
else:
    _one(chosen)
