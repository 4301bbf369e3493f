"""How critical a model is: both axes, the sheet behind them, what two people decided, reviews, and money at risk."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.components import badges, evidence, money_at_risk, notices, parts, reads, risk_forms, session
from pages.components.format import day, md, plural, role, when
from services.inventory import tiering
from services.inventory.governance import RiskStanding
from services.inventory.models import GovernedModel, Tier
from services.inventory.proposals import Proposal
from services.inventory.reviews import WITHIN_DAYS, because
from services.inventory.tiering import Axis
from services.kernel.identity import Permission


def section(model: GovernedModel) -> None:
    room = session.control_room()
    history = reads.attempt("risk tiers", lambda: room.classification.history(model.name), key=f"tiers-{model.name}")
    left, right = st.columns([3, 2])
    with left:
        _tier(model, history or ())
        _sheet(model.risk)
    with right:
        for item in history or ():
            if item.decided is None:
                _waiting(item)
        _review(model)
        _impact(model)
        if history is not None:
            _history(model, history)
    risk_forms.show_open()


def _tier(model: GovernedModel, history: tuple[Proposal, ...]) -> None:
    standing = model.risk
    with parts.card("Risk tier", f"score sheet version {md(standing.sheet)}" if standing else ""):
        if standing is None:
            st.markdown(f"{badges.badge(model.tier)} :gray[as registered]")
            notices.remark("No score sheet is filled in, so nobody can say how this tier came about.", "help")
        else:
            _score(model, standing)
        _buttons(model, history)


def _score(model: GovernedModel, standing: RiskStanding) -> None:
    found = tiering.assess(standing.levels)
    exposure, purpose, score = st.columns(3)
    exposure.metric("Exposure", f"{tiering.whole(found.exposure)} of 100")
    purpose.metric("Purpose", f"{tiering.whole(found.purpose)} of 100")
    score.metric("Risk score", tiering.tenths(found.score))
    st.markdown(f"Computed {badges.badge(Tier(standing.computed))} · in force {badges.badge(model.tier)}")
    override = standing.override
    if override is not None and override.tier == int(model.tier) and override.until > session.now():
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(
                f":orange[:material/swap_vert: Override until {when(override.until, session.zone())}.] "
                f"{md(override.reason)} :gray[Proposed by {md(override.proposed_by)}, confirmed by "
                f"{md(override.confirmed_by)}.]",
                width="content",
            )
            evidence.entry_link(override.seq)
    st.markdown(f"**Why:** {md(' '.join(tiering.in_words(standing.levels)[:4]))}")
    decided = "It is a model" if standing.is_model else "It is not a model"
    reason = f": {md(standing.model_reason)}" if standing.model_reason else ""
    at = f" on {when(standing.assessed_at, session.zone())}" if standing.assessed_at else ""
    st.markdown(f":gray[{decided} in the sense of the policy{reason}. Filled in by {md(standing.assessed_by)}{at}.]")


def _buttons(model: GovernedModel, history: tuple[Proposal, ...]) -> None:
    if not session.control_room().people.may(session.signed_in(), Permission.PROPOSE_TIER):
        return
    if any(item.decided is None for item in history):
        notices.remark("A proposal waits for a second person; another one can be made after that.", "hourglass_top")
        return
    with st.container(horizontal=True):
        st.button(
            "Fill in the score sheet",
            icon=":material/checklist:",
            key="assess",
            on_click=risk_forms.open_assessment,
            args=(model,),
        )
        if model.risk is not None:
            st.button(
                "Override the tier",
                icon=":material/swap_vert:",
                key="override",
                on_click=risk_forms.open_override,
                args=(model,),
            )
            if model.risk.override is not None and session.now() < model.risk.override.until:
                st.button(
                    "End the override",
                    icon=":material/undo:",
                    key="end-override",
                    on_click=risk_forms.open_end,
                    args=(model,),
                )


def _sheet(standing: RiskStanding | None) -> None:
    chosen = {item.factor: item for item in standing.levels} if standing else {}
    for axis in Axis:
        with parts.card(f"{axis.value.capitalize()}, factor by factor", "level 1 is lowest, 4 is highest"):
            rows = [
                (
                    md(factor.title),
                    f"{factor.weight}",
                    f"{item.level}: {md(factor.levels[item.level - 1])}" if item else ":gray[not filled in]",
                    md(item.evidence) if item else md(factor.question),
                )
                for factor in tiering.FACTORS
                if factor.axis is axis
                for item in (chosen.get(factor.id),)
            ]
            parts.table(
                pd.DataFrame(rows, columns=["Factor", "Weight", "Level", "Evidence"]), alt=f"Factors of {axis.value}"
            )
    with st.popover("How is this computed?", icon=":material/function:", type="tertiary", key="sheet-formula"):
        st.markdown(
            "**Axis: sum of weight times level, divided by four times the sum of weights, in percent. "
            "Score: exposure times purpose, divided by 100.**\n\n"
            f"Tier 1 from a score of {tiering.TIER_ONE_FROM} on, tier 2 from {tiering.TIER_TWO_FROM} on, else tier 3. "
            "A higher level never gives a laxer tier. Materiality as exposure and purpose follows SR 26-2."
        )
        for factor in tiering.FACTORS:
            words = "; ".join(f"{number} {text.lower()}" for number, text in enumerate(factor.levels, 1))
            st.markdown(f"- **{md(factor.title)}** (weight {factor.weight}): {md(words)}")


def _waiting(item: Proposal) -> None:
    room, me = session.control_room(), session.signed_in()
    with parts.card("Waits for a second person", key=f"proposal-{item.proposal_id}"):
        st.markdown(f"**{md(item.sentence)}**")
        by = f"{md(item.proposed.by.name)}, {md(role(item.proposed.role))}"
        at = when(item.proposed.at, session.zone())
        st.markdown(f"{md(item.proposed.reason)} :gray[Proposed by {by}, {at}.]")
        evidence.entry_link(item.proposed.seq)
        refusal = room.classification.refusal_to_decide(item, actor=me)
        if refusal:
            st.markdown(f":gray[:material/lock: {md(refusal)}]")
            return
        with st.container(horizontal=True):
            st.button(
                "Confirm",
                icon=":material/check:",
                type="primary",
                key="confirm-tier",
                on_click=risk_forms.open_decision,
                args=(item, True),
            )
            st.button(
                "Refuse",
                icon=":material/close:",
                key="refuse-tier",
                on_click=risk_forms.open_decision,
                args=(item, False),
            )


def _review(model: GovernedModel) -> None:
    overdue = model.next_review < session.now().date()
    with parts.card("Periodic review", f"every {plural(model.review_every_days, 'day')}"):
        parts.facts(
            [
                ("Last review", day(model.last_review)),
                ("Next review", parts.review_text(model.next_review, overdue=overdue)),
                ("Because", md(because(model))),
            ],
            alt="Periodic review",
        )
        cadence = ", ".join(f"tier {tier} every {days} days" for tier, days in sorted(tiering.CADENCE_DAYS.items()))
        st.caption(
            f"At the latest {cadence}. A new version, a broken promise or red drift calls for a review within "
            f"{WITHIN_DAYS[int(model.tier)]} days at this tier."
        )
        if session.control_room().people.may(session.signed_in(), Permission.REVIEW_MODEL):
            st.button(
                "Mark as reviewed",
                icon=":material/event_available:",
                key="mark-reviewed",
                on_click=risk_forms.open_review,
                args=(model,),
            )


def _impact(model: GovernedModel) -> None:
    found = money_at_risk.read(model.name)
    with parts.card("Money at risk per day", "when a threshold is passed"):
        if found is None:
            return
        if found.problem:
            money_at_risk.unknown(model.name, found)
            return
        rows = [
            (
                md(line.title),
                md(line.limit),
                money_at_risk.span(line, found.currency),
                md(line.formula),
                md(line.weakest),
            )
            for line in found.lines
            if line.judges
        ]
        columns = ["Threshold", "Limit", "Per day", "Formula", "Weakest assumption"]
        parts.table(pd.DataFrame(rows, columns=columns), alt="Money at risk per day")
        payer = md(found.payer) if found.payer else ":orange[nobody is named]"
        st.markdown(f"Paid by {payer}.")
        if found.explanation is not None:
            parts.explain(found.explanation, key="impact-explained")


def _history(model: GovernedModel, history: tuple[Proposal, ...]) -> None:
    with parts.card("History of the tier", "newest first"):
        for item in history:
            if item.decided is None:
                continue
            word = ":green[confirmed]" if item.confirmed else ":red[refused]"
            st.markdown(
                f"**{md(item.sentence)}** {word} :gray[by {md(item.decided.by.name)}, "
                f"{when(item.decided.at, session.zone())}; proposed by {md(item.proposed.by.name)}: "
                f"{md(item.proposed.reason)}]"
            )
            evidence.entry_link(item.decided.seq)
        st.markdown(f":gray[Registered with the catalog; the tier in force is {int(model.tier)}.]")
