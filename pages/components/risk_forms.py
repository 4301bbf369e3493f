"""The forms that fill in a score sheet, propose an override, decide on a proposal and mark a review as done."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import streamlit as st

from pages.components import forms, session
from pages.components.format import md
from services.inventory import tiering
from services.inventory.commands import MarkReviewed
from services.inventory.governance import FactorLevel
from services.inventory.models import GovernedModel
from services.inventory.proposals import LONGEST_OVERRIDE, DecideTier, Proposal, ProposalKind, ProposeTier
from services.kernel.secret import Secret

_SECOND = (
    "**Effect:** nothing changes until a second person in another role confirms it. The tier decides which policy, "
    "which signatures and which review dates apply."
)


def open_assessment(model: GovernedModel) -> None:
    forms.open_dialog("assess", "model", model=model)


def open_override(model: GovernedModel) -> None:
    forms.open_dialog("override", "model", model=model)


def open_end(model: GovernedModel) -> None:
    forms.open_dialog("end-override", "model", model=model)


def open_decision(item: Proposal, confirm: bool) -> None:  # noqa: FBT001 - one word per button
    forms.open_dialog("decide-tier", "model", item=item, confirm=confirm)


def open_review(model: GovernedModel) -> None:
    forms.open_dialog("review", "model", model=model)


def show_open() -> None:
    forms.show_open_dialog(
        {
            "assess": _assessment_dialog,
            "override": _override_dialog,
            "end-override": _end_dialog,
            "decide-tier": _decision_dialog,
            "review": _review_dialog,
        }
    )


# proposing


@st.dialog("Fill in the score sheet", icon=":material/checklist:", width="large", on_dismiss=forms.close_dialog)
def _assessment_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    model: GovernedModel = state["model"]
    known = {item.factor: item for item in model.risk.levels} if model.risk else {}
    least = tiering.least_data_level(model)
    st.markdown(_SECOND)
    faults = forms.FieldErrors()
    with st.form("assess", border=False, enter_to_submit=False):
        chosen = []
        for factor in tiering.FACTORS:
            before = known.get(factor.id)
            left, right = st.columns([3, 2])
            levels = range(least if factor.id == "data" else 1, tiering.HIGHEST_LEVEL + 1)
            level = left.selectbox(
                f"{factor.title}: {factor.question}",
                levels,
                index=levels.index(before.level) if before and before.level in levels else None,
                format_func=lambda number, words=factor.levels: f"{number}: {words[number - 1]}",
                key=f"level-{factor.id}",
                placeholder="Choose a level",
            )
            words = right.text_input(
                "Evidence", value=before.evidence if before else "", key=f"evidence-{factor.id}", max_chars=500
            )
            chosen.append((factor.id, level, words))
        is_model = st.checkbox(
            "This is a model in the sense of the policy: it turns data into estimates by statistics or learning",
            value=model.risk.is_model if model.risk else True,
            key="is-model",
        )
        why = st.text_input("Why it is or is not a model", key="is-model-why", max_chars=500)
        reason = st.text_area("Reason for filling it in now", key="assess-reason", max_chars=2000)
        faults.place("reason")
        passphrase = forms.passphrase_field("assess-passphrase")
        faults.place("passphrase")
        go = _go("Sign and propose", "assess-go")
    faults.place("form")
    if not go:
        return
    if any(level is None for _, level, _ in chosen):
        faults.say("reason", "Choose a level for each factor.")
        return
    levels_given = tuple(FactorLevel(factor=name, level=level or 0, evidence=words) for name, level, words in chosen)
    _propose(
        faults,
        ProposalKind.ASSESSMENT,
        reason,
        passphrase,
        levels=levels_given,
        is_model=is_model,
        model_reason=why,
    )


@st.dialog("Override the tier", icon=":material/swap_vert:", width="medium", on_dismiss=forms.close_dialog)
def _override_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    model: GovernedModel = state["model"]
    computed = model.risk.computed if model.risk else int(model.tier)
    st.markdown(f"The score sheet gives **tier {computed}**; it stays on screen beside the override.")
    st.markdown(_SECOND)
    faults = forms.FieldErrors()
    today = session.now().date()
    with st.form("override", border=False, enter_to_submit=False):
        left, right = st.columns(2)
        tier = left.selectbox("Tier instead", [number for number in (1, 2, 3) if number != computed], key="tier-new")
        ends = right.date_input(
            "Ends on (00:00 UTC)",
            value=today + timedelta(days=90),
            min_value=today + timedelta(days=1),
            max_value=today + LONGEST_OVERRIDE,
            key="tier-until",
        )
        reason = st.text_area("Reason", key="tier-reason", max_chars=2000, placeholder="What does the sheet not see?")
        faults.place("reason")
        passphrase = forms.passphrase_field("tier-passphrase")
        faults.place("passphrase")
        go = _go("Sign and propose", "tier-go")
    faults.place("form")
    if go:
        until = datetime.combine(ends, time(), UTC)
        _propose(faults, ProposalKind.OVERRIDE, reason, passphrase, tier=tier or 0, until=until)


@st.dialog("End the override", icon=":material/undo:", width="medium", on_dismiss=forms.close_dialog)
def _end_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    st.markdown("The computed tier stands again once a second person confirms it.")
    st.markdown(_SECOND)
    faults = forms.FieldErrors()
    with st.form("end-override", border=False, enter_to_submit=False):
        reason = st.text_area("Reason", key="end-reason", max_chars=2000)
        faults.place("reason")
        passphrase = forms.passphrase_field("end-passphrase")
        faults.place("passphrase")
        go = _go("Sign and propose", "end-go")
    faults.place("form")
    if go:
        _propose(faults, ProposalKind.END, reason, passphrase)


def _propose(
    faults: forms.FieldErrors,
    kind: ProposalKind,
    reason: str,
    passphrase: str,
    *,
    levels: tuple[FactorLevel, ...] = (),
    is_model: bool = True,
    model_reason: str = "",
    tier: int = 0,
    until: datetime | None = None,
) -> None:
    state = forms.opened()
    if state is None or not _has(passphrase, faults):
        return
    command = ProposeTier(
        command_id=state["command_id"],
        model=state["model"].name,
        kind=kind,
        reason=reason.strip(),
        passphrase=Secret(passphrase),
        levels=levels,
        is_model=is_model,
        model_reason=model_reason.strip(),
        tier=tier,
        until=until,
    )
    room, me = session.control_room(), session.signed_in()
    done = "The proposal is signed; a second person in another role decides."
    if forms.submit(lambda: room.classification.propose(command, actor=me), faults, done=done):
        forms.close_dialog()
        st.rerun()


# deciding


@st.dialog("Decide on the tier", icon=":material/signature:", width="medium", on_dismiss=forms.close_dialog)
def _decision_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    item: Proposal = state["item"]
    confirm: bool = state["confirm"]
    st.markdown(f"**{md(item.sentence)}**")
    st.markdown(f"{md(item.proposed.reason)} :gray[Proposed by {md(item.proposed.by.name)}.]")
    st.markdown(
        f"**Effect:** {_effect(item)}" if confirm else "**Effect:** the tier stays; the proposal is closed for ever."
    )
    faults = forms.FieldErrors()
    with st.form("decide-tier", border=False, enter_to_submit=False):
        reason = st.text_area("Comment (optional)" if confirm else "Reason", key="decide-tier-reason", max_chars=2000)
        faults.place("reason")
        passphrase = forms.passphrase_field("decide-tier-passphrase")
        faults.place("passphrase")
        go = _go("Sign and confirm" if confirm else "Sign and refuse", "decide-tier-go")
    faults.place("form")
    if not go or not _has(passphrase, faults):
        return
    command = DecideTier(
        command_id=state["command_id"],
        proposal_id=item.proposal_id,
        confirm=confirm,
        reason=reason.strip(),
        passphrase=Secret(passphrase),
    )
    room, me = session.control_room(), session.signed_in()
    done = "The tier is in force." if confirm else "The refusal is signed and recorded."
    if forms.submit(lambda: room.classification.decide(command, actor=me), faults, done=done):
        forms.close_dialog()
        st.rerun()


def _effect(item: Proposal) -> str:
    if item.tier == item.was:
        return f"tier {item.tier} stays in force; the sheet behind it is the new one."
    return (
        f"tier {item.tier} is in force at once instead of tier {item.was}. Open requests of this model are judged by "
        "the policy of the new tier and have to be submitted again. Traffic does not move."
    )


# reviewing


@st.dialog("Mark as reviewed", icon=":material/event_available:", width="medium", on_dismiss=forms.close_dialog)
def _review_dialog() -> None:
    state = forms.opened()
    if state is None:
        st.rerun()  # closed by its own reload button: only a run of the whole page takes it away
    model: GovernedModel = state["model"]
    st.markdown(
        f"**Effect:** the next review of {md(model.name)} is due {model.review_every_days} days from today. "
        "The note is an entry of the ledger under your name."
    )
    faults = forms.FieldErrors()
    with st.form("review", border=False, enter_to_submit=False):
        note = st.text_area("What was looked at, and what was found", key="review-note", max_chars=2000)
        faults.place("reason")
        go = _go("Record the review", "review-go")
    faults.place("form")
    if not go:
        return
    command = MarkReviewed(command_id=state["command_id"], model=model.name, note=note.strip())
    room, me = session.control_room(), session.signed_in()
    done = f"The review of {md(model.name)} is on record."
    if forms.submit(lambda: room.stewardship.mark_reviewed(command, actor=me), faults, done=done):
        forms.close_dialog()
        st.rerun()


def _go(label: str, key: str) -> bool:
    with st.container(horizontal=True, horizontal_alignment="right"):
        return st.form_submit_button(label, type="primary", icon=":material/signature:", key=key)


def _has(passphrase: str, faults: forms.FieldErrors) -> bool:
    if not passphrase:
        faults.say("passphrase", "Enter your signing passphrase; without it nothing can be signed.")
    return bool(passphrase)
