"""The gate of a model's return: closed months against it, the review that is open, and the way out of service."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pandas as pd
import streamlit as st

from pages.components import badges, evidence, forms, notices, parts, places, reads, session
from pages.components.format import NOTHING, day, md, money, plural, when
from services.approvals.models import Purpose, RequestDraft
from services.kernel.errors import ControlRoomError
from services.kernel.health import Health
from services.kernel.identity import Actor, Permission
from services.oversight.board_models import ModelBoard
from services.rollout.retirement_models import RETIREMENT_REASONS, Retirement, RetirementState
from services.value import gate as rules
from services.value import periods
from services.value.gate import KEEP_REASONS, AnswerKind, Month, Standing
from services.value.review_service import GateView, ReturnReview

_STATES = {Standing.UNDER: Health.BREACH, Standing.OVER: Health.HEALTHY, Standing.UNKNOWN: Health.UNKNOWN}
_WORDS = {Standing.UNDER: "Under the gate", Standing.OVER: "At or above", Standing.UNKNOWN: "Cannot be computed"}
_RED = 8
"""The most urgent: a list to read, not one line for each of hundreds of models."""
_REASONS = {**KEEP_REASONS, **RETIREMENT_REASONS}


def section(board: ModelBoard, me: Actor) -> None:
    room, model = session.control_room(), board.value.model
    view = reads.attempt("the gate of the return", lambda: room.reviews.view(model), key=f"gate-{model}")
    retirement = reads.attempt("the retirement", lambda: room.retirements.of_model(model), key=f"retirement-{model}")
    left, right = st.columns([3, 2])
    with left:
        if view is not None:
            _months(view)
            for state in view.reviews:
                _review(state, view, board, me)
    with right:
        _retirement(model, retirement)
        if view is not None:
            _policy(view)


def red(found: Sequence[ReturnReview]) -> None:
    """The portfolio's line about models whose owner has to answer; nothing where none waits."""
    if not found:
        return
    with parts.card("Keep or retire", "under the gate of their return", key="value-reviews"):
        for state in found[:_RED]:
            review = state.review
            with st.container(gap=None, key=f"review-{review.model}"):
                st.page_link(
                    places.path("value"),
                    label=f"**{md(review.model)}**",
                    icon=badges.icon(Health.BREACH),
                    query_params={"model": review.model, "show": "gate"},
                    width="content",
                )
                late = " :red[Overdue.]" if state.late else ""
                st.caption(md(state.problem or f"Under its gate up to {review.period}. {state.sentence}") + late)
        if len(found) > _RED:
            st.caption(f"{plural(len(found) - _RED, 'more review')} due later; each is on the home page of its owner.")


def _months(view: GateView) -> None:
    with parts.card("Closed months against the gate", md(view.sentence), key="gate-months"):
        if not view.months:
            notices.remark("No month is closed yet.", "help")
            return
        parts.table(_frame(view.months, view.gate.currency), alt="Closed months against the gate")
        st.caption(
            "Net benefit of a month = benefit - cost of that month; what finance attested, where it has. A month that "
            "cannot be computed is neither under the gate nor above it, and no row of missed months runs across it."
        )


def _frame(months: Sequence[Month], currency: str) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Month": f"**{_named(month.period)}**",
                "Standing": badges.badge(_STATES[month.standing], _WORDS[month.standing]),
                "Net benefit": _amount(month.net, currency),
                "Range": f"{_amount(month.low, currency)} to {_amount(month.high, currency)}" if month.net else NOTHING,
                "Benefit": _amount(month.benefit, currency),
                "Cost": _amount(month.cost, currency),
                "From": md(month.source) + (f" :gray[n = {month.n:,}]" if month.n else ""),
            }
            for month in months
        ]
    )


def _named(period: str) -> str:
    """`Oct 2030` on one line."""
    first, _ = periods.days_of(period)
    return f"{first:%b}\u00a0{first:%Y}"


def _amount(text: str, currency: str) -> str:
    return money(Decimal(text), currency) if text else NOTHING


def _review(state: ReturnReview, view: GateView, board: ModelBoard, me: Actor) -> None:
    review, zone = state.review, session.zone()
    title = "Keep it or retire it" if state.open else f"Review on {review.period}"
    with parts.card(title, f"opened {when(review.at, zone)}", key=f"review-{review.review_id}"):
        if state.problem:
            notices.remark(md(state.problem), "error")
            return
        mark = badges.badge(Health.BREACH if state.late else Health.WATCH, "Overdue" if state.late else "Waits")
        st.markdown(f"{mark if state.open else ''} {md(state.sentence)}")
        parts.facts(
            [
                ("Answers", md(review.owner_name) or ":orange[nobody is named as business owner]"),
                ("Due", day(review.due)),
                ("Opened in", f"entry [{review.seq}](/audit?entry={review.seq})"),
            ],
            alt="Who answers, and until when",
        )
        figures = review.figures
        gate = _amount(figures.gate, figures.currency)
        st.markdown(f"**The figures it was opened on**, kept as they were: gate {gate} a month, {md(figures.source)}.")
        parts.table(_frame(figures.months, figures.currency), alt=f"Figures of the review on {review.period}")
        for item in state.answers:
            what = "kept it" if item.answer is AnswerKind.KEEP else "asked to retire it"
            st.markdown(
                f"**{md(item.by_name)} {what}**, {when(item.at, zone)}: {md(_REASONS.get(item.reason_code, ''))}. "
                f":gray[{md(item.reason)}]"
            )
            evidence.entry_link(item.seq)
            if item.request_id:
                _request_link(item.request_id)
        if state.open:
            _answers(state, view, board, me)


