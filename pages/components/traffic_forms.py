"""Moving traffic by hand: one signed click back to a version that was approved and served, or the next share."""

from __future__ import annotations

import streamlit as st

from pages.components import badges, forms, notices, places, session
from pages.components.format import md, number, routes, seconds, version, when
from services.attestation.models import Receipt
from services.kernel.errors import ControlRoomError, InputError
from services.kernel.identity import Permission
from services.rollout.models import (
    ROLLBACK_REASONS,
    ActionView,
    Advance,
    DeploymentView,
    RollBack,
    RollbackPlan,
    RollbackTarget,
)
from services.rollout.revert import Revert, RevertPlan


def open_rollback(model: str) -> None:
    """Callback: makes the plan that will be shown; its challenge is single-use and bound to the person."""
    forms.open_dialog("rollback", "rollouts", model=model, plan=None, problem=None, done=None)
    state, me = forms.opened(), session.actor()
    if state is None or me is None:
        return
    try:
        state["plan"] = session.control_room().rollout.plan_rollback(model, actor=me)
    except ControlRoomError as error:
        state["problem"] = error


@st.dialog("Roll back", icon=":material/undo:", width="large", on_dismiss=forms.close_dialog)
def rollback_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    if state["problem"] is not None:
        notices.show(state["problem"], key="rollback-reload", on_reload=forms.close_dialog)
    elif state["done"] is not None:
        _after(state["done"])
    else:
        _rollback_form(state["plan"])


def _rollback_form(plan: RollbackPlan) -> None:
    st.markdown(f"**Send all traffic of {md(plan.model)} to an earlier version**")
    st.markdown(f":gray[Serving now: {md(routes(plan.current))}]")
    _blast_radius(plan)
    faults = forms.FieldErrors()
    eligible = {target.version: target for target in plan.targets if target.eligible}
    with st.form("rollback", border=False, enter_to_submit=False):
        proposed = list(eligible).index(plan.proposed) if plan.proposed in eligible else None
        target = st.radio(
            "Roll back to",
            list(eligible),
            index=proposed,
            format_func=lambda name: f"{version(name)} · {md(eligible[name].reason)}",
            captions=[f"last served {when(eligible[name].last_served, session.zone())}" for name in eligible],
            key="rollback-target",
        )
        for refused in (item for item in plan.targets if not item.eligible):
            st.markdown(f":gray[:material/block: {version(refused.version)} · {md(refused.reason)}]")
        left, right = st.columns([1, 2])
        code = left.selectbox(
            "Reason code",
            list(ROLLBACK_REASONS),
            format_func=ROLLBACK_REASONS.__getitem__,
            index=None,
            key="rollback-code",
            placeholder="Choose why",
        )
        reason = right.text_input("Reason", key="rollback-reason", placeholder="What do you see?", max_chars=500)
        faults.place("reason")
        left, right = st.columns(2)
        typed = left.text_input("Type the model name", key="rollback-model", placeholder=plan.model)
        with right:
            passphrase = forms.passphrase_field("rollback-passphrase")
        faults.place("confirmation")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button(
                "Sign and roll back", type="primary", icon=":material/undo:", key="rollback-go", disabled=not eligible
            )
    faults.place("form")
    if go:
        _roll_back(
            plan, faults, eligible.get(target or ""), code=code or "", reason=reason, typed=typed, passphrase=passphrase
        )


def _blast_radius(plan: RollbackPlan) -> None:
    rate = (
        "request rate unknown"
        if plan.requests_per_minute is None
        else f"{number(plan.requests_per_minute, 1)} requests a minute"
    )
    consumers = ", ".join(plan.consumers) or "no consumer on record"
    how_much = plan.next_batch or f"{rate}."
    st.markdown(
        f"**What it touches:** {md(how_much)} Used by {md(consumers)}. The model registry's champion moves with it."
    )
    for sentence in plan.unchecked:
        st.markdown(f":orange[:material/help: Not checked just now: {md(sentence)}]")


