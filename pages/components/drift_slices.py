"""Slices and their mix, and the table of everything that changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import streamlit as st

from pages.components import badges, charts, drift_charts, drift_tables, exporting, notices, parts, places
from pages.components.drift_controls import Choice, link
from pages.components.format import count, md, short_day
from services.kernel.health import Explanation
from services.monitoring.changes import Change
from services.monitoring.definitions import Limits
from services.monitoring.events import Event
from services.monitoring.mix import MixShift
from services.monitoring.models import DriftView, SliceDrift

_MOST = 12
_MOST_EVENTS = 60


def mixes(found: Sequence[MixShift], view: DriftView) -> None:
    """How predictions spread over each splitting column: reference, previous and current window."""
    for mix in found:
        with parts.card(f"Mix of {md(mix.title.lower())}", f"share of predictions, n = {count(mix.n)}"):
            since = f" Moved since the window to {short_day(mix.since)}." if mix.since else ""
            st.markdown(f"{badges.badge(mix.state)} {md(mix.sentence)}{since}")
            shares = mix.shares[:_MOST]
            sides = [
                ("Reference", [share.before for share in shares]),
                ("Previous window", [share.previous for share in shares]),
                ("Current window", [share.now for share in shares]),
            ]
            left, right = st.columns([3, 2])
            with left:
                figure = drift_charts.mix([share.value for share in shares], sides, parts.ink())
                parts.chart(figure, key=f"mix-{mix.column}", alt=f"Share of each {mix.title} before and now")
                if len(mix.shares) > _MOST:
                    st.caption(f"{len(mix.shares) - _MOST} more values changed less.")
            with right:
                _course(mix, view.red_limits)
            st.caption(md(view.red_rule))
            with st.container(horizontal=True, key=f"mix-actions-{mix.column}"):
                parts.explain(_explanation(mix, view), key=f"explain-mix-{mix.column}")
                exporting.popover(
                    f"mix-{mix.column}",
                    partial(drift_tables.mix_exported, mix),
                    note=f"Mix of {mix.title}, {view.window_days} days",
                    as_of=view.signal.as_of,
                )


def _course(mix: MixShift, levels: Limits) -> None:
    if not mix.series:
        return
    days = [point.day for point in mix.series]
    last = mix.series[-1].value
    lines = [
        charts.Line(name="PSI", x=days, y=[point.value for point in mix.series], label=f"PSI {last:.3f}"),
        charts.Line(name="Noise floor", x=days, y=[point.floor for point in mix.series], style="dots"),
    ]
    limits = [
        charts.Limit(value=levels.breach, label=f"Red, {levels.breach:g}"),
        charts.Limit(value=levels.watch, label=f"Amber, {levels.watch:g}", severity="watch"),
    ]
    figure = charts.trend(lines, parts.ink(), limits=limits, from_zero=True, hover="%{y:.3f}", right=100)
    parts.chart(figure, key=f"mix-course-{mix.column}", alt=f"PSI of the mix of {mix.title} over time")


def _explanation(mix: MixShift, view: DriftView) -> Explanation:
    return Explanation(
        formula="Share of a slice = its predictions / all predictions of the window; PSI over the slices of the "
        "reference and every other value together (Siddiqi 2006).",
        source="Daily counts per slice, against the reference window",
        window=f"{view.window_days} days up to the last recorded day, and the {view.window_days} days before",
        as_of=view.signal.as_of,
        n=mix.n,
        note=view.red_rule,
    )


def slices(
    found: Sequence[SliceDrift],
    model: str,
    choice: Choice,
    as_of: datetime | None,
    *,
    uncompared: Sequence[str],
) -> None:
    with parts.card("Drift inside each slice", f"against {choice.against}; gravest first"):
        parts.table(drift_tables.slices(found[:_MOST]), alt="Drift inside each slice")
        st.caption(
            "A slice is judged like the whole, and shares one noise level with all slices: small ones are often grey."
        )
        if uncompared:
            st.caption(f"Left out in every slice, since nothing can be compared: {md(', '.join(uncompared))}.")
        with st.container(horizontal=True, key="slice-links"):
            for item in found[:5]:
                st.page_link(
                    places.path("drift"),
                    label=md(item.slice_key.replace("=", ": ", 1)),
                    query_params=link(model, choice, slice=item.slice_key, feature=item.feature, show="column"),
                    icon=badges.icon(item.state),
                    width="content",
                )
        with st.container(horizontal=True, key="slice-actions"):
            parts.explain(_slices_explanation(found, choice, as_of), key="explain-slices")
            exporting.popover(
                f"slices-{model}",
                lambda: drift_tables.slices_exported(found),
                note=f"Drift of {model} inside slices, {choice.window_days} days against {choice.against}",
                as_of=as_of,
            )


def _slices_explanation(found: Sequence[SliceDrift], choice: Choice, as_of: datetime | None) -> Explanation:
    return Explanation(
        formula="Every column of a slice against the same slice of what it is compared with, by the statistics and "
        "limits of the monitor; a slice is as bad as its worst column. The value is PSI of the first one listed.",
        source=f"Daily counts per slice and cell, against {choice.against}",
        window=f"{choice.window_days} days up to the last recorded day",
        as_of=as_of,
        n=sum(item.n for item in found),
        note="A value has to exceed its limit and the noise floor, whose level is shared by all slices and columns "
        "(Sidak 1967), so that many small slices raise no false alarm. n adds up slices, which may share predictions.",
    )


def events(found: Sequence[Event], model: str, choice: Choice, as_of: datetime | None) -> None:
    """Single days that stand out, with what was different about them."""
    with parts.card("Unusual days", f"last {choice.days} days, newest first"):
        if not found:
            notices.remark("No single day moved further than its column usually moves.")
        else:
            parts.table(drift_tables.events(found[:_MOST_EVENTS]), alt="Unusual days, newest first")
            if len(found) > _MOST_EVENTS:
                st.caption(f"{len(found) - _MOST_EVENTS} earlier ones are in the export.")
        with st.container(horizontal=True, key="event-actions"):
            if found:
                exporting.popover(
                    f"unusual-days-{model}",
                    lambda: drift_tables.events_exported(found),
                    note=f"Unusual days of {model}, last {choice.days} days",
                    as_of=as_of,
                )
            parts.explain(_events_explanation(found, choice, as_of), key="explain-events")


def _events_explanation(found: Sequence[Event], choice: Choice, as_of: datetime | None) -> Explanation:
    return Explanation(
        formula="A day is unusual when its distance exceeds the mean plus three standard deviations of the same "
        "distance over the eight weeks before it, and what noise alone reaches. The first weeks of the record have "
        "none before them: they are held against the eight weeks after, which the table says. Wasserstein in standard "
        "deviations for numbers, PSI for categories.",
        source=f"Daily counts per cell, each day against {choice.against}",
        window=f"Single days, last {choice.days} days",
        as_of=as_of,
        n=found[0].n if found else None,
        note="Explains and does not judge. Rows of one day are not independent (weather is the same for all of them), "
        "so what is usual is taken from the column's own past, as NannyML does.",
    )


def changes(found: Sequence[Change], model: str, choice: Choice, as_of: datetime | None) -> None:
    with parts.card("What changed", f"last {choice.window_days} days against {choice.against}"):
        if not found:
            notices.remark("Nothing is beyond its limit: columns, missing and unseen values, mix, volume, versions.")
            return
        parts.table(drift_tables.changes(found), alt="What changed, from and to, since when")
        with st.container(horizontal=True, key="change-actions"):
            parts.explain(_changes_explanation(found, choice, as_of), key="explain-changes")
            exporting.popover(
                f"what-changed-{model}",
                lambda: drift_tables.changes_exported(found),
                note=f"What changed for {model}, {choice.window_days} days against {choice.against}",
                as_of=as_of,
            )
            with st.popover("In words", icon=":material/notes:", type="tertiary"):
                for change in found:
                    st.markdown(f"{badges.mark(change.state)} **{md(change.subject)}**: {md(change.sentence)}")


def _changes_explanation(found: Sequence[Change], choice: Choice, as_of: datetime | None) -> Explanation:
    return Explanation(
        formula="Columns, missing and unseen values: beyond their limit and the noise floor, as the column's own page "
        "says. Mix: PSI over the slices. Volume: under half or over twice the median of the four windows before, and "
        "outside what any of them had. Version: began or stopped to serve. Schema: columns of a day against those of "
        "the day before.",
        source="Daily counts per cell and slice, predictions by version, and columns of recorded files",
        window=f"{choice.window_days} days up to the last recorded day against {choice.against}; schema 30 days",
        as_of=as_of,
        n=len(found),
        note="n counts changes; each sentence (In words) names its own observations. Nothing that stayed the same is "
        "listed, and a column with too few observations cannot be said to have stayed.",
    )