def _answers(state: ReturnReview, view: GateView, board: ModelBoard, me: Actor) -> None:
    room, review = session.control_room(), state.review
    may = room.people.may(me, Permission.STATE_VALUE)
    draft = _draft(board, me) if may else None
    with st.container(horizontal=True):
        st.button(
            "Keep",
            icon=":material/shield:",
            key=f"keep-{review.review_id}",
            disabled=not may,
            help="" if may else "The business owner answers.",
            on_click=forms.open_dialog,
            args=("value-keep", "value"),
            kwargs={"review": review, "longest": view.gate.longest_keep_months},
        )
        st.button(
            "Retire",
            icon=":material/archive:",
            key=f"retire-{review.review_id}",
            disabled=not may or draft is None or bool(draft.blocked_by),
            help="" if may else "The business owner answers.",
            on_click=forms.open_dialog,
            args=("value-retire", "value"),
            kwargs={"review": review, "draft": draft},
        )
    for why in draft.blocked_by if draft else ():
        notices.remark(f"It cannot be retired now: {md(why)}", "block")


def _draft(board: ModelBoard, me: Actor) -> RequestDraft | None:
    """What a retirement would rest on; None where nothing serves or it cannot be read, which is said."""
    live, room = board.statement.live, session.control_room()
    if not live:
        notices.remark("Nothing of it serves, so there is nothing to take out of service.", "block")
        return None
    try:
        return room.approvals.draft(board.value.model, live, actor=me, purpose=Purpose.RETIREMENT)
    except ControlRoomError as away:
        notices.remark(md(f"What a retirement would rest on cannot be read: {away.message}"), "help")
        return None


def _request_link(request_id: str) -> None:
    st.page_link(
        places.path("approvals"),
        label="The request and its signatures",
        icon=":material/signature:",
        query_params={"request": request_id},
        width="content",
    )


def _policy(view: GateView) -> None:
    gate = view.gate
    with parts.card("The gate", md(gate.source), key="gate-policy"):
        parts.facts(
            [
                ("Net benefit a month", f"at least {money(gate.amount, gate.currency)}"),
                ("A review opens after", f"{gate.missed_months} closed months in a row under it"),
                ("Due", f"{gate.review_days} days after it opened"),
                ("Kept at most until", md(rules.after(f"{session.now():%Y-%m}", gate.longest_keep_months))),
            ],
            alt="The gate of the return",
        )


def _retirement(model: str, item: Retirement | None) -> None:
    with parts.card("Out of service", key="value-retirement"):
        if item is None:
            notices.remark(f"{md(model)} is in service; no retirement runs.", "check")
            return
        facts(item)
        _request_link(item.request_id)


def facts(item: Retirement) -> None:
    """State, what was counted, consumers and how long the record is kept."""
    zone, room = session.zone(), session.control_room()
    retired = item.state is RetirementState.RETIRED
    st.markdown(f"{badges.badge(item.state)} {md(item.detail)}")
    counted = ":gray[:material/help: not known]" if item.counted is None else f"{item.counted:,} answered"
    until = f", complete up to {when(item.counted_until, zone)}" if item.counted_until else ""
    rows = [
        ("Reason", md(RETIREMENT_REASONS.get(item.reason_code, item.reason_code))),
        ("Ordered", f"{when(item.ordered_at, zone)}, entry [{item.ordered_seq}](/audit?entry={item.ordered_seq})"),
        ("Off since", when(item.off_since, zone) if item.off_since else ":gray[not read back yet]"),
        ("Counted since", f"{counted}{until}"),
        ("Consumers", md(", ".join(item.consumers)) or ":gray[:material/help: none recorded; not known who reads it]"),
    ]
    if retired:
        kept = room.retirements.kept_until(item)
        rows.append(("Retired", f"{when(item.retired_at, zone)}, entry [{item.seq}](/audit?entry={item.seq})"))
        rows.append(("Record kept until", day(kept) if kept else ":gray[not known]"))
    parts.facts(rows, alt="The retirement")


def banner(model: str) -> None:
    """On the page of a model that is on its way out, or out."""
    item = reads.attempt(
        "the retirement", lambda: session.control_room().retirements.of_model(model), key=f"retirement-{model}"
    )
    if item is None:
        return
    kept = session.control_room().retirements.kept_until(item)
    until = f" Its record is kept until {day(kept)}." if kept else ""
    words = "is retired" if item.state is RetirementState.RETIRED else "is being retired; nothing of it is released"
    st.warning(f"**{md(model)} {words}.** {md(item.detail)}{md(until)}", icon=":material/archive:")


def retired_list() -> None:
    """Above the inventory: what is out of service or on its way, each with the end of its record."""
    room = session.control_room()
    found = reads.attempt("retirements", room.retirements.all, key="retirements") or ()
    shown = [item for item in found if item.state is not RetirementState.STOPPED]
    if not shown:
        return
    with parts.card("Out of service", "retired, and on their way", key="inventory-retired"):
        for item in shown[:12]:
            kept = room.retirements.kept_until(item)
            until = f", record kept until {day(kept)}" if kept else ""
            st.markdown(f"{badges.badge(item.state)} **{md(item.model)}** :gray[{md(item.detail)}{md(until)}]")
        if len(shown) > 12:
            st.caption(f"{len(shown) - 12} more.")
