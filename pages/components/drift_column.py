"""One column in depth: its course with floor and limits, every statistic, before and now, missing and unseen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages.components import address, badges, charts, drift_charts, drift_tables, notices, parts, places, reads
from pages.components.drift_controls import Choice, link
from pages.components.format import count, md, number, percent, short_day
from services.kernel.health import Explanation
from services.monitoring.definitions import DEFINITIONS, Statistic, plainly
from services.monitoring.models import Distribution, DriftView, FeatureDrift
from services.monitoring.verdicts import written


def course(view: DriftView, item: FeatureDrift, choice: Choice) -> None:
    """The chosen statistic over time, with what noise alone reaches and the two limits."""
    definition = DEFINITIONS[choice.statistic]
    note = f"{definition.short} against {choice.against}"
    with parts.card(md(item.title), f"{note}, n = {count(item.latest.n)}" if item.latest else note):
        since = f" Moved since the window to {short_day(item.since)}." if item.since else ""
        st.markdown(f"{badges.badge(item.state)} {md(item.sentence)}{since}")
        if not item.is_compared:
            st.markdown(f"**What to do next.** {md(item.next_step)}")
            st.caption(
                "Until then nobody would notice a shift of this column, so the model is not shown as within its limits."
            )
            st.page_link(places.path("monitors"), label="The monitor", icon=":material/tune:",
                         query_params={"model": view.model}, width="content")  # fmt: skip
            return
        if item.together:
            st.caption(
                f"The common values are told apart; all others, {percent(item.together, 1)} of the reference, are "
                "compared together: a change among those is not seen."
            )
        if not item.series:
            notices.remark(_nothing(item, choice), "help")
            return
        figure = reads.drawn("course", item, f"{choice.key} {parts.ink().paper}", lambda: _course(view, item, choice))
        alt = f"{definition.title} of {item.title} over time with limits and noise floor"
        parts.chart(figure, key="course", alt=alt)
        if choice.statistic is Statistic.KS and item.latest:
            st.caption(f"Read from cells: never too high, too low by at most {number(item.latest.error, 3)}.")
        with st.container(horizontal=True, horizontal_alignment="distribute", key="course-actions"):
            parts.explain(view.explanation, key="explain-drift")
            if address.get("show") != "column":
                st.page_link(
                    places.path("drift"),
                    label="This column in depth",
                    icon=":material/arrow_forward:",
                    icon_position="right",
                    query_params=link(view.model, choice, feature=item.feature, show="column"),
                    width="content",
                )


def _course(view: DriftView, item: FeatureDrift, choice: Choice) -> Any:
    definition = DEFINITIONS[choice.statistic]
    days = [point.day for point in item.series]
    lines = [
        charts.Line(
            name=definition.short,
            x=days,
            y=[point.value for point in item.series],
            label=f"{definition.short} {drift_tables.written(item.series[-1].value, choice.statistic)}",
        ),
        charts.Line(name="Noise floor", x=days, y=[point.floor for point in item.series], style="dots"),
    ]
    limits = []
    if view.limits:
        limits = [
            charts.Limit(value=view.limits.breach, label=f"Breach, {_limit(view.limits.breach, choice)}"),
            charts.Limit(
                value=view.limits.watch, label=f"Watch, {_limit(view.limits.watch, choice)}", severity="watch"
            ),
        ]
    share = definition.share
    return charts.trend(
        lines, parts.ink(), limits=limits, from_zero=True, hover="%{y:.1%}" if share else "%{y:.3f}", right=120,
        y_format=".0%" if share else "",
    )  # fmt: skip


def _limit(value: float, choice: Choice) -> str:
    return written(value, DEFINITIONS[choice.statistic].share)


def _nothing(item: FeatureDrift, choice: Choice) -> str:
    definition = DEFINITIONS[choice.statistic]
    if choice.statistic is Statistic.ALERTS and item.alert_rate is None:
        return "Only the prediction of a model that decides at a recorded threshold has an alert rate."
    if not definition.applies_to(numeric=item.kind != "categorical"):
        kind = "categories" if item.kind == "categorical" else "numbers"
        return f"{definition.title} does not apply to {kind}. Choose another statistic."
    return "No window has predictions to compare yet."


def readings(view: DriftView, item: FeatureDrift) -> None:
    with parts.card("Every statistic of the last window", f"{view.window_days} days"):
        if not item.readings:
            notices.remark("No prediction was recorded in the last window.", "help")
            return
        table = reads.made("readings", item, "", lambda: drift_tables.readings(item))
        parts.table(table, alt=f"Statistics of {item.title}")
        st.caption(_decide([reading.statistic for reading in item.readings if reading.judges]))
        with st.popover("How are these computed?", icon=":material/function:", type="tertiary"):
            for reading in item.readings:
                definition = DEFINITIONS[reading.statistic]
                st.markdown(f"**{md(definition.title)}** :gray[{md(definition.formula)} {md(definition.source)}.]")


def _decide(judging: Sequence[Statistic]) -> str:
    if not judging:
        return "Nothing that the monitor judges by applies to this column; every statistic informs."
    words = plainly(judging)
    verb = "decides" if len(judging) == 1 else "decide"
    return f"{words[:1].upper()}{words[1:]} {verb} the verdict; the others inform."


def before_and_now(view: DriftView, item: FeatureDrift, shape: Distribution | None) -> None:
    note = "" if shape is None else f"{count(shape.reference_n)} before, {count(shape.current_n)} now"
    with parts.card(f"{md(item.title)}, before and now", note):
        if shape is None:
            notices.remark("The distribution cannot be read just now.", "help")
            return
        sides = [("Reference", shape.reference)]
        if shape.previous_n:
            sides.append(("Previous window", shape.previous))
        else:
            sides.append(("Previous window, nothing recorded", ()))
        sides.append(("Current window", shape.current))
        ink = parts.ink()
        figure = reads.drawn("sides", shape, ink.paper, lambda: drift_charts.overlay(shape.bins, sides, ink))
        alt = f"Share per value of {item.title}: reference, previous and current window"
        parts.wide_chart(figure, key="distribution", alt=alt)
        words = f"{md(f'{item.before.words} before, {item.now.words} now.')} " if item.before and item.now else ""
        st.caption(f"{words}Reference: {md(view.reference)}.")
        parts.explain(
            Explanation(
                formula="Share of predictions per bin: deciles of the reference for numbers, values for categories.",
                source=f"Daily counts per cell; reference: {view.reference}",
                window=f"{view.window_days} days up to the last recorded day, and the {view.window_days} days before",
                as_of=view.signal.as_of,
                n=shape.current_n,
            ),
            key="explain-distribution",
        )


def missing(item: FeatureDrift) -> None:
    """Shares of missing and of unseen values over time."""
    now, before = percent(item.missing_current, 1), percent(item.missing_reference, 1)
    with parts.card("Missing and unseen values", f"missing {now} now, {before} in the reference"):
        if not item.missing_series and not item.unseen_series:
            notices.remark("No window has predictions yet.", "help")
            return
        figure = reads.drawn("missing", item, parts.ink().paper, lambda: _missing(item))
        parts.chart(figure, key="missing", alt=f"Share of missing and unseen values of {item.title} over time")
        if item.unseen_series:
            st.caption("Unseen: values that the reference does not list.")


def _missing(item: FeatureDrift) -> Any:
    lines = []
    for name, series in (("Missing", item.missing_series), ("Unseen", item.unseen_series)):
        if series:
            days, shares = zip(*series, strict=True)
            lines.append(charts.Line(name=name, x=days, y=shares, label=f"{name} {percent(shares[-1], 1)}"))
    limits = []
    if item.missing_reference is not None:
        before = percent(item.missing_reference, 1)
        limits = [charts.Limit(value=item.missing_reference, label=f"Reference {before}", severity="plain")]
    return charts.trend(
        lines, parts.ink(), limits=limits, from_zero=True, y_format=".1%", hover="%{y:.2%}", right=130, height=220
    )
