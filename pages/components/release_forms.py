"""The steps of a release by hand: each button says what it does to traffic, each step is one signed command."""

from __future__ import annotations

import streamlit as st

from pages.components import forms, notices, parts, session, traffic_forms
from pages.components.format import md, routes, version
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Permission
from services.rollout.models import DeploymentView
from services.rollout.release_models import ReleaseView, StepCommand, StepOffer

_ICONS = {
    "start-shadow": "content_copy",
    "close-shadow": "task_alt",
    "start-canary": "rocket_launch",
    "advance": "trending_up",
    "hold": "pause_circle",
    "resume": "play_circle",
    "abort": "cancel",
}
_FORWARD = frozenset({"start-shadow", "close-shadow", "start-canary", "advance", "resume"})
_NEEDS_REASON = frozenset({"hold", "abort", "resume"})


def section(view: ReleaseView, deployment: DeploymentView) -> None:
    """The steps that could be next, with what they do or why they cannot be taken."""
    room, me = session.control_room(), session.signed_in()
    forward, back = room.people.may(me, Permission.ADVANCE_ROLLOUT), room.people.may(me, Permission.ROLL_BACK)
    with parts.card("Next step", key="next-step"):
        offers = [offer for offer in view.offers if offer.step != "rollback"]
        if not offers:
            notices.remark("This release is over.", "done_all")
        if not (forward or back):
            notices.remark("A site reliability engineer takes the steps of a release.", "front_hand")
        first = True
        for offer in offers:
            allowed = forward if offer.step in _FORWARD else back
            _offer(view, deployment, offer, allowed=allowed, primary=first and offer.step in _FORWARD)
            first = first and offer.step not in _FORWARD
    forms.show_open_dialog({"release-step": step_dialog})


def _offer(view: ReleaseView, deployment: DeploymentView, offer: StepOffer, *, allowed: bool, primary: bool) -> None:
    if allowed:
        st.button(
            offer.label,
            icon=f":material/{_ICONS.get(offer.step, 'arrow_forward')}:",
            key="advance" if offer.step == "advance" else f"step-{offer.step}",
            width="stretch",
            type="primary" if primary and offer.enabled else "secondary",
            disabled=not offer.enabled,
            on_click=_open,
            args=(view, deployment, offer),
        )
    else:
        st.markdown(f"**{md(offer.label)}**")
    if not offer.enabled:
        st.markdown(f":gray[:material/block: {md(offer.reason)}]")
        return
    if offer.needs_reason:
        st.markdown(f":orange[:material/warning: {md(offer.reason)}]")
    if offer.effect:
        st.caption(md(offer.effect))


def _open(view: ReleaseView, deployment: DeploymentView, offer: StepOffer) -> None:
    if offer.step != "advance":
        open_step(view, offer)
        return
    release = view.release
    traffic_forms.open_advance(
        release.model, release.candidate, offer.share or 0, routes(deployment.desired), needs_reason=offer.needs_reason
    )


def open_step(view: ReleaseView, offer: StepOffer) -> None:
    """Callback: asks for the single-use challenge, bound to the person and to what is shown."""
    release = view.release
    forms.open_dialog(
        "release-step",
        "rollouts",
        model=release.model,
        release_id=release.release_id,
        candidate=release.candidate,
        offer=offer,
        challenge="",
        problem=None,
    )
    state, me = forms.opened(), session.actor()
    if state is None or me is None:
        return
    try:
        state["challenge"] = session.control_room().releases.plan(offer.step, release.model, actor=me)
    except ControlRoomError as error:
        state["problem"] = error


@st.dialog("Release", icon=":material/alt_route:", width="medium", on_dismiss=forms.close_dialog)
def step_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    if state["problem"] is not None:
        notices.show(state["problem"], key="step-reload", on_reload=forms.close_dialog)
        return
    offer: StepOffer = state["offer"]
    st.markdown(f"**{md(state['model'])} {version(state['candidate'])}: {md(offer.label)}**")
    if offer.effect:
        st.markdown(f":gray[{md(offer.effect)}]")
    faults = forms.FieldErrors()
    with st.form("release-step", border=False, enter_to_submit=False):
        reason = ""
        if offer.step in _NEEDS_REASON:
            reason = st.text_input("Reason", key="step-reason", placeholder="What do you see?", max_chars=500)
            faults.place("reason")
        passphrase = forms.passphrase_field("step-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button(
                f"Sign: {offer.label[0].lower()}{offer.label[1:]}",
                type="primary",
                icon=f":material/{_ICONS.get(offer.step, 'arrow_forward')}:",
                key="step-go",
            )
    faults.place("form")
    if go:
        _take(faults, offer, reason=reason, passphrase=passphrase)


def _take(faults: forms.FieldErrors, offer: StepOffer, *, reason: str, passphrase: str) -> None:
    state = forms.opened()
    if state is None:
        return
    if offer.step in _NEEDS_REASON and not reason.strip():
        faults.say("reason", "Write what you see; the sentence goes into the record.")
        return
    if not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
        return
    command = StepCommand(
        command_id=state["command_id"],
        model=state["model"],
        release_id=state["release_id"],
        step=offer.step,
        reason=reason.strip(),
        challenge=state["challenge"],
        passphrase=forms.secret(passphrase),
    )
    room, me = session.control_room(), session.signed_in()
    what = f"{offer.label[0].lower()}{offer.label[1:]}"
    done = f"{state['model']} {version(state['candidate'])}: {what}, signed and recorded."
    if forms.submit(lambda: room.releases.take(command, actor=me), faults, done=done):
        forms.close_dialog()
        st.rerun()
