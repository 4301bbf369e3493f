"""The fallback card on screen: what people do without the model, its drill step by step, and the signed switch.

`section(room, me, model)` draws the card with its dialogs, `banner(room, model)` what everybody has to know now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.components import badges, evidence, fallback_forms, forms, notices, parts, reads, session
from pages.components.fallback_forms import MODE_TITLES
from pages.components.format import md, role, when
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor, Permission
from services.rollout.fallback_models import (
    Drill,
    FallbackCard,
    FallbackMode,
    FallbackView,
    ModeCard,
    SwitchState,
    TickStep,
)

if TYPE_CHECKING:
    from services.container import ControlRoom

_PROBLEM = "fallback-problem"


def banner(room: ControlRoom, model: str) -> None:
    """On every page of the model while a fallback is in force or ordered, or a drill runs."""
    view = reads.attempt("the fallback card", lambda: room.fallbacks.view(model), key=f"fallback-{model}")
    if view is None:
        return
    zone = session.zone()
    if view.in_force is not FallbackMode.LIVE and view.switch is not None:
        st.error(
            f"**Fallback in force: {MODE_TITLES[view.in_force].lower()}**, ordered by {md(view.switch.ordered_by)}, "
            f"{when(view.switch.ordered_at, zone)}. {md(view.switch.reason)}",
            icon=":material/emergency_home:",
        )
    if view.switch is not None and view.switch.state is SwitchState.ORDERED:
        st.warning(
            f"**{MODE_TITLES[view.switch.mode]} is ordered and not in force yet.** {md(view.switch.detail)}",
            icon=":material/hourglass_top:",
        )
    if view.drill is not None:
        st.info(
            f"**Drill: {MODE_TITLES[view.drill.mode].lower()}**, started by {md(view.drill.started_by)}, "
            f"{when(view.drill.started_at, zone)}. {view.drill.left} of {len(view.drill.steps)} steps left; "
            "nothing is switched.",
            icon=":material/sports_score:",
        )


def section(room: ControlRoom, me: Actor, model: str) -> None:
    """The card of one model, and the dialog that is open, if it is one of these."""
    view = reads.attempt("the fallback card", lambda: room.fallbacks.view(model), key=f"fallback-{model}")
    if view is None:
        return
    may = room.people.may(me, Permission.SWITCH_FALLBACK)
    with parts.card("Fallback", "what people do without the model", key="fallback"):
        _standing(view)
        _problem()
        if view.drill is not None:
            _drill(view.drill, may=may)
        if view.card is None:
            notices.remark("Nobody has written down what to do without this model.", "edit_note")
        else:
            _card(view.card)
        if may:
            _buttons(view)
    forms.show_open_dialog(
        {
            "fallback-edit": fallback_forms.edit_dialog,
            "fallback-drill": fallback_forms.drill_dialog,
            "fallback-finish": fallback_forms.finish_dialog,
            "fallback-switch": fallback_forms.switch_dialog,
        }
    )


def _standing(view: FallbackView) -> None:
    st.markdown(f"{badges.badge(view.readiness)} :gray[{md(view.sentence)}]")
    if view.suggestion:
        st.markdown(f":orange[:material/lightbulb: {md(view.suggestion)} A switch to the fallback would help now.]")
    used = when(view.last_used, session.zone()) if view.last_used else "never"
    st.markdown(f":gray[Last really used: {used}]")


def _card(card: FallbackCard) -> None:
    for mode in card.modes:
        _mode(mode)
    if card.consumers:
        st.markdown(f":gray[To be told:] {md(', '.join(card.consumers))}")
    if card.contact:
        st.markdown(f":gray[Meeting point:] {md(card.contact)}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"Edition {card.revision}, {md(card.edited_by)}, {when(card.edited_at, session.zone())}")
        evidence.entry_link(card.seq)


def _mode(mode: ModeCard) -> None:
    with st.container(border=True, key=f"mode-{mode.mode.value}", gap="xsmall"):
        st.markdown(f"**{MODE_TITLES[mode.mode]}** :gray[{md(mode.consumers_get)}]")
        for number, step in enumerate(mode.steps, start=1):
            st.markdown(f"{number}\\. {md(step.text)} :gray[{md(role(step.owner).lower())}]")


def _drill(drill: Drill, *, may: bool) -> None:
    with st.container(border=True, key="drill", gap="xsmall"):
        st.markdown(
            f":blue-badge[:material/sports_score: Drill running] **{MODE_TITLES[drill.mode]}** "
            f":gray[since {when(drill.started_at, session.zone())}, nothing is switched]"
        )
        for number, step in enumerate(drill.steps):
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                if step.done_at is not None:
                    st.markdown(
                        f":green[:material/check:] {md(step.text)} "
                        f":gray[{md(step.done_by)}, {when(step.done_at, session.zone())}]"
                    )
                    continue
                st.markdown(f":gray[:material/radio_button_unchecked:] {md(step.text)} :gray[{md(role(step.owner))}]")
                if may:
                    st.button("Done", key=f"tick-{number}", on_click=_tick, args=(drill.drill_id, number))
        if may:
            with st.container(horizontal=True, gap="small"):
                st.button(
                    "Finish the drill",
                    icon=":material/task_alt:",
                    key="drill-finish",
                    disabled=bool(drill.left),
                    on_click=fallback_forms.open_finish,
                    args=(drill, False),
                )
                st.button("Break it off", key="drill-off", on_click=fallback_forms.open_finish, args=(drill, True))


def _tick(drill_id: str, number: int) -> None:
    me = session.actor()
    if me is None:
        return
    command = TickStep(command_id=f"tick-{drill_id}-{number}", drill_id=drill_id, step=number)
    try:
        session.control_room().fallbacks.tick(command, actor=me)
    except ControlRoomError as problem:
        st.session_state[_PROBLEM] = problem
        return
    reads.forget()


def _problem() -> None:
    problem = st.session_state.pop(_PROBLEM, None)
    if problem is not None:
        notices.show(problem, key="fallback-problem-reload")


def _buttons(view: FallbackView) -> None:
    with st.container(horizontal=True, gap="small", key="fallback-buttons"):
        if view.card is not None and view.drill is None:
            st.button(
                "Start a drill",
                icon=":material/sports_score:",
                key="drill-start",
                on_click=fallback_forms.open_drill,
                args=(view.card,),
            )
        if view.in_force is not FallbackMode.LIVE:
            st.button(
                "Back to the model",
                icon=":material/restart_alt:",
                key="fallback-live",
                type="primary",
                on_click=fallback_forms.open_switch,
                args=(view.model, (FallbackMode.LIVE,)),
            )
        if view.card is not None:
            st.button(
                "Switch to the fallback",
                icon=":material/emergency_home:",
                key="fallback-switch",
                on_click=fallback_forms.open_switch,
                args=(view.model, tuple(mode.mode for mode in view.card.modes)),
            )
        st.button(
            "Edit the card",
            icon=":material/edit:",
            key="fallback-edit",
            on_click=fallback_forms.open_edit,
            args=(view.model, view.card),
        )
