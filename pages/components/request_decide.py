"""What this person may decide, each verb with its effect on traffic before the click, and refusals in words.

A step of somebody else can be opened by its address. It says who may sign it; trying anyway goes to the service,
is refused there and recorded.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.components import decision_forms, parts, places, session
from pages.components.format import asked, md, role, sentence, when
from pages.components.request_facts import after_words, roles_of, step_of, verb_of
from services.approvals.models import (
    MEANINGS,
    RETIREMENT_MEANINGS,
    Decision,
    DelegationRef,
    Purpose,
    RequestState,
    RequestView,
    SignatureView,
    StepView,
)
from services.kernel.identity import Actor, Permission, Role
from services.people.models import Person

_MAIN = {Decision.APPROVE, Decision.ACKNOWLEDGE}
_GAVE = {Decision.APPROVE: "approved this", Decision.ACKNOWLEDGE: "acknowledged this"}
_UNDECIDED = {RequestState.OPEN, RequestState.CHANGES_REQUESTED}
_SIGNS = (Permission.APPROVE, Permission.VALIDATE, Permission.ACKNOWLEDGE)


def card(view: RequestView, me: Actor, wanted: str) -> None:
    """`wanted` is the role word of the step in the address, or empty for the reader's own step."""
    step = step_of(view.stages, wanted or view.row.opens_step or me.role.value)
    foreign = step is not None and step.role != me.role.value and not step.delegations
    with parts.card("Your decision", key="decision"):
        _standing(view)
        if step is not None and foreign:
            _not_yours(view, me, step)
        else:
            _yours(view, me, step)


def _standing(view: RequestView) -> None:
    """Where the request stands, in one line, once it is decided."""
    if view.valid_until and view.row.state in {RequestState.APPROVED, RequestState.APPLIED, RequestState.APPLY_FAILED}:
        ended = view.valid_until < session.now()
        colour, word = ("red", "Approval ended on") if ended else ("green", "Approved until")
        st.markdown(f":{colour}[:material/verified:] **{word} {when(view.valid_until, session.zone())}**")
        if view.purpose is Purpose.PROMOTION and view.terms.shares:
            _release(view)


def _release(view: RequestView) -> None:
    """What follows for traffic, and where it is done."""
    if view.row.planned:
        shadow = "the shadow run" if view.terms.shadow and view.row.base else "its first share"
        words = f"Production is unchanged. Next is {shadow}, started by a site reliability engineer."
        st.markdown(f":gray[{words}]")
    label = "Open the planned release" if view.row.planned else "Open the release"
    st.page_link(
        places.path("rollouts"),
        label=label,
        icon=":material/alt_route:",
        query_params={"model": view.row.model},
        width="content",
    )


def _not_yours(view: RequestView, me: Actor, step: StepView) -> None:
    names = ", ".join(md(person.name) for person in _holders(step.role))
    st.markdown(
        f":red[:material/lock: **Not allowed for your role.**] This step is for the {md(role(step.role).lower())}: "
        f"{names or 'nobody holds this role now'}."
    )
    if step.refusal:
        st.markdown(f":gray[{md(sentence(step.refusal))}]")
    own = step_of(view.stages, me.role.value)
    if own is not None:
        st.page_link(
            places.path("approvals"),
            label="Open your own step",
            icon=":material/arrow_forward:",
            query_params={"request": view.row.request_id, "step": own.role},
            width="content",
        )
    may_sign = any(session.control_room().people.may(me, item) for item in _SIGNS)
    if may_sign and view.row.state is RequestState.OPEN:
        _button(view, verb_of(step), step=step, label=f"Sign the {role(step.role).lower()} step", key="decide-foreign")
        st.caption("It will be refused, and the attempt becomes an entry of the ledger.")


def _holders(name: str) -> Sequence[Person]:
    try:
        return session.control_room().people.holders(Role(name))
    except ValueError:
        return ()


def _yours(view: RequestView, me: Actor, step: StepView | None) -> None:
    effects = dict(view.effects)
    main = _main_verb(view, me, step)
    given = _already(view, me)
    held = _reasons(view, me, step, main)
    if given is not None:
        st.markdown(
            f":green[:material/verified: You {_GAVE[given.decision]}] on {when(given.at, session.zone())}; "
            f":gray[entry {given.seq}.]"
        )
    elif main is not None and main in view.allowed and not held:
        _who_signs(view, me, step)
        if main is Decision.ACKNOWLEDGE:
            _what_is_acknowledged(view)
        _main_buttons(view, main, step, effects.get(main, ""))
    elif main is not None and _is_missing(view, step):
        _withheld(view, main, step, held)
    elif view.refused_because:
        st.markdown(f":gray[:material/info: {md(sentence(view.refused_because))}]")
    elif Decision.WITHDRAW in view.allowed:
        st.markdown(
            ":gray[:material/info: You asked for this, so you may not approve it: who asks and who approves must be "
            "different people. You can withdraw it.]"
        )
    elif not view.allowed:
        st.markdown(":gray[:material/info: The signatures this request needs are not yours to give.]")
    _others(view, step, effects)


