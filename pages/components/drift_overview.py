"""The model at a glance: verdict, code red, columns against time, and the list of what moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import streamlit as st

from pages.components import badges, charts, drift_charts, drift_tables, notices, parts, places, reads
from pages.components.drift_charts import Cell
from pages.components.drift_controls import Choice, link
from pages.components.format import NOTHING, count, md, short_day
from services.kernel.health import Health
from services.monitoring.definitions import DEFINITIONS, Statistic
from services.monitoring.models import DriftPoint, DriftView, FeatureDrift
from services.monitoring.verdicts import ALERT_OF, ALERT_WINDOWS, written

MOST_ROWS = 25
MOST_MOVERS = 14
_CODE = {
    Health.BREACH: "Code red",
    Health.WATCH: "Amber",
    Health.HEALTHY: "No code red",
    Health.UNKNOWN: "Cannot be said",
}
_TOLD = frozenset({Health.WATCH, Health.BREACH})


def tiles(view: DriftView) -> None:
    left, middle, right = st.columns(3)
    with left:
        value = drift_tables.written(view.signal.value, Statistic.PSI)
        parts.signal_tile(f"Drift, {view.window_days} days", view.signal, f"{view.signal.unit} {value}")
    with middle:
        if view.code_red is None:
            parts.tile("Code red", NOTHING, _no_code(view))
        else:
            parts.signal_tile("Code red", view.code_red, _CODE[view.code_red.state])
    with right:
        limits = view.limits
        share = DEFINITIONS[view.statistic].share
        bounds = (
            f"watch from {written(limits.watch, share)}, breach from {written(limits.breach, share)}" if limits else ""
        )
        sustained = sum(item.sustained for item in view.features)
        parts.tile(
            "Columns that moved",
            f"{drift_tables.moved(view.features)} of {len(view.features) - len(view.uncompared)}",
            f"{bounds}; {sustained} red in {ALERT_WINDOWS} of the last {ALERT_OF} windows{_silent(view)}",
        )


def _silent(view: DriftView) -> str:
    return f"; {len(view.uncompared)} cannot be compared" if view.uncompared else ""


def _no_code(view: DriftView) -> str:
    if view.slice_key or view.version or view.versus.value != "reference":
        return "judged over everything, against the reference"
    return "no column and no mix is named to be watched that closely"


def one_window(view: DriftView, choice: Choice, day: date) -> None:
    """The window that somebody came for, as from the picture of all models: what had moved in it."""
    found = [
        (item, point, state)
        for item in view.features
        for point in item.series
        for on, state in item.history
        if on == point.day == day
    ]
    moved = [one for one in found if one[2] in {Health.WATCH, Health.BREACH}]
    with parts.card(
        f"Window to {short_day(day)}", f"{len(moved)} of {len(found)} columns moved, against {choice.against}"
    ):
        for item, point, state in sorted(moved, key=lambda one: (one[2] is not Health.BREACH, -one[1].value))[
            :MOST_MOVERS
        ]:
            value = drift_tables.written(point.value, choice.statistic)
            short = DEFINITIONS[choice.statistic].short
            st.markdown(
                f"{badges.badge(state)} **{md(item.title)}** {short} {value} "
                f":gray[n = {count(point.n)}, noise floor {drift_tables.written(point.floor, choice.statistic)}]"
            )
        red = next((one for one in view.red_windows if one.day == day and one.state in _TOLD), None)
        if red is not None:
            st.markdown(f"{badges.badge(red.state)} **{_CODE[red.state]}**: {md(', '.join(red.titles))}")
        if not moved:
            unknown = sum(state is Health.UNKNOWN for _, _, state in found)
            too_few = f" {unknown} of them had too few observations to say." if unknown else ""
            notices.remark(f"No column moved in this window.{too_few}", "help" if unknown else "check_circle")
        if view.uncompared:
            st.caption(f"Cannot be compared in any window: {md(', '.join(item.title for item in view.uncompared))}.")
        st.page_link(
            places.path("drift"), label="Without this window", query_params=link(view.model, choice),
            icon=":material/close:", width="content",
        )  # fmt: skip


def heat_map(view: DriftView, choice: Choice, day: date | None = None) -> None:
    definition = DEFINITIONS[choice.statistic]
    rows = [item for item in view.features[:MOST_ROWS] if item.series or (item.history and not item.is_compared)]
    with parts.card("Columns over time", f"{definition.short} against {choice.against}; worst first"):
        if not rows:
            notices.remark(f"{definition.title} has no value for any column in this range.", "help")
            return
        parts.wide_chart(
            reads.drawn("heat", view, f"{choice.key} {day} {parts.ink().paper}", lambda: _heat(rows, choice, day)),
            key="heat",
            alt=f"State of each column in each window by {definition.title}; the table below names the last states",
        )
        ink = drift_charts.state_colours(parts.ink())
        legend = " ".join(f"{badges.mark(state)} {drift_charts.WORDS[state]}" for state in ink)
        hidden = len(view.features) - len(rows)
        more = f" {hidden} more columns are quieter, or have no {definition.short}." if hidden > 0 else ""
        st.caption(f"From pale to strong: {legend}. Empty: no predictions. Point at a cell for its numbers.{more}")
        parts.explain(view.explanation, key="explain-heat")


def _heat(rows: Sequence[FeatureDrift], choice: Choice, day: date | None) -> Any:
    cells = [
        (item.title, [_cell(point, choice) for point in item.series] if item.is_compared else _grey(item))
        for item in rows
    ]
    return drift_charts.heat(cells, parts.ink(), marked=day)


def _grey(item: FeatureDrift) -> list[Cell]:
    """Of a column that cannot be compared: a row that is not empty, since predictions were there."""
    return [
        Cell(day=day, state=state, value=0.0, words=f"Window to {short_day(day)}: cannot be compared")
        for day, state in item.history
    ]


def _cell(point: DriftPoint, choice: Choice) -> Cell:
    short = DEFINITIONS[choice.statistic].short
    value = drift_tables.written(point.value, choice.statistic)
    floor = drift_tables.written(point.floor, choice.statistic)
    words = f"Window to {short_day(point.day)}: {short} {value}, {drift_charts.WORDS[point.state]}. "
    words += f"n = {count(point.n)}, noise floor {floor}"
    return Cell(day=point.day, state=point.state, value=point.value, words=words)


def movers(view: DriftView, chosen: FeatureDrift, choice: Choice) -> None:
    with parts.card("What moved", "worst first"):
        for item in view.features[:MOST_MOVERS]:
            if item.before and item.now and item.state in {Health.WATCH, Health.BREACH}:
                with st.container(gap=None, key=f"mover-{item.feature}"):
                    _mover(view, item, choice, is_chosen=item is chosen)
                    st.caption(f"{md(item.before.words)} → {md(item.now.words)}")
            elif not item.is_compared:
                with st.container(gap=None, key=f"mover-{item.feature}"):
                    _mover(view, item, choice, is_chosen=item is chosen)
                    st.caption(md(item.sentence))
            else:
                _mover(view, item, choice, is_chosen=item is chosen)
        if len(view.features) > MOST_MOVERS:
            st.caption(f"{len(view.features) - MOST_MOVERS} more columns have moved less than these.")


def _mover(view: DriftView, item: FeatureDrift, choice: Choice, *, is_chosen: bool) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.page_link(
            places.path("drift"),
            label=f"**{md(item.title)}**" if is_chosen else md(item.title),
            query_params=link(view.model, choice, feature=item.feature),
            icon=badges.icon(item.state),
            width="content",
        )
        value = drift_tables.written(item.latest.value if item.latest else None, choice.statistic)
        shown = f"{badges.word(item.state)} {value}" if item.is_compared else badges.word(item.state)
        st.markdown(badges.badge(item.state, shown), width="content")


def alert_rate(view: DriftView, choice: Choice) -> None:
    """How often the model says yes; nothing for a model that does not decide at a threshold."""
    item = next((item for item in view.features if item.alert_rate is not None), None)
    if item is None or item.alert_rate is None:
        return
    found = item.alert_rate
    rate = f"{found.now.value:.1%}" if found.now else NOTHING
    with parts.card("Alert rate", f"share of predictions at or above {found.threshold:g}, against {choice.against}"):
        interval = f" (95 % {found.now.low:.1%} to {found.now.high:.1%})" if found.now else ""
        before = f"{found.before:.1%}" if found.before is not None else NOTHING
        floor = f"{found.floor * 100:.1f} points" if found.floor is not None else NOTHING
        st.markdown(
            f"{badges.badge(found.state)} **{rate}**{interval} now, {before} before. :gray[n = {count(found.n)} now "
            f"and {count(found.m)} before; chance alone moves it by up to {floor}.]"
        )
        reading = next((one for one in item.readings if one.statistic is Statistic.ALERTS), None)
        if reading is not None:
            st.caption(md(reading.sentence))
        if found.series:
            days = [day for day, _, _ in found.series]
            lines = [
                charts.Line(name="Now", x=days, y=[now for _, now, _ in found.series], label=rate),
                charts.Line(name="Before", x=days, y=[was for _, _, was in found.series], style="dots"),
            ]
            figure = charts.trend(
                lines, parts.ink(), limits=[], from_zero=True, hover="%{y:.1%}", right=80, y_format=".0%"
            )
            parts.chart(figure, key="alert-rate", alt="Alert rate of each window beside what it is compared with")
        definition = DEFINITIONS[Statistic.ALERTS]
        explanation = replace(view.explanation, formula=definition.formula, n=found.n)
        parts.explain(explanation, key="explain-alert-rate")
