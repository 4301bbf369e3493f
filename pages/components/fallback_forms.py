"""Dialogs of a fallback card: write it, start and end a drill, order the switch with its effect before the button."""

from __future__ import annotations

import streamlit as st

from pages.components import forms, notices, session
from pages.components.format import md, role
from services.kernel.errors import ControlRoomError
from services.rollout.fallback_models import (
    Drill,
    EditCard,
    FallbackCard,
    FallbackMode,
    FallbackStep,
    FinishDrill,
    ModeCard,
    StartDrill,
    SwitchFallback,
    SwitchPlan,
)
from services.rollout.fallback_rules import MODE_TITLES

__all__ = ["MODE_TITLES"]
_PAGE = "rollouts"
_ON_A_CARD = (FallbackMode.BATCH_ONLY, FallbackMode.LAST_GOOD, FallbackMode.RULES)


# drills


def open_drill(card: FallbackCard) -> None:
    forms.open_dialog("fallback-drill", _PAGE, card=card)


@st.dialog("Start a drill", icon=":material/sports_score:", width="medium", on_dismiss=forms.close_dialog)
def drill_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    card: FallbackCard = state["card"]
    st.markdown(f"**Rehearse how {md(card.model)} is done without**")
    st.markdown("**Effect:** nothing is switched. Everybody who opens the model reads that a drill is running.")
    faults = forms.FieldErrors()
    with st.form("fallback-drill", border=False):
        mode = st.radio(
            "Mode",
            [item.mode for item in card.modes],
            format_func=MODE_TITLES.__getitem__,
            captions=[f"{len(item.steps)} steps; users get: {md(item.consumers_get)}" for item in card.modes],
            key="drill-mode",
        )
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Start", type="primary", icon=":material/sports_score:", key="drill-go")
    faults.place("form")
    if go and mode is not None:
        room, me = session.control_room(), session.signed_in()
        command = StartDrill(command_id=state["command_id"], model=card.model, mode=mode)
        done = f"The drill has started: {MODE_TITLES[mode].lower()}."
        if forms.submit(lambda: room.fallbacks.start_drill(command, actor=me), faults, done=done):
            forms.close_dialog()
            st.rerun()


def open_finish(drill: Drill, cancelled: bool) -> None:  # noqa: FBT001 - arguments of a button's callback
    forms.open_dialog("fallback-finish", _PAGE, drill=drill, cancelled=cancelled)


@st.dialog("End the drill", icon=":material/sports_score:", width="medium", on_dismiss=forms.close_dialog)
def finish_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    drill, cancelled = state["drill"], state["cancelled"]
    st.markdown(
        "**Effect:** the drill is broken off and proves nothing."
        if cancelled
        else "**Effect:** the date of the last drill becomes today."
    )
    faults = forms.FieldErrors()
    with st.form("fallback-finish", border=False, enter_to_submit=False):
        note = st.text_area(
            "Why was it broken off?" if cancelled else "What was learned?", key="drill-note", max_chars=2000
        )
        faults.place("reason")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Break it off" if cancelled else "Finish", type="primary", key="finish-go")
    faults.place("form")
    if go:
        room, me = session.control_room(), session.signed_in()
        command = FinishDrill(command_id=state["command_id"], drill_id=drill.drill_id, note=note, cancelled=cancelled)
        done = "The drill was broken off." if cancelled else "The drill is finished."
        if forms.submit(lambda: room.fallbacks.finish_drill(command, actor=me), faults, done=done):
            forms.close_dialog()
            st.rerun()


# switching


def open_switch(model: str, modes: tuple[FallbackMode, ...]) -> None:
    """Callback: fetches what each mode would do, before anything is typed."""
    forms.open_dialog("fallback-switch", _PAGE, model=model, plans={}, problem=None)
    state, me = forms.opened(), session.actor()
    if state is None or me is None:
        return
    try:
        state["plans"] = {mode: session.control_room().fallbacks.plan(model, mode, actor=me) for mode in modes}
    except ControlRoomError as error:
        state["problem"] = error


@st.dialog("Switch", icon=":material/emergency_home:", width="large", on_dismiss=forms.close_dialog)
def switch_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    if state["problem"] is not None:
        notices.show(state["problem"], key="fallback-reload", on_reload=forms.close_dialog)
        return
    plans: dict[FallbackMode, SwitchPlan] = state["plans"]
    st.markdown(f"**How users of {md(state['model'])} are served from now on**")
    allowed = [mode for mode, plan in plans.items() if not plan.refusal]
    for mode, plan in plans.items():
        if plan.refusal:
            st.markdown(f":gray[:material/block: {MODE_TITLES[mode]} · {md(plan.refusal)}]")
        for sentence in plan.unchecked:
            st.markdown(f":orange[:material/help: Not checked just now: {md(sentence)}]")
    if allowed:
        _switch_form(state["model"], state["command_id"], {mode: plans[mode] for mode in allowed})


