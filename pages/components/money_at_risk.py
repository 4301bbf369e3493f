"""Money a day behind a level that is watched: a range with its formula and weakest assumption, or that nobody knows."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.components import notices, parts, places, reads, session
from pages.components.format import md, money
from services.kernel.health import Health
from services.kernel.identity import Permission
from services.oversight.impact import BREACH, PERFORMANCE, WATCH, Impact, ThresholdImpact

_LEVELS = {Health.WATCH: WATCH, Health.BREACH: BREACH}


def read(model: str) -> Impact | None:
    """None when this person may not see value, or when it cannot be read, which is then said."""
    room = session.control_room()
    if not room.people.may(session.signed_in(), Permission.VIEW_VALUE):
        return None
    return reads.attempt(
        "money at risk",
        lambda: reads.kept("impact", model, room.board.mark(model), lambda: room.oversight.impact(model)),
        key=f"impact-{model}",
    )


def span(line: ThresholdImpact, currency: str) -> str:
    ends = f"{money(line.low, currency, 2)} to {money(line.high, currency, 2)}"
    return f"{ends} a day, {money(line.base, currency, 2)} at the base"


def drift(model: str, found: Impact | None, *, statistic: str, state: Health) -> None:
    """Both levels of the statistic that is looked at; the one that fired is said first."""
    if found is None:
        return
    with parts.card("Money at risk", "a day, from the level on", key="money-at-risk"):
        if found.problem:
            unknown(model, found)
            return
        rows = [line for level in (WATCH, BREACH) if (line := found.of(statistic, level)) is not None]
        if not rows:
            notices.remark("This statistic only informs: it has no level, so nothing fires.", "help")
            return
        fired = found.of(statistic, _LEVELS.get(state, ""))
        if fired is not None:
            st.markdown(f"**At risk now, {fired.level}:** {md(span(fired, found.currency))}, {_paid(found)}.")
        _table(rows, found)


def performance(model: str, found: Impact | None, *, state: Health) -> None:
    if found is None:
        return
    with parts.card("Money at risk", "a day, when performance breaches", key="money-at-risk"):
        line = found.of(PERFORMANCE, BREACH)
        if found.problem or line is None:
            unknown(model, found)
            return
        if state is Health.BREACH:
            st.markdown(f"**At risk now:** {md(span(line, found.currency))}, {_paid(found)}.")
        _table([line], found)


def promises(model: str) -> None:
    """What a missed promise takes away a day; nothing for somebody who may not see value."""
    found = read(model)
    if found is None:
        return
    with parts.card("Money at risk", "a day, at the limit of each promise", key="money-at-risk"):
        rows = [line for line in found.lines if not line.statistic]
        if found.problem:
            unknown(model, found)
        elif rows:
            _table(rows, found)
        else:
            notices.remark("Nothing is promised for this model, so nothing can be missed.", "help")


def line_of(found: Impact | None, *, statistic: str, state: Health) -> str:
    """What the level that fired puts at risk, in one line; empty where nothing fired."""
    if found is None or state not in _LEVELS:
        return ""
    if found.problem:
        return "Money at risk is not known: nobody stated what a decision is worth."
    fired = found.of(statistic, _LEVELS[state])
    return f"At risk: {span(fired, found.currency)}." if fired else ""


def while_it_lasts(model: str) -> str:
    """What a day of the model brings, all of it, for something that stops it; our Markdown."""
    found = read(model)
    if found is None:
        return ""
    line = found.of(PERFORMANCE, BREACH)
    if found.problem or line is None:
        return f":gray[:material/help: {md(found.problem)}]"
    return f"{md(span(line, found.currency))} :gray[while the model serves nobody or is wrong; {md(line.formula)}]"


def unknown(model: str, found: Impact) -> None:
    """Unknown is not nothing, and the way to where somebody can state it."""
    notices.remark(md(found.problem), "help")
    if found.stated:
        st.markdown(f":gray[Stated by hand: {md(found.stated)}.]")
    state_it(model)


def state_it(model: str) -> None:
    st.page_link(
        places.path("value"),
        label="State what a decision is worth",
        icon=":material/payments:",
        query_params={"model": model, "show": "statement"},
        width="content",
    )


def _table(rows: list[ThresholdImpact], found: Impact) -> None:
    currency = found.currency
    frame = pd.DataFrame(
        [
            (
                md(line.title),
                md(line.limit),
                money(line.low, currency, 2),
                f"**{money(line.base, currency, 2)}**",
                money(line.high, currency, 2),
                md(line.weakest),
            )
            for line in rows
        ],
        columns=["Level", "From", "Low", "Base", "High", "Weakest assumption"],
    )
    parts.table(frame, alt="Money at risk a day")
    st.markdown(f":gray[:material/person: A breach is {_paid(found)}.]")
    for line in rows:
        st.caption(md(f"{line.title}: {line.formula}."))
    if found.stated:
        st.caption(md(f"Stated by hand beside it: {found.stated}."))
    if found.explanation is not None:
        parts.explain(found.explanation, key="explain-at-risk")


def _paid(found: Impact) -> str:
    return f"paid by {md(found.payer)}" if found.payer else ":orange[nobody is named who pays]"
