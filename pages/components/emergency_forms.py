"""Break-glass on screen: loud while its review is open, with the effect before the button and the review after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.components import address, badges, evidence, forms, notices, parts, reads, session
from pages.components.format import md, plural, role, routes, version, when
from services.kernel.errors import ControlRoomError
from services.kernel.identity import Actor, Permission
from services.rollout.emergency_models import (
    BREAK_GLASS_REASONS,
    CONCLUSION_MEANINGS,
    REVIEWERS_NEEDED,
    BreakGlass,
    Conclusion,
    EmergencyMode,
    EmergencyPlan,
    EmergencyReview,
    ReviewState,
    SignReview,
)

if TYPE_CHECKING:
    from services.container import ControlRoom

_CONCLUSION_WORDS = {
    Conclusion.ACCEPTED: "Accepted",
    Conclusion.CORRECTED: "Corrected",
    Conclusion.ROLL_BACK: "To be rolled back",
}


def banner(room: ControlRoom, model: str) -> None:
    """Red, on top of every page of the model, while a break-glass release waits for its reviewers."""
    found = reads.attempt(
        "emergency reviews", lambda: room.emergency.reviews(model, open_only=True), key=f"emergency-open-{model}"
    )
    for item in found or ():
        missing = REVIEWERS_NEEDED - len(item.reviewers)
        late = "**overdue since**" if item.state is ReviewState.OVERDUE else "due"
        st.error(
            f"**Break-glass.** {md(item.by_name)} put {version(item.version)} into service on one signature, "
            f"{when(item.at, session.zone())}. {plural(missing, 'reviewer')} still missing, "
            f"{late} {when(item.review_by, session.zone())}. {md(item.blocks)}",
            icon=":material/emergency:",
        )


def section(room: ControlRoom, me: Actor, model: str) -> None:
    """The card of one model, and the dialog that is open, if it is one of these."""
    found = reads.attempt("emergency reviews", lambda: room.emergency.reviews(model), key=f"emergency-{model}")
    with parts.card("Break-glass", _counted(found or ()), key="break-glass"):
        if found is None:
            return
        wanted = address.get("emergency")
        for item in sorted(found, key=lambda item: (item.id != wanted, not item.state.is_open)):
            _line(room, me, item, marked=item.id == wanted)
        if not found:
            notices.remark("Nobody has broken the glass for this model.", "done_all")
        if room.people.may(me, Permission.BREAK_GLASS):
            st.button(
                "Break the glass",
                icon=":material/emergency:",
                key="break-the-glass",
                on_click=_open_release,
                args=(model,),
            )
            st.caption("For an emergency that cannot wait for the quorum. Two others review it afterwards.")
    forms.show_open_dialog({"break-glass": _release_dialog, "emergency-review": _review_dialog})


def _counted(found: tuple[EmergencyReview, ...]) -> str:
    waiting = sum(item.state.is_open for item in found)
    late = sum(item.state is ReviewState.OVERDUE for item in found)
    return f"{waiting} under review" + (f", {late} overdue" if late else "")


def _line(room: ControlRoom, me: Actor, item: EmergencyReview, *, marked: bool) -> None:
    with st.container(border=True, key=f"{'marked' if marked else 'emergency'}-{item.id}", gap="xsmall"):
        _facts(item)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            evidence.entry_link(item.seq)
            if not item.state.is_open or not room.people.may(me, Permission.REVIEW_EMERGENCY):
                return
            refusal = room.emergency.refusal_to_review(item.id, actor=me)
            st.button(
                "Review it",
                icon=":material/rate_review:",
                key=f"review-{item.id}",
                disabled=bool(refusal),
                on_click=_open_review,
                args=(item,),
            )
            if refusal:
                st.markdown(f":gray[:material/block: {md(refusal)}]")


def _facts(item: EmergencyReview) -> None:
    zone = session.zone()
    what = "without a complete approval" if item.mode is EmergencyMode.FORWARD else "past the steps of its plan"
    st.markdown(
        f"{badges.badge(item.state)} **{version(item.version)}** into full service {what} "
        f":gray[by {md(item.by_name)}, {when(item.at, zone)}]"
    )
    st.markdown(f"{md(BREAK_GLASS_REASONS.get(item.reason_code, item.reason_code))}: {md(item.reason)}")
    for (name, held, conclusion, at, seq), comment in zip(item.reviewers, item.comments, strict=True):
        st.markdown(
            f":material/rate_review: **{md(name)}** :gray[{md(role(held).lower())}] {_CONCLUSION_WORDS[conclusion]}: "
            f"{md(comment)} :gray[{when(at, zone)}, entry {seq}]"
        )
    if item.state.is_open:
        colour = "red" if item.state is ReviewState.OVERDUE else "orange"
        missing = REVIEWERS_NEEDED - len(item.reviewers)
        st.markdown(
            f":{colour}[:material/schedule: {plural(missing, 'uninvolved reviewer')} missing, "
            f"due {when(item.review_by, zone)}.]"
        )
    if item.blocks:
        st.markdown(f":red[:material/block: No new version goes live. {md(item.blocks)}]")


# breaking the glass


def _open_release(model: str) -> None:
    forms.open_dialog("break-glass", "rollouts", model=model, targets=(), plan=None, problem=None)
    state, me = forms.opened(), session.actor()
    if state is None or me is None:
        return
    try:
        state["targets"] = session.control_room().emergency.targets(model, actor=me)
    except ControlRoomError as error:
        state["problem"] = error


def _plan_for(number: str) -> None:
    """Fetches what would happen for the chosen version; a new challenge each time, because the state may differ."""
    state, me = forms.opened(), session.actor()
    if state is None or me is None:
        return
    state.update(plan=None, problem=None)
    try:
        state["plan"] = session.control_room().emergency.plan(state["model"], number, actor=me)
    except ControlRoomError as error:
        state["problem"] = error


@st.dialog("Break the glass", icon=":material/emergency:", width="large", on_dismiss=forms.close_dialog)
def _release_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    st.markdown(f"**Put a version of {md(state['model'])} into service now, on your signature alone**")
    targets = {item.version: item for item in state["targets"]}
    allowed = [name for name, item in targets.items() if not item.refusal]
    chosen = st.selectbox(
        "Version", allowed, index=None, format_func=version, key="glass-version", placeholder="Choose the version"
    )
    for item in targets.values():
        if item.refusal:
            st.markdown(f":gray[:material/block: {version(item.version)} · {md(item.refusal)}]")
    plan: EmergencyPlan | None = state["plan"]
    if chosen and (plan is None or plan.version != chosen) and state.get("asked") != chosen:
        state["asked"] = chosen
        _plan_for(chosen)
        plan = state["plan"]
    if state["problem"] is not None:
        notices.show(state["problem"], key="glass-reload", on_reload=forms.close_dialog)
    elif plan is not None and plan.version == chosen:
        _release_form(plan)


def _release_form(plan: EmergencyPlan) -> None:
    st.markdown(f":gray[Serving now: {md(routes(plan.current))}]")
    st.markdown("**Effect**\n" + "".join(f"\n- {md(line)}" for line in plan.effect))
    for sentence in plan.unchecked:
        st.markdown(f":orange[:material/help: Not checked just now: {md(sentence)}]")
    faults = forms.FieldErrors()
    with st.form("break-glass", border=False, enter_to_submit=False):
        left, right = st.columns([1, 2])
        code = left.selectbox(
            "Reason code",
            list(BREAK_GLASS_REASONS),
            format_func=BREAK_GLASS_REASONS.__getitem__,
            index=None,
            key="glass-code",
            placeholder="Choose why",
        )
        reason = right.text_input(
            "Reason", key="glass-reason", max_chars=2000, placeholder="What happens, and why can it not wait?"
        )
        faults.place("reason")
        left, right = st.columns(2)
        typed = left.text_input("Type the model name", key="glass-model", placeholder=plan.model)
        with right:
            passphrase = forms.passphrase_field("glass-passphrase")
        faults.place("confirmation")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button(
                "Sign and break the glass", type="primary", icon=":material/emergency:", key="glass-go"
            )
    faults.place("form")
    if go:
        _release(plan, faults, code=code or "", reason=reason, typed=typed, passphrase=passphrase)


def _release(
    plan: EmergencyPlan, faults: forms.FieldErrors, *, code: str, reason: str, typed: str, passphrase: str
) -> None:
    state = forms.opened()
    if state is None:
        return
    if not code or not reason.strip():
        faults.say("reason", "Choose a reason code and write a sentence; two others will review both.")
    elif typed.strip() != plan.model:
        faults.say("confirmation", "The typed name differs from the model's name; nothing was sent.")
    elif not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
    else:
        command = BreakGlass(
            command_id=state["command_id"],
            model=plan.model,
            version=plan.version,
            mode=plan.mode,
            reason_code=code,
            reason=reason.strip(),
            model_confirmation=typed.strip(),
            challenge=plan.challenge,
            passphrase=forms.secret(passphrase),
        )
        room, me = session.control_room(), session.signed_in()
        done = f"The glass is broken: {version(plan.version)} of {plan.model} is ordered, and its review is open."
        if forms.submit(lambda: room.emergency.release(command, actor=me), faults, done=done):
            forms.close_dialog()
            st.rerun()


# reviewing


def _open_review(item: EmergencyReview) -> None:
    forms.open_dialog("emergency-review", "rollouts", item=item, challenge="", problem=None)
    state, me = forms.opened(), session.actor()
    if state is None or me is None:
        return
    try:
        opened = session.control_room().emergency.open_review(item.id, actor=me)
    except ControlRoomError as error:
        state["problem"] = error
        return
    state.update(challenge=opened.challenge, expires=opened.expires_at)


@st.dialog("Review this release", icon=":material/rate_review:", width="medium", on_dismiss=forms.close_dialog)
def _review_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    if state["problem"] is not None:
        notices.show(state["problem"], key="emergency-review-reload", on_reload=forms.close_dialog)
        return
    me = session.signed_in()
    _facts(state["item"])
    st.markdown(f":gray[You review as {md(me.name)}, {md(me.role.label)}]")
    st.markdown(
        "**Effect:** no traffic moves by signing. The second signature closes the review; when the two differ, the "
        "stricter conclusion stands. “To be rolled back” stops new versions until traffic has gone back."
    )
    faults = forms.FieldErrors()
    with st.form("emergency-review", border=False, enter_to_submit=False):
        conclusion = st.radio(
            "Conclusion",
            list(Conclusion),
            index=None,
            format_func=_CONCLUSION_WORDS.__getitem__,
            captions=[CONCLUSION_MEANINGS[item] for item in Conclusion],
            key="review-conclusion",
        )
        comment = st.text_area(
            "Comment", key="review-comment", max_chars=2000, placeholder="What did you look at, and what follows?"
        )
        faults.place("reason")
        passphrase = forms.passphrase_field("review-passphrase")
        faults.place("passphrase")
        with st.container(horizontal=True, horizontal_alignment="right"):
            go = st.form_submit_button("Sign the review", type="primary", icon=":material/signature:", key="review-go")
    faults.place("form")
    if go:
        _review(faults, conclusion, comment, passphrase)


def _review(faults: forms.FieldErrors, conclusion: Conclusion | None, comment: str, passphrase: str) -> None:
    state = forms.opened()
    if state is None:
        return
    if conclusion is None or not comment.strip():
        faults.say("reason", "Choose a conclusion and write what you looked at; both are signed.")
    elif not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
    else:
        command = SignReview(
            command_id=state["command_id"],
            review_id=state["item"].id,
            conclusion=conclusion,
            comment=comment.strip(),
            challenge=state["challenge"],
            passphrase=forms.secret(passphrase),
        )
        room, me = session.control_room(), session.signed_in()
        if forms.submit(lambda: room.emergency.review(command, actor=me), faults, done="Your review is recorded."):
            forms.close_dialog()
            st.rerun()
