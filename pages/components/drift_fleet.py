"""All models against time from stored verdicts: where to look first, and the way there. No sketch is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import plotly.graph_objects as go
import streamlit as st

from pages.components import (
    address,
    badges,
    drift_charts,
    exporting,
    money_at_risk,
    notices,
    parts,
    places,
    reads,
    session,
)
from pages.components.drift_charts import Cell
from pages.components.format import age, count, md, plural, short_day
from services.kernel.health import Explanation, Health
from services.monitoring.definitions import Statistic
from services.monitoring.fleet import DriftVerdict, FleetRow

PAGE_SIZE = 40
_LINKS = 12
_OF_ONE_MODEL = ("show", "page", "feature", "slice", "version", "window", "versus", "statistic", "days")
"""Parameters that would show another picture of the model than the one its verdict rests on."""


def show(found: Sequence[FleetRow]) -> None:
    if not found:
        notices.empty("No model here yet", "The registry has none.", page="inventory", link="Models")
        return
    today = session.now().date()
    _headline(found, today)
    start = (address.number("page", 1, low=1, high=max(1, -(-len(found) // PAGE_SIZE))) - 1) * PAGE_SIZE
    shown = found[start : start + PAGE_SIZE]
    with parts.card("Models over time", "one verdict per model and window; the gravest first"):
        rows = [row for row in shown if row.verdicts]
        if rows:
            _picture(rows, found, start)
        silent = [row.model for row in shown if not row.verdicts]
        if silent:
            names = md(", ".join(silent[:8])) + (f" and {len(silent) - 8} more" if len(silent) > 8 else "")
            st.caption(f":material/help: Never judged, so nothing is known about their drift: {names}.")
        with st.container(horizontal=True):
            exporting.popover(
                "drift-of-all-models",
                lambda: exported(found),
                note="Drift of all models, one verdict per model and window",
                as_of=min((row.judged_at for row in found if row.judged_at), default=None),
            )
            parts.explain(_explanation(found), key="explain-fleet")
        parts.paging(len(found), PAGE_SIZE, key="fleet")
    _links(shown, today)


def exported(found: Sequence[FleetRow]) -> list[dict[str, object]]:
    """Every verdict; a model that was never judged has one line without a window, as unknown."""
    return [
        {
            "model": row.model,
            "window_to": item.day.isoformat() if item else "",
            "window_days": row.window_days,
            "state": (item.state if item else Health.UNKNOWN).value,
            "columns_moved": item.moved if item else None,
            "columns_judged": item.judged if item else None,
            "predictions": item.n if item else None,
            "first_column": item.feature if item else "",
            "judged_at": row.judged_at.isoformat() if row.judged_at else "",
        }
        for row in found
        for item in (row.verdicts or (None,))
    ]


def _headline(found: Sequence[FleetRow], today: date) -> None:
    states = [row.state(today) for row in found]
    words = " ".join(
        f"{badges.mark(state)} {states.count(state)} {drift_charts.WORDS[state]}" for state in reversed(list(Health))
    )
    waiting = sum(not row.is_current for row in found)
    note = (
        f" :gray[{plural(waiting, 'model')} will be judged again by the next round of the worker.]" if waiting else ""
    )
    st.markdown(f"{words}{note}")


def _picture(rows: Sequence[FleetRow], found: Sequence[FleetRow], start: int) -> None:
    """`rows` are those of the page of `found` that begins at `start`."""
    figure = reads.drawn("fleet", found, f"{start} {parts.ink().paper}", lambda: _heat(rows))
    with st.container(key="wide-fleet"):
        st.plotly_chart(
            figure,
            key="fleet-heat",
            on_select=_open,
            selection_mode="points",
            config=parts.CHART_CONFIG,
            alt="Drift of each model in each window; the links below lead to the models",
        )
    ink = drift_charts.state_colours(parts.ink())
    legend = " ".join(f"{badges.mark(state)} {drift_charts.WORDS[state]}" for state in ink)
    st.caption(f"From pale to strong: {legend}. Empty: no predictions. Click a cell to open its model at that window.")


def _heat(rows: Sequence[FleetRow]) -> go.Figure:
    cells = [(row.model, [_cell(item) for item in row.verdicts]) for row in rows]
    return drift_charts.heat(cells, parts.ink(), clicked=True)


def _open() -> None:
    chosen = st.session_state.get("fleet-heat")
    points = chosen["selection"]["points"] if chosen else []
    if points and (found := points[0].get("customdata")):
        name, day = found
        address.put(**dict.fromkeys(_OF_ONE_MODEL, ""), model=str(name), day=str(day))


def _cell(item: DriftVerdict) -> Cell:
    first = f" First: {item.title}." if item.title else ""
    words = (
        f"Window to {short_day(item.day)}: {drift_charts.WORDS[item.state]}, {item.moved} of {item.judged} columns "
        f"moved, n = {count(item.n)}.{first}"
    )
    return Cell(day=item.day, state=item.state, value=float(item.moved), words=words)


def _links(shown: Sequence[FleetRow], today: date) -> None:
    with parts.card("Open a model", "in the same order"):
        for number, row in enumerate(shown[:_LINKS]):
            newest, state = row.newest, row.state(today)
            with st.container(gap=None, key=f"fleet-{number}"):
                st.page_link(
                    places.path("drift"),
                    label=md(row.model),
                    icon=badges.icon(state),
                    query_params={"model": row.model},
                    width="content",
                )
                if newest is None:
                    st.caption("Never judged: no reference window, or no prediction is recorded.")
                    continue
                first = f", first {md(newest.title)}" if newest.title else ""
                judged = f", judged {age(row.judged_at, session.now())}" if row.judged_at else ""
                st.caption(
                    f"{newest.moved} of {newest.judged} columns moved in the window to {short_day(newest.day)}{first}"
                    f"{judged}"
                )
                if state in {Health.WATCH, Health.BREACH}:
                    found = money_at_risk.read(row.model)
                    at_risk = money_at_risk.line_of(found, statistic=Statistic.PSI.value, state=state)
                    if at_risk:
                        st.caption(f":material/payments: {md(at_risk)}")


def _explanation(found: Sequence[FleetRow]) -> Explanation:
    judged = [row.judged_at for row in found if row.judged_at]
    lengths = sorted({row.window_days for row in found if row.window_days})
    return Explanation(
        formula="Red where a column is red in two of the last three windows, amber where one moved, grey where one "
        "cannot be judged and none moved, else within its limits. Code red and its amber count beside the columns.",
        source="Verdicts that the worker stored when the figures of a model last changed",
        window=f"{', '.join(map(str, lengths)) or 'no'} days, ending on each recorded day; last 90 days",
        as_of=min(judged, default=None),
        n=None,
        note="As of the verdict that was made longest ago. Each model is judged as on its own screen.",
    )
