"""Where traffic goes: asked for and read back, the running release, rolling back, and the production timeline."""

from __future__ import annotations

import streamlit as st

from pages.components import (
    address,
    badges,
    batch_runs,
    copy_age,
    emergency_forms,
    endpoint_list,
    evidence,
    fallback_card,
    forms,
    notices,
    parts,
    places,
    reads,
    release_forms,
    release_parts,
    session,
    traffic_forms,
)
from pages.components.format import md, plural, routes, sentence, version, when
from services.kernel.identity import Permission
from services.rollout.models import ActionState, ActionView, DeploymentView
from services.rollout.release_models import ReleaseState, ReleaseView

_REFRESH_SECONDS = 30
_LOOKS = 300
_SHOWN = {"releases": "releases", "endpoints": "endpoints"}
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
    copy_age.fleet()
    shown = address.one("show", _SHOWN, "releases")
    st.segmented_control(
        "Show",
        list(_SHOWN),
        format_func=str.capitalize,
        required=True,
        key=address.follow("show", shown),
        on_change=address.writes("show"),
        label_visibility="collapsed",
    )
    if shown == "endpoints":
        st.fragment(_endpoints, run_every=_REFRESH_SECONDS)()
    elif not views:
        notices.empty(
            "Nothing is deployed",
            "A version goes live after its request has all signatures.",
            icon="alt_route",
            page="approvals",
            link="Approvals",
        )
    else:
        for start in range(0, len(views[:40]), 2):
            for column, view in zip(st.columns(2), views[start : start + 2], strict=False):
                with column:
                    _line(view)


def _endpoints() -> None:
    found = reads.attempt("the endpoints", room.endpoints.list, key="endpoints")
    if found is not None:
        endpoint_list.section(found)
        st.caption(f"Read {when(session.now(), session.zone())}; read again every {_REFRESH_SECONDS} seconds.")


def _one(view: DeploymentView) -> None:
    since = f"live since {when(view.live_since, session.zone())}" if view.live_since else "nothing live yet"
    release = reads.attempt("the release", lambda: room.releases.view(view.model), key=f"release-{view.model}")
    state = release_parts.headline(release.release) if release and not release.release.state.is_final else _state(view)
    fact = f"{state} :gray[champion {version(view.champion)}, {since}] {copy_age.of_model(view.model)}"
    with parts.header(view.model, fact, back=("rollouts", "All rollouts")):
        st.page_link(
            places.path("model"), label="The model", icon=":material/deployed_code:", query_params={"name": view.model}
        )
        _rollback_button(view)
    emergency_forms.banner(room, view.model)
    fallback_card.banner(room, view.model)
    _finding(view)
    _job_findings(view.model)
    left, right = st.columns([3, 2])
    with left:
        st.fragment(_live, run_every=_REFRESH_SECONDS)(view.model)
        if view.kind == "batch":
            batch_runs.section(room, me, view.model)
        _timeline(view.model)
    with right:
        if release is None:
            _no_release(view)
        else:
            release_forms.section(release, view)
            release_parts.checklist(release.checks)
            release_parts.stop_rules(release)
            release_parts.events(release.events)
        fallback_card.section(room, me, view.model)
        emergency_forms.section(room, me, view.model)
        _actions(view.model)
    forms.show_open_dialog(
        {
            "rollback": traffic_forms.rollback_dialog,
            "advance": traffic_forms.advance_dialog,
            "revert": traffic_forms.revert_dialog,
        }
    )


def _live(model: str) -> None:
    """What changes by itself, read again every half minute without touching a form that somebody fills in."""
    view = reads.attempt("traffic", lambda: room.rollout.deployment(model), key=f"deployment-{model}")
    release = reads.attempt("the release", lambda: room.releases.view(model), key=f"release-{model}")
    running = release is not None and not release.release.state.is_final
    if release is not None and running:
        with parts.card(
            "Release", f"{release_parts.headline(release.release)} {release_parts.heartbeat()}", key="release"
        ):
            release_parts.steps(release)
    if view is not None:
        with parts.card("Traffic", "asked for and read back"):
            evidence.split(view, key="split")
            alias = (
                f"`champion` in the registry points to {version(view.alias_champion)}"
                if view.alias_champion
                else "The registry alias is not known"
            )
            st.markdown(f":gray[{alias}.]")
    if release is not None and running:
        _measured(release)
    st.caption(f"Read {when(session.now(), session.zone())}; this column reads again every {_REFRESH_SECONDS} seconds.")


def _measured(view: ReleaseView) -> None:
    release = view.release
    if view.shadow is not None and release.shadow_since is not None:
        release_parts.shadow(view.shadow, release)
    if release.state in {ReleaseState.CANARY, ReleaseState.FULL, ReleaseState.PAUSED} and release.share:
        looks = reads.attempt(
            "the looks of the watcher",
            lambda: room.releases.looks(release.release_id, limit=_LOOKS),
            key=f"looks-{release.release_id}",
        )
        level = reads.attempt("the promise", lambda: room.inventory.model(release.model), key=f"level-{release.model}")
        release_parts.analysis(view, looks or (), level.service_level if level else None)


def _no_release(view: DeploymentView) -> None:
    with parts.card("Release"):
        notices.remark("No release is running. The next one starts when a request has all its signatures.", "done_all")
        if view.rollback_plan:
            for line in view.rollback_plan:
                st.markdown(f":material/undo: {md(line)}")
            st.markdown(f":gray[Signed by {md(', '.join(view.plan_signers))}.]")


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


def _job_findings(model: str) -> None:
    """Approvals given in the workspace and deployment jobs that are not sent on; nothing where none stands."""
    found = reads.attempt("the deployment jobs", lambda: room.oversight.job_findings(model), key=f"jobs-{model}") or ()
    if not found:
        return
    with parts.card("Deployment job"):
        for item in found:
            st.markdown(f"{badges.badge(badges.FINDING)} **{md(item.title)}**")
            st.markdown(f":gray[{md(item.why)}]")


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