def _roll_back(
    plan: RollbackPlan,
    faults: forms.FieldErrors,
    target: RollbackTarget | None,
    *,
    code: str,
    reason: str,
    typed: str,
    passphrase: str,
) -> None:
    state = forms.opened()
    if state is None:
        return
    if target is None:
        faults.show(InputError("Choose the version to go back to."))
    elif not code or not reason.strip():
        faults.say("reason", "Choose a reason code and write what you see; both go into the record.")
    elif typed.strip() != plan.model:
        faults.say("confirmation", "The typed name differs from the model's name; nothing was sent.")
    elif not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
    else:
        command = RollBack(
            command_id=state["command_id"],
            model=plan.model,
            target=target.version,
            reason_code=code,
            reason=reason.strip(),
            model_confirmation=typed.strip(),
            challenge=plan.challenge,
            passphrase=forms.secret(passphrase),
        )
        room, me = session.control_room(), session.signed_in()
        done = f"Rollback of {plan.model} to {version(target.version)} is signed and recorded."
        receipt = forms.submit(lambda: room.rollout.roll_back(command, actor=me), faults, done=done)
        if receipt is not None:
            state["done"] = (receipt, plan.current)
            st.rerun()


def _after(done: tuple[Receipt, tuple[tuple[str, int], ...]]) -> None:
    """Progress lines and the state before and after, read back; the order itself is already recorded."""
    receipt, before = done
    notices.receipt_line(receipt)
    action = _action_of(receipt)
    if action is None:
        st.markdown(
            "The order is recorded. Its progress cannot be read just now; the timeline below the dialog shows it."
        )
    else:
        progress_lines(action)
        left, right = st.columns(2)
        left.metric("Before", routes(before))
        right.metric("After", routes(action.routes))
        if action.restored_seconds is not None:
            st.markdown(
                f"Restored in **{seconds(action.restored_seconds)}**, from the signed order to the verified switch."
            )
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Done", type="primary", key="rollback-done"):
            forms.close_dialog()
            st.rerun()


def _action_of(receipt: Receipt) -> ActionView | None:
    try:
        return session.control_room().rollout.action_for(receipt.seq)
    except ControlRoomError:
        return None


def progress_lines(action: ActionView) -> None:
    """What the machine has done so far, step by step."""
    for step, what in action.steps:
        st.markdown(f":green[:material/check:] **{md(step.capitalize())}** :gray[{md(what)}]")
    st.markdown(f"{badges.badge(action.state)} {md(action.detail)}")


def ways_out(view: DeploymentView) -> None:
    """Revert, adopt or roll back, each with its effect before the click."""
    room, me = session.control_room(), session.signed_in()
    if not view.desired and not view.champion:
        _first_ways(view)
    elif room.people.may(me, Permission.REVERT):
        st.button(
            "Revert",
            icon=":material/settings_backup_restore:",
            key="revert",
            on_click=open_revert,
            args=(view.model,),
            type="primary",
        )
        st.caption(f"Puts back what was signed: {routes(view.desired)}, alias `champion` at {version(view.champion)}.")
    else:
        notices.remark("A site reliability engineer can put back what was signed.", "front_hand")
    if view.adoptable_version is None:
        notices.remark("There is nothing that a sign-off could adopt as it is.", "block")
    elif room.people.may(me, Permission.ADOPT):
        st.page_link(
            places.path("model"),
            label=f"Adopt {version(view.adoptable_version)} with sign-off",
            icon=":material/assignment_turned_in:",
            query_params={"name": view.model, "show": "gates", "v": view.adoptable_version, "purpose": "adoption"},
        )
        st.caption("Opens a request with the normal gates and signatures. Until it is complete, this finding stays.")


def _first_ways(view: DeploymentView) -> None:
    """Nothing was ever signed, so there is nothing to put back; an alias alone is made right by a promotion."""
    named = next((change.version for change in view.changes if change.kind == "alias"), "")
    notices.remark("Nothing was ever signed for this model, so there is nothing to put back.", "block")
    if named and view.adoptable_version is None:
        st.page_link(
            places.path("model"),
            label=f"Ask for the promotion of {version(named)}",
            icon=":material/assignment_turned_in:",
            query_params={"name": view.model, "show": "gates", "v": named},
        )


def open_revert(model: str) -> None:
    """Callback: reads what was signed; the challenge is single-use and bound to the person and this finding."""
    forms.open_dialog("revert", "rollouts", model=model, plan=None, problem=None)
    state, me = forms.opened(), session.actor()
    if state is None or me is None:
        return
    try:
        state["plan"] = session.control_room().rollout.plan_revert(model, actor=me)
    except ControlRoomError as error:
        state["problem"] = error