def _already(view: RequestView, me: Actor) -> SignatureView | None:
    """The reader's own signature, as long as it stands."""
    return next(
        (
            item
            for item in view.signatures
            if item.subject == me.subject and item.decision in _MAIN and item.valid and not item.void_reason
        ),
        None,
    )


def _main_verb(view: RequestView, me: Actor, step: StepView | None) -> Decision | None:
    if step is not None:
        return verb_of(step)
    allowed = next((item for item in view.allowed if item in _MAIN), None)
    if allowed is None and view.row.mine and view.row.state is RequestState.OPEN:
        return Decision.ACKNOWLEDGE if me.role is Role.BUSINESS_OWNER else Decision.APPROVE
    return allowed


def _reasons(view: RequestView, me: Actor, step: StepView | None, main: Decision | None) -> list[str]:
    """Why this person's signature is withheld now, most telling first; empty when it is not."""
    found = [*view.held_because, *([step.refusal] if step is not None and step.refusal else [])]
    if main is None or main in view.allowed:
        return found
    if view.stale:
        found.append(view.stale)
    blocking = view.report.holding(step.role if step is not None else me.role.value)
    if blocking and not view.held_because:
        found.append(f"These checks stand in the way: {', '.join(item.title for item in blocking)}.")
    return list(dict.fromkeys(found or [view.refused_because or "This step cannot be signed now."]))


def _is_missing(view: RequestView, step: StepView | None) -> bool:
    """The signature is still needed, so the reader has to see why it cannot be given."""
    if view.row.state not in _UNDECIDED:
        return False
    return step.have < step.needed if step is not None else view.row.mine


def _who_signs(view: RequestView, me: Actor, step: StepView | None) -> None:
    name = role(step.role) if step is not None else me.role.label
    st.markdown(f"You sign as **{md(name)}**. {after_words(view)}")
    if view.ahead:
        st.markdown(f":orange[:material/traffic_jam: {md(view.ahead)}]")


def _what_is_acknowledged(view: RequestView) -> None:
    cost = next((group.sentence for group in view.diff if group.key == "cost"), "")
    parts.facts(
        [
            ("Benefit", md(view.benefit) or ":gray[not stated]"),
            ("Cost", md(cost) or ":gray[not stated]"),
            ("Limits", md(view.limits) or ":gray[not stated]"),
            ("Fallback", md(view.fallback) or ":gray[not stated]"),
        ],
        alt="What you acknowledge",
    )


def _main_buttons(view: RequestView, main: Decision, step: StepView | None, effect: str) -> None:
    """One button for the own role; one per delegation, which names the person signed for."""
    delegations = step.delegations if step is not None else ()
    if step is None or step.role == session.signed_in().role.value:
        _button(view, main, step=step, primary=True)
    for given in delegations:
        label = f"{decision_forms.VERBS[main]} for {given.for_name} by delegation"
        _button(view, main, step=step, delegation=given, label=label, primary=True, key=f"decide-by-{given.id}")
        st.caption(f"Delegated until {when(given.until, session.zone())}.")
    st.caption(md(sentence(effect)))


def _withheld(view: RequestView, main: Decision, step: StepView | None, held: Sequence[str]) -> None:
    """The button stays, disabled, with the reason beside it: a person must see what would let him sign."""
    _button(view, main, step=step, primary=True, disabled=True)
    for reason in held:
        st.markdown(f":red[:material/block: {md(sentence(reason))}]")


def _others(view: RequestView, step: StepView | None, effects: dict[Decision, str]) -> None:
    others = [item for item in view.allowed if item not in _MAIN]
    for start in range(0, len(others), 2):
        for column, decision in zip(st.columns(2), others[start : start + 2], strict=False):
            with column:
                _button(view, decision, step=step)
    said = [f"**{decision_forms.VERBS[item]}:** {md(sentence(effects[item]))}" for item in others if effects.get(item)]
    if said:
        st.caption("  \n".join(said))


def _button(
    view: RequestView,
    decision: Decision,
    *,
    step: StepView | None,
    delegation: DelegationRef | None = None,
    label: str = "",
    key: str = "",
    primary: bool = False,
    disabled: bool = False,
) -> None:
    st.button(
        md(label) if label else decision_forms.VERBS[decision],
        key=key or f"decide-{decision.value}",
        type="primary" if primary else "secondary",
        width="stretch",
        icon=":material/check:" if primary else None,
        disabled=disabled,
        on_click=decision_forms.open_decision,
        kwargs={
            "request_id": view.row.request_id,
            "decision": decision,
            "title": asked(view.purpose, view.row.title, view.row.version),
            "effect": dict(view.effects).get(decision, ""),
            "meaning": (MEANINGS if view.retirement is None else RETIREMENT_MEANINGS)[decision],
            "role": step.role if step is not None and decision in _MAIN else "",
            "delegation": delegation,
            "signing": view.terms.signing,
        },
    )


def step_parameter(view: RequestView, text: str) -> str:
    """The step named in the address, if this request has it."""
    return text if text in roles_of(view.stages) else ""