def _switch_form(model: str, command_id: str, plans: dict[FallbackMode, SwitchPlan]) -> None:
    faults = forms.FieldErrors()
    with st.form("fallback-switch", border=False, enter_to_submit=False):
        mode = st.radio(
            "Mode",
            list(plans),
            index=0 if len(plans) == 1 else None,
            format_func=MODE_TITLES.__getitem__,
            captions=[md(" ".join(plan.effect)) for plan in plans.values()],
            key="switch-mode",
        )
        reason = st.text_input("Reason", key="switch-reason", max_chars=2000, placeholder="What do you see?")
        faults.place("reason")
        left, right = st.columns(2)
        typed = left.text_input("Type the model name", key="switch-model", placeholder=model)
        with right:
            passphrase = forms.passphrase_field("switch-passphrase")
        faults.place("confirmation")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button(
                "Sign and switch", type="primary", icon=":material/emergency_home:", key="switch-go"
            )
    faults.place("form")
    if not go:
        return
    if mode is None or not reason.strip():
        faults.say("reason", "Choose a mode and write why; both are signed.")
    elif typed.strip() != model:
        faults.say("confirmation", "The typed name differs from the model's name; nothing was sent.")
    elif not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
    else:
        room, me = session.control_room(), session.signed_in()
        command = SwitchFallback(
            command_id=command_id,
            model=model,
            mode=mode,
            reason=reason.strip(),
            model_confirmation=typed.strip(),
            revision=plans[mode].revision,
            passphrase=forms.secret(passphrase),
        )
        done = f"Ordered: {MODE_TITLES[mode].lower()}. The platform is read back before it counts."
        if forms.submit(lambda: room.fallbacks.switch(command, actor=me), faults, done=done):
            forms.close_dialog()
            st.rerun()


# the card


def open_edit(model: str, card: FallbackCard | None) -> None:
    forms.open_dialog("fallback-edit", _PAGE, model=model, card=card)


@st.dialog("Edit the fallback card", icon=":material/edit:", width="large", on_dismiss=forms.close_dialog)
def edit_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    card: FallbackCard | None = state["card"]
    st.markdown("One step a line, as `role: what to do`. A mode without steps is not on the card.")
    faults = forms.FieldErrors()
    with st.form("fallback-edit", border=False, enter_to_submit=False):
        typed = {mode: _mode_fields(mode, card) for mode in _ON_A_CARD}
        consumers = st.text_area(
            "To be told, one a line", value="\n".join(card.consumers) if card else "", key="card-consumers"
        )
        contact = st.text_input("Meeting point", value=card.contact if card else "", key="card-contact", max_chars=500)
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Keep this edition", type="primary", icon=":material/save:", key="card-go")
    faults.place("form")
    if go:
        modes = tuple(
            ModeCard(mode=mode, consumers_get=get, steps=_steps(steps))
            for mode, (get, steps) in typed.items()
            if steps.strip() or get.strip()
        )
        command = EditCard(
            command_id=state["command_id"],
            model=state["model"],
            revision=card.revision if card else 0,
            modes=modes,
            consumers=tuple(consumers.splitlines()),
            contact=contact,
        )
        room, me = session.control_room(), session.signed_in()
        if forms.submit(lambda: room.fallbacks.edit(command, actor=me), faults, done="The card is kept."):
            forms.close_dialog()
            st.rerun()


def _mode_fields(mode: FallbackMode, card: FallbackCard | None) -> tuple[str, str]:
    known = card.mode(mode) if card else None
    st.markdown(f"**{MODE_TITLES[mode]}**")
    get = st.text_input(
        "Users get", value=known.consumers_get if known else "", key=f"card-get-{mode.value}", max_chars=500
    )
    lines = "\n".join(f"{step.owner}: {step.text}" for step in known.steps) if known else ""
    steps = st.text_area("Steps", value=lines, key=f"card-steps-{mode.value}", help=f"Roles such as {role('sre')}: sre")
    return get, steps


def _steps(text: str) -> tuple[FallbackStep, ...]:
    found = (line.partition(":") for line in text.splitlines() if line.strip())
    return tuple(FallbackStep(text=what.strip(), owner=owner.strip()) for owner, _, what in found)