@st.dialog("Put back what was signed", icon=":material/settings_backup_restore:", on_dismiss=forms.close_dialog)
def revert_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    if state["problem"] is not None:
        notices.show(state["problem"], key="revert-reload", on_reload=forms.close_dialog)
        return
    plan: RevertPlan = state["plan"]
    for change in plan.changes:
        st.markdown(f"{md(change.there)} :gray[{md(change.signed)}]")
    if plan.refusal:
        st.markdown(f":material/block: This cannot be put back: {md(plan.refusal)}. Roll back to another version.")
        return
    st.markdown("**What signing does**")
    for line in plan.effects:
        st.markdown(f"- {md(line)}")
    _revert_form(plan, state["command_id"])


def _revert_form(plan: RevertPlan, command_id: str) -> None:
    faults = forms.FieldErrors()
    with st.form("revert", border=False, enter_to_submit=False):
        reason = st.text_input("Reason", key="revert-reason", placeholder="What do you know about it?", max_chars=500)
        faults.place("reason")
        passphrase = forms.passphrase_field("revert-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button(
                "Sign and revert", type="primary", icon=":material/settings_backup_restore:", key="revert-go"
            )
    faults.place("form")
    if not go:
        return
    if not reason.strip():
        faults.say("reason", "Write why it is put back; the sentence goes into the record.")
        return
    if not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
        return
    command = Revert(
        command_id=command_id,
        model=plan.model,
        challenge=plan.challenge,
        passphrase=forms.secret(passphrase),
        reason=reason.strip(),
    )
    room, me = session.control_room(), session.signed_in()
    done = f"What was signed for {plan.model} is being put back."
    if forms.submit(lambda: room.rollout.revert(command, actor=me), faults, done=done):
        forms.close_dialog()
        st.rerun()


def open_advance(model: str, candidate: str, share: int, current: str, *, needs_reason: bool = False) -> None:
    forms.open_dialog(
        "advance",
        "rollouts",
        model=model,
        candidate=candidate,
        share=share,
        current=current,
        needs_reason=needs_reason,
        challenge="",
        problem=None,
    )
    state, me = forms.opened(), session.actor()
    if state is None or me is None:
        return
    try:
        state["challenge"] = session.control_room().rollout.plan_advance(model, actor=me)
    except ControlRoomError as error:
        state["problem"] = error


@st.dialog("Raise the candidate's share", icon=":material/trending_up:", width="medium", on_dismiss=forms.close_dialog)
def advance_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    if state["problem"] is not None:
        notices.show(state["problem"], key="advance-reload", on_reload=forms.close_dialog)
        return
    me = session.signed_in()
    st.markdown(f"**{md(state['model'])}: give {version(state['candidate'])} {state['share']} % of the traffic**")
    st.markdown(f":gray[Serving now: {md(state['current'])}. The share is the next step of the approved plan.]")
    faults = forms.FieldErrors()
    with st.form("advance", border=False, enter_to_submit=False):
        reason = ""
        if state["needs_reason"]:
            reason = st.text_input(
                "Why is this evidence enough?",
                key="advance-reason",
                placeholder="What makes you go on although the analysis has not decided?",
                max_chars=500,
            )
        faults.place("reason")
        passphrase = forms.passphrase_field("advance-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button(
                f"Sign and go to {state['share']} %", type="primary", icon=":material/trending_up:", key="advance-go"
            )
    faults.place("form")
    if not go:
        return
    if state["needs_reason"] and not reason.strip():
        faults.say("reason", "Write why this evidence is enough; the sentence goes into the record.")
        return
    if not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
        return
    command = Advance(
        command_id=state["command_id"],
        model=state["model"],
        share=state["share"],
        challenge=state["challenge"],
        passphrase=forms.secret(passphrase),
        reason=reason.strip(),
    )
    room = session.control_room()
    done = f"{state['model']} {version(state['candidate'])} goes to {state['share']} %."
    if forms.submit(lambda: room.rollout.advance(command, actor=me), faults, done=done):
        forms.close_dialog()
        st.rerun()
